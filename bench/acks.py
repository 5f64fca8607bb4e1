"""Rows 1, 2, 3 and 6: how many callbacks are acknowledged a second, and how long each waits.

All servers run at once, and one after the other is loaded: ours, peer, ours, peer. What they have
queued is forgotten after each run.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from redis import Redis

from . import load, rows
from .load import Load, Measured
from .plan import Plan
from .programs import BenchError, scratch
from .servers import EVENTS, GRANIAN, GUNICORN, LEFOKA_KEY, OURS, OwnRedis, Web, serve
from .table import Line

HAND_WRITTEN, EMPTY = "flask_rq", "flask_empty"

# What is shown of a peer's name.
TITLES = {
    HAND_WRITTEN: "Flask + RQ",
    EMPTY: "empty Flask view",
    "flask_celery": "Flask + Celery",
    "flask_huey": "Flask + Huey",
    "fastapi_arq": "FastAPI + arq",
}
_ON_GRANIAN = (OURS, HAND_WRITTEN, EMPTY, "flask_celery", "flask_huey", "fastapi_arq")
_ON_GUNICORN = (OURS, HAND_WRITTEN, EMPTY, "flask_celery", "flask_huey")
_FEW = (OURS, HAND_WRITTEN, EMPTY)

_WARM_UP_SECONDS = 1
_TRIES = 3
_DRAIN_SECONDS = 5.0

Limits = tuple[float | None, float | None]


@dataclass(frozen=True, slots=True)
class Knocker:
    """One that takes load: a web server, and a client of its database."""

    web: Web
    client: Redis

    def load(self, asked: Load) -> Measured:
        """Load it once, and forget what it has queued; raises `BenchError`.

        What we acknowledge must be in Redis: an ack out of the spool is another row's figure, so
        that a run in which the disk stalled Redis is made again.
        """
        for _ in range(_TRIES):
            found = load.send(self.web.url, asked)
            stored = self.client.zcard(EVENTS) if self.web.peer == OURS else found.requests
            self.client.flushdb()
            if stored >= found.requests:
                return found
            time.sleep(_DRAIN_SECONDS)
            self.client.flushdb()
        raise BenchError(f"of {found.requests} acks only {stored} are in Redis")


def at_64(plan: Plan) -> list[Line]:
    """Measure row 1."""
    limits = {HAND_WRITTEN: rows.ACKS_64, EMPTY: rows.ACKS_64_EMPTY}
    found = _rates(plan, 64, GRANIAN, _ON_GRANIAN, limits)
    return found + _rates(plan, 64, GUNICORN, _ON_GUNICORN, limits)


def at_8(plan: Plan) -> list[Line]:
    """Measure row 2."""
    limits = {HAND_WRITTEN: rows.ACKS_8}
    return [
        line for server in (GRANIAN, GUNICORN) for line in _rates(plan, 8, server, _FEW, limits)
    ]


def at_one_rate(plan: Plan) -> list[Line]:
    """Measure row 3: all get the same number of requests a second."""
    found, connections = [], 32
    pause = connections * 1000 // plan.rate
    asked = Load(seconds=plan.seconds, connections=connections, pause=pause)
    for server in (GRANIAN, GUNICORN):
        runs = _runs(plan, asked, server, (OURS, HAND_WRITTEN))
        rate = round(sum(run.per_second for run in runs[OURS]) / len(runs[OURS]))
        for name, wait in (("p50", _p50), ("p99", _p99)):
            must, goal = rows.P99 if name == "p99" else (None, None)
            line = Line(
                what=f"{name} at {rate}/s, {server}",
                unit="ms",
                ours=[wait(run) for run in runs[OURS]],
                peer=TITLES[HAND_WRITTEN],
                theirs=[wait(run) for run in runs[HAND_WRITTEN]],
                must=must,
                goal=goal,
                more_is_better=False,
            )
            found.append(line)
    return found


def of_a_report(plan: Plan) -> list[Line]:
    """Measure row 6: one after the other, each with 500 recipients of its own."""
    asked = Load(seconds=plan.seconds, connections=1, kind="lefoka", key=LEFOKA_KEY)
    runs = _runs(plan, asked, GRANIAN, (OURS,))[OURS]
    limits = {"p50": rows.REPORT_MS, "p99": None}
    return [
        Line(
            what=f"{name}, {GRANIAN}",
            unit="ms",
            ours=[wait(run) for run in runs],
            must=limits[name],
            more_is_better=False,
        )
        for name, wait in (("p50", _p50), ("p99", _p99))
    ]


@contextmanager
def served(server: str, peers: Sequence[str]) -> Iterator[list[Knocker]]:
    """Run so many apps, each with two processes and a database of its own."""
    with scratch() as folder, ExitStack() as stack:
        redis = OwnRedis(folder)
        stack.enter_context(redis.running())
        found = []
        for peer in peers:
            database = redis.database()
            client = stack.enter_context(redis.client(database))
            where = folder / f"{peer}-{server}"
            web = stack.enter_context(serve(peer, server, redis.url(database), where))
            found.append(Knocker(web, client))
        yield found


def _rates(
    plan: Plan, connections: int, server: str, peers: Sequence[str], limits: Mapping[str, Limits]
) -> list[Line]:
    """Give a line for each peer: acks a second."""
    asked = Load(seconds=plan.seconds, connections=connections)
    runs = _runs(plan, asked, server, peers)
    found = []
    for peer in peers[1:]:
        must, goal = limits.get(peer, (None, None))
        line = Line(
            what=server,
            unit="/s",
            ours=[run.per_second for run in runs[OURS]],
            peer=TITLES[peer],
            theirs=[run.per_second for run in runs[peer]],
            must=must,
            goal=goal,
        )
        found.append(line)
    return found


def _runs(plan: Plan, asked: Load, server: str, peers: Sequence[str]) -> dict[str, list[Measured]]:
    """Load one after the other, again and again; the first time with each answer read."""
    found: dict[str, list[Measured]] = {peer: [] for peer in peers}
    with served(server, peers) as knockers:
        for knocker in knockers:
            _warm_up(knocker, asked)
        for _ in range(plan.repeats):
            for knocker in knockers:
                found[knocker.web.peer].append(knocker.load(asked))
    return found


def _warm_up(knocker: Knocker, asked: Load) -> None:
    wanted = "status" if knocker.web.peer == EMPTY or asked.kind == "lefoka" else "ack"
    warm = Load(
        seconds=_WARM_UP_SECONDS,
        connections=asked.connections,
        kind=asked.kind,
        key=asked.key,
        check=wanted,
    )
    knocker.load(warm)


def _p50(run: Measured) -> float:
    return run.p50


def _p99(run: Measured) -> float:
    return run.p99
