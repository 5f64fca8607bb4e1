"""Log lines that a stranger can cause, bounded: so many a minute for each account, and a count.

It says nothing of its own accord: how many lines a minute left out is told with the first one
after that minute. What is logged is the caller's business.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

_LINES = 20
_SECONDS = 60.0


@dataclass(slots=True)
class _Minute:
    began: float
    logged: int = 0
    left_out: int = 0


class Quiet:
    """Warn of one kind of event at most ``most`` times a minute for each account.

    Accounts must be configured ones, or a few words: each is remembered. ``clock`` gives seconds.
    """

    def __init__(
        self,
        log: logging.Logger,
        event: str,
        most: int = _LINES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._event = event
        self._most = most
        self._clock = clock
        self._lock = threading.Lock()
        self._minutes: dict[str, _Minute] = {}

    def warning(self, account: str, details: str, *values: object) -> None:
        """Log ``event=… account=…`` and the details, or count it as left out.

        >>> Quiet(logging.getLogger("door"), "refused").warning("lefoka", "reason=%r", "wrong key")
        """
        left_out = 0
        with self._lock:
            now = self._clock()
            minute = self._minutes.setdefault(account, _Minute(now))
            if now - minute.began >= _SECONDS:
                left_out = minute.left_out
                minute = self._minutes[account] = _Minute(now)
            may = minute.logged < self._most
            minute.logged += may
            minute.left_out += not may
        if left_out:
            self._log.warning("event=%s_more account=%s count=%d", self._event, account, left_out)
        if may:
            self._log.warning(f"event=%s account=%s {details}", self._event, account, *values)
