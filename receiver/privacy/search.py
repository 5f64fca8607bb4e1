"""Where a number is: each place of one deployment is looked through, and nothing is changed.

What was found is read and opened here; what becomes of it is `forgetting`'s business, or
`exporting`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from ..errors import KeyLost, StorageUnavailable
from ..events import AnyEvent
from ..store.census import Progress
from ..store.contacts import contact_id, numbers_of
from ..store.conversations import SEALED, conversation_name
from ..store.mentions import Exactly, Mentions
from ..store.packing import Packed
from ..store.record import HANDLER, REPLY, Record, read_packed, read_record
from ..store.sentbox import Poll
from ..store.spool_salvage import salvage
from .places import Hit, Place, Places, said, told, whose

PSEUDONYMS = "pseudonyms"  # the name of what is not readable, where their key is lost

_TEXTS = (HANDLER.encode(), REPLY.encode())
_ESCAPE = b"\\u"  # in JSON: digits of another script, or a mark between digits, may be behind it


class Search:
    """The search for one number, in E.164.

    ``exact``: for a sender that is no number, just as it stands; only what it wrote, and what was
    sent to it, is found, not who names it.
    """

    def __init__(self, parts: Places, number: str, *, exact: bool = False) -> None:
        self.parts = parts
        self.mentions = Exactly(number) if exact else Mentions(number)
        self._census = parts.census
        self._seen = set(parts.accounts)
        self._spellings = set(self.mentions.spellings)
        self.known: list[str] = []  # how it may be written in a key, and what stands for it there

    @property
    def number(self) -> str:
        """The number."""
        return self.mentions.number

    def hits(self, progress: Progress = lambda keys: None) -> Iterator[Hit]:
        """Give what is found, place by place. Raises `RedisError`, and `StorageUnavailable`."""
        self._talks: dict[str, Hit] = {}
        try:
            self._name()
        except KeyLost:  # whom pseudonyms stand for nobody can tell; all else can be found
            yield Hit(place=Place.UNREADABLE, name=PSEUDONYMS)
        looks: Mapping[str, Callable[[list[str]], Iterator[Hit]]] = {
            "event": self._events,
            "quarantine": self._quarantine,
            "talk": self._conversations,
            "send": self._sends,
            "poll": self._polls,
            "sent": self._sent,
            "optouts": self._accounts,
            "optins": self._accounts,
        }
        for page in self._census.pages(progress):
            for kind, names in page.items():
                if kind in looks:
                    yield from looks[kind](names)
        yield from self._by_account()
        yield from self._sent_to_others_spelled()
        if not self.mentions.is_exact:
            yield from self._talks.values()
        yield from self._in_spool()

    def record(self, name: str, fields: Mapping[bytes, bytes]) -> Iterator[Hit]:
        """Give what of one record is about the number, or names it."""
        try:
            if not self._may_name(fields):
                return
            record = read_record(fields, self.parts.vault)
            raw = record is not None and self.names_it(record.packed)
        except KeyLost:
            yield Hit(place=Place.UNREADABLE, name=name)
            return
        if record is None:
            return
        self._seen.add(record.event.account)
        named = self._named(record)
        self._learn(record.event)
        named = (named or raw) and not self.mentions.is_exact
        place = whose(record.event, self.mentions) or (Place.MENTION if named else None)
        if place is None:
            return
        yield Hit(place=place, name=name, content=record, fields=fields)
        own = place is Place.EVENT
        if record.packed is not None and (own or raw or place is Place.CANDIDATE):
            yield Hit(place=Place.RAW, name=name)
        for prefix, found in ((HANDLER, record.handlers), (REPLY, record.replies)):
            for what, value in found.items():
                if own or self._is_named(told(value)):
                    kind = Place.OUTCOME if prefix == HANDLER else Place.REPLY
                    yield Hit(place=kind, name=f"{name} {what}", content=value)

    def _may_name(self, fields: Mapping[bytes, bytes]) -> bool:
        """Tell, without taking a record apart, whether that is worth while: most name others."""
        packed = read_packed(fields, self.parts.vault)
        texts = [] if packed is None else [packed.raw, _headers_text(packed.headers)]
        for name, value in fields.items():
            if name == b"event" or name.startswith(_TEXTS):
                texts.append(self.parts.vault.open(value))
        whole = b"\n".join(texts)
        return _ESCAPE in whole or self.mentions.in_bytes(whole)

    def _named(self, record: Record) -> bool:
        outcomes = [*record.handlers.values(), *record.replies.values()]
        return any(map(self._is_named, [said(record.event), *map(told, outcomes)]))

    def _is_named(self, value: Any) -> bool:
        if self.mentions.is_exact:
            return False
        if isinstance(value, str):
            return self.mentions.in_text(value)
        if isinstance(value, Mapping):
            return any(self._is_named(v) or self._is_named(n) for n, v in value.items())
        if isinstance(value, list | tuple):
            return any(map(self._is_named, value))
        return isinstance(value, int | float) and self.mentions.in_text(str(value))

    def names_it(self, packed: Packed | None) -> bool:
        """Tell whether a body or its headers name the number. Raises `KeyLost`."""
        return packed is not None and (
            self.mentions.in_bytes(packed.raw) or self._is_named(packed.headers)
        )

    def _learn(self, event: AnyEvent) -> None:
        """Take note of how the number is written where it makes a key."""
        self._spellings.update(filter(self.mentions.in_text, numbers_of(event)))

    def _events(self, names: list[str]) -> Iterator[Hit]:
        holders: dict[str, str] = {}
        for name, fields in self._census.hashes("event", names):
            for hit in self.record(name, fields):
                if hit.place in (Place.EVENT, Place.CANDIDATE) and hit.content.raw_in:
                    holders[hit.content.raw_in] = name
                yield hit
        # the body that an event came in may lie with another one's, and be written in any script
        for holder, fields in self._census.hashes("event", list(holders)):
            known = (hit.place is Place.RAW for hit in self.record(holder, fields))
            if b"raw" in fields and not any(known):
                yield Hit(place=Place.RAW, name=holder)

    def _quarantine(self, names: list[str]) -> Iterator[Hit]:
        for name, fields in self._census.hashes("quarantine", names):
            try:
                raw = self.parts.vault.open(fields.get(b"raw", b""))
                headers = self.parts.vault.open(fields.get(b"headers", b""))
            except KeyLost:
                yield Hit(place=Place.UNREADABLE, name=name)
                continue
            if self.mentions.in_bytes(raw) or self.mentions.in_bytes(headers):
                yield Hit(place=Place.QUARANTINE, name=name, content=raw, fields=fields)

    def _conversations(self, names: list[str]) -> Iterator[Hit]:
        for name, fields in self._census.hashes("talk", names):
            texts = [fields.get(field.encode(), b"") for field in SEALED]
            # whose it is shows at the end, when all accounts are known
            hits = self._texts(Place.CONVERSATION, name, texts, fields)
            self._talks.update((hit.name, hit) for hit in hits)
        return iter(())

    def _sends(self, names: list[str]) -> Iterator[Hit]:
        for name, fields in self._census.hashes("send", names):
            yield from self._texts(Place.SEND, name, [fields.get(b"sent", b"")], fields)

    def _polls(self, names: list[str]) -> Iterator[Hit]:
        for name, text in self._census.strings("poll", names):
            try:
                poll = Poll.from_json(self.parts.vault.open(text))
            except KeyLost:
                yield Hit(place=Place.UNREADABLE, name=name)
            except (ValueError, LookupError, TypeError):
                continue
            else:
                among = any(map(self.mentions.in_text, poll.recipients))
                if among or self._is_named(poll.client_reference):
                    yield Hit(place=Place.POLL, name=name, content=poll, fields={b"": text})

    def _sent(self, names: list[str]) -> Iterator[Hit]:
        client: Any = self.parts.connection.client
        with client.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.zmscore(self._census.key("sent", name), self.known)
            for name, scores in zip(names, pipeline.execute(), strict=True):
                times = [score for score in scores if score is not None]
                if times:
                    yield Hit(place=Place.SENT, name=name, content=max(times))

    def _accounts(self, names: list[str]) -> Iterator[Hit]:
        self._seen.update(names)
        return iter(())

    def _sent_to_others_spelled(self) -> Iterator[Hit]:
        """Look once more through what was sent, where the number was met in odd spellings."""
        odd = self._spellings.difference(self.mentions.spellings)
        if odd:
            with suppress(KeyLost):
                self._name()
            for page in self._census.pages():
                yield from self._sent(page.get("sent", []))

    def _by_account(self) -> Iterator[Hit]:
        """Look where an account and the number make the key."""
        for account in sorted(self._seen):
            known = self.parts.optouts.numbers(account)
            self._spellings.update(filter(self.mentions.in_text, known))
        for account in sorted(self._seen):
            for spelled in sorted(self._spellings):
                yield from self._of_account(account, spelled)

    def _of_account(self, account: str, spelled: str) -> Iterator[Hit]:
        client: Any = self.parts.connection.client
        talk = conversation_name(account, spelled)
        self._talks.pop(talk, None)
        if client.exists(self._census.key("talk", talk)):
            shown = None
            try:
                shown = self.parts.conversations.show(account, spelled)
            except KeyLost:
                yield Hit(place=Place.UNREADABLE, name=talk)
            yield Hit(place=Place.CONVERSATION, name=account, content=shown, spelled=spelled)
        with suppress(KeyLost):  # which is said already
            yield from self._opted_out(account, spelled)
        contact = self._census.key("contact", contact_id(account, spelled))
        if client.exists(contact):
            yield Hit(place=Place.CONTACT, name=contact)

    def _opted_out(self, account: str, spelled: str) -> Iterator[Hit]:
        history = self.parts.optouts.history(account, spelled)
        if history:
            is_left = "in" not in history and history["out"].get("forgotten")
            place = Place.SUPPRESSED if is_left else Place.OPT_OUT
            yield Hit(place=place, name=account, content=history, spelled=spelled)

    def _in_spool(self) -> Iterator[Hit]:
        for number, data in self.parts.spool.parcels():
            if self._names_parcel(data):
                yield Hit(place=Place.SPOOL, name=str(number), content=data)
        for path in self.parts.spool.status().set_aside:
            with suppress(StorageUnavailable):
                parcels = (parcel for parcel in salvage(path) if parcel is not None)
                if self.mentions.in_bytes(path.read_bytes()) or any(
                    map(self._names_parcel, parcels)
                ):
                    yield Hit(place=Place.DAMAGED, name=str(path))

    def _names_parcel(self, data: bytes) -> bool:
        with suppress(KeyLost):
            data = self.parts.vault.open(data)
        try:
            parcel = self.parts.intake.draining.open(data)
        except Exception:  # noqa: BLE001 - whatever it is: what nobody can read may still name it
            return self.mentions.in_bytes(data)
        if any(whose(event, self.mentions) for event in parcel.events):
            return True
        if self.mentions.is_exact and parcel.events:
            return False
        named = any(map(self._is_named, [*map(said, parcel.events), parcel.headers]))
        return named or self.mentions.in_bytes(parcel.body)

    def _texts(
        self, place: Place, name: str, texts: Iterable[bytes], fields: Mapping[bytes, bytes]
    ) -> Iterator[Hit]:
        try:
            opened = [self.parts.vault.open(text) for text in texts]
        except KeyLost:
            yield Hit(place=Place.UNREADABLE, name=name)
            return
        if any(map(self.mentions.in_bytes, opened)):
            yield Hit(place=place, name=name, content=opened, fields=fields)

    def _name(self) -> None:
        """Say how the number may be written in a key, and what stands for it there."""
        self.known = sorted(self._spellings)
        self.known += self.parts.pseudonyms.of(self.known, make=False).values()


def _headers_text(headers: Mapping[str, str]) -> bytes:
    return "\n".join(headers.values()).encode("utf-8", "replace")
