"""Who does not want to hear from an account: kept without end, by account and number.

``<namespace>:optouts:<account>`` is a hash of those who are opted out, by number, as JSON: ``at``,
``words``, ``source``, ``event``. ``<namespace>:optins:<account>`` keeps beside it each number's
last opt-in, with the opt-out that it ended: for those who must show when it was, and so that an
older opt-out that is handled later changes nothing. Where encryption is on, a pseudonym stands in
the number's place, and the entry has ``number`` and ``words`` sealed. The entry of a number that
was forgotten lies under its pseudonym as well, and has neither: see `suppress`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from ..consent import Asked
from ..events import AnyEvent, DeliveryReport, InboundMessage, Status
from ..vault import PLAIN, Vault
from .connection import Connection
from .optout_entry import closed, is_current, opened, suppressed
from .pseudonyms import PSEUDONYM, Pseudonyms

Source = Literal["message", "provider", "operator"]

_MOST_WORDS = 160  # characters of a message that are kept
_PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class OptOut:
    """One number that is opted out, since ``at``, by these ``words``.

    ``number`` is empty where it was forgotten: it gets nothing all the same.
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
    """The opt-outs of one namespace. Of two words about a number, the later one counts.

    Where the key of the pseudonyms is lost every method raises `KeyLost`: nothing is sent then.
    """

    def __init__(self, connection: Connection, namespace: str, vault: Vault = PLAIN) -> None:
        self._connection = connection
        self._namespace = namespace
        self._vault = vault
        self._pseudonyms = Pseudonyms(connection, namespace, vault)

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
        entry = self._entry(number, words, source, event, at)
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
        entry = self._entry(number, words, source, event, at)
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
        """Give the opt-outs among these numbers, by number, in one round trip.

        Two where there are pseudonyms.
        """
        found = self._entries(self._outs(account), numbers)
        return {number: self._optout(account, number, text) for number, text in found.items()}

    def count(self, account: str) -> int:
        """Give how many are opted out of an account."""
        return int(self._client.hlen(self._outs(account)))

    def records(self, account: str) -> Iterator[OptOut]:
        """Give every opt-out of an account, in no order, by pages; each number once."""
        seen: set[bytes] = set()
        for number, text in self._client.hscan_iter(self._outs(account), count=_PAGE):
            if number not in seen:  # a hash that grows meanwhile may show one twice
                seen.add(number)
                yield self._optout(account, number.decode("utf-8"), text)

    def numbers(self, account: str) -> Iterator[str]:
        """Give all numbers of which an opt-out or an opt-in is kept; not those forgotten.

        Some twice. What cannot be decrypted is left out.
        """
        for key in (self._outs(account), self._ins(account)):
            for name, text in self._client.hscan_iter(key, count=_PAGE):
                sealed = {"number": json.loads(text).get("number", "")}
                own = "" if name.startswith(PSEUDONYM.encode()) else name.decode("utf-8")
                yield own or opened(sealed, self._vault)["number"]

    def last_opt_in(self, account: str, number: str) -> Mapping[str, Any] | None:
        """Give ``at``, ``words``, ``source`` and ``event`` of a number's last opt-in, or ``None``.

        ``ended`` is the opt-out that it ended, as it was kept.
        """
        text = self._entries(self._ins(account), [number]).get(number)
        return None if text is None else opened(json.loads(text), self._vault)

    def history(self, account: str, number: str) -> dict[str, Mapping[str, Any]]:
        """Give all that is kept of a number: what stands as ``out``, and its last ``in``."""
        places = {"out": self._outs(account), "in": self._ins(account)}
        found = {way: self._entries(key, [number]).get(number) for way, key in places.items()}
        return {way: opened(json.loads(text), self._vault) for way, text in found.items() if text}

    def suppress(self, account: str, number: str, *, drop: bool = False) -> bool:
        """Forget a number, but for a pseudonym where it is opted out, so that it stays so.

        ``drop``: that as well. Tells whether there was anything to forget; again, there is not.
        """
        outs, ins = self._outs(account), self._ins(account)
        text = self._entries(outs, [number]).get(number)
        name = self._pseudonyms.of([number], make=text is not None and not drop).get(number, "")
        with self._client.pipeline(transaction=True) as pipeline:
            pipeline.hget(outs, name)
            pipeline.hdel(outs, number)
            pipeline.hdel(ins, number, name)
            if drop:
                pipeline.hdel(outs, name)
            elif text is not None:
                pipeline.hset(outs, name, suppressed(text))
            before, _, history, *_ = pipeline.execute()
        is_news = text is not None and (drop or before != suppressed(text).encode("ascii"))
        return bool(is_news or history)

    def seal(self, account: str) -> int:
        """Put a pseudonym in the place of each number that stands in clear, and seal with today's
        key what is not; gives how many entries were changed.
        """
        return sum(map(self._seal_all, (self._outs(account), self._ins(account))))

    def _seal_all(self, key: str) -> int:
        found = self._client.hscan_iter(key, count=_PAGE)
        return sum(self._seal_one(key, name.decode("utf-8"), text) for name, text in found)

    def _seal_one(self, key: str, name: str, text: bytes) -> bool:
        entry = opened(json.loads(text), self._vault, strictly=True)
        number = entry.pop("number", "" if name.startswith(PSEUDONYM) else name)
        later = name
        if number and self._vault.is_on:
            later = self._pseudonyms.of([number], make=True)[number]
        if later == name and is_current(json.loads(text), self._vault):
            return False
        kept = json.dumps(closed(entry, number, self._vault))
        changes = [name, text, kept] if later == name else [name, text, "", later, "", kept]
        return bool(self._connection.run("amend", [key], ["", *changes]) == 1)

    def _entries(self, key: str, numbers: Sequence[str]) -> dict[str, bytes]:
        """Give the entries of numbers, whether they lie under themselves or a pseudonym."""
        if not numbers:
            return {}
        with self._client.pipeline(transaction=False) as pipeline:
            pipeline.hmget(key, list(numbers))
            pipeline.get(self._pseudonyms.key)
            texts, wraps = pipeline.execute()
        found = {number: text for number, text in zip(numbers, texts, strict=True) if text}
        names = self._pseudonyms.read(wraps, numbers)
        if names:
            texts = self._client.hmget(key, list(names.values()))
            found |= {number: text for number, text in zip(names, texts, strict=True) if text}
        return found

    def _change(self, account: str, number: str, way: str, entry: str) -> bool:
        keys = [self._outs(account), self._ins(account)]
        pseudonym = self._pseudonyms.of([number], make=self._vault.is_on).get(number, "")
        names = (pseudonym, number) if self._vault.is_on else (number, pseudonym)
        return bool(self._connection.run("optout", keys, [names[0], way, entry, names[1]]))

    def _entry(
        self, number: str, words: str, source: Source, event: str | None, at: datetime | None
    ) -> str:
        when = (at or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="milliseconds")
        entry = {"at": when, "words": words[:_MOST_WORDS], "source": source, "event": event}
        known = {name: value for name, value in entry.items() if value is not None}
        return json.dumps(closed(known, number, self._vault))

    def _optout(self, account: str, name: str, text: bytes) -> OptOut:
        entry = opened(json.loads(text), self._vault)
        number = "" if name.startswith(PSEUDONYM) else name
        return OptOut(
            account=account,
            number=entry.get("number") or number,
            at=datetime.fromisoformat(entry["at"]),
            words=entry.get("words", entry.get("text", "")),  # text: as releases before wrote it
            source=entry.get("source", "message"),
            event=entry.get("event"),
        )

    @property
    def _client(self) -> Any:
        return self._connection.client

    def _outs(self, account: str) -> str:
        return f"{self._namespace}:optouts:{account}"

    def _ins(self, account: str) -> str:
        return f"{self._namespace}:optins:{account}"
