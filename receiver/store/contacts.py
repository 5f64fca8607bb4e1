"""The events of each contact of an account, by time: for conversations and searches by number.

``<namespace>:contact:<id>`` is a sorted set of event ids, scored in milliseconds; the id is a hash
of account and number, so that no number stands in a key. Workers write it in the step that begins
an event's first job (`turn.lua`), at no round trip of its own. An event that waits is not in it
yet, and the text of what an app sends by itself is nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..events import AnyEvent, DeliveryReport, InboundMessage, event_id
from .connection import Connection

MOST_EVENTS = 10_000  # of one contact: a short code that writes to itself must not fill Redis


def contact_id(account: str, number: str) -> str:
    """Name a contact of an account: 16 hexadecimal digits."""
    return event_id(account, "contact", number)[:16]


def numbers_of(event: AnyEvent) -> tuple[str, ...]:
    """Give the numbers whose conversation an event belongs to: who wrote, or who was written to."""
    if isinstance(event, InboundMessage):
        return event.contact
    return (event.recipient,) if isinstance(event, DeliveryReport) else ()


def index_words(event: AnyEvent) -> str:
    """Give what `turn.lua` is to index, in words: time (ms), event, contacts; empty for nobody."""
    ids = [contact_id(event.account, number) for number in numbers_of(event)]
    if not ids:
        return ""
    return f"{int(event.received_at.timestamp() * 1000)} {event.id} {' '.join(ids)}"


class Contacts:
    """Read the index of one namespace."""

    def __init__(self, connection: Connection, namespace: str) -> None:
        self._connection = connection
        self._namespace = namespace

    def ids(
        self, account: str, number: str, *, before: int | None = None, limit: int
    ) -> list[tuple[str, int]]:
        """Give the newest events of a contact with their times (ms), before a time if one is named.

        Raises `RedisError`.
        """
        high = "+inf" if before is None else f"({before}"
        found = self._client.zrevrangebyscore(
            self.key(account, number), high, "-inf", start=0, num=limit, withscores=True
        )
        return [(name.decode("ascii"), int(score)) for name, score in found]

    def newest(self, accounts: Iterable[str], number: str) -> list[str]:
        """Give the newest event of a number in each account that knows it, in one round trip."""
        with self._client.pipeline(transaction=False) as pipeline:
            for account in accounts:
                pipeline.zrange(self.key(account, number), 0, 0, desc=True)
            found: Sequence[Sequence[bytes]] = pipeline.execute()
        return [names[0].decode("ascii") for names in found if names]

    def key(self, account: str, number: str) -> str:
        """Give the key of a contact: for whoever has to forget one."""
        return f"{self._namespace}:contact:{contact_id(account, number)}"

    @property
    def _client(self) -> Any:
        return self._connection.client
