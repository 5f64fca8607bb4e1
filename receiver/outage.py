"""What happens while Redis is away: requests skip it, and one thread a process asks for it.

Nothing here is on the way of a webhook but reading a flag. When Redis answers again the thread
lets requests through and drains the spool; it ends when the spool is empty.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Sequence
from weakref import WeakSet

from redis.exceptions import RedisError

from .errors import StorageUnavailable, without_values
from .store.connection import Connection
from .store.spool import Spool, TakePage

_PROBE_ANSWER = 0.5  # seconds that Redis may take to answer the thread
_PAUSE = 0.5  # seconds between two looks
_LONG_PAUSE = 60.0  # where what is left in the spool is nothing that Redis takes
_PROBE_LIFE = 60  # seconds
_MOST_BETWEEN_LOOKS = 10.0  # seconds; a look takes less than two

_log = logging.getLogger(__name__)

# All of this process, so that a fork finds them.
_OUTAGES: WeakSet[Outage] = WeakSet()

# Held by a thread while it is at work with Redis: a fork waits for it. What a thread has begun,
# such as the import of a module, would stay half done in the child for ever.
_at_work = threading.Lock()


class Outage:
    """A breaker over Redis, and the draining of the spool; ``probe`` is a key to write to.

    While it is ``open`` requests skip Redis.
    """

    def __init__(self, connection: Connection, spool: Spool, take: TakePage, probe: str) -> None:
        self._probed = connection.slow(_PROBE_ANSWER)
        self._probe = probe
        self._spool = spool
        self._take = take
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._watcher: threading.Thread | None = None
        self._tripped = False
        self._looked = 0.0
        self._behind_since: float | None = None
        _OUTAGES.add(self)

    @property
    def open(self) -> bool:
        """Tell whether requests are to skip Redis: it failed, and somebody looks for its return.

        Some servers run no threads; there a request looks for itself, now and then.
        """
        return self._tripped and self._is_watched(0.0)

    def is_behind(self, behind: bool) -> bool:
        """Tell the same of a spool in which earlier ones wait: what comes now goes behind them.

        ``behind``: whether any do.
        """
        if not behind:
            self._behind_since = None
            return False
        if self._behind_since is None:
            self._behind_since = time.monotonic()
        self.watch()
        return self._is_watched(self._behind_since)

    def _is_watched(self, begin: float) -> bool:
        return time.monotonic() - max(self._looked, begin) < _MOST_BETWEEN_LOOKS

    def trip(self) -> None:
        """Say that Redis has just failed: from now on requests go to the spool."""
        if not self._tripped:
            _log.error("event=redis_away help='callbacks go to the spool'")
            self._wake.set()
        self._looked = time.monotonic()
        self._tripped = True
        self.watch()

    def watch(self) -> None:
        """Have a thread of this process drain the spool as soon as Redis takes what is there."""
        with self._lock:
            if self._watcher is None:
                self._watcher = threading.Thread(target=self._run, daemon=True)
                self._watcher.start()

    def drain_soon(self) -> None:
        """Have what was just put drained, though the thread may rest over what nobody takes."""
        self.watch()
        if not self._tripped:
            self._wake.set()

    def forget(self) -> None:
        """Begin anew in a forked process: threads stay with the parent."""
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._watcher = None

    def _run(self) -> None:
        while True:
            pause = _PAUSE
            self._wake.clear()
            try:
                if self._answers() and not self._drain():
                    pause = _LONG_PAUSE
            except Exception as error:  # noqa: BLE001 - the top of the thread, which must go on
                _log.error("event=drain_failed", exc_info=without_values(error))
            with self._lock:
                if not self._tripped and not self.waiting():
                    self._watcher = None
                    self._probed.close()
                    return
            self._wake.wait(pause)

    def _answers(self) -> bool:
        """Ask Redis by writing: one that is full or read-only answers, and takes nothing."""
        self._looked = time.monotonic()
        try:
            with _at_work:
                self._probed.client.set(self._probe, 1, ex=_PROBE_LIFE)
        except RedisError:
            return False
        if self._tripped:
            _log.warning("event=redis_back")
        self._tripped = False
        return True

    def _drain(self) -> bool:
        """Drain the spool; False where nothing that is left there can be taken."""
        try:
            taken = self._spool.drain_by_pages(self._take_page)
        except RedisError:
            self._tripped = True
            return True
        if taken:
            _log.warning("event=spool_drained callbacks=%d", taken)
        return taken != 0

    def _take_page(self, parcels: Sequence[bytes]) -> Sequence[bool]:
        self._looked = time.monotonic()
        with _at_work:
            return self._take(parcels)

    def waiting(self) -> bool:
        """Tell whether anything waits in the spool, or nobody can know."""
        try:
            return self._spool.waiting()
        except StorageUnavailable:
            return True


def _before_fork() -> None:
    _at_work.acquire()


def _after_fork_in_parent() -> None:
    _at_work.release()


def _after_fork_in_child() -> None:
    global _at_work
    _at_work = threading.Lock()
    for outage in _OUTAGES:
        outage.forget()


os.register_at_fork(
    before=_before_fork,
    after_in_parent=_after_fork_in_parent,
    after_in_child=_after_fork_in_child,
)
