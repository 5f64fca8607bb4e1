"""How often somebody may try a password: few times from one address, not without end from all.

Counted in Redis, for all processes; while that is away, in this process alone.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections.abc import Callable
from typing import Any

from redis.exceptions import RedisError

from ..events import event_id
from ..store.connection import Connection

SECONDS = 300
MOST_OF_ONE = 8
MOST_OF_ALL = 100

_REMEMBERED = 1_000  # addresses, in this process
_ALL = "all"


class Failures:
    """Count the attempts of one namespace; ``clock`` gives seconds, for what is kept here."""

    def __init__(
        self,
        connection: Connection,
        namespace: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = connection
        self._prefix = f"{namespace}:inbox:attempts"
        self._clock = clock
        self._lock = threading.Lock()
        self._began = clock()
        self._counts: dict[str, int] = {}

    def may_try(self, address: str | None) -> bool:
        """Count an attempt before it is made, and tell whether it may be."""
        name = _name(address)
        try:
            of_one, of_all = self._count(name)
        except RedisError:
            of_one, of_all = self._count_here(name)
        return of_one <= MOST_OF_ONE and of_all <= MOST_OF_ALL

    def forgive(self, address: str | None) -> None:
        """Forget the attempts of an address whose password was right."""
        name = _name(address)
        with self._lock:
            self._counts.pop(name, None)
        try:
            self._client.delete(f"{self._prefix}:{name}")
        except RedisError:
            return

    def _count(self, name: str) -> tuple[int, int]:
        with self._client.pipeline(transaction=True) as pipeline:
            for key in (f"{self._prefix}:{name}", f"{self._prefix}:{_ALL}"):
                pipeline.set(key, 0, ex=SECONDS, nx=True)
                pipeline.incr(key)
            _, of_one, _, of_all = pipeline.execute()
        return int(of_one), int(of_all)

    def _count_here(self, name: str) -> tuple[int, int]:
        with self._lock:
            now = self._clock()
            if now - self._began >= SECONDS:
                self._began = now
                self._counts.clear()
            for key in (name, _ALL):
                if key in self._counts or len(self._counts) < _REMEMBERED:
                    self._counts[key] = self._counts.get(key, 0) + 1
            return self._counts.get(name, MOST_OF_ONE + 1), self._counts.get(_ALL, 0)

    @property
    def _client(self) -> Any:
        return self._connection.client


def _name(address: str | None) -> str:
    """Name an address; of IPv6 its network, since one caller has 2^64 of them."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return event_id("inbox", address or "")[:16]
    if found.version == 6:
        found = ipaddress.ip_network((found, 64), strict=False).network_address
    return event_id("inbox", str(found))[:16]
