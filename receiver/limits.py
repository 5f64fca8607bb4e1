"""A time limit on foreign code, by the alarm signal: it also stops a pattern that backtracks.

Python delivers signals to the main thread only: elsewhere (jobs run inline in a threaded web
server) there is no limit.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import TypeVar

_AGAIN_SECONDS = 1.0
_SOON_SECONDS = 0.01  # where it rang in the middle of something whole

F = TypeVar("F", bound=Callable[..., object])

_WHOLE: set[CodeType] = set()


class TimeUp(BaseException):
    """The limit was reached. No `Exception`, so that a handler's own ``except`` lets it pass."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `TimeUp` inside the block after ``seconds``, and every second from then on."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(signum: int, frame: FrameType | None) -> None:
        if _is_in_whole(frame):
            signal.setitimer(signal.ITIMER_REAL, _SOON_SECONDS, _AGAIN_SECONDS)
            return
        raise TimeUp(f"took longer than {seconds:g} seconds")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def whole(function: F) -> F:
    """Mark a function that no limit breaks off: it ends soon, and others wait for its end."""
    _WHOLE.add(function.__code__)
    return function


def _is_in_whole(frame: FrameType | None) -> bool:
    while frame is not None and frame.f_code not in _WHOLE:
        frame = frame.f_back
    return frame is not None
