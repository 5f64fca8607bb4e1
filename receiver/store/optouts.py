"""Who does not want to hear from an account: kept without end, by account and number.

``<namespace>:optouts:<account>`` is a hash of those who are opted out, by number, as JSON: ``at``,
``words``, ``source``, ``event``. ``<namespace>:optins:<account>`` keeps beside it each number's
last opt-in, with the opt-out that it ended: for those who must show when it was, and so that an
older opt-out that is handled later changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from ..consent import Asked
from ..events import AnyEvent, DeliveryReport, InboundMessage, Status
from .connection import Connection

Source = Literal["message", "provider", "operator"]

_MOST_WORDS = 160  # characters of a message that are kept
_PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class OptOut:
    """One number that is opted out, since ``at``, by these ``words``.

    ``source``: the person's own ``message``, the ``provider``'s list, or an ``operator``.
    ``event``: the id of the message or report that said so.
    """

    account: str
    number: str = field(repr=False)
    at: datetime
    words: str = field(default="", repr=False)
    source: Source = "message"
    event: str | None = None


class OptOuts:
    """The opt-outs of one namespace. Of two words about a number, the later one counts."""

    def __init__(self, connection: Connection, namespace: str) -> None:
        self._connection = connection
        self._namespace = namespace

    def add(
        self,
        account: str,
        number: str,
        *,
        words: str = "",
        source: Source,
        event: str | None = None,
        at: datetime | None = None,
    ) -> bool:
        """Note that a number wants no more; gives ``False`` where a later word is known.

        ``at``: when it was said, aware; now where it is left out. What a provider says does not
        replace what the person has said.
        """
        entry = _entry(words, source, event, at)
        return self._change(account, number, "out", entry)

    def remove(
        self,
        account: str,
        number: str,
        *,
        words: str = "",
        source: Source,
        event: str | None = None,
        at: datetime | None = None,
    ) -> bool:
        """Note that a number wants to hear from the account again; see `add`."""
        entry = _entry(words, source, event, at)
        return self._change(account, number, "in", entry)

    def note(self, event: AnyEvent, asked: Asked | None = None) -> bool:
        """Note what an event says: a message that asks for it, or a report that was blocked.

        Gives ``True`` where it is noted, also when it was before; ``False`` where it says nothing
        of this, nobody knows who wrote it, or a later word is known.
        """
        if isinstance(event, DeliveryReport) and event.status is Status.BLOCKED:
            return self.add(
                event.account,
                event.recipient,
                words=event.provider_status,
                source="provider",
                event=event.id,
                at=event.received_at,
            )
        if not isinstance(event, InboundMessage) or event.sender is None or asked is None:
            return False
        change = self.add if asked == "opted_out" else self.remove
        return change(
            event.account,
            event.sender,
            words=event.text,
            source="message",
            event=event.id,
            at=event.received_at,
        )

    def find(self, account: str, number: str) -> OptOut | None:
        """Give a number's opt-out, or ``None``."""
        return self.find_many(account, (number,)).get(number)

    def find_many(self, account: str, numbers: Sequence[str]) -> dict[str, OptOut]:
        """Give the opt-outs among these numbers, by number, in one round trip."""
        if not numbers:
            return {}
        texts = self._client.hmget(self._outs(account), list(numbers))
        found = zip(numbers, texts, strict=True)
        return {number: _optout(account, number, text) for number, text in found if text}

    def records(self, account: str) -> Iterator[OptOut]:
        """Give every opt-out of an account, in no order, by pages; each number once."""
        seen: set[bytes] = set()
        for number, text in self._client.hscan_iter(self._outs(account), count=_PAGE):
            if number not in seen:  # a hash that grows meanwhile may show one twice
                seen.add(number)
                yield _optout(account, number.decode("utf-8"), text)

    def last_opt_in(self, account: str, number: str) -> Mapping[str, Any] | None:
        """Give ``at``, ``words``, ``source`` and ``event`` of a number's last opt-in, or ``None``.

        ``ended`` is the opt-out that it ended, as it was kept.
        """
        text = self._client.hget(self._ins(account), number)
        return None if text is None else dict(json.loads(text))

    def _change(self, account: str, number: str, way: str, entry: str) -> bool:
        keys = [self._outs(account), self._ins(account)]
        return bool(self._connection.run("optout", keys, [number, way, entry]))

    @property
    def _client(self) -> Any:
        return self._connection.client

    def _outs(self, account: str) -> str:
        return f"{self._namespace}:optouts:{account}"

    def _ins(self, account: str) -> str:
        return f"{self._namespace}:optins:{account}"


def _entry(words: str, source: Source, event: str | None, at: datetime | None) -> str:
    when = (at or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="milliseconds")
    entry = {"at": when, "words": words[:_MOST_WORDS], "source": source, "event": event}
    return json.dumps({name: value for name, value in entry.items() if value is not None})


def _optout(account: str, number: str, text: bytes) -> OptOut:
    entry = json.loads(text)
    return OptOut(
        account=account,
        number=number,
        at=datetime.fromisoformat(entry["at"]),
        words=entry.get("words", entry.get("text", "")),  # text: as releases before wrote it
        source=entry.get("source", "message"),
        event=entry.get("event"),
    )
