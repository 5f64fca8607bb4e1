"""Row 10: how long a web process takes to its first ack, and the memory of web and worker."""

from __future__ import annotations

import http.client
import json
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from . import load, rows
from .handling import SUPERVISED
from .load import Load
from .plan import Plan
from .programs import log_of, running, scratch, session, wait_until
from .servers import (
    GRANIAN,
    GUNICORN,
    OURS,
    SMSBOX_KEY,
    OwnRedis,
    environment_of,
    free_port,
    server_command,
)
from .table import Line

_LOOK_SECONDS = 0.005
_WORKER_SECONDS = 3.0  # for a worker to have loaded all that it loads
_PEER = "flask_rq"
_CALLBACK = {
    "from": "+255712345678",
    "to": "15000",
    "timeUTC": "Wed, 14 Jun 2017 07:00:00 GMT",
    "message": {"text": "hello"},
}


@dataclass(frozen=True, slots=True)
class _Found:
    """What the starts of one app showed: seconds, and MB of its process."""

    seconds: list[float] = field(default_factory=list)
    resident: list[float] = field(default_factory=list)


def first_ack_and_memory(plan: Plan) -> list[Line]:
    """Measure row 10: web servers of one process each, then a worker."""
    lines = []
    for server in (GRANIAN, GUNICORN):
        found = {OURS: _Found(), _PEER: _Found()}
        for _ in range(plan.repeats):
            for peer, each in found.items():
                _start(peer, server, each, plan)
        ours, theirs = found[OURS], found[_PEER]
        lines += [
            _line(f"first ack, {server}", "s", ours.seconds, theirs.seconds),
            _line(f"web process, {server}", "MB", ours.resident, theirs.resident),
        ]
    workers = [_worker_memory() for _ in range(plan.repeats)]
    return [*lines, _line("worker process", "MB", workers)]


def resident_mb(pid: int) -> float:
    """Give the resident memory of a process in MB, what it shares with others counted in full."""
    with suppress(OSError):
        text = Path(f"/proc/{pid}/status").read_text()
        return int(text.partition("VmRSS:")[2].split()[0]) * 1024 / 1e6
    return 0.0


def _line(what: str, unit: str, ours: list[float], theirs: list[float] | None = None) -> Line:
    """Give a line whose limit is of our own value: the peer is there to compare."""
    limit = rows.FIRST_ACK_SECONDS if unit == "s" else rows.PROCESS_MB
    return Line(
        what=what,
        unit=unit,
        ours=ours,
        peer="Flask + RQ" if theirs else "",
        theirs=theirs or (),
        must=limit,
        absolute=True,
        more_is_better=False,
    )


def _start(peer: str, server: str, found: _Found, plan: Plan) -> None:
    with scratch() as folder, free_port() as port:
        redis = OwnRedis(folder)
        with redis.running():
            environment = environment_of(peer, redis.url(redis.database()))
            environment["XDG_RUNTIME_DIR"] = str(folder)
            command, log = server_command(peer, server, port, workers=1), log_of(folder, peer)
            began = time.perf_counter()
            with running(command, folder, environment, peer) as process:
                wait_until(lambda: _is_acked(port), server, log, every=_LOOK_SECONDS)
                found.seconds.append(time.perf_counter() - began)
                asked = Load(seconds=plan.seconds, connections=8)
                load.send(f"http://127.0.0.1:{port}", asked)
                found.resident.append(_largest(process.pid))


def _is_acked(port: int) -> bool:
    """Post one callback, and tell whether it is acknowledged."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    body = json.dumps({**_CALLBACK, "transaction_id": f"first-{time.time_ns()}"})
    headers = {"content-type": "application/json", "x-api-key": SMSBOX_KEY}
    try:
        client.request("POST", "/webhooks/smsbox", body, headers)
        return client.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        client.close()


def _worker_memory() -> float:
    """Give the memory of the largest worker process of a supervisor, in MB."""
    with scratch() as folder:
        redis = OwnRedis(folder)
        url = redis.url(redis.database())
        environment = environment_of(OURS, url)
        command = [sys.executable, *SUPERVISED.command.split()]
        with redis.running(), running(command, folder, environment, OURS) as process:
            log = log_of(folder, OURS)
            wait_until(lambda: "worker_started" in log.read_text(), "the worker", log)
            time.sleep(_WORKER_SECONDS)
            return _largest(process.pid)


def _largest(leader: int) -> float:
    """Give the memory of the largest process under one that supervises it."""
    return max(resident_mb(pid) for pid in session(leader) if pid != leader)
