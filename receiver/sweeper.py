"""What looks after all that RQ's data may lose: every half minute, one at a time.

The ledger names every job that is not settled. One that is in no queue, not scheduled and in no
worker's hands was lost by somebody else's tool or a half-restored Redis: it is made again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import Any

from .accounts import Retentions
from .store.aging import Aging
from .store.connection import Connection
from .store.queue import QUEUES, Job, JobMaker, rq_time

SWEEP_SECONDS = 30

_LOST_AFTER_MS = 60_000  # a job that was not moved for so long is looked for
_CANDIDATES = 1_000
_MOST_SWEPT = 20  # times so many at each sweep: a million that wait are seen within half an hour
_PAGE = 2_000
_BATCH = 100

_IN_NO_QUEUE = (b"deferred", b"scheduled", b"started")

_log = logging.getLogger(__name__)


class Sweeper:
    """The sweeper of one namespace; ``raw_retention`` in seconds, for bodies as they came."""

    def __init__(
        self,
        connection: Connection,
        maker: JobMaker,
        retentions: Retentions,
        raw_retention: int | None = None,
    ) -> None:
        self._connection = connection
        self._maker = maker
        self._retention = retentions.usual
        raw = retentions.longest if raw_retention is None else raw_retention
        self._aging = Aging(connection, maker.namespace, retentions, raw)
        self._namespace = maker.namespace

    def sweep_when_due(self, name: str) -> int | None:
        """Sweep, unless somebody did in the last half minute; ``name`` says who it was."""
        key = f"{self._namespace}:sweeper"
        if not self._client.set(key, name, nx=True, ex=SWEEP_SECONDS):
            return None
        return self.sweep()

    def sweep(self) -> int:
        """Queue lost jobs again, keep waiting events from expiring, and drop what has expired.

        Gives how many jobs were lost.
        """
        lost = 0
        for _ in range(_MOST_SWEPT):
            found = list(self._candidates())
            lost += self._look_after(found, self._seen({job.id: job.queue for _, job in found}))
            if len(found) < _CANDIDATES:
                break
        self._prune()
        return lost

    def _candidates(self) -> Iterator[tuple[float, Job]]:
        """Give the jobs that nobody has moved for a while, with the time of their last move."""
        seconds, microseconds = self._client.time()
        until = seconds * 1000 + microseconds // 1000 - _LOST_AFTER_MS
        entries = self._client.zrangebyscore(
            self._maker.ledger, "-inf", until, start=0, num=_CANDIDATES, withscores=True
        )
        for entry, score in entries:
            job = self._maker.again(entry.decode("utf-8", "replace"))
            if job is None:
                self._client.zrem(self._maker.ledger, entry)
                _log.error("event=ledger_entry_unknown")
            else:
                yield score, job

    def _seen(self, wanted: dict[str, str]) -> set[str]:
        """Give those that are in their queues: the oldest come first there, so it ends early."""
        seen: set[str] = set()
        elsewhere = self._elsewhere(list(wanted))
        for queue in set(wanted.values()):
            missing = {job_id for job_id, its_queue in wanted.items() if its_queue == queue}
            missing -= elsewhere
            start = 0
            while missing:
                page = self._client.lrange(f"rq:queue:{queue}", start, start + _PAGE - 1)
                found = missing & {job_id.decode("utf-8", "replace") for job_id in page}
                seen |= found
                missing -= found
                start += _PAGE
                if len(page) < _PAGE:
                    break
        return seen

    def _elsewhere(self, job_ids: list[str]) -> set[str]:
        """Give those that are in no queue: one of them, and the whole backlog would be read.

        The script that looks after them finds out where they are.
        """
        pipeline = self._client.pipeline(transaction=False)
        for claims in self._client.smembers(f"{self._namespace}:claims"):
            pipeline.lrange(claims, 0, -1)
        claimed = [job_id for page in pipeline.execute() for job_id in page]
        for job_id in job_ids:
            pipeline.hget(f"rq:job:{job_id}", "status")
        states = zip(job_ids, pipeline.execute(), strict=True)
        found = {job_id for job_id, state in states if state in _IN_NO_QUEUE}
        return found.union(job_id.decode("utf-8", "replace") for job_id in claimed)

    def _look_after(self, found: list[tuple[float, Job]], seen: set[str]) -> int:
        lost = gone = 0
        keys = [self._maker.ledger, f"{self._namespace}:claims"]
        for start in range(0, len(found), _BATCH):
            args: list[Any] = [self._namespace, self._retention, rq_time()]
            for score, job in found[start : start + _BATCH]:
                event_id = job.entry.split(" ")[1]
                args += [repr(score), event_id, "1" if job.id in seen else "0", *job.args()]
            counts = self._connection.run("sweep", keys, args)
            lost += counts[0]
            gone += counts[1]
        if lost:
            _log.warning("event=lost_jobs_queued jobs=%d", lost)
        if gone:
            _log.error("event=events_expired_unhandled jobs=%d", gone)
        return lost

    def _prune(self) -> None:
        """Drop what no longer is: dead letters and places in time past their retention, workers."""
        now = time.time()
        for queue in map(self._maker.queue, QUEUES):
            self._client.zremrangebyscore(f"rq:failed:{queue}", "-inf", now)
            self._prune_workers(f"rq:workers:{queue}")
        self._aging.prune()
        self._aging.erase_raw()

    def _prune_workers(self, registry: str) -> None:
        for key in self._client.smembers(registry):
            if not self._client.exists(key):
                self._client.srem(registry, key)
                self._client.srem("rq:workers", key)

    @property
    def _client(self) -> Any:
        return self._connection.client
