"""``python -m bench.where``: where the processor time of an ack goes, step by step.

Not by a profiler, which weighs calls and not caches and threads, but by leaving steps out: what the
server's processes and Redis then need for an ack, at full load. Beside it stand the peers.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from redis import Redis

from . import load
from .acks import EMPTY, HAND_WRITTEN, TITLES
from .load import Load
from .programs import BenchError, log_of, need, running, scratch, wait_until
from .scaling_costs import cpu_us
from .servers import GRANIAN, OURS, OwnRedis, answers, environment_of, free_port, server_command

# What may be left out, each with all before it; see `without`.
STEPS = (
    "sms-receiver, all of it",
    "without the round trip to Redis",
    "nor making what is sent",
    "nor authenticating, reading, validating",
)

_SECONDS, _REPEATS = 3, 3
_ASKED = Load(seconds=_SECONDS, connections=64)

Row = tuple[str, float, float, float]


def rows() -> list[Row]:
    """Measure all; gives for each its name, acks a second, and µs of the server and of Redis."""
    wanted = [(step, OURS, step) for step in STEPS]
    wanted += [(TITLES[peer], peer, STEPS[0]) for peer in (HAND_WRITTEN, EMPTY)]
    with scratch() as folder:
        redis = OwnRedis(folder)
        database = redis.database()
        with redis.running(), redis.client(database) as client:
            return [
                (name, *_measured(peer, step, redis.url(database), client, folder / str(number)))
                for number, (name, peer, step) in enumerate(wanted)
            ]


def _measured(
    peer: str, step: str, url: str, client: Redis, folder: Path
) -> tuple[float, float, float]:
    runs = []
    with _served(peer, step, url, folder) as (address, pid):
        load.send(address, Load(seconds=1, connections=64))
        for _ in range(_REPEATS):
            server, redis = cpu_us(pid), _redis_us(client)
            found = load.send(address, _ASKED)
            server, redis = cpu_us(pid) - server, _redis_us(client) - redis
            runs.append((found.per_second, server / found.requests, redis / found.requests))
            client.flushdb()
    speed, server, redis = (median(values) for values in zip(*runs, strict=True))
    return speed, server, redis


@contextmanager
def _served(peer: str, step: str, url: str, folder: Path) -> Iterator[tuple[str, int]]:
    folder.mkdir()
    with free_port() as port:
        command = server_command(peer, GRANIAN, port, 2)
        if peer == OURS:
            command[-1] = "bench.without:app"
        environment = {**environment_of(peer, url), "XDG_RUNTIME_DIR": str(folder)}
        environment["BENCH_WITHOUT"] = step
        with running(command, folder, environment, "web") as process:
            wait_until(lambda: answers(port), peer, log_of(folder, "web"))
            yield f"http://127.0.0.1:{port}", process.pid


def _redis_us(client: Redis) -> float:
    cpu = client.info("cpu")
    return float(cpu["used_cpu_user"] + cpu["used_cpu_sys"]) * 1e6


def table(found: Sequence[Row]) -> str:
    """Give the rows as a table of Markdown."""
    lines = ["| ack on granian | acks/s | µs of the server | µs of Redis |", "|---|---:|---:|---:|"]
    lines += ["| {} | {:,.0f} | {:,.0f} | {:,.0f} |".format(*row) for row in found]
    return "\n".join(lines)


def main() -> int:
    """Measure and print; gives the exit status."""
    try:
        need("wrk", "wrk")
        print(table(rows()))
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
