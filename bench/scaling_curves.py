"""What grows with worker processes, with web hosts and with events that wait; all on one machine.

Everything shares its cores: Redis, the servers, the workers and the load. A curve is flat from
where they are used up.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from redis import Redis

from receiver.store.queue import QUEUES

from . import load
from .fill import fill
from .handling import MESSAGES, SUPERVISED, emptied_per_second, working
from .load import Load, Measured
from .plan import Plan
from .plot import Curve
from .programs import BenchError, log_of, running, scratch, wait_until
from .servers import EVENTS, GRANIAN, OURS, OwnRedis, Web, environment_of, serve

PROCESSES = (1, 2, 4, 8)
HOSTS = (1, 2)
LEVELS = (1, 1_000, 10_000, 100_000, 1_000_000)
SERVER_PROCESSES = 1  # of each host, so that two of them fit on a small machine
CONNECTIONS, PACED_CONNECTIONS = 64, 32

_WORKER = "-m flask --app bench.ours receiver worker"
_START_SECONDS = 4  # of the workers, while the first of them are at it already
_MARGIN = 1.5
_ABOUT = 1.2  # a million events are not put there anew for some thousands
_TRIES = 3

Points = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class _Deployment:
    """Web hosts on one Redis; each has a folder of its own, and so a spool."""

    hosts: Sequence[Web]
    client: Redis
    folder: Path
    environment: Mapping[str, str]

    def waiting(self) -> int:
        """Count the messages that wait."""
        return int(self.client.llen(MESSAGES))


def by_workers(plan: Plan) -> Points:
    """Measure how many events are handled a second by so many worker processes."""
    found: dict[int, list[float]] = {count: [] for count in PROCESSES}
    with _deployment(hosts=0) as ours:
        for number in range(plan.repeats):
            for count, rates in found.items():
                busy = min(count, os.cpu_count() or 1)
                seconds = plan.seconds + _START_SECONDS
                fill(
                    ours.folder, ours.environment, int(SUPERVISED.speed * busy * seconds * _MARGIN)
                )
                folder = ours.folder / f"workers-{count}-{number}"
                with started(count, folder, ours.environment) as (_, log):
                    rates.append(emptied_per_second(ours.waiting, plan.seconds, log))
                ours.client.flushdb()
    return {"workers": _points(found)}


def by_hosts(plan: Plan) -> Points:
    """Measure how many callbacks are acknowledged a second by so many web hosts, loaded at once."""
    found: dict[int, list[float]] = {count: [] for count in HOSTS}
    asked = Load(seconds=plan.seconds, connections=CONNECTIONS)
    with _deployment(hosts=max(HOSTS)) as ours:
        for _ in range(plan.repeats):
            for count, rates in found.items():
                runs = _loaded(ours, ours.hosts[:count], asked)
                rates.append(sum(run.per_second for run in runs))
                ours.client.flushdb()
    return {"hosts": _points(found)}


def by_waiting(plan: Plan) -> Points:
    """Measure acks, their p99 at one rate, and handling, while so many events wait already.

    Handling is measured on top: what comes in addition is worked off, and so many still wait.
    """
    levels = sorted({*(level for level in LEVELS if level < plan.waiting), plan.waiting})
    acked: dict[int, list[float]] = {level: [] for level in levels}
    rare: dict[int, list[float]] = {level: [] for level in levels}
    handled: dict[int, list[float]] = {level: [] for level in levels}
    full = Load(seconds=plan.seconds, connections=CONNECTIONS)
    paced = replace(
        full, connections=PACED_CONNECTIONS, pause=PACED_CONNECTIONS * 1000 // plan.rate
    )
    with _deployment(hosts=1) as ours:
        for level in levels:
            for _ in range(plan.repeats):
                _let_wait(ours, level)
                acked[level].append(_loaded(ours, ours.hosts, full)[0].per_second)
                _let_wait(ours, level)
                rare[level].append(_loaded(ours, ours.hosts, paced)[0].p99)
                handled[level].append(_handled(ours, level, plan))
    rates = {"waiting-acks": acked, "waiting-p99": rare, "waiting-handled": handled}
    return {name: _points(values) for name, values in rates.items()}


@contextmanager
def started(
    processes: int, folder: Path, environment: Mapping[str, str]
) -> Iterator[tuple[int, Path]]:
    """Run workers as a user does; gives their session and their log once all are at it."""
    folder.mkdir()
    command = [sys.executable, *f"{_WORKER} --processes {processes}".split()]
    with running(command, folder, environment, OURS) as process:
        log, wanted = log_of(folder, OURS), processes * len(QUEUES)
        wait_until(lambda: log.read_text().count("worker_started") >= wanted, "workers", log)
        yield process.pid, log


def curves_of(found: Mapping[str, Any]) -> list[Curve]:
    """Give the curves of what was measured; one that was not is left out."""
    measured = [found[part] for part in ("workers", "hosts", "waiting") if part in found]
    points = {name: values for part in measured for name, values in part.items()}
    return [
        replace(curve, points=[(p["at"], median(p["runs"])) for p in points[curve.name]])
        for curve in _CURVES
        if curve.name in points
    ]


@contextmanager
def _deployment(hosts: int) -> Iterator[_Deployment]:
    with scratch() as folder, ExitStack() as stack:
        redis = OwnRedis(folder)
        stack.enter_context(redis.running())
        database = redis.database()
        url = redis.url(database)
        client = stack.enter_context(redis.client(database))
        served = [
            stack.enter_context(serve(OURS, GRANIAN, url, folder / f"host-{n}", SERVER_PROCESSES))
            for n in range(1, hosts + 1)
        ]
        ours = _Deployment(served, client, folder, environment_of(OURS, url))
        if hosts:
            _loaded(ours, served, Load(seconds=1, connections=CONNECTIONS, check="ack"))
            client.flushdb()
        yield ours


def _loaded(ours: _Deployment, hosts: Sequence[Web], asked: Load) -> list[Measured]:
    """Load hosts at once; once more where acks came out of the spool, as the disk stalled Redis."""
    for _ in range(_TRIES):
        before = ours.client.zcard(EVENTS)
        with ThreadPoolExecutor(len(hosts)) as threads:
            runs = list(threads.map(lambda host: load.send(host.url, asked), hosts))
        wanted = sum(run.requests for run in runs)
        stored = ours.client.zcard(EVENTS) - before
        if stored >= wanted:
            return runs
    raise BenchError(f"of {wanted} acks only {stored} are in Redis")


def _let_wait(ours: _Deployment, count: int) -> None:
    """Let so many messages wait, or a little more: what is there is used where it is about that."""
    if not count / _ABOUT < ours.waiting() < count * _ABOUT:
        ours.client.flushdb()
        fill(ours.folder, ours.environment, count)
    while ours.waiting() < count:
        _loaded(ours, ours.hosts, Load(seconds=1, connections=CONNECTIONS))


def _handled(ours: _Deployment, level: int, plan: Plan) -> float:
    """Tell how fast one worker process handles what comes on top of what is to wait."""
    _let_wait(ours, level + int(SUPERVISED.speed * (plan.seconds + 1)))
    with working(SUPERVISED, ours.folder, ours.environment) as log:
        return emptied_per_second(lambda: max(0, ours.waiting() - level), plan.seconds, log)


def _points(values: Mapping[int, list[float]]) -> list[dict[str, Any]]:
    return [{"at": at, "runs": runs} for at, runs in values.items()]


_CURVES = (
    Curve(
        name="workers",
        title="Handling, by worker processes",
        across="worker processes for messages (--processes)",
        up="events handled a second",
        unit="/s",
        points=(),
    ),
    Curve(
        name="hosts",
        title="Acknowledging, by web hosts",
        across="web hosts",
        up="acks a second",
        unit="/s",
        points=(),
    ),
    Curve(
        name="waiting-acks",
        title="Acknowledging, by events that wait",
        across="events waiting",
        up="acks a second",
        unit="/s",
        points=(),
        log=True,
    ),
    Curve(
        name="waiting-p99",
        title="p99 of acks at one rate, by events that wait",
        across="events waiting",
        up="p99 of acks in milliseconds",
        unit="ms",
        points=(),
        log=True,
    ),
    Curve(
        name="waiting-handled",
        title="Handling by one worker process, by events that wait",
        across="events waiting",
        up="events handled a second",
        unit="/s",
        points=(),
        log=True,
    ),
)
