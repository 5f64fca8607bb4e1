"""Row 5: from the ack to the start of the handler, at a rate that nobody has to queue at.

`wrk` writes when each ack arrived, the handler when it began: one clock, of one machine.
"""

from __future__ import annotations

import time
from pathlib import Path

from . import load, rows
from .handling import SUPERVISED, working
from .load import Load
from .plan import Plan
from .programs import BenchError, scratch, wait_until
from .servers import GRANIAN, OURS, OwnRedis, environment_of, serve
from .table import Line

_RATE, _CONNECTIONS = 50, 5
_AT_LEAST_SECONDS = 4  # two hundred events, for two of them to lie above the p99
_START_SECONDS = 3.0  # of a worker, whose first job would wait for it


def ack_to_handler(plan: Plan) -> list[Line]:
    """Measure row 5: our web server, our worker, one load after the other."""
    medians, rare = [], []
    with scratch() as folder:
        redis, stamps = OwnRedis(folder), folder / "began.txt"
        url = redis.url(redis.database())
        environment = {**environment_of(OURS, url), "BENCH_STAMPS": str(stamps)}
        with (
            redis.running(),
            serve(OURS, GRANIAN, url, folder / "web") as web,
            working(SUPERVISED, folder, environment) as log,
        ):
            wait_until(lambda: "worker_started" in log.read_text(), "the worker", log)
            time.sleep(_START_SECONDS)
            for number in range(plan.repeats):
                waited = _waits(web.url, plan, folder / f"acked-{number}.txt", stamps)
                medians.append(share_of(waited, 0.5))
                rare.append(share_of(waited, 0.99))
    what = f"at {_RATE}/s, {GRANIAN}"
    return [
        Line(what=f"{name} {what}", unit="ms", ours=found, must=limit, more_is_better=False)
        for name, found, limit in (
            ("p50", medians, rows.START_P50_MS),
            ("p99", rare, rows.START_P99_MS),
        )
    ]


def share_of(values: list[float], share: float) -> float:
    """Give the value that this share of all values does not exceed."""
    return sorted(values)[max(0, -int(-len(values) * share // 1) - 1)]


def _waits(url: str, plan: Plan, acked: Path, stamps: Path) -> list[float]:
    """Give how many milliseconds each event waited; 0 for one that began before its ack came."""
    pause = _CONNECTIONS * 1000 // _RATE
    seconds = max(plan.seconds, _AT_LEAST_SECONDS)
    load.send(url, Load(seconds=seconds, connections=_CONNECTIONS, pause=pause), acked)
    acks = times_in(acked)
    wait_until(lambda: acks.keys() <= times_in(stamps).keys(), "the last of the handlers")
    began = times_in(stamps)
    if not acks:
        raise BenchError("no ack was noted")
    return [max(0.0, began[name] - at) * 1000 for name, at in acks.items()]


def times_in(path: Path) -> dict[str, float]:
    """Read lines of a name and a time."""
    if not path.exists():
        return {}
    whole = path.read_text().rpartition("\n")[0]
    lines = (line.split() for line in whole.splitlines())
    return {name: float(at) for name, at in lines}
