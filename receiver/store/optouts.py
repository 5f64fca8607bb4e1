"""Who does not want to hear from an account: kept without end, by account and number."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from ..events import InboundMessage
from .connection import Connection
from .journal import now_iso


class OptOuts:
    """The opt-outs of one namespace."""

    def __init__(self, connection: Connection, namespace: str) -> None:
        self._connection = connection
        self._namespace = namespace

    def add(self, message: InboundMessage) -> None:
        """Note that the sender of a message wants no more; does nothing without a sender."""
        if message.sender is not None:
            entry = {"at": now_iso(), "text": message.text, "event": message.id}
            self._client.hset(self._key(message.account), message.sender, json.dumps(entry))

    def remove(self, message: InboundMessage) -> None:
        """Note that the sender of a message wants to hear from the account again."""
        if message.sender is not None:
            self._client.hdel(self._key(message.account), message.sender)

    def find(self, account: str, number: str) -> Mapping[str, Any] | None:
        """Give ``at``, ``text`` and ``event`` of a number's opt-out, or ``None``."""
        found = self._client.hget(self._key(account), number)
        return None if found is None else cast("Mapping[str, Any]", json.loads(found))

    @property
    def _client(self) -> Any:
        return self._connection.client

    def _key(self, account: str) -> str:
        return f"{self._namespace}:optouts:{account}"
