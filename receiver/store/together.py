"""Concurrent calls of a process become one round trip: one thread sends what all of them wait for.

A call that comes alone leaves at once. Those that come while it is on its way wait for its return
and leave together, so that a busy process makes few round trips with many calls in each. Every
call has an answer, or an error, of its own. How calls are sent is the caller's business.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakSet

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from ..limits import whole

Call = Sequence[Any]

# All of this process, so that a fork finds them.
_ALL: WeakSet[Together] = WeakSet()


class _Entry:
    """A call whose thread waits for its ``turn``: until it is settled, or leads the next batch.

    ``answer`` may be an error, which is raised there.
    """

    __slots__ = ("answer", "call", "leads", "turn")

    def __init__(self, call: Call) -> None:
        self.call = call
        self.leads = False
        self.answer: Any = None
        self.turn = threading.Lock()
        self.turn.acquire()


class Together:
    """Make calls by ``send``, which gives an answer, or an error, for each of several."""

    def __init__(self, send: Callable[[Sequence[Call]], Sequence[Any]]) -> None:
        self._send = send
        self.begin()
        _ALL.add(self)

    def begin(self) -> None:
        """Forget the threads that wait: a forked process has none of them."""
        self._lock = threading.Lock()
        self._waiting: list[_Entry] = []
        self._is_led = False

    def __len__(self) -> int:
        """Give how many calls wait for the one that is on its way."""
        return len(self._waiting)

    @whole
    def run(self, call: Call) -> Any:
        """Make a call, with those of other threads, and give its answer; raises its error."""
        entry = _Entry(call)
        try:
            self._line_up(entry)
            if not entry.leads:
                entry.turn.acquire()  # until one who leads gives it back
        except BaseException:  # whatever ends this thread, the others go on
            self._withdraw(entry)
            raise
        if entry.leads:
            self._lead()
        if isinstance(entry.answer, BaseException):
            raise entry.answer
        return entry.answer

    def _line_up(self, entry: _Entry) -> None:
        with self._lock:
            self._waiting.append(entry)
            entry.leads, self._is_led = not self._is_led, True

    def _withdraw(self, entry: _Entry) -> None:
        with self._lock:
            if entry in self._waiting:
                self._waiting.remove(entry)
                if entry.leads:
                    self._pass_on()

    def _lead(self) -> None:
        """Send all that wait; where Redis does not answer, those that came meanwhile hear of it."""
        batch: list[_Entry] = []
        answers: Sequence[Any] | None = None
        error: RedisError = RedisConnectionError("interrupted")
        try:
            with self._lock:
                batch, self._waiting = self._waiting, []
            answers = self._send([entry.call for entry in batch])
        except RedisError as failed:
            error = failed
        finally:
            self._settle(batch, answers, error)

    def _settle(
        self, batch: list[_Entry], answers: Sequence[Any] | None, error: RedisError
    ) -> None:
        with self._lock:
            if answers is None:
                batch, self._waiting = batch + self._waiting, []
                answers = [_again(error) for _ in batch]
            for entry, answer in zip(batch, answers, strict=True):
                entry.answer = answer
                if not entry.leads:
                    entry.turn.release()
            self._pass_on()

    def _pass_on(self) -> None:
        """Have the first that waits lead the next batch; needs the lock."""
        self._is_led = bool(self._waiting)
        for entry in self._waiting[:1]:
            entry.leads = True
            entry.turn.release()


def _again(error: RedisError) -> RedisError:
    """Make an error for each thread: raising one changes it."""
    try:
        return type(error)(*error.args)
    except TypeError:
        return RedisConnectionError(type(error).__name__)


def _after_fork() -> None:
    for together in _ALL:
        together.begin()


os.register_at_fork(after_in_child=_after_fork)
