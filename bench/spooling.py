"""Row 9: acks while Redis is down, each fsynced into the spool, and how fast the spool drains."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from . import load, rows
from .load import Load
from .plan import Plan
from .programs import BenchError, log_of, scratch, wait_until
from .servers import EVENTS, GRANIAN, OURS, OwnRedis, serve
from .table import Line

_CONNECTIONS = 64
_LOOK_SECONDS = 0.01
_STILL_SECONDS = 10.0  # without a new event, the drain has stopped


def down_and_back(plan: Plan) -> list[Line]:
    """Measure row 9: Redis ends, callbacks come, Redis comes back."""
    acked, drained = [], []
    with scratch() as folder:
        redis = OwnRedis(folder)
        database = redis.database()
        with serve(OURS, GRANIAN, redis.url(database), folder / "web") as web:
            log = log_of(folder / "web", f"{OURS}-{GRANIAN}")
            for _ in range(plan.repeats):
                warm = Load(seconds=1, connections=_CONNECTIONS, check="ack")
                spooled = load.send(web.url, warm).requests
                asked = Load(seconds=plan.seconds, connections=_CONNECTIONS)
                found = load.send(web.url, asked)
                acked.append(found.per_second)
                spooled += found.requests
                with redis.running(), redis.client(database) as client:
                    drained.append(_drained_per_second(client, spooled, log))
                    client.flushall()
    what = f"{GRANIAN}, {_CONNECTIONS} connections"
    acks = Line(what=f"acks, {what}", unit="/s", ours=acked, must=rows.SPOOLED_PER_SECOND)
    return [acks, Line(what="drain", unit="/s", ours=drained, must=rows.DRAINED_PER_SECOND)]


def _drained_per_second(client: Redis, spooled: int, log: Path) -> float:
    """Tell how fast the events come out of the spool, between a tenth and all of them."""

    def count() -> int:
        with suppress(RedisError):
            return int(client.zcard(EVENTS))
        return 0

    wait_until(lambda: count() >= spooled // 10, "the spool to drain", log, every=_LOOK_SECONDS)
    before, began = count(), time.perf_counter()
    most, last = before, began
    while time.perf_counter() - last < _STILL_SECONDS:
        found, now = count(), time.perf_counter()
        if found > most:
            most, last = found, now
        elif most >= spooled and now - last > 1.0:
            break
        time.sleep(_LOOK_SECONDS)
    if most < spooled:
        raise BenchError(f"{spooled} were acknowledged and {most} came out of the spool")
    if last == began:
        raise BenchError("the spool was empty before anything could be measured")
    return (most - before) / (last - began)
