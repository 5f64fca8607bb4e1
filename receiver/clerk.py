"""The bookkeeping of jobs: claimed from RQ's queues, never lost, settled in one step.

A worker moves jobs from its queue into a claim list of its own, several at once where they are
short, and takes each out again in the same transaction that writes how it ended. The claims of a
worker that died go back to their queue; it costs only the one that had begun anything.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, cast

from redis.exceptions import RedisError

from . import jobs
from .attempts import DONE, HELD, Turn, Verdict
from .errors import without_values
from .logs import job_logger, one_job
from .store.claims import Claimed, Claims, Ending, How
from .store.connection import Connection
from .store.faults import insist, is_ours
from .store.journal import Note, Noted
from .store.queue import CHORE, ROUTE, RUN, SEND, Call, JobMaker

BLOCK_SECONDS = 1.0  # how long an idle worker waits for a job before it looks at its orders
ALIVE_SECONDS = 30  # a worker that has not been heard of for longer is dead

_MOST_CLAIMED = 32
_CLAIMED_SECONDS = 0.05  # of work: more is left to other workers
_MAX_DUE = 500
FORGED = "forged_jobs"  # how many were refused, in the counters of the namespace

_CRASHES = "crashes"
_MAX_CRASHES = 8

_JOB_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")

_log = job_logger(__name__)

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
        self._claims = Claims(connection, maker, self.queue, worker, retention)
        self._claimed: deque[Claimed] = deque()
        self._begun: str | None = None
        self._ended: Ending | None = None  # not written yet: see `perform`
        self._pace = Pace()

    def sign_on(self) -> None:
        """Announce the claim list, so that its jobs are found if this worker dies."""
        self._claims.announce()

    def sign_off(self) -> None:
        """Write how the last job ended, and give back what is still claimed."""
        self.settle()
        self._claimed.clear()
        self._claims.give_up()

    def claim(self, *, wait: bool) -> Claimed | None:
        """Take the oldest job, waiting for one if told to; ``None`` where there is none.

        Several are claimed at once, as many as were done lately in `_CLAIMED_SECONDS`.
        """
        job = self._next()
        if job is not None:
            return job
        self.settle()
        if wait and not self._claims.wait(self._waiting, BLOCK_SECONDS):
            return None
        self._claimed.extend(self._claims.take(self._pace.next()))
        return self._next()

    @property
    def has_more(self) -> bool:
        """Tell whether more than the job at hand is claimed."""
        return bool(self._claimed)

    def give_back_if_slow(self) -> None:
        """Leave what is claimed to other workers if nothing was ended since this was asked last.

        To be called from another thread, now and then. What is claimed meanwhile is given back as
        well: a job is begun only if it is claimed still.
        """
        if self._pace.stands() and self._claimed:
            self._claimed.clear()
            self._claims.give_back()

    def perform(self, job: Claimed) -> None:
        """Run a claimed job; needs the app's context.

        How it ended is written by the next call of `settle`, or with the beginning of the next job
        where nothing has to be asked for that: half of an event's round trips are saved so.
        """
        if job.data is None:
            self._end(job.id, DONE, None)
            return
        call = self._maker.read(job.id, job.data, job.signature)
        with one_job():
            verdict = self._refuse(job.id) if call is None else self._run(job, call)
        self._end(job.id, verdict, call)

    def settle(self) -> None:
        """Write how the last job ended, if that is not written yet, whatever time it takes."""
        if self._ended is None:
            return
        try:
            insist(partial(self._claims.turn, self._ended), self._patience)
        finally:
            self._ended = None

    def release_due(self) -> int:
        """Queue the scheduled jobs whose time has come; safe to run from anywhere at once."""
        keys = [f"rq:scheduled:{self.queue}", self._maker.ledger]
        return cast("int", self._connection.run("due", keys, [self.queue, time.time(), _MAX_DUE]))

    def release_orphans(self) -> int:
        """Queue the claims of dead workers again, of all queues."""
        moved = self._claims.release_orphans()
        if moved:
            _log.warning("event=orphans_released jobs=%d", moved)
        return moved

    @property
    def _client(self) -> Any:
        return self._connection.client

    def _next(self) -> Claimed | None:
        try:
            return self._claimed.popleft()
        except IndexError:  # none is left; another thread may have given them back just now
            return None

    def _run(self, job: Claimed, call: Call) -> Verdict:
        untouched = () if job.deaths or call.function != ROUTE else job.untouched
        begin = partial(self._begin, job.id)
        turn = Turn(
            self._worker, job.deaths, self._elsewhere(job.id), begin, self._patience, untouched
        )
        args = [call.event_id] if call.handler is None else [call.event_id, call.handler]
        try:
            if not untouched and begin(None) is not Noted.YES:
                return HELD
            return _FUNCTIONS[call.function](turn, *args)
        except Exception as error:
            if isinstance(error, RedisError) and not is_ours(error):
                raise
            crashes = self._client.hincrby(f"rq:job:{job.id}", _CRASHES, 1)
            _log.error("event=job_crashed job=%s", job.id, exc_info=without_values(error))
            delay = None if crashes > _MAX_CRASHES else 2.0**crashes
            return Verdict(delay, f"crashed: {type(error).__name__}", call.handler)

    def _begin(self, job_id: str, note: Note | None) -> Noted:
        """Begin a job, and with it end the last one: the usual event's one round trip."""
        if note is None and self._begun == job_id:
            return Noted.YES
        noted = self._claims.turn(self._ended, job_id, note)
        self._ended, self._begun = None, job_id
        return noted

    def _end(self, job_id: str, verdict: Verdict, call: Call | None) -> None:
        """Let go of a job, and of the one before it if nothing was begun since."""
        self.settle()
        self._ended = self._ending(job_id, verdict, call)
        self._begun = None
        self._pace.count()

    def _ending(self, job_id: str, verdict: Verdict, call: Call | None) -> Ending:
        now = time.time()
        return Ending(
            job_id=job_id,
            how=_how(verdict),
            event_id="" if call is None else call.event_id,
            entry="" if call is None else call.entry(self.queue),
            lane="" if call is None else self._maker.lane_key(call),
            due=now + (verdict.delay or 0),
            forgotten=now + self._retention,
            reason=verdict.reason or "",
            handler=verdict.handler or "",
            note=verdict.note,
        )

    def _refuse(self, job_id: str) -> Verdict:
        """Turn away a job that nobody with our secret keys has signed for its very id."""
        self._client.hincrby(f"{self._maker.namespace}:counters", FORGED, 1)
        _log.error(
            "event=forged_job queue=%s job=%s help='it was not signed with our secret keys'",
            self.queue,
            job_id if _JOB_ID.fullmatch(job_id) else "(no id of ours)",
        )
        return Verdict(reason="forged: not signed with our secret keys")

    def _elsewhere(self, job_id: str) -> Callable[[str], bool]:
        """Give what tells whether another worker lives and has this job in hand."""
        return lambda worker: worker != self._worker and self._claims.is_held_by(worker, job_id)


class Pace:
    """How fast a worker gets on, and so how many jobs it claims at once.

    A slow handler must not hold back what another worker could begin: only what was done lately in
    `_CLAIMED_SECONDS` is claimed, one job at first.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since = clock()
        self._done = 0
        self._looked_at: int | None = None
        self._total = 0

    def count(self) -> None:
        """Count a job that ended."""
        self._done += 1
        self._total += 1

    def next(self) -> int:
        """Give how many jobs to claim now."""
        now = self._clock()
        fitting = self._done * _CLAIMED_SECONDS / max(now - self._since, 1e-6)
        most = max(1, min(_MOST_CLAIMED, 2 * self._done, int(fitting)))
        self._since, self._done = now, 0
        return most

    def stands(self) -> bool:
        """Tell whether nothing ended since this was asked last."""
        before, self._looked_at = self._looked_at, self._total
        return before == self._total


def _how(verdict: Verdict) -> How:
    if verdict is HELD:
        return "held"
    if verdict.delay is not None:
        return "later"
    return "done" if verdict.reason is None else "dead"
