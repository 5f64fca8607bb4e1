"""What is done now and then rather than for an event: polling, reconciling, listening for silence.

The supervisor queues what is due; a worker does it. Each chore can be lost or done twice without
harm: what is due is kept by those who do it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from .errors import ReceiverError
from .polling import Polling
from .reconcile import Reconciler
from .silence import CHECK_SECONDS, Silence
from .store.connection import Connection
from .store.queue import JobMaker, rq_time

POLL = "poll"
SILENCE = "silence"
RECONCILE = "reconcile:"  # and an account

_LEASE_SECONDS = 600  # for how long a chore that was queued is not queued again
_BATCH = 100

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chores:
    """The chores of one deployment; ``every``: seconds between two reconciliations, 0 for never."""

    connection: Connection
    jobs: JobMaker
    polling: Polling
    reconciler: Reconciler
    silence: Silence
    every: int

    def queue_due(self) -> int:
        """Queue what is due, unless it is queued already; gives how many. Raises `RedisError`."""
        return sum(map(self._queue, self._due()))

    def queue_polls(self) -> int:
        """Queue the asking for what is due, and nothing else; see `queue_due`."""
        return self._queue(POLL) if self.polling.is_due() else 0

    def do(self, name: str) -> bool:
        """Do one chore, and tell whether there is more of it to do, once others had their turn.

        Raises `RedisError`; then it is done again.
        """
        if name == POLL and self.polling.poll_once(_BATCH) == _BATCH:
            return True
        if name == SILENCE:
            self.silence.check_when_due()
        elif name.startswith(RECONCILE):
            self._reconcile(name.removeprefix(RECONCILE))
        self.connection.client.delete(self._lock(name))
        return False

    def _due(self) -> Iterator[str]:
        if self.polling.is_due():
            yield POLL
        yield from (RECONCILE + name for name in self._accounts_due())
        if self.connection.client.set(
            f"{self.jobs.namespace}:silence-due", 1, nx=True, ex=CHECK_SECONDS
        ):
            yield SILENCE

    def _accounts_due(self) -> list[str]:
        return self.reconciler.due_accounts(self.every) if self.every else []

    def _queue(self, name: str) -> int:
        job = self.jobs.chore(name)
        args = [_LEASE_SECONDS, rq_time(), *job.args()]
        return int(self.connection.run("chore", [self._lock(name)], args))

    def _reconcile(self, account: str) -> None:
        try:
            self.reconciler.catch_up(account, self.every)
        except ReceiverError as error:
            _log.error("event=reconcile_failed account=%s error=%s", account, type(error).__name__)

    def _lock(self, name: str) -> str:
        return f"{self.jobs.namespace}:chore:{name}"
