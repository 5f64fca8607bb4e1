"""How full and how alive everything is at this moment, in Redis; two round trips.

What was counted over time is `figures`' business; this host's own, its spool, is `spool`'s.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .connection import Connection
from .keyring import record_name
from .queue import QUEUES, JobMaker

UNLOADED = "unloaded"  # of a worker's hash: how many handlers failed to load there
PROOF = "proof"  # of a worker's hash: `JobMaker.proof`, by the secret keys that it has

_FIRST = 10  # jobs of a queue: one of them is no retry, mostly
_MOST_KEYS = 20
_RQ_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """What waits and lives, by queue as `QUEUES` names them; times in seconds.

    ``oldest``: how long the first job of each queue waits, 0 where none does. ``unloaded``: the
    handlers that failed to load, in the worker that lacks most. ``keys``: account, id and seconds
    to the end, of the issued keys that end first.
    """

    backlog: Mapping[str, int]
    oldest: Mapping[str, float]
    workers: Mapping[str, int]
    dead: Mapping[str, int]
    quarantine: int
    unloaded: int
    keys: Sequence[tuple[str, str, float]]


class Level:
    """Look at the levels of one namespace; ``clock`` gives seconds since the epoch."""

    def __init__(
        self, connection: Connection, jobs: JobMaker, clock: Callable[[], float] = time.time
    ) -> None:
        self._connection = connection
        self._jobs = jobs
        self._clock = clock

    def read(self) -> Levels:
        """Give all levels as they are now. Raises `RedisError`."""
        client: Any = self._connection.client
        now = self._clock()
        with client.pipeline(transaction=False) as pipeline:
            for queue in map(self._jobs.queue, QUEUES):
                pipeline.llen(f"rq:queue:{queue}")
                pipeline.lrange(f"rq:queue:{queue}", 0, _FIRST - 1)
                pipeline.smembers(f"rq:workers:{queue}")
                pipeline.zcard(f"rq:failed:{queue}")
            pipeline.zcard(f"{self._jobs.namespace}:quarantine")
            name = f"{self._jobs.namespace}:keys"
            pipeline.zrangebyscore(name, int(now), "+inf", start=0, num=_MOST_KEYS)
            *found, quarantine, keys = pipeline.execute()
        firsts, workers = found[1::4], found[2::4]
        with client.pipeline(transaction=False) as pipeline:
            for ids in firsts:
                for job_id in ids:
                    pipeline.hmget(b"rq:job:" + job_id, "created_at", "worker_name")
            for members in workers:
                for key in members:
                    pipeline.exists(key)
                    pipeline.hget(key, UNLOADED)
            for key_id in keys:
                record = record_name(self._jobs.namespace, key_id.decode("ascii"))
                pipeline.hmget(record, "account", "expires_at", "ends_at", "replaced_by")
            answers = iter(pipeline.execute())
        oldest = [_waited([next(answers) for _ in ids], now) for ids in firsts]
        told = [[(next(answers), next(answers)) for _ in members] for members in workers]
        alive = [[int(unloaded or 0) for there, unloaded in them if there] for them in told]
        return Levels(
            backlog=dict(zip(QUEUES, found[0::4], strict=True)),
            oldest=dict(zip(QUEUES, oldest, strict=True)),
            workers=dict(zip(QUEUES, map(len, alive), strict=True)),
            dead=dict(zip(QUEUES, found[3::4], strict=True)),
            quarantine=quarantine,
            unloaded=max((count for them in alive for count in them), default=0),
            keys=tuple(_ends(keys, answers, now)),
        )


def _waited(jobs: Sequence[Sequence[bytes | None]], now: float) -> float:
    """Say how long the first job waits; of one that was begun before, nobody knows since when."""
    for created_at, worker in jobs:
        if created_at and not worker:
            created = datetime.strptime(created_at.decode("ascii"), _RQ_TIME).replace(tzinfo=UTC)
            return max(now - created.timestamp(), 0.0)
    return 0.0


def _ends(
    ids: Sequence[bytes], answers: Iterator[Sequence[bytes | None]], now: float
) -> Iterator[tuple[str, str, float]]:
    """Give what each key has left; one that was revoked or replaced is nobody's worry."""
    for key_id, (account, expires_at, ends_at, replaced_by) in zip(ids, answers, strict=True):
        if account and expires_at and not ends_at and not replaced_by:
            yield account.decode("utf-8"), key_id.decode("ascii"), float(expires_at) - now
