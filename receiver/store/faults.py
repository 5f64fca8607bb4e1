"""Which errors of Redis pass by themselves, and insisting on a write until one has passed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from redis.exceptions import DataError, RedisError, ResponseError

from ..logs import job_logger

T = TypeVar("T")

_PAUSE = 0.5  # seconds

# How Redis begins its refusal of the command itself; all else is about its own state.
_OURS = ("ERR ", "WRONGTYPE ", "user_script")

_log = job_logger(__name__)


def is_ours(error: RedisError) -> bool:
    """Tell whether an error is about what was sent, and will be the same the next time."""
    refused = isinstance(error, ResponseError) and str(error).startswith(_OURS)
    return refused or isinstance(error, DataError)


def insist(write: Callable[[], T], patience: float) -> T:
    """Write until Redis has taken it, for ``patience`` seconds; the write must be idempotent.

    What a handler has done is known here alone: giving up would mean to do it again.
    """
    until, told = time.monotonic() + patience, False
    while True:
        try:
            return write()
        except RedisError as error:
            if is_ours(error) or time.monotonic() >= until:
                raise
            if not told:
                _log.error("event=outcome_waits_for_redis error=%s", type(error).__name__)
            told = True
        time.sleep(_PAUSE)
