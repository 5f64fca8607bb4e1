"""How long a rate limit keeps us from calling: what the panel's headers say, on our own clock.

It is kept by one account of one process; other processes learn of the limit by their own answers.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from ..errors import TemporaryDeliveryError
from .wire import retry_after

if TYPE_CHECKING:
    import httpx

TOO_MANY = 429

_WINDOW = 60.0  # seconds: the samples' limit is of 60, as counted in a minute by such panels
_LONGEST = 3_600.0
_LEAST_TIMESTAMP = 1_000_000_000  # a smaller reset is a number of seconds


class Window:
    """The pause after an answer that said: no more for now. ``clock`` gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until = -math.inf

    def check(self) -> None:
        """Raise `TemporaryDeliveryError`, with the seconds that are left, while it lasts."""
        left = self._until - self._clock()
        if left > 0:
            raise TemporaryDeliveryError(
                "the panel's rate limit is used up, so nothing was sent",
                code=str(TOO_MANY),
                mend="Wait; or ask the panel for a higher limit.",
                retry_after=left,
            )

    def note(self, response: httpx.Response) -> None:
        """Take in what an answer says: status 429, or ``x-ratelimit-remaining: 0``."""
        remaining = response.headers.get("x-ratelimit-remaining", "").strip()
        if response.status_code == TOO_MANY or remaining == "0":
            self._until = self._clock() + pause(response)


def pause(response: httpx.Response) -> float:
    """Give the seconds to wait: ``Retry-After``, else ``x-ratelimit-reset``, else a minute."""
    for seconds in (retry_after(response), _reset(response)):
        if seconds is not None:
            return min(max(seconds, 0.0), _LONGEST)
    return _WINDOW


def _reset(response: httpx.Response) -> float | None:
    """Read seconds from now, or a Unix time, which counts from the answer's own ``Date``."""
    text = response.headers.get("x-ratelimit-reset", "").strip()
    if not (text.isascii() and text.isdecimal()):
        return None
    value = float(text)
    if value < _LEAST_TIMESTAMP:
        return value
    return value - (_date(response) or time.time())


def _date(response: httpx.Response) -> float | None:
    try:
        when: datetime = parsedate_to_datetime(response.headers.get("date", ""))
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return when.timestamp()
