"""Counting: in the memory of each process, and about once a second from there into Redis.

A count is a few steps in memory, and never waits for Redis. What a process has counted leaves in
one script call, from one thread of the process, or at its end; while Redis is away it stays, and
leaves later, under the minute it was counted in. Nothing is counted twice where an answer is lost.
A process that is killed loses its last second.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any
from uuid import uuid4
from weakref import WeakSet, finalize

from redis.exceptions import RedisError

from ..errors import without_values
from ..limits import whole
from ..measures import MEASURES
from .connection import Connection
from .counted import Counted, Key, too_many
from .faults import is_ours

_PERIOD = 1.0  # seconds between two flushes
_OVERDUE = 10  # periods without one: the server runs no threads, and a request has to do it
_ANSWER = 1.0  # seconds that Redis may take
_REMEMBERED = 3600  # seconds; a batch whose answer was lost is sent again within them
_MOST_MINUTES = 120  # kept apart while Redis is away

_log = logging.getLogger(__name__)

# All of this process, so that a fork and its end find them.
_TALLIES: WeakSet[Tally] = WeakSet()

# Held while Redis is written to: a fork waits for it, see `outage`.
_at_work = threading.Lock()
_thread: threading.Thread | None = None
_starting = threading.Lock()


class Tally:
    """Count the figures of one deployment in this process; safe from any thread.

    ``clock`` gives seconds since the epoch. Labels are given in the order in which `measures` names
    them.

    >>> tally = Tally(Connection("unix:///nowhere/redis.sock"), "receiver")
    >>> tally.count("acks", account="lefoka", answer="200")
    >>> tally.observe("ack_seconds", 0.0004, account="lefoka")
    """

    def __init__(
        self, connection: Connection, namespace: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._connection = connection.slow(_ANSWER)
        self._namespace = namespace
        self._clock = clock
        self.begin()
        finalize(self, self._connection.close).atexit = False
        _TALLIES.add(self)

    def begin(self) -> None:
        """Begin anew, in a forked process: what is counted so far is the parent's."""
        self._lock = threading.Lock()
        self._process = uuid4().hex
        self._sent = 0
        self._tried = time.monotonic()
        self._known: set[Key] = set()
        self._sets: Counter[str] = Counter()
        # appending is atomic, and needs no lock
        self._noted: deque[tuple[tuple[Key, ...], int, float]] = deque()
        self._waiting: deque[Counted] = deque()

    @whole
    def count(self, name: str, by: int = 1, /, **labels: str) -> None:
        """Count something, ``by`` times; raises `ValueError` for labels of another figure."""
        key = (name, *labels.values())
        if key not in self._known:
            key = self._admitted(key, labels, "counter")
        self._noted.append(((key,), by, 0.0))
        if _thread is None:
            _start()

    @whole
    def observe(self, name: str, seconds: float, /, **labels: str) -> None:
        """Count how long something took; raises `ValueError` for labels of another figure."""
        key = (name, *labels.values())
        if key not in self._known:
            key = self._admitted(key, labels, "histogram")
        self.note((key,), seconds)

    def key(self, name: str, /, **labels: str) -> Key:
        """Make a key for `note`; raises `ValueError` for labels of another figure."""
        return self._admitted((name, *labels.values()), labels, MEASURES[name].kind)

    @whole
    def note(self, keys: tuple[Key, ...], seconds: float) -> None:
        """Count what happens again and again under several keys at once, and how long it took."""
        self._noted.append((keys, 1, seconds))
        if _thread is None:
            _start()
        elif time.monotonic() - self._tried > _OVERDUE * _PERIOD:
            self.flush_if_free()  # the server runs no threads

    @whole
    def sample(self, name: str, value: float, /, **labels: str) -> None:
        """Say how much of something there is now, for a chart over time."""
        key = self._admitted((name, *labels.values()), labels, "gauge")
        self._noted.append(((key,), 1, value))
        if _thread is None:
            _start()

    def flush(self) -> bool:
        """Write what was counted to Redis now; False where it is away, and keeps it for later."""
        with _at_work:
            return self._flush()

    def close(self) -> None:
        """Write nothing more, and forget what was not written: where a test ends, no process."""
        with _at_work:
            _TALLIES.discard(self)
            self.begin()
        self._connection.close()

    def unsent(self) -> tuple[Mapping[Key, float], Mapping[Key, list[float]]]:
        """Give the counts and the times that this process has yet to write, or to see confirmed."""
        self._set_aside()
        found = Counted(0)
        with self._lock:
            for batch in self._waiting:
                found.add(batch)
        return found.counts, found.times

    def flush_if_free(self) -> None:
        """Flush, unless somebody is at it or a fork is about to happen."""
        if _at_work.acquire(blocking=False):
            try:
                self._flush()
            finally:
                _at_work.release()

    def _admitted(self, key: Key, labels: Mapping[str, str], kind: str) -> Key:
        """Give a set of labels that is new here its place, or that of those too many."""
        measure = MEASURES.get(key[0])
        if measure is None or measure.kind != kind or tuple(labels) != measure.labels:
            wanted = f"{measure.kind}{measure.labels}" if measure else "none of that name"
            raise ValueError(f"{key[0]}: a {kind}{(*labels,)} was counted; measures.py: {wanted}")
        with self._lock:
            if key not in self._known:
                if self._sets[key[0]] >= measure.most:
                    return too_many(measure)
                self._sets[key[0]] += 1
                self._known.add(key)
        return key

    def _flush(self) -> bool:
        self._tried = time.monotonic()
        self._set_aside()
        while self._waiting:
            with self._lock:
                batch = self._waiting[0]
                if batch.number is None:  # from now on nothing is added to it
                    self._sent += 1
                    batch.number = self._sent
            try:
                self._connection.run("tally", self._keys, self._args(batch))
            except RedisError as error:
                if not is_ours(error):
                    return False
                _log.error("event=tally_refused error=%s", type(error).__name__)
            with self._lock:
                self._waiting.popleft()
        return True

    def _set_aside(self) -> None:
        """Add up what was noted since the last time, apart by the minute."""
        batch = Counted(int(self._clock()) // 60)
        with self._lock:
            for _ in range(len(self._noted)):
                keys, by, value = self._noted.popleft()
                for key in keys:
                    batch.note(key, by, value)
            if not batch:
                return
            last = self._waiting[-1] if self._waiting else None
            if last is not None and last.number is None and last.minute == batch.minute:
                last.add(batch)
            else:
                self._waiting.append(batch)
            if len(self._waiting) > _MOST_MINUTES:  # the first may have been sent
                self._waiting[1].add(self._waiting[2])
                del self._waiting[2]

    def _args(self, batch: Counted) -> list[Any]:
        return [batch.number, _REMEMBERED, f"{self._namespace}:series", *batch.args()]

    @property
    def _keys(self) -> list[str]:
        totals = f"{self._namespace}:totals"
        return [totals, f"{totals}:sets", f"{self._namespace}:tally:{self._process}"]


def _start() -> None:
    """Start the one thread of this process, at the first count."""
    global _thread
    with _starting:
        if _thread is not None:
            return
        for tally in list(_TALLIES):
            tally._tried = time.monotonic()
        _thread = threading.Thread(target=_run, name="tally", daemon=True)
        _at_the_end_of_a_child()
        with suppress(RuntimeError):  # a server without threads, or an end that has begun
            _thread.start()


def _run() -> None:
    while _thread is threading.current_thread():
        time.sleep(_PERIOD)
        for tally in list(_TALLIES):
            try:
                tally.flush()
            except Exception as error:  # noqa: BLE001 - the top of the thread, which must go on
                _log.error("event=tally_failed", exc_info=without_values(error))


def flush_all() -> None:
    """Write what this process has counted: for its end."""
    for tally in list(_TALLIES):
        tally.flush()


def _at_the_end_of_a_child() -> None:
    """Flush where a child of `multiprocessing` ends, as some servers' are: it skips `atexit`."""
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        util.Finalize(None, flush_all, exitpriority=10)


def _before_fork() -> None:
    _at_work.acquire()


def _after_fork_in_parent() -> None:
    _at_work.release()


def _after_fork_in_child() -> None:
    global _at_work, _starting, _thread
    _at_work, _starting, _thread = threading.Lock(), threading.Lock(), None
    for tally in list(_TALLIES):
        tally.begin()


os.register_at_fork(
    before=_before_fork,
    after_in_parent=_after_fork_in_parent,
    after_in_child=_after_fork_in_child,
)
atexit.register(flush_all)
