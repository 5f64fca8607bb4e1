"""Who keeps the workers alive: one process for each queue, replaced when it dies.

The supervisor runs no handler. It queues what is due, sweeps, drains the spool of its host, and
ends with its workers: SIGTERM lets each finish the job at hand.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from uuid import uuid4

from flask import Flask
from redis.exceptions import RedisError

from .clerk import ALIVE_SECONDS, Clerk
from .errors import ConfigurationError
from .store.connection import Connection
from .store.levels import Level
from .store.queue import QUEUES
from .sweeper import Sweeper
from .traces import flush
from .worker import HEARTBEAT_SECONDS, Worker

_TICK_SECONDS = 0.5
_RESTART_SECONDS = 1.0
_BEATS_AFTER_OUTAGE = 2
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_CONFIGURATION = 78  # sysexits: a worker that ends so is not started again

_log = logging.getLogger(__name__)


class Supervisor:
    """Keep ``processes`` workers for each queue alive, and run what is due, until told to stop."""

    def __init__(self, app: Flask, processes: int = 1) -> None:
        parts = app.extensions["receiver"]
        self._app = app
        self._wanted = [queue for queue in QUEUES for _ in range(processes)]
        self._children: dict[int, tuple[str, str]] = {}
        self._connection: Connection = parts.connection.slow(ALIVE_SECONDS / 3)
        retention = parts.settings.retention
        self._clerks = [
            Clerk(self._connection, parts.jobs, queue, "supervisor", retention) for queue in QUEUES
        ]
        self._sweeper = Sweeper(
            self._connection, parts.jobs, parts.settings.retentions, parts.settings.raw_retention
        )
        self._chores = parts.chores
        self._level = Level(self._connection, parts.jobs)
        self._tally = parts.tally
        self._spool_watch = parts.intake.watch_spool
        self._stopping = threading.Event()
        self._signals = 0
        self._redis_away = False
        self._patience = 0  # beats until silent workers are taken for dead
        self.refused = False  # whether a worker found the handlers to be misconfigured

    def run(self) -> None:
        """Start the workers and watch them; returns when all have finished their job."""
        for number in _SIGNALS:
            signal.signal(number, self._on_signal)
        for queue in self._wanted:
            self._start(queue)
        beats = 0
        while not self._stopping.wait(_TICK_SECONDS):
            self._reap()
            beats += 1
            self._tick(beat=beats % int(HEARTBEAT_SECONDS / _TICK_SECONDS) == 0)
        self._finish()

    def _on_signal(self, *_: object) -> None:
        """Stop on the first signal; on the second, do not wait for handlers either."""
        self._signals += 1
        self._stopping.set()
        number = signal.SIGTERM if self._signals == 1 else signal.SIGKILL
        for pid in list(self._children):
            os.kill(pid, number)

    def _start(self, queue: str) -> None:
        name = uuid4().hex
        # held back over the fork: our signal handlers must not run in the child
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        pid = os.fork()
        if pid == 0:
            os._exit(_work_in_child(self._app, queue, name))
        self._children[pid] = (queue, name)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        if self._stopping.is_set():  # the signal came before this worker did
            os.kill(pid, signal.SIGTERM)

    def _reap(self) -> None:
        """Replace workers that died; their claims go back at once."""
        for pid, (queue, name) in list(self._children.items()):
            found, status = os.waitpid(pid, os.WNOHANG)
            if not found:
                continue
            del self._children[pid]
            exit_code = os.waitstatus_to_exitcode(status)  # below 0: the signal that killed it
            _log.error("event=worker_died queue=%s exit=%d", queue, exit_code)
            self._forget(name)
            if exit_code == _CONFIGURATION:
                self._on_signal()
                self.refused = True
                return
            if not self._stopping.wait(_RESTART_SECONDS):
                self._start(queue)

    def _forget(self, name: str) -> None:
        try:
            self._connection.client.delete(f"rq:worker:{name}")
            self._clerks[0].release_orphans()
        except RedisError as error:
            _log.error("event=redis_away error=%s", type(error).__name__)

    def _tick(self, *, beat: bool) -> None:
        """Queue what is due; now and then vouch for the workers and look for what is lost."""
        if beat:
            self._spool_watch()
        try:
            for clerk in self._clerks:
                clerk.release_due()
            if beat:
                self._look_around()
            self._redis_away = False
        except RedisError as error:
            if not self._redis_away:  # once, and not twice a second
                _log.error("event=redis_away error=%s", type(error).__name__)
            self._redis_away = True
            self._patience = _BEATS_AFTER_OUTAGE

    def _look_around(self) -> None:
        """Vouch for our workers, and look for jobs of those that nobody vouches for.

        After an outage all have been silent for long: first each host vouches for its own.
        """
        client = self._connection.client
        for _, name in self._children.values():
            key = f"rq:worker:{name}"
            if not client.expire(key, ALIVE_SECONDS):
                client.hset(key, "name", name)
                client.expire(key, ALIVE_SECONDS)
        if self._patience:
            self._patience -= 1
            return
        self._clerks[0].release_orphans()
        self._sweeper.sweep_when_due(str(os.getpid()))
        self._chores.queue_due()
        self._sample()

    def _sample(self) -> None:
        """Note for the charts how much waits; all supervisors may, the most counts."""
        levels = self._level.read()
        for queue in QUEUES:
            self._tally.sample("backlog", levels.backlog[queue], queue=queue)
            self._tally.sample("backlog_oldest_seconds", levels.oldest[queue], queue=queue)

    def _finish(self) -> None:
        for pid in list(self._children):
            os.waitpid(pid, 0)
        _log.info("event=workers_stopped")


def _work_in_child(app: Flask, queue: str, name: str) -> int:
    """Be one worker process; gives its exit status."""
    worker = Worker(app, [queue], name)
    signal.signal(signal.SIGTERM, worker.stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the supervisor, which asks us
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    try:
        worker.work()
    except ConfigurationError as error:
        _log.error("event=worker_refused reason=%r", str(error))
        return _CONFIGURATION
    except Exception as error:  # noqa: BLE001 - the top of the process
        _log.error("event=worker_crashed queue=%s error=%s", queue, type(error).__name__)
        return 1
    finally:
        flush()
        app.extensions["receiver"].tally.flush()  # the process ends without its `atexit`
    return 0
