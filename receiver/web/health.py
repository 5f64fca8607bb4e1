"""Health for machines: ``live`` says that the process answers, ``ready`` how the service is.

What it says holds no host, no path, no number and no name of a handler. Callbacks are accepted as
long as Redis or this host's spool takes them: all else makes it ``degraded``, and no more.
"""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from redis.exceptions import RedisError

from ..store.connection import Connection
from ..store.levels import Level, Levels
from ..store.spool import Spool
from .pages import UNCACHED
from .webhook import Answer, Environ

_FRESH = 1.0  # seconds that an answer is given again
_SPOOL_FRESH = 5.0  # a look at the disk writes to it
_PROBE_LIFE = 60  # seconds
_LONG_WAITING = 300.0  # seconds
_LITTLE_ROOM = 100_000_000  # bytes

_SAYS = {
    "ok": "All is well.",
    "degraded": "Callbacks are accepted; something needs to be looked at.",
    "down": "Callbacks are turned away: neither Redis nor the spool takes them.",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at: ``state`` in a word, and the ``mend`` where it is not ok."""

    state: str
    mend: str = ""

    @property
    def is_ok(self) -> bool:
        """Tell whether nothing is to be done; what nobody can know now is no trouble of its own."""
        return self.state in ("ok", "unknown")


class Health:
    """The health of one deployment, as seen from this process.

    ``connection`` is one that gives up soon; ``clock`` gives seconds, from any beginning.
    """

    def __init__(
        self,
        connection: Connection,
        level: Level,
        namespace: str,
        spool: Spool,
        folder: Path,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = connection
        self._level = level
        self._probe = f"{namespace}:ready"
        self._spool = spool
        self._folder = folder
        self._clock = clock
        self._lock = threading.Lock()
        self._answer: Answer | None = None
        self._answered = 0.0
        self._spool_check = Check("unknown")
        self._spool_looked: float | None = None

    def live(self, environ: Environ) -> Answer:
        """Say that this process answers; nothing is looked at."""
        return Answer(200, b'{"status": "ok"}', headers=UNCACHED)

    def ready(self, environ: Environ) -> Answer:
        """Say how the service is: 200 while callbacks are accepted, 503 otherwise.

        Whoever asks often is given the same answer for a second, and while one thread looks, all
        others get the answer of before: threads are for webhooks, also where Redis is frozen.
        """
        before = self._answer
        if before is not None and (self._is_fresh() or self._lock.locked()):
            return before
        with self._lock:
            if self._answer is None or not self._is_fresh():
                self._answer = _answer(dict(self._checks()))
                self._answered = self._clock()
            return self._answer

    def _is_fresh(self) -> bool:
        return self._clock() - self._answered < _FRESH

    def _checks(self) -> Iterator[tuple[str, Check]]:
        redis, levels = self._redis()
        yield "redis", redis
        yield "spool", self._look_at_spool()
        yield from _of_workers(levels)

    def _redis(self) -> tuple[Check, Levels | None]:
        """Write, since a Redis that is full or read-only answers; then read."""
        try:
            self._connection.client.set(self._probe, 1, ex=_PROBE_LIFE)
            return Check("ok"), self._level.read()
        except RedisError:
            mend = "Callbacks go to the spool. See to Redis; the check command says more."
            return Check("away", mend), None

    def _look_at_spool(self) -> Check:
        now = self._clock()
        if self._spool_looked is None or now - self._spool_looked >= _SPOOL_FRESH:
            self._spool_check = self._judge_spool()
            self._spool_looked = now
        return self._spool_check

    def _judge_spool(self) -> Check:
        mend = "See to the folder of RECEIVER_SPOOL_DIR: callbacks wait there while Redis is away."
        try:
            room = shutil.disk_usage(self._folder).free
        except OSError:
            return Check("unusable", mend)
        if not self._spool.takes():
            return Check("unusable", mend)
        return Check("ok") if room >= _LITTLE_ROOM else Check("filling", "Make room on its disk.")


def _of_workers(levels: Levels | None) -> Iterator[tuple[str, Check]]:
    if levels is None:
        yield from ((name, Check("unknown")) for name in ("workers", "waiting", "handlers"))
        return
    idle = [queue for queue, count in levels.workers.items() if not count]
    mend = f"Run the worker command; none works on: {', '.join(idle)}."
    yield "workers", Check("missing", mend) if idle else Check("ok")
    late = [queue for queue, seconds in levels.oldest.items() if seconds > _LONG_WAITING]
    mend = f"Run more workers, or mend slow handlers: {', '.join(late)} wait for minutes."
    yield "waiting", Check("late", mend) if late else Check("ok")
    mend = f"{levels.unloaded} failed to load: the check command names them."
    yield "handlers", Check("failed", mend) if levels.unloaded else Check("ok")


def _answer(checks: dict[str, Check]) -> Answer:
    is_down = checks["redis"].state != "ok" and checks["spool"].state == "unusable"
    status = "ok" if all(check.is_ok for check in checks.values()) else "degraded"
    status = "down" if is_down else status
    content = {"status": status, "says": _SAYS[status]}
    found = {name: asdict(check) for name, check in checks.items()}
    body = json.dumps({**content, "checks": found}).encode("ascii")
    retry = (("Retry-After", "5"),) if is_down else ()
    return Answer(503 if is_down else 200, body, headers=(*retry, *UNCACHED))
