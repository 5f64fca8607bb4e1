"""`up`: everything for a first look, of one's own and on this machine, until Ctrl-C.

It is a parent of processes and a reader of the journal. What it starts is what a deployment starts:
the web server and the workers as they are, on the app that the command found.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import httpx
from flask import Flask
from flask.cli import ScriptInfo
from redis.exceptions import RedisError

from ..errors import ReceiverError
from ..store.queue import QUEUES
from . import environment
from .folder import Folder
from .parts import Parts, Stopped
from .ports import HOST, port_of, take_port
from .provider_api import ProviderApi, serving
from .redis import EmbeddedRedis
from .screen import Screen, Trouble
from .welcome import Welcome, of_simulation

WEB = "web server"
WORKERS = "supervisor of the workers"

_PYTHON = (sys.executable, "-P")  # no module of the folder may stand before ours
_THREADS = "3"
_LOOK_SECONDS = 0.2
_START_SECONDS = 30.0
_PROBE_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was asked for; without ``port``, any will do where ``usual_port`` is taken.

    ``simulate``: a simulated provider takes what the accounts of the environment send.
    """

    port: int | None
    usual_port: int
    processes: int
    simulate: bool = False


class Up:
    """One run, in one folder; ``info`` finds the app."""

    def __init__(self, folder: Folder, options: Options, info: ScriptInfo) -> None:
        self._folder = folder
        self._options = options
        self._info = info
        self._redis = EmbeddedRedis(folder)
        self._parts = Parts()
        self._api: ProviderApi | None = None
        self._filled_in: dict[str, str] = {}
        self._changed: dict[str, str] = {}
        self._base = ""
        self._command = environment.own_command(info)
        self._port_note: str | None = None
        self._since = datetime.now(UTC)

    def run(self) -> None:
        """Start everything, show what comes, stop everything; raises `ReceiverError`."""
        if importlib.util.find_spec("granian") is None:
            raise ReceiverError("there is no web server: pip install 'sms-receiver[serve]'")
        with ExitStack() as stack:
            stack.enter_context(_signals(self._parts))
            if self._info.create_app is None:
                environment.offer_redis(self._info.load_app(), self._redis.url)
            lock = self._folder.lock()
            stack.callback(self._folder.unlock)
            if self._info.create_app is not None:
                self._fill_in(stack)
            elif self._options.simulate:
                self._simulate(stack, environment.settings())
            app = self._info.load_app()
            held, self._port_note = take_port(self._options.port, self._options.usual_port)
            stack.enter_context(held)
            stack.enter_context(self._parts)
            with suppress(Stopped):
                self._start(app, lock, port_of(held))
                self._show(app)
            click.echo("\nStopping …")
        click.echo("Stopped.")

    def _fill_in(self, stack: ExitStack) -> None:
        """Set what is not set; demo accounts have a simulated provider."""
        config = environment.given()
        if self._options.simulate and "RECEIVER_ACCOUNTS" in config:
            self._simulate(stack, config)
        api_url = None
        if "RECEIVER_ACCOUNTS" not in config:
            keys = self._folder.keys()["accounts"].items()
            api_url = self._serve(stack, {n: {k["api_key"]: k["api_secret"]} for n, k in keys})
        self._filled_in = environment.missing(config, self._folder, self._redis.url, api_url)
        os.environ.update(self._filled_in)

    def _simulate(self, stack: ExitStack, config: Mapping[str, Any]) -> None:
        accounts = environment.accounts(config)
        api_url = self._serve(stack, environment.credentials(accounts))
        self._changed = environment.sending_to(api_url, accounts)
        os.environ.update(self._changed)

    def _serve(self, stack: ExitStack, credentials: Mapping[str, Mapping[str, str]]) -> str:
        self._api = ProviderApi(credentials)
        return stack.enter_context(serving(self._api))

    def _start(self, app: Flask, lock: int, port: int) -> None:
        """Start the processes, and wait until a callback would find its handler."""
        click.echo("Starting …")
        if app.extensions["receiver"].settings.redis_url == self._redis.url:
            self._redis.start(self._parts, lock)
            self._filled_in.setdefault(environment.REDIS, self._redis.url)
        else:
            _check_redis(app)
        self._base = f"http://{HOST}:{port}"
        env = environment.of_children(self._info)
        self._parts.start(WEB, self._web(port), log=self._log("web"), env=env)
        self._parts.start(WORKERS, self._worker(), log=self._log("workers"), env=env)
        prefix = app.extensions["receiver"].settings.url_prefix
        for ready, what in (
            (lambda: _answers(f"{self._base}{prefix}/up"), "the web server does not answer"),
            (lambda: _workers_are_there(app), "the workers do not begin"),
        ):
            self._parts.wait_until(ready, what, _START_SECONDS)

    def _web(self, port: int) -> list[str]:
        target = "mounted_app" if self._info.create_app is None else "standalone_app"
        command = [*_PYTHON, "-m", "granian", "--interface", "wsgi", "--host", HOST]
        command += ["--port", str(port), "--no-ws", "--blocking-threads", _THREADS]
        return [*command, "--factory", f"receiver.dev.serve:{target}"]

    def _worker(self) -> list[str]:
        ours = ["-c", "from receiver.standalone import main; main()"]
        command = ["-m", "flask", "receiver"] if self._info.create_app is None else ours
        return [*_PYTHON, *command, "worker", "--processes", str(self._options.processes)]

    def _show(self, app: Flask) -> None:
        """Print how to begin, then whatever happens, until told to stop."""
        ours = environment.INBOX in self._filled_in
        password = self._folder.keys()["inbox"]["password"] if ours else None
        welcome = Welcome(app, self._base, self._command, password)
        self._folder.announce(
            welcome.announcement(), environment.as_shell(self._filled_in, self._changed)
        )
        welcome.show(self._all_notes(app))
        sent = None if self._api is None else self._api.sent
        views: list[Screen | Trouble] = [
            Trouble("web", self._log("web"), serious=False),
            Screen(app.extensions["receiver"].journal, sent, self._since),
            Trouble("workers", self._log("workers"), serious=True),
        ]
        while not self._parts.stopping.wait(_LOOK_SECONDS):
            self._parts.check()
            with suppress(RedisError):  # where it is ours and dead, the next look says so
                for view in views:
                    view.show()

    def _all_notes(self, app: Flask) -> Iterator[str]:
        if self._port_note is not None:
            yield self._port_note
        if "FLASK_RECEIVER_HANDLERS" in self._filled_in:
            yield "A built-in handler answers: put your own into handlers/, one file each."
        if self._api is not None:
            yield from of_simulation(app.extensions["receiver"].settings.accounts.values())
        else:
            yield "Replies are real SMS, sent through the API of each account."
        folder = self._folder.path
        yield f"{folder}/ keeps keys, data and logs: the URLs will be the same the next time."
        if self._filled_in:
            yield f"Other commands need its settings first:  . {folder}/env; {self._command} events"

    def _log(self, name: str) -> Path:
        return self._folder.path / f"{name}.log"


def _answers(url: str) -> bool:
    """Tell whether anything answers, whatever it is: there is no such account."""
    try:
        httpx.get(url, timeout=_PROBE_SECONDS, trust_env=False)
    except httpx.HTTPError:
        return False
    return True


def _check_redis(app: Flask) -> None:
    try:
        app.extensions["receiver"].connection.client.ping()
    except RedisError as error:
        raise ReceiverError(
            f"the Redis of RECEIVER_REDIS_URL does not answer ({type(error).__name__}):"
            " start it, or leave the setting out to have one embedded"
        ) from error


def _workers_are_there(app: Flask) -> bool:
    parts = app.extensions["receiver"]
    keys = [f"rq:workers:{parts.jobs.queue(queue)}" for queue in QUEUES]
    try:
        return all(parts.connection.client.scard(key) for key in keys)
    except RedisError:
        return False


@contextmanager
def _signals(parts: Parts) -> Iterator[None]:
    """Stop on Ctrl-C, on SIGTERM and when the terminal closes; at once on the second."""

    def stop(*_: object) -> None:
        parts.hurry = parts.stopping.is_set()
        parts.stopping.set()

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup means it
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
