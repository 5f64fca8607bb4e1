"""Which issued keys are good now: their signature and expiry, and which of them were ended early.

A key proves itself. Only what was ended before its time stands in Redis, in the sorted set
``<namespace>:keys:ended``; a process remembers it, and a file beside the spool does for a process
that starts while Redis is away. What was once learnt to be ended stays so: keys never come back.
Keys are issued and ended in `keybook`.
"""

from __future__ import annotations

import json
import logging
import math
import os
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from redis.exceptions import RedisError

from ..signing import IssuedKey, IssuedKeys
from .connection import Connection

DAY = 86_400  # seconds
NEAR_END = 14 * DAY
LONGEST_LIFE = 365 * DAY
ENDED_FILE = "ended-keys.json"

_REFRESH = 1.0  # seconds
_MINUTE = 60.0

_log = logging.getLogger(__name__)


class Guard(Protocol):
    """Who knows that Redis is away, so that not each request has to find out."""

    @property
    def open(self) -> bool:
        """Tell whether Redis is to be left alone now."""

    def trip(self) -> None:
        """Hear that Redis just failed."""


class Keyring:
    """The door's knowledge of issued keys, shared by the threads of a process.

    ``folder``: where the ended keys are kept for the next start. ``clock`` gives seconds since the
    epoch.
    """

    def __init__(
        self,
        connection: Connection,
        namespace: str,
        keys: IssuedKeys,
        guard: Guard,
        folder: Path,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._connection = connection
        self._namespace = namespace
        self._keys = keys
        self._guard = guard
        self._file = folder / ENDED_FILE
        self._clock = clock
        self._lock = threading.Lock()
        self._saying = threading.Lock()
        self._asked_at: float | None = None
        self._answered = False
        self._noted_at: dict[str, float] = {}
        self._said_at: dict[str, float] = {}
        self._on_disk = self._read()
        self._ended = self._on_disk

    def takes(self, account: str, text: bytes) -> bool:
        """Tell whether a text is a key of this account that is good now.

        Redis is asked for a key that we signed alone: at most once a second, and at the first use
        of a key in a minute, which is noted with it.
        """
        key = self._keys.read(text)
        if key is None or key.account != account:
            return False
        now = self._clock()
        if not self._has_ended(key, now):
            self._ask_if_due(key.id, now)
        if self._has_ended(key, now):
            self._say("key_ended_but_used", key, "", now)
            return False
        self._warn_of_its_end(key, now)
        return True

    def _has_ended(self, key: IssuedKey, now: float) -> bool:
        return now >= min(key.expires_at, self._ended.get(key.id, math.inf))

    def _ask_if_due(self, key_id: str, now: float) -> None:
        """Let one thread ask; the others wait for it only where there is something new to learn."""
        new = key_id not in self._noted_at
        if self._is_due(key_id, now) and self._lock.acquire(blocking=new):
            try:
                if self._is_due(key_id, self._clock()):  # nobody has asked while this one waited
                    self._ask(key_id, now)
            finally:
                self._lock.release()

    def _is_due(self, key_id: str, now: float) -> bool:
        if self._guard.open:
            return False
        if not _within(_REFRESH, self._asked_at, now):
            return True
        return self._answered and not _within(_MINUTE, self._noted_at.get(key_id), now)

    def _ask(self, key_id: str, now: float) -> None:
        self._answered = False
        keys = [ended_name(self._namespace), record_name(self._namespace, key_id)]
        noting = not _within(_MINUTE, self._noted_at.get(key_id), now)
        try:
            if noting:
                found = self._connection.run("key_used", keys, [key_id, int(now)])
            else:
                found = self._connection.client.zrange(keys[0], 0, -1, withscores=True)
        except RedisError:
            self._guard.trip()
            return
        finally:
            self._asked_at = self._clock()  # when it ended: the next one waits from there
        self._answered = True
        if noting:
            self._noted_at[key_id] = now
            found = list(zip(found[::2], found[1::2], strict=True))
        self._learn({key.decode("utf-8", "replace"): float(end) for key, end in found}, now)

    def _learn(self, found: Mapping[str, float], now: float) -> None:
        for key_id in found.keys() - self._ended.keys():
            self._noted_at.pop(key_id, None)  # a use after the rotation is news, however soon
        self._ended = _merged(self._ended, found, now)
        if self._ended == self._on_disk:
            return
        self._ended = _merged(self._ended, self._read(), now)
        try:
            _write(self._file, self._ended)
        except OSError as error:
            self._say_at_most_once_a_minute(
                "file", now, "event=ended_keys_not_written error=%s", type(error).__name__
            )
            return
        self._on_disk = self._ended

    def _read(self) -> dict[str, float]:
        """Give what the file knows; a file that cannot be read knows nothing, and is replaced."""
        try:
            found = json.loads(self._file.read_bytes())
            return {str(key): float(ends_at) for key, ends_at in found.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
            _log.warning("event=ended_keys_unreadable error=%s", type(error).__name__)
            return {}

    def _warn_of_its_end(self, key: IssuedKey, now: float) -> None:
        early = self._ended.get(key.id)
        left = min(key.expires_at, math.inf if early is None else early) - now
        if early is not None:
            self._say("key_replaced_but_used", key, f" days={days(left)}", now)
        elif left <= NEAR_END:
            self._say("key_near_end", key, f" days={days(left)}", now)

    def _say(self, event: str, key: IssuedKey, more: str, now: float) -> None:
        line = "event=%s account=%s key=%s%s"
        self._say_at_most_once_a_minute(key.id, now, line, event, key.account, key.id, more)

    def _say_at_most_once_a_minute(
        self, about: str, now: float, line: str, *values: object
    ) -> None:
        with self._saying:
            if _within(_MINUTE, self._said_at.get(about), now):
                return
            self._said_at[about] = now
        _log.warning(line, *values)


def ended_name(namespace: str) -> str:
    """Name the sorted set of keys that end early: ids, scored in seconds since the epoch."""
    return f"{namespace}:keys:ended"


def record_name(namespace: str, key_id: str) -> str:
    """Name the hash of what is known of one key."""
    return f"{namespace}:key:{key_id}"


def days(seconds: float) -> int:
    """Give whole days, rounded up: 0 means that nothing is left."""
    return max(0, math.ceil(seconds / DAY))


def _within(span: float, then: float | None, now: float) -> bool:
    """Tell whether less than a span has passed; not where the clock was set back."""
    return then is not None and 0 <= now - then < span


def _merged(ours: Mapping[str, float], theirs: Mapping[str, float], now: float) -> dict[str, float]:
    """Take the earlier end of each key, and forget ours that cannot be live any more."""
    both = {key: ends_at for key, ends_at in ours.items() if ends_at + LONGEST_LIFE + DAY > now}
    for key, ends_at in theirs.items():
        both[key] = min(ends_at, both.get(key, ends_at))
    return both


def _write(file: Path, ended: Mapping[str, float]) -> None:
    """Replace the file at once, on the disk as well; its owner alone may read it."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump(ended, stream, sort_keys=True)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(file)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
