"""What waited in the spool goes to Redis: read anew, many callbacks in one round trip.

Which parcel is whose, and what nobody can read, is judged here; how one is written is `intake`'s.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any
from weakref import WeakSet

from redis.exceptions import DataError, RedisError

from .arrivals import count_kept
from .errors import KeyLost
from .parcel import Parcel
from .store.connection import Connection
from .store.faults import is_ours
from .store.tally import Tally
from .vault import Vault

_log = logging.getLogger(__name__)

Call = tuple[list[str], list[Any]]  # keys and arguments of the script ``accept``

_MOST_TOGETHER = 100  # events: a few milliseconds of Redis, for which all others wait

# What a parcel raises that somebody else wrote, when it is read or used.
_MALFORMED = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, KeyLost)

# All of this process: apps may share a folder for their spools.
_ALL: WeakSet[Draining] = WeakSet()


class Draining:
    """Take what waited for one namespace in one Redis: ``home`` names both, as in `Parcel`.

    ``store`` puts one parcel into Redis, ``call`` makes what the script takes of one.
    """

    def __init__(
        self,
        connection: Connection,
        home: tuple[str, str],
        vault: Vault,
        tally: Tally,
        store: Callable[[Parcel], int],
        call: Callable[[Parcel], Call],
    ) -> None:
        self._connection = connection
        self.home = home
        self._vault = vault
        self._tally = tally
        self._store = store
        self._call = call
        _ALL.add(self)

    def take_page(self, parcels: Sequence[bytes]) -> list[bool]:
        """Take the first of what waited in the spool, as `Spool.drain_by_pages` asks for it.

        Callbacks go many in one round trip, which costs more than all else that is done for one.
        What is not plainly one, and what Redis refuses among others, is taken by itself.
        """
        plain = self._plain_calls(parcels)
        if len(plain) < 2:
            return [self._take(parcels[0])]
        try:
            replies = self._connection.run_in_one("accept", [call for _, call in plain])
        except DataError:  # one of them is nothing that can be sent
            return [self._take(parcels[0])]
        taken = [not isinstance(reply, RedisError) for reply in replies]
        for (parcel, _), told in zip(plain, replies, strict=True):
            if not isinstance(told, RedisError):
                count_kept(self._tally, parcel, told)
        _log.debug("event=accepted_from_spool callbacks=%d", sum(taken))
        offered = zip(taken, parcels[: len(taken)], strict=True)
        return [took or self._take(data) for took, data in offered]

    def open(self, data: bytes) -> Parcel:
        """Read what waits in the spool. Raises `KeyLost`, and what `Parcel.from_bytes` does."""
        return Parcel.from_bytes(self._vault.open(data))

    def _take(self, data: bytes) -> bool:
        """Put what waited in the spool into Redis; False for what is not to be put there."""
        try:
            parcel = self.open(data)
            if not self._is_ours(parcel):
                return False
            self._store(parcel)
        except RedisError as error:
            if not is_ours(error):
                raise
            _log.error("event=spooled_refused error=%s", type(error).__name__)
            return False
        except _MALFORMED as error:
            _log.error("event=spooled_unreadable error=%s", type(error).__name__)
            return False
        return True

    def _plain_calls(self, parcels: Sequence[bytes]) -> list[tuple[Parcel, Call]]:
        """Give the first parcels with their calls: as many as are callbacks for our Redis, and few.

        None where replicas confirm each write.
        """
        calls = []
        events = 0
        with suppress(*_MALFORMED):
            for data in () if self._connection.is_confirmed else parcels:
                parcel = self.open(data)
                events += len(parcel.events)
                plain = parcel.unreadable is None and self._is_ours(parcel)
                if not plain or events > _MOST_TOGETHER:
                    break
                calls.append((parcel, self._call(parcel)))
        return calls

    def _is_ours(self, parcel: Parcel) -> bool:
        """Leave it to another app that shares the folder; a Redis may have moved meanwhile."""
        if parcel.home == self.home:
            return True
        same_namespace = parcel.home[0] == self.home[0]
        return same_namespace and all(other.home != parcel.home for other in list(_ALL))
