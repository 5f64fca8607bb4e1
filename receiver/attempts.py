"""How an attempt is made and how it ends: done, again later, dead, or left to another worker."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from uuid import uuid4

from .errors import RetryLater, TemporaryDeliveryError
from .events import AnyEvent
from .limits import time_limit
from .routing import Handler
from .store.journal import Note, Noted
from .table import refill

# While a handler runs: this attempt at it, and what it is an attempt at, as (event, handler).
run_id: ContextVar[str | None] = ContextVar("run_id", default=None)
at_work: ContextVar[tuple[str, str] | None] = ContextVar("at_work", default=None)

_BACKOFF_TOTAL = 3600.0  # seconds that all retries together take, about


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a job ended: done, again after ``delay`` seconds, or dead for a ``reason``.

    ``handler`` is whose attempt it was, for the dead letter. ``note`` is what the record is to say
    of it: it is written in the step in which the job ends.
    """

    delay: float | None = None
    reason: str | None = None
    handler: str | None = None
    note: Note | None = None


DONE = Verdict()
HELD = Verdict(reason="another worker has it")


@dataclass(frozen=True, slots=True)
class Turn:
    """One worker's turn at a job; ``deaths``: how many workers died of it.

    ``elsewhere`` tells of another worker whether it lives and has the same job in hand. ``begin``
    says that this worker is at it, and writes what is given on the record in the same step; it is
    asked before anything is done for the job, and nothing is done unless it gives `Noted.YES`.
    ``patience``: for how many seconds a Redis that went away is waited for, to note an outcome.
    ``untouched``: see `Claimed`.
    """

    worker: str
    deaths: int
    elsewhere: Callable[[str], bool]
    begin: Callable[[Note | None], Noted]
    patience: float = 0.0
    untouched: Sequence[bytes | None] = ()


def call_within(handler: Handler, event: AnyEvent) -> object:
    """Run a handler within its time; a process that it forked must not go on as a worker."""
    pid = os.getpid()
    run, work = run_id.set(uuid4().hex), at_work.set((event.id, handler.name))
    try:
        with time_limit(handler.timeout):
            return handler.function(refill(handler, event))
    finally:
        run_id.reset(run)
        at_work.reset(work)
        if os.getpid() != pid:
            os._exit(0)


def delay_before_next(attempt: int, retries: int, error: BaseException | None) -> float:
    """Give the seconds to the next attempt: doubling, with jitter, about an hour in all."""
    if isinstance(error, RetryLater) and error.seconds is not None:
        return error.seconds
    if isinstance(error, TemporaryDeliveryError) and error.retry_after is not None:
        return min(error.retry_after, _BACKOFF_TOTAL)
    base = max(1.0, _BACKOFF_TOTAL / (2.0 ** max(retries, 1) - 1))
    jitter = random.uniform(0.75, 1.25)
    return float(jitter * base * 2.0 ** (attempt - 1))
