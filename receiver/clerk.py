"""The bookkeeping of jobs: claimed from RQ's queues, never lost, settled in one step.

A worker moves a job from its queue into a claim list of its own and takes it out again in the same
transaction that writes how it ended. The claims of a worker that died go back to their queue.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from typing import Any, cast

from redis.exceptions import RedisError

from . import jobs
from .attempts import DONE, Verdict
from .errors import without_values
from .store.connection import Connection
from .store.queue import ROUTE, RUN, SEND, JobMaker, rq_time

BLOCK_SECONDS = 1.0  # how long an idle worker waits for a job before it looks at its orders
ALIVE_SECONDS = 30  # a worker that has not been heard of for longer is dead

_MAX_DUE = 500
_CRASHES = "crashes"
_MAX_CRASHES = 8

_log = logging.getLogger(__name__)

# The only functions that a job may name: what stands in Redis is not trusted to choose others.
_FUNCTIONS: dict[str, Callable[..., Verdict]] = {
    ROUTE: jobs.route,
    RUN: jobs.run,
    SEND: jobs.send,
}


class Clerk:
    """One worker's dealings with one queue; ``retention`` in seconds, for jobs that are dead."""

    def __init__(
        self, connection: Connection, maker: JobMaker, queue: str, worker: str, retention: int
    ) -> None:
        self._connection = connection
        self._waiting = connection.slow(BLOCK_SECONDS + 5)
        self._retention = retention
        self.queue = maker.queue(queue)
        self._lists = f"{maker.namespace}:claims"
        self._claims = f"{self._lists}:{self.queue}:{worker}"

    def sign_on(self) -> None:
        """Announce the claim list, so that its jobs are found if this worker dies."""
        self._client.sadd(self._lists, self._claims)
        self._client.sadd("rq:queues", f"rq:queue:{self.queue}")  # seen by RQ before its first job

    def sign_off(self) -> None:
        """Give back what is still claimed, ahead of the others."""
        while self._client.lmove(self._claims, f"rq:queue:{self.queue}", "RIGHT", "LEFT"):
            pass
        self._client.srem(self._lists, self._claims)

    def claim(self, *, wait: bool) -> str | None:
        """Take the oldest job, waiting for one if told to; ``None`` where there is none."""
        queue = f"rq:queue:{self.queue}"
        if wait:
            client: Any = self._waiting.client
            found = client.blmove(queue, self._claims, BLOCK_SECONDS, "LEFT", "RIGHT")
        else:
            found = self._client.lmove(queue, self._claims, "LEFT", "RIGHT")
        return found.decode("ascii") if found else None

    def perform(self, job_id: str) -> None:
        """Run a claimed job and write how it ended; needs the app's context."""
        data = self._client.hget(f"rq:job:{job_id}", "data")
        verdict = DONE if data is None else self._verdict(job_id, data)
        self._settle(job_id, verdict)

    def release_due(self) -> int:
        """Queue the scheduled jobs whose time has come; safe to run from anywhere at once."""
        keys = [f"rq:scheduled:{self.queue}", f"rq:queue:{self.queue}"]
        return cast("int", self._connection.run("due", keys, [time.time(), rq_time(), _MAX_DUE]))

    def release_orphans(self) -> int:
        """Queue the claims of dead workers again, of all queues."""
        moved = cast("int", self._connection.run("orphans", [self._lists], []))
        if moved:
            _log.warning("event=orphans_released jobs=%d", moved)
        return moved

    @property
    def _client(self) -> Any:
        return self._connection.client

    def _verdict(self, job_id: str, data: bytes) -> Verdict:
        try:
            name, _, args, _ = json.loads(data)
            function = _FUNCTIONS.get(name)
            if function is None:
                _log.error("event=forged_job job=%s", job_id)
                return Verdict(reason="the job names a function that is not ours")
            return function(*args)
        except RedisError:
            raise
        except Exception as error:  # noqa: BLE001 - the top of the job
            crashes = self._client.hincrby(f"rq:job:{job_id}", _CRASHES, 1)
            _log.error("event=job_crashed job=%s", job_id, exc_info=without_values(error))
            delay = None if crashes > _MAX_CRASHES else 2.0**crashes
            return Verdict(delay, f"crashed: {type(error).__name__}")

    def _settle(self, job_id: str, verdict: Verdict) -> None:
        """Let go of a job and write how it ended, in one transaction."""
        key = f"rq:job:{job_id}"
        with self._client.pipeline(transaction=True) as pipeline:
            pipeline.lrem(self._claims, 1, job_id)
            if verdict == DONE:
                pipeline.delete(key)
            elif verdict.delay is not None:
                pipeline.hset(key, "status", "scheduled")
                due = time.time() + verdict.delay
                pipeline.zadd(f"rq:scheduled:{self.queue}", {job_id: due})
            else:
                ended = {"status": "failed", "ended_at": rq_time(), "exc_info": verdict.reason}
                pipeline.hset(key, mapping=ended)
                pipeline.expire(key, self._retention)
                forgotten = time.time() + self._retention
                pipeline.zadd(f"rq:failed:{self.queue}", {job_id: forgotten})
            pipeline.execute()
