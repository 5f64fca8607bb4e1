"""Rows 7 and 8: what waiting events cost those that come now, and what each takes of Redis."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from redis import Redis

from . import load, rows
from .fill import fill
from .handling import MESSAGES, SUPERVISED, emptied_per_second, working
from .load import Load
from .plan import Plan
from .programs import scratch, wait_until
from .servers import GRANIAN, OURS, OwnRedis, Web, environment_of, serve
from .table import Line

_CHARACTERS = 160
_CONNECTIONS = 64
_QUIET_SECONDS = 2.0  # for the file to be written and the tables to be given their size


@dataclass(frozen=True, slots=True)
class _Side:
    """A deployment with a Redis of its own; ``is_full``: of the backlog."""

    web: Web
    client: Redis
    folder: Path
    url: str
    is_full: bool


def with_many_waiting(plan: Plan) -> list[Line]:
    """Measure row 7: one Redis with all that waits and one without, taken in turns."""
    acked: dict[bool, list[float]] = {False: [], True: []}
    handled: dict[bool, list[float]] = {False: [], True: []}
    with _side(False) as empty, _side(True) as full:
        fill(full.folder, environment_of(OURS, full.url), plan.waiting)
        time.sleep(_QUIET_SECONDS)
        asked = Load(seconds=plan.seconds, connections=_CONNECTIONS)
        for side in (empty, full):
            load.send(side.web.url, Load(seconds=1, connections=_CONNECTIONS, check="ack"))
        for _ in range(plan.repeats):
            for side in (empty, full):
                acked[side.is_full].append(load.send(side.web.url, asked).per_second)
        for _ in range(plan.repeats):
            for side in (empty, full):
                handled[side.is_full].append(_handled(side, plan))
    must, goal = rows.BACKLOG
    return [
        Line(
            what=f"{name}, {plan.waiting:,} wait",
            unit="/s",
            ours=found[True],
            peer="the same, none waiting",
            theirs=found[False],
            must=must,
            goal=goal,
        )
        for name, found in (("acks", acked), ("handled", handled))
    ]


def memory_of_one(plan: Plan) -> list[Line]:
    """Measure row 8: what Redis uses more for events that wait, each from a contact of its own."""
    with _side(False, serves=False) as side:
        environment = environment_of(OURS, side.url)
        fill(side.folder, environment, 1, _CHARACTERS)  # scripts are kept, and paid for once
        wait_until(lambda: side.client.llen(MESSAGES) == 1, "the first event")
        side.client.flushdb()
        before = _used(side.client)
        fill(side.folder, environment, plan.kept, _CHARACTERS)
        each = (_used(side.client) - before) / plan.kept
    line = Line(
        what=f"mean of {plan.kept:,}",
        unit="bytes",
        ours=[each],
        must=rows.EVENT_BYTES,
        goal=rows.EVENT_BYTES_GOAL,
        more_is_better=False,
    )
    return [line]


@contextmanager
def _side(is_full: bool, serves: bool = True) -> Iterator[_Side]:
    with scratch() as folder, ExitStack() as stack:
        redis = OwnRedis(folder)
        stack.enter_context(redis.running())
        database = redis.database()
        url = redis.url(database)
        client = stack.enter_context(redis.client(database))
        web = Web(peer=OURS, server="", url="", pid=0, folder=folder, environment={})
        if serves:
            web = stack.enter_context(serve(OURS, GRANIAN, url, folder / "web"))
        yield _Side(web, client, folder, url, is_full)


def _handled(side: _Side, plan: Plan) -> float:
    """Tell how fast one worker works off what waits; where nothing does, what is put there."""
    environment = environment_of(OURS, side.url)
    if not side.is_full:
        side.client.flushdb()
        fill(side.folder, environment, int(SUPERVISED.speed * (plan.seconds + 1)))
    with working(SUPERVISED, side.folder, environment) as log:
        return emptied_per_second(lambda: side.client.llen(MESSAGES), plan.seconds, log)


def _used(client: Redis) -> int:
    time.sleep(_QUIET_SECONDS)
    client.memory_purge()
    return int(client.info("memory")["used_memory"])
