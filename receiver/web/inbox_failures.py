"""How often somebody may try a password: few times from one address, not without end from all.

Counted in Redis, for all processes; while that is away, in this process alone. Who has tried too
often counts no further, and so keeps nobody else out.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from redis.exceptions import RedisError

from ..events import event_id
from .patience import Patience

SECONDS = 300
MOST_OF_ONE = 8
MOST_OF_ALL = 100

_ALL = "all"


class Failures:
    """Count the attempts of one namespace; ``clock`` gives seconds, for what is kept here."""

    def __init__(
        self,
        patience: Patience,
        namespace: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._patience = patience
        self._connection = patience.connection
        self._prefix = f"{namespace}:inbox:attempts"
        self._clock = clock
        self._lock = threading.Lock()
        self._began = clock()
        self._counts: dict[str, int] = {}

    def may_try(self, address: str | None) -> bool:
        """Count an attempt before it is made, and tell whether it may be."""
        name = _name(address)
        if self._patience.answers():
            try:
                keys = [f"{self._prefix}:{name}", f"{self._prefix}:{_ALL}"]
                may = self._connection.run("attempt", keys, [MOST_OF_ONE, MOST_OF_ALL, SECONDS])
                return bool(may)
            except RedisError:
                self._patience.end()
        return self._may_here(name)

    def forgive(self, address: str | None) -> None:
        """Forget the attempts of an address whose password was right."""
        name = _name(address)
        with self._lock:
            self._counts.pop(name, None)
        if self._patience.answers():
            with suppress(RedisError):
                self._connection.client.delete(f"{self._prefix}:{name}")

    def _may_here(self, name: str) -> bool:
        with self._lock:
            now = self._clock()
            if now - self._began >= SECONDS:
                self._began = now
                self._counts.clear()
            of_one, of_all = self._counts.get(name, 0), self._counts.get(_ALL, 0)
            if of_one >= MOST_OF_ONE or of_all >= MOST_OF_ALL:
                return False
            self._counts.update({name: of_one + 1, _ALL: of_all + 1})
            return True


def known(address: str | None) -> IPv4Address | IPv6Address | None:
    """Read an address; gives ``None`` for what is none, such as the name of a zone behind one."""
    try:
        found = ip_address(address or "")
    except ValueError:
        return None
    return None if getattr(found, "scope_id", None) else found


def _name(address: str | None) -> str:
    """Name an address; of IPv6 its network, since one caller has 2^64 of them."""
    found = known(address)
    if found is None:
        return event_id("inbox", address or "")[:16]
    if found.version == 6:
        found = IPv6Network((found, 64), strict=False).network_address
    return event_id("inbox", str(found))[:16]
