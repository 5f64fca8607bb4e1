"""Redis under Sentinel: who is the master now, and whether a write outlives it.

Not a client of its own: redis-py asks the sentinels and keeps the connections. What is added are
bounds of time, and that no write is believed to be safe which only a dying master has.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, unquote

from redis import Redis
from redis.exceptions import ConnectionError as RedisAway
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisSilent
from redis.sentinel import MasterNotFoundError, Sentinel

from ..redis_url import SENTINEL_URL
from .exchange import borrowed, exchange, pack

SENTINEL_SECONDS = 0.2  # for one sentinel to be reached, and again for its answer
SEARCH_SECONDS = 0.5  # once they are over, no further sentinel is asked
SILENT_SECONDS = 2.0  # how long a sentinel that failed is left alone
WAIT_MILLISECONDS = 400  # for a replica to confirm a write
AGREED_SECONDS = 1.0  # how long the word of the sentinels is good for a master without replica

_PORT = 26379

_log = logging.getLogger(__name__)

Address = tuple[str, int]


def is_sentinel(url: str) -> bool:
    """Tell whether a URL that the settings let pass names sentinels, not a server."""
    return SENTINEL_URL.fullmatch(url) is not None


def connect(url: str, options: Mapping[str, Any]) -> Redis:
    """Make a client of whoever is the master; ``options`` are those of its connections."""
    found = SENTINEL_URL.fullmatch(url)
    if found is None:
        raise ValueError("is no URL of sentinels")
    asked = {**options, "socket_timeout": SENTINEL_SECONDS}
    asked["socket_connect_timeout"] = SENTINEL_SECONDS
    for name, value in parse_qs(found["options"] or "").items():
        asked[name.removeprefix("sentinel_")] = value[0]
    sentinels: Any = BoundedSentinel(
        [_address(text) for text in found["sentinels"].split(",")], sentinel_kwargs=asked
    )
    client: Redis = sentinels.master_for(
        found["service"],
        db=int(found["database"] or 0),
        username=unquote(found["username"] or "") or None,
        password=unquote(found["password"] or "") or None,
        **options,
    )
    return client


class BoundedSentinel(Sentinel):
    """The sentinels of a deployment; dead ones cost their time once, not with each command."""

    def __init__(self, addresses: list[Address], sentinel_kwargs: dict[str, Any]) -> None:
        # redis-py gives no types here
        super().__init__(addresses, sentinel_kwargs=sentinel_kwargs)  # type: ignore[no-untyped-call]
        self._failed = dict.fromkeys(range(len(addresses)), -SILENT_SECONDS)

    def discover_master(self, service_name: str) -> Address:
        """Give the address of the master; raises redis-py's `MasterNotFoundError`.

        redis-py's own method tries all sentinels each time, however long that takes, and loses some
        of them when two threads reorder its list.
        """
        for state in self._states(service_name):
            if _is_alive(state):
                return _address_in(state)
        raise MasterNotFoundError("no sentinel names a living master of that service")

    def agree(self, service: str, address: Address) -> bool:
        """Tell whether most sentinels answer, and all that do call ``address`` the master."""
        states = list(self._states(service))
        return 2 * len(states) > len(self.sentinels) and all(
            _is_alive(state)
            and _address_in(state) == address
            and "failover_in_progress" not in state["flags"]
            for state in states
        )

    def _states(self, service: str) -> Iterator[Mapping[str, Any]]:
        """Ask one sentinel after the other what it knows; those that failed last come last."""
        deadline = time.monotonic() + SEARCH_SECONDS
        for number in sorted(self._failed, key=lambda number: self._failed[number]):
            now = time.monotonic()
            if now > deadline:
                return
            if now - self._failed[number] < SILENT_SECONDS:
                continue
            sentinel: Any = self.sentinels[number]
            try:
                masters = sentinel.sentinel_masters()
            except (RedisAway, RedisSilent) as error:
                self._failed[number] = time.monotonic()
                _log.warning("event=sentinel_away number=%d error=%s", number, type(error).__name__)
                continue
            if service in masters:
                yield masters[service]


class SafeWrites:
    """Writes through one client that outlive the master, so far as there is a replica."""

    def __init__(self, client: Redis) -> None:
        self._pool: Any = client.connection_pool
        self._lock = threading.Lock()
        self._seen: tuple[Address | None, bool] = (None, False)  # a master; has it no replica?
        self._agreed: tuple[Address | None, float] = (None, 0.0)
        self._warned = False

    def write(self, *command: Any) -> tuple[Any, bool]:
        """Run one command; gives its reply, and whether the write is safe.

        It is where a replica confirmed it in the same round trip. It is as well where there is no
        replica to fail over to, and most sentinels say that this is the master still: one that
        slept through a failover, or was cut off, has no replica either. Raises what redis-py does.
        """
        with borrowed(self._pool) as connection:
            address = (connection.host, connection.port)
            seen, alone = self._seen
            if address != seen:
                alone = self._look(address, *exchange(connection, [_ROLE]))
            reply, told = exchange(connection, [pack(*command), _ROLE if alone else _WAIT])
            if isinstance(reply, ResponseError):
                raise reply
            if not alone and _is_confirmed(told):
                return reply, True
            (role,) = (told,) if alone else exchange(connection, [_ROLE])
            if self._look(address, role):
                return reply, self._is_master(connection, address)
            # WAIT is about the writes of its own connection
            return reply, alone and _is_confirmed(*exchange(connection, [_WAIT]))

    def _look(self, address: Address, role: Any) -> bool:
        """Remember what a master says of its replicas; tells whether it has none."""
        if isinstance(role, ResponseError):
            raise role
        if role[0] != b"master":
            raise RedisAway("the previous master is now a replica")
        alone = not role[2]
        self._seen = (address, alone)
        if not alone:
            self._agreed = (None, 0.0)  # it may fail over from now on
            self._warn(False)
        return alone

    def _is_master(self, connection: Any, address: Address) -> bool:
        """Tell whether a server without replica is the master still."""
        known, until = self._agreed
        if known == address and time.monotonic() < until:
            return True
        if not self._pool.sentinel_manager.agree(self._pool.service_name, address):
            connection.disconnect()  # the next one asks where the master is
            return False
        self._agreed = (address, time.monotonic() + AGREED_SECONDS)
        self._warn(True)
        return True

    def _warn(self, alone: bool) -> None:
        with self._lock:
            changed, self._warned = alone != self._warned, alone
        if changed and alone:
            _log.warning(
                "event=no_replica help='start a replica: until then, what Redis takes is lost"
                " with the machine of its master'"
            )
        elif changed:
            _log.info("event=replica_back")


_ROLE, _WAIT = pack("ROLE"), pack("WAIT", 1, WAIT_MILLISECONDS)


def _is_confirmed(told: Any) -> bool:
    """WAIT gives how many replicas have it, or an error where the master was just demoted."""
    return isinstance(told, int) and told > 0


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":") if text[-1] != "]" and ":" in text else (text, "", "")
    return host.strip("[]"), int(port or _PORT)


def _is_alive(state: Mapping[str, Any]) -> bool:
    return bool(state["is_master"] and not state["is_sdown"] and not state["is_odown"])


def _address_in(state: Mapping[str, Any]) -> Address:
    return state["ip"], state["port"]
