"""Authentic bodies that nobody could read, as they came: kept until they are read or dropped.

A record is a hash ``<namespace>:quarantine:<id>``; it expires a retention after its first arrival.
Body and headers are sealed. What was forgotten has neither: a resend finds it, and brings nothing.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..errors import KeyLost
from ..events import Trust
from ..vault import PLAIN, Vault
from .connection import Connection

_PAGE = 200

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """One body: ``raw`` as it came, ``reason`` why it could not be read."""

    id: str
    account: str
    provider: str
    reason: str
    received_at: datetime
    trust: Trust
    raw: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    resends: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Give it as JSON types; bytes that are no UTF-8 are escaped."""
        return {
            "id": self.id,
            "account": self.account,
            "provider": self.provider,
            "reason": self.reason,
            "received_at": self.received_at.isoformat(),
            "trust": self.trust,
            "resends": self.resends,
            "headers": dict(self.headers),
            "raw": self.raw.decode("utf-8", "backslashreplace"),
        }


class Quarantine:
    """The quarantine of one namespace."""

    def __init__(self, connection: Connection, namespace: str, vault: Vault = PLAIN) -> None:
        self._connection = connection
        self._vault = vault
        self.index = f"{namespace}:quarantine"

    def __len__(self) -> int:
        return int(self._client.zcard(self.index))

    def __iter__(self) -> Iterator[Quarantined]:
        """Give all of them, the newest first, but for what no key of ours opens."""
        return self.records()

    def records(
        self, account: str | None = None, lost: list[str] | None = None
    ) -> Iterator[Quarantined]:
        """Give those of an account, or all, the newest first.

        The ids of those that no key of ours opens are added to ``lost``.
        """
        lost = [] if lost is None else lost
        start = 0
        while page := self._client.zrevrange(self.index, start, start + _PAGE - 1):
            start += len(page)
            ids = [body_id.decode("ascii") for body_id in page]
            pipeline = self._client.pipeline(transaction=False)
            for body_id in ids:
                pipeline.hgetall(self._key(body_id))
            for body_id, data in zip(ids, pipeline.execute(), strict=True):
                if b"raw" not in data or account not in (None, data[b"account"].decode()):
                    continue
                try:
                    yield _quarantined(body_id, data, self._vault)
                except KeyLost:
                    lost.append(body_id)
                    _log.error("event=key_lost quarantined=%s help='see check'", body_id)

    def newest(self, limit: int) -> dict[str, str]:
        """Give the ids of the newest with their accounts, in two round trips."""
        ids = [found.decode("ascii") for found in self._client.zrevrange(self.index, 0, limit - 1)]
        with self._client.pipeline(transaction=False) as pipeline:
            for body_id in ids:
                pipeline.hget(self._key(body_id), "account")
            found = zip(ids, pipeline.execute(), strict=True)
        return {body_id: account.decode() for body_id, account in found if account}

    def load(self, body_id: str) -> Quarantined | None:
        """Give one body, or ``None`` where there is none of that id. Raises `KeyLost`."""
        data = self._client.hgetall(self._key(body_id))
        return _quarantined(body_id, data, self._vault) if b"raw" in data else None

    def drop(self, body_id: str) -> None:
        """Forget a body."""
        # no transaction: a Redis that is full takes none, and this makes room
        with self._client.pipeline(transaction=False) as pipeline:
            pipeline.delete(self._key(body_id))
            pipeline.zrem(self.index, body_id)
            pipeline.execute()

    def _key(self, body_id: str) -> str:
        return f"{self.index}:{body_id}"

    @property
    def _client(self) -> Any:
        return self._connection.client


def _quarantined(body_id: str, data: Mapping[bytes, bytes], vault: Vault) -> Quarantined:
    text = {name.decode(): value.decode() for name, value in data.items() if name != b"raw"}
    return Quarantined(
        id=body_id,
        account=text["account"],
        provider=text["provider"],
        reason=text["reason"],
        received_at=datetime.fromisoformat(text["received_at"]),
        trust="token" if text.get("trust") == "token" else "key",
        raw=vault.open(data[b"raw"]),
        headers=json.loads(vault.open_text(text.get("headers", "{}"))),
        resends=int(text.get("resends", 0)),
    )
