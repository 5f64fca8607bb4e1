"""What one event costs: processor time of web, worker and Redis, memory and disk of Redis.

Processor time is read from the kernel and from Redis, over a time in which nothing else is done.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from redis import Redis

from . import load
from .fill import fill
from .handling import MESSAGES, SUPERVISED
from .load import Load
from .plan import Plan
from .programs import BenchError, scratch, session, wait_until
from .scaling_curves import CONNECTIONS, PACED_CONNECTIONS, started
from .servers import EVENTS, GRANIAN, OURS, OwnRedis, Web, environment_of, serve

_CHARACTERS = 160
_QUIET_SECONDS = 2.0  # for the file to be written and the tables to be given their size
_WORK_OFF_SECONDS = 600.0
_START_SECONDS = 5  # of the workers, who are at it by then
_SETTLING_SECONDS = 0.3
_AT_LEAST_SECONDS = 4  # for the kernel's counting in ticks of 10 ms to be nothing beside it


@dataclass(frozen=True, slots=True)
class _Reading:
    """Counters at one moment: microseconds of processor time, bytes of the append-only file."""

    ours: float
    redis: float
    main: float
    file: int


@dataclass(frozen=True, slots=True)
class _Bench:
    """One deployment: a web server of two processes, and workers where they are started."""

    web: Web
    client: Redis
    folder: Path
    environment: Mapping[str, str]

    def waiting(self) -> int:
        """Count the messages that wait."""
        return int(self.client.llen(MESSAGES))

    def read(self, *leaders: int) -> _Reading:
        """Read the counters; ``leaders``: the sessions whose time counts as ours."""
        cpu, file = self.client.info("cpu"), self.client.info("persistence")
        return _Reading(
            ours=sum(map(cpu_us, leaders)),
            redis=(cpu["used_cpu_user"] + cpu["used_cpu_sys"]) * 1e6,
            main=(cpu["used_cpu_user_main_thread"] + cpu["used_cpu_sys_main_thread"]) * 1e6,
            file=int(file["aof_current_size"]),
        )

    def used(self) -> int:
        """Give the memory that Redis uses, once it is quiet."""
        time.sleep(_QUIET_SECONDS)
        self.client.memory_purge()
        return int(self.client.info("memory")["used_memory"])


def of_one_event(plan: Plan) -> dict[str, dict[str, float]]:
    """Measure all costs: µs and bytes of an event, in each repeat; gives the medians."""
    runs: list[dict[str, dict[str, float]]] = []
    with scratch() as folder:
        redis = OwnRedis(folder)
        database = redis.database()
        url = redis.url(database)
        with (
            redis.running(),
            redis.client(database) as client,
            serve(OURS, GRANIAN, url, folder / "web") as web,
        ):
            ours = _Bench(web, client, folder, environment_of(OURS, url))
            load.send(web.url, Load(seconds=1, connections=CONNECTIONS, check="ack"))
            for number in range(plan.repeats):
                accepted = _accepted(ours, plan)
                handled = _worked_off(ours, plan, number)
                paced = _paced(ours, plan, number)
                runs.append({"accept": accepted, "handle": handled, "paced": paced})
    return {
        part: {name: median(run[part][name] for run in runs) for name in values}
        for part, values in runs[0].items()
    }


def cpu_us(leader: int) -> float:
    """Give the processor time of a session so far, in microseconds."""
    ticks = 0
    for pid in session(leader):
        with suppress(OSError):  # it has ended since
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:13]))  # user and system
    return ticks / os.sysconf("SC_CLK_TCK") * 1e6


def _accepted(ours: _Bench, plan: Plan) -> dict[str, float]:
    """Tell what an ack costs at full load."""
    ours.client.flushdb()
    before = ours.read(ours.web.pid)
    load.send(ours.web.url, Load(seconds=plan.seconds, connections=CONNECTIONS))
    after, count = ours.read(ours.web.pid), ours.client.zcard(EVENTS)
    return _each(before, after, count, "web")


def _worked_off(ours: _Bench, plan: Plan, number: int) -> dict[str, float]:
    """Tell what handling costs at full speed, and the memory of an event before and after it."""
    ours.client.flushdb()
    empty = ours.used()
    count = max(plan.kept, int(SUPERVISED.speed * (plan.seconds + _START_SECONDS)))
    fill(ours.folder, ours.environment, count, _CHARACTERS)
    full = ours.used()
    folder = ours.folder / f"full-{number}"
    with started(1, folder, ours.environment) as (leader, log):
        wait_until(lambda: ours.waiting() < count, "a worker's first job", log)
        time.sleep(_SETTLING_SECONDS)
        before, at = ours.read(leader), ours.waiting()
        time.sleep(plan.seconds)
        after, then = ours.read(leader), ours.waiting()
        _wait_for_all(ours, log)
    kept = ours.used()
    if not then:
        raise BenchError(f"{count} events were handled before their cost could be measured")
    costs = _each(before, after, at - then, "worker")
    return {**costs, "waiting_bytes": (full - empty) / count, "kept_bytes": (kept - empty) / count}


def _paced(ours: _Bench, plan: Plan, number: int) -> dict[str, float]:
    """Tell what all of it costs at one rate, which is far from full: more, for each event."""
    ours.client.flushdb()
    seconds, pause = max(plan.seconds, _AT_LEAST_SECONDS), PACED_CONNECTIONS * 1000 // plan.rate
    asked = Load(seconds=seconds, connections=PACED_CONNECTIONS, pause=pause)
    with started(1, ours.folder / f"paced-{number}", ours.environment) as (leader, log):
        time.sleep(_QUIET_SECONDS)
        before = ours.read(ours.web.pid), ours.read(leader)
        found = load.send(ours.web.url, asked)
        _wait_for_all(ours, log)
        after = ours.read(ours.web.pid), ours.read(leader)
    count = ours.client.zcard(EVENTS)
    web, worker = (_each(*pair, count, "ours") for pair in zip(before, after, strict=True))
    return {
        "per_second": found.per_second,
        "web_us": web["ours_us"],
        "worker_us": worker["ours_us"],
        "redis_us": worker["redis_us"],
    }


def _wait_for_all(ours: _Bench, log: Path) -> None:
    wait_until(lambda: not ours.waiting(), "all to be handled", log, patience=_WORK_OFF_SECONDS)


def _each(before: _Reading, after: _Reading, count: int, whose: str) -> dict[str, float]:
    """Share out what was spent among so many events."""
    if not count:
        raise BenchError("no event came while its cost was to be measured")
    return {
        f"{whose}_us": (after.ours - before.ours) / count,
        "redis_us": (after.redis - before.redis) / count,
        "main_us": (after.main - before.main) / count,
        "file_bytes": (after.file - before.file) / count,
    }
