"""The bookkeeping of jobs: claimed from RQ's queues, never lost, settled in one step.

A worker moves a job from its queue into a claim list of its own and takes it out again in the same
transaction that writes how it ended. The claims of a worker that died go back to their queue.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from functools import partial
from typing import Any, cast

from redis.exceptions import RedisError

from . import jobs
from .attempts import DONE, HELD, Turn, Verdict
from .errors import without_values
from .store.connection import Connection
from .store.faults import insist, is_ours
from .store.queue import CHORE, ROUTE, RUN, SEND, Call, JobMaker, rq_time

BLOCK_SECONDS = 1.0  # how long an idle worker waits for a job before it looks at its orders
ALIVE_SECONDS = 30  # a worker that has not been heard of for longer is dead

_MAX_DUE = 500
FORGED = "forged_jobs"  # how many were refused, in the counters of the namespace

_CRASHES = "crashes"
_MAX_CRASHES = 8

_JOB_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")

_log = logging.getLogger(__name__)

# The only functions that a job may name: what stands in Redis is not trusted to choose others.
_FUNCTIONS: dict[str, Callable[..., Verdict]] = {
    ROUTE: jobs.route,
    RUN: jobs.run,
    SEND: jobs.send,
    CHORE: jobs.chore,
}


class Clerk:
    """One worker's dealings with one queue.

    ``retention`` in seconds, for jobs that are dead; ``patience`` as `attempts.Turn` has it.
    """

    def __init__(
        self,
        connection: Connection,
        maker: JobMaker,
        queue: str,
        worker: str,
        retention: int,
        patience: float = 0.0,
    ) -> None:
        self._connection = connection
        self._maker = maker
        self._worker = worker
        self._waiting = connection.slow(BLOCK_SECONDS + 5)
        self._retention = retention
        self._patience = patience
        self.queue = maker.queue(queue)
        self._lists = f"{maker.namespace}:claims"
        self._claims = f"{self._lists}:{self.queue}:{worker}"

    def sign_on(self) -> None:
        """Announce the claim list, so that its jobs are found if this worker dies."""
        self._client.sadd(self._lists, self._claims)
        self._client.sadd("rq:queues", f"rq:queue:{self.queue}")  # seen by RQ before its first job

    def sign_off(self) -> None:
        """Give back what is still claimed, ahead of the others."""
        self._connection.run("orphans", [self._lists, self._maker.ledger], [self._claims])

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
        begun = self._connection.run("begin", [f"rq:job:{job_id}"], [self._worker])
        if begun is None:
            self._settle(job_id, DONE, None)
            return
        data, signature, deaths = begun
        call = self._maker.read(job_id, data or b"", signature)
        verdict = self._refuse(job_id) if call is None else self._run(job_id, call, deaths)
        insist(partial(self._settle, job_id, verdict, call), self._patience)

    def release_due(self) -> int:
        """Queue the scheduled jobs whose time has come; safe to run from anywhere at once."""
        keys = [f"rq:scheduled:{self.queue}", self._maker.ledger]
        return cast("int", self._connection.run("due", keys, [self.queue, time.time(), _MAX_DUE]))

    def release_orphans(self) -> int:
        """Queue the claims of dead workers again, of all queues."""
        keys = [self._lists, self._maker.ledger]
        moved = cast("int", self._connection.run("orphans", keys, [""]))
        if moved:
            _log.warning("event=orphans_released jobs=%d", moved)
        return moved

    @property
    def _client(self) -> Any:
        return self._connection.client

    def _run(self, job_id: str, call: Call, deaths: bytes | None) -> Verdict:
        elsewhere = partial(self._elsewhere, job_id)
        turn = Turn(self._worker, int(deaths or 0), elsewhere, self._patience)
        args = [call.event_id] if call.handler is None else [call.event_id, call.handler]
        try:
            return _FUNCTIONS[call.function](turn, *args)
        except Exception as error:
            if isinstance(error, RedisError) and not is_ours(error):
                raise
            crashes = self._client.hincrby(f"rq:job:{job_id}", _CRASHES, 1)
            _log.error("event=job_crashed job=%s", job_id, exc_info=without_values(error))
            delay = None if crashes > _MAX_CRASHES else 2.0**crashes
            return Verdict(delay, f"crashed: {type(error).__name__}", call.handler)

    def _refuse(self, job_id: str) -> Verdict:
        """Turn away a job that nobody with our secret keys has signed for its very id."""
        self._client.hincrby(f"{self._maker.namespace}:counters", FORGED, 1)
        _log.error(
            "event=forged_job queue=%s job=%s help='it was not signed with our secret keys'",
            self.queue,
            job_id if _JOB_ID.fullmatch(job_id) else "(no id of ours)",
        )
        return Verdict(reason="forged: not signed with our secret keys")

    def _elsewhere(self, job_id: str, worker: str) -> bool:
        """Tell whether another worker lives and has this job in hand."""
        if worker == self._worker:
            return False
        with self._client.pipeline(transaction=False) as pipeline:
            pipeline.exists(f"rq:worker:{worker}")
            pipeline.lpos(f"{self._lists}:{self.queue}:{worker}", job_id)
            alive, place = pipeline.execute()
        return bool(alive) and place is not None

    def _settle(self, job_id: str, verdict: Verdict, call: Call | None) -> None:
        """Let go of a job and write how it ended, in one step; harmless where that was done."""
        now = time.time()
        ended = {"status": "failed", "ended_at": rq_time(), "exc_info": verdict.reason or ""}
        if verdict.handler is not None:
            ended["handler"] = verdict.handler
        event_id = "" if call is None else call.event_id
        keys = [self._claims, f"rq:job:{job_id}", self._maker.ledger]
        keys += [f"rq:scheduled:{self.queue}", f"rq:failed:{self.queue}"]
        keys += [f"{self._maker.namespace}:event:{event_id}"]
        args: list[Any] = [job_id, _how(verdict), "" if call is None else call.entry(self.queue)]
        args.append("" if call is None else self._maker.lane_key(call))
        args += [now + (verdict.delay or 0), self._retention, now + self._retention]
        for name, value in ended.items():
            args += [name, value]
        self._connection.run("settle", keys, args)


def _how(verdict: Verdict) -> str:
    if verdict == HELD:
        return "held"
    if verdict.delay is not None:
        return "later"
    return "done" if verdict == DONE else "dead"
