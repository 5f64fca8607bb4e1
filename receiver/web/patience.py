"""How long those who only look may wait for Redis: hardly, since threads are for webhooks.

Pages ask here first. While Redis is known to be away nobody waits; while nobody knows, two threads
of a process find out, over a connection that gives up soon. What a page then says is its business.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from math import inf

from redis.exceptions import RedisError

from ..store.connection import Connection

_MOST_WAITING = 2  # threads of this process
_TURN = 0.05  # seconds: where Redis answers, a turn is over long before
_RECENT = 0.25  # seconds in which an answer stands for the next: a busy process is not an outage
_REST = 1.0  # seconds after a failure in which nobody asks


class Patience:
    """Say whether Redis answers, for one app; ``connection`` is one that gives up soon.

    ``is_away`` tells what webhooks know of it; ``clock`` gives seconds, from any beginning.
    """

    def __init__(
        self,
        connection: Connection,
        is_away: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.connection = connection
        self._is_away = is_away
        self._clock = clock
        self._waiting = threading.BoundedSemaphore(_MOST_WAITING)
        self._rests_until = clock()
        self._answered = -inf

    def answers(self) -> bool:
        """Tell whether Redis answers now; where too many wait to know, it does not."""
        return bool(self.ask())

    def ask(self) -> bool | None:
        """Tell whether Redis answers now; gives ``None`` where too many wait to know."""
        if self._rests():
            return False
        if not self._waiting.acquire(timeout=_TURN):
            return True if self._clock() - self._answered < _RECENT else None
        try:
            if self._rests():  # which another has just found out
                return False
            self.connection.client.ping()
            self._answered = self._clock()
            return True
        except RedisError:
            self.end()
            return False
        finally:
            self._waiting.release()

    def end(self) -> None:
        """Say that Redis has just failed: for a moment nobody asks it."""
        self._rests_until = self._clock() + _REST

    def _rests(self) -> bool:
        return self._clock() < self._rests_until or self._is_away()
