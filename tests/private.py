"""What no log, no key of Redis and no job may hold: the numbers and keys that the tests use."""

from __future__ import annotations

import logging
import re
from typing import Any

# Keys are named in `conftest`; numbers with and without their country.
_PRIVATE = re.compile(
    r"712345678|637885448|637885449|pk_test_lefoka_0001|smsbox-test-key-0001"
    r"|lefoka-secret|smsbox-secret|a-secret-key-of-some-length"
)


def private_in(text: str) -> list[str]:
    """Name what of a text nobody may see."""
    return _PRIVATE.findall(text)


class Listener(logging.Handler):
    """Hears every line of our loggers, with its traceback, as it would be written."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep what is private, by the name of its logger."""
        self.found += [f"{record.name}: {mark}" for mark in private_in(self.format(record))]


def private_in_redis(redis: Any) -> list[str]:
    """Name what of a database RQ's tools would show, and nobody may see: keys and jobs."""
    found = [mark for key in redis.scan_iter(count=1000) for mark in private_in(key)]
    for key in redis.scan_iter("rq:job:*", count=1000):
        if redis.type(key) == "hash":
            found += private_in(str(redis.hgetall(key)))
    return found
