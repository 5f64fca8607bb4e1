"""Bringing what is at rest under the newest key: after a rotation, and after the first key was set.

Each value is written anew only if it still is what was read, while web and workers run; what a
worker changed meanwhile, it has sealed with the newest key itself. So it may be run again at any
time, and an old key may be taken out once it says that nothing is left.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import KeyLost
from ..store.census import Progress
from ..store.conversations import SEALED
from ..store.pseudonyms import PSEUDONYM
from ..store.record import HANDLER, REPLY, to_stored
from .places import Places

_BODIES = (b"event", b"raw", b"packed_with", b"headers")
_OUTCOMES = (HANDLER.encode(), REPLY.encode())


@dataclass(slots=True)
class Sealed:
    """How many values were written anew, how many changed meanwhile, and how many no key opens."""

    values: int = 0
    busy: int = 0
    lost: int = 0


class Resealing:
    """Seal everything of one deployment, and the spool of this host, with the newest key."""

    def __init__(self, parts: Places) -> None:
        self._parts = parts
        self._vault = parts.vault
        self._census = parts.census
        self._done = Sealed()

    def run(self, progress: Progress = lambda keys: None) -> Sealed:
        """Do it, and tell what was done. Raises `RedisError` and `StorageUnavailable`."""
        self._done = Sealed()
        looks: Mapping[str, Callable[[list[str]], None]] = {
            "event": self._records,
            "quarantine": self._hashes("quarantine", ("raw", "headers")),
            "talk": self._hashes("talk", SEALED),
            "send": self._hashes("send", ("sent",)),
            "poll": self._polls,
            "sent": self._sent,
            "optouts": self._optouts,
            "optins": self._optouts,
        }
        for page in self._census.pages(progress):
            for kind, names in page.items():
                if kind in looks:
                    looks[kind](names)
        self._spool()
        if not self._done.busy and not self._done.lost:
            self._parts.pseudonyms.rewrap()
        return self._done

    def _records(self, names: list[str]) -> None:
        for name, fields in self._census.hashes("event", names):
            self._amend("event", name, fields, dict(self._of_record(fields)))

    def _of_record(self, fields: Mapping[bytes, bytes]) -> Iterator[tuple[bytes, bytes]]:
        for field, value in fields.items():
            if field in _BODIES:
                yield from self._one(field, value)
            elif field.startswith(_OUTCOMES):
                yield from self._outcome(field, value)

    def _outcome(self, field: bytes, value: bytes) -> Iterator[tuple[bytes, bytes]]:
        """An outcome without any words stands in clear, so that it is to be written as one."""
        try:
            later = to_stored(json.loads(self._vault.open(value)), self._vault).kept
        except KeyLost:
            self._done.lost += 1
            return
        is_sealed = later[:1] == "~"
        if later.encode() != value and not (is_sealed and self._vault.is_current(value)):
            yield field, later.encode()

    def _one(self, field: bytes, value: bytes) -> Iterator[tuple[bytes, bytes]]:
        try:
            if value and not self._vault.is_current(value):
                yield field, self._vault.seal(self._vault.open(value))
        except KeyLost:
            self._done.lost += 1

    def _hashes(self, kind: str, wanted: tuple[str, ...]) -> Callable[[list[str]], None]:
        def look(names: list[str]) -> None:
            for name, fields in self._census.hashes(kind, names):
                found = {field.encode(): fields.get(field.encode(), b"") for field in wanted}
                changes = [pair for item in found.items() for pair in self._one(*item)]
                self._amend(kind, name, fields, dict(changes))

        return look

    def _amend(
        self,
        kind: str,
        name: str,
        fields: Mapping[bytes, bytes],
        changes: Mapping[bytes, bytes],
    ) -> None:
        if not changes:
            return
        args: list[Any] = [""]
        for field, later in changes.items():
            args += [field, fields[field], later]
        done = self._parts.connection.run("amend", [self._census.key(kind, name)], args)
        self._count(done == 1, done < 0)

    def _polls(self, names: list[str]) -> None:
        for name, text in self._census.strings("poll", names):
            for _, later in self._one(b"", text):
                self._client.set(self._census.key("poll", name), later, xx=True, keepttl=True)
                self._count(True)

    def _sent(self, names: list[str]) -> None:
        """Put pseudonyms in the place of numbers that stand in clear."""
        if not self._vault.is_on:
            return
        for name in names:
            key = self._census.key("sent", name)
            plain = {
                member.decode("utf-8"): score
                for member, score in self._client.zscan_iter(key)
                if not member.startswith(PSEUDONYM.encode())
            }
            if not plain:
                continue
            known = self._parts.pseudonyms.of(plain, make=True)
            with self._client.pipeline(transaction=True) as pipeline:
                pipeline.zadd(key, {known[number]: score for number, score in plain.items()})
                pipeline.zrem(key, *plain)
                pipeline.execute()
            self._done.values += len(plain)

    def _optouts(self, names: list[str]) -> None:
        for account in names:
            try:
                self._done.values += self._parts.optouts.seal(account)
            except KeyLost:
                self._done.lost += 1

    def _spool(self) -> None:
        changed = False
        for number, data in self._parts.spool.parcels():
            for _, later in self._one(b"", data):
                done = self._parts.spool.change(number, data, later)
                self._count(done)
                changed = changed or done
        if changed or self._vault.is_on:
            self._parts.spool.scrub()

    def _count(self, done: bool, is_busy: bool = False) -> None:
        self._done.values += done
        self._done.busy += is_busy

    @property
    def _client(self) -> Any:
        return self._parts.connection.client
