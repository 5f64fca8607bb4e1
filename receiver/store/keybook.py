"""The life of issued keys: created, rotated, revoked, and what Redis keeps of them.

A record is a hash ``<namespace>:key:<id>`` of metadata, never the key itself; times are seconds
since the epoch. ``<namespace>:keys`` indexes the ids by expiry. Whether a key is good now is said
by `keyring`, which no command has to reach.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from ..errors import ReceiverError
from ..signing import IssuedKey, IssuedKeys
from .connection import Connection
from .keyring import DAY, LONGEST_LIFE, NEAR_END, ended_name, record_name

_KEPT = 30 * DAY  # a record stays that long after its key could have been used
_PAGE = 200


class KeyState(StrEnum):
    """What has become of a key; ``REPLACED`` is still good, ``ENDED`` was replaced and is not."""

    LIVE = "live"
    NEAR_END = "near_end"
    REPLACED = "replaced"
    ENDED = "ended"
    REVOKED = "revoked"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """What is known of one issued key; times in seconds since the epoch.

    ``ends_at``: from when it is refused though it has not expired.
    """

    id: str
    account: str
    created_at: int
    expires_at: int
    ends_at: int | None = None
    replaced_by: str | None = None
    revoked_at: int | None = None
    last_used_at: int | None = None

    @property
    def good_until(self) -> int:
        """The second from which the key is refused."""
        return self.expires_at if self.ends_at is None else min(self.ends_at, self.expires_at)

    def state(self, now: float) -> KeyState:
        """Say what has become of the key by ``now``."""
        if self.revoked_at is not None:
            return KeyState.REVOKED
        if self.replaced_by is not None:
            return KeyState.REPLACED if now < self.good_until else KeyState.ENDED
        if now >= self.expires_at:
            return KeyState.EXPIRED
        return KeyState.NEAR_END if self.expires_at - now <= NEAR_END else KeyState.LIVE


class KeyBook:
    """Issue and end the keys of one namespace; ``clock`` gives seconds since the epoch."""

    def __init__(
        self,
        connection: Connection,
        namespace: str,
        keys: IssuedKeys,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._connection = connection
        self._namespace = namespace
        self._keys = keys
        self._clock = clock

    def create(self, account: str, days: int) -> tuple[KeyRecord, str]:
        """Issue a key; gives its record and, this once, its text."""
        record = self._new(account, days * DAY)
        pipe = self._client.pipeline(transaction=True)
        self._store(pipe, record)
        pipe.execute()
        self._prune()
        return record, self._text(record)

    def rotate(
        self, key_id: str, days: int | None, overlap_days: int
    ) -> tuple[KeyRecord, KeyRecord, str]:
        """Issue a key in place of another, which ends after the overlap.

        ``days``: as many as the old one had where it is ``None``. Gives the old record, the new
        one and its text. Raises `ReceiverError` where there is nothing to replace.
        """

        def step(pipe: Any) -> tuple[KeyRecord, KeyRecord]:
            old, now = self._living(pipe, key_id), int(self._clock())
            if old.replaced_by is not None:
                raise ReceiverError(f"{key_id} was replaced by {old.replaced_by}: rotate that one")
            span = old.expires_at - old.created_at if days is None else days * DAY
            new = self._new(old.account, span)
            ends_at = min(now + overlap_days * DAY, old.expires_at)
            pipe.multi()
            self._store(pipe, new)
            pipe.hset(self._name(old.id), mapping={"ends_at": ends_at, "replaced_by": new.id})
            pipe.zadd(ended_name(self._namespace), {old.id: ends_at})
            return old, new

        _, new = self._atomically(key_id, step)
        self._prune()
        return self._find(self._client, key_id), new, self._text(new)

    def revoke(self, key_id: str) -> KeyRecord:
        """End a key at once; raises `ReceiverError` where it is not live."""

        def step(pipe: Any) -> None:
            old, now = self._living(pipe, key_id), int(self._clock())
            pipe.multi()
            pipe.hset(self._name(old.id), mapping={"ends_at": now, "revoked_at": now})
            # from its beginning on: the clock of a web host may be behind ours
            pipe.zadd(ended_name(self._namespace), {old.id: old.created_at})

        self._atomically(key_id, step)
        self._prune()
        return self._find(self._client, key_id)

    def revoke_unrecorded(self, key_id: str) -> None:
        """End a key that this Redis knows nothing of: it was restored, or emptied."""
        began = int(self._clock()) - DAY
        self._client.zadd(ended_name(self._namespace), {key_id: began}, lt=True)

    def find(self, key_id: str) -> KeyRecord:
        """Give one record; raises `ReceiverError` where there is none."""
        return self._find(self._client, key_id)

    def records(self) -> list[KeyRecord]:
        """Give what is known of all keys, by account, oldest first."""
        ids = self._client.zrange(self._index, 0, -1)
        found: list[KeyRecord] = []
        for start in range(0, len(ids), _PAGE):
            pipe = self._client.pipeline(transaction=False)
            for key_id in ids[start : start + _PAGE]:
                pipe.hgetall(self._name(key_id.decode("ascii")))
            found += [_record(data) for data in pipe.execute() if data]
        return sorted(found, key=lambda record: (record.account, record.created_at, record.id))

    def _new(self, account: str, span: int) -> KeyRecord:
        now = int(self._clock())
        return KeyRecord(
            id=secrets.token_hex(5), account=account, created_at=now, expires_at=now + span
        )

    def _text(self, record: KeyRecord) -> str:
        key = IssuedKey(id=record.id, account=record.account, expires_at=record.expires_at)
        return self._keys.write(key)

    def _store(self, pipe: Any, record: KeyRecord) -> None:
        known = {name: value for name, value in asdict(record).items() if value is not None}
        pipe.hset(self._name(record.id), mapping=known)
        pipe.expireat(self._name(record.id), record.expires_at + _KEPT)
        pipe.zadd(self._index, {record.id: record.expires_at})

    def _find(self, client: Any, key_id: str) -> KeyRecord:
        data = client.hgetall(self._name(key_id))
        if not data:
            raise ReceiverError(f"there is no key {key_id}: see keys list")
        return _record(data)

    def _living(self, client: Any, key_id: str) -> KeyRecord:
        record = self._find(client, key_id)
        state = record.state(self._clock())
        if state in (KeyState.REVOKED, KeyState.EXPIRED, KeyState.ENDED):
            how = {
                KeyState.REVOKED: "was revoked already",
                KeyState.EXPIRED: "has expired",
                KeyState.ENDED: f"was replaced by {record.replaced_by} and has ended",
            }[state]
            raise ReceiverError(f"{key_id} {how}, and lets nobody in")
        return record

    def _atomically(self, key_id: str, step: Callable[[Any], Any]) -> Any:
        """Read a record and write what follows from it; again where somebody else wrote it."""
        return self._client.transaction(step, self._name(key_id), value_from_callable=True)

    def _prune(self) -> None:
        """Forget the ends of keys that have expired by themselves, and the oldest records.

        A day late: the clock of a web host may be behind ours.
        """
        now, ended = int(self._clock()) - DAY, ended_name(self._namespace)
        expired = self._client.zrangebyscore(self._index, "-inf", now)
        pipe = self._client.pipeline(transaction=True)
        if expired:
            pipe.zrem(ended, *expired)
        pipe.zremrangebyscore(ended, "-inf", now - LONGEST_LIFE)
        pipe.zremrangebyscore(self._index, "-inf", now - _KEPT)
        pipe.execute()

    @property
    def _client(self) -> Any:
        return self._connection.client

    @property
    def _index(self) -> str:
        return f"{self._namespace}:keys"

    def _name(self, key_id: str) -> str:
        return record_name(self._namespace, key_id)


def _record(data: Mapping[bytes, bytes]) -> KeyRecord:
    text = {name.decode("ascii"): value.decode("utf-8") for name, value in data.items()}
    times = {name: int(value) for name, value in text.items() if name.endswith("_at")}
    return KeyRecord(
        id=text["id"],
        account=text["account"],
        created_at=times["created_at"],
        expires_at=times["expires_at"],
        ends_at=times.get("ends_at"),
        replaced_by=text.get("replaced_by"),
        revoked_at=times.get("revoked_at"),
        last_used_at=times.get("last_used_at"),
    )
