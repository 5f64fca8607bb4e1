"""What an operator asks to see: read from a form or a URL, written to a URL, held against events.

A URL never holds a number or a text. A number is named by an event of that contact, a text by a
name that only the browser which wrote it can read; see `inbox_session`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta

from ..events import DeliveryReport, InboundMessage, Status
from ..store.browse import Contact, Place, Span
from ..store.journal import Record
from .inbox_outcomes import OUTCOMES, outcome_of

RANGES = {"1h": timedelta(hours=1), "24h": timedelta(days=1), "7d": timedelta(days=7)}
KINDS = ("message", "report", "alarm")

_NAME = re.compile(r"[A-Za-z0-9_.()-]{1,130}", re.ASCII)
_WITH = re.compile(r"[0-9a-f]{32}\.[0-9]{1,4}(?:,[0-9a-f]{32}\.[0-9]{1,4}){0,9}", re.ASCII)
_EVENT = re.compile(r"[0-9a-f]{32}", re.ASCII)
_FIND = re.compile(r"[0-9a-f]{8}", re.ASCII)
_ID = re.compile(r"[0-9a-f]{8,32}", re.ASCII)
_SAID = {"outcome": "handling", "range": "last"}
_NAMED = ("who", "to", "find")  # what stands for a number or a text
_MINUTE = "%Y-%m-%dT%H:%MZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What is asked for, as a URL has it; an empty word asks for nothing.

    ``range`` is one of `RANGES`, else ``since`` and ``until`` are minutes in UTC. ``who`` names
    events and, by its place among theirs, the number that is meant; ``to`` an event, and so the
    number of ours that it came to. ``find`` names a text.
    """

    account: str = ""
    kind: str = ""
    status: str = ""
    outcome: str = ""
    handler: str = ""
    range: str = ""
    since: str = ""
    until: str = ""
    who: str = ""
    to: str = ""
    find: str = ""

    @classmethod
    def read(cls, given: Mapping[str, str]) -> Filter:
        """Read a URL or a form; what is none of ours asks for nothing."""
        found = {f.name: given.get(f.name, "").strip() for f in fields(cls)}
        return cls(**{name: value for name, value in found.items() if _CHECKS[name](value)})

    def args(self) -> dict[str, str]:
        """Give what a URL has to say of it."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: value for name, value in values.items() if value}

    def span(self, now: datetime, before: Place | None = None) -> Span:
        """Give the span of time, in milliseconds."""
        since, until = _time(self.since), _time(self.until)
        if self.range:
            since, until = now - RANGES[self.range], None
        return Span(since=_ms(since), until=_ms(until), before=before)

    @property
    def people(self) -> list[tuple[str, int]]:
        """Give the events that name a contact, and which of their numbers is meant."""
        pairs = (one.split(".") for one in self.who.split(",") if one)
        return [(event_id, int(number)) for event_id, number in pairs]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A filter with what it stands for: the ``text`` in plain, the ``contacts`` by number.

    ``recipient``: the number of ours that messages came to.
    """

    filter: Filter
    text: str | None = field(default=None, repr=False)
    contacts: Sequence[Contact] = field(default=(), repr=False)
    recipient: str | None = field(default=None, repr=False)

    @property
    def number(self) -> str:
        """The number that is asked for, theirs or ours; empty where none is."""
        return self.contacts[0][1] if self.contacts else self.recipient or ""

    @property
    def is_lost(self) -> bool:
        """Tell whether the event by which a link names a number is gone."""
        return bool((self.filter.who and not self.contacts) or (self.filter.to and not self.number))

    def words(self) -> list[str]:
        """Say what is asked for, in a line for people."""
        asked = self.filter.args().items()
        said = {_SAID.get(name, name): value for name, value in asked if name not in _NAMED}
        numbers = [self.number] if self.number else []
        text = [f"« {self.text} »"] if self.text else []
        return [*numbers, *text, *(f"{name} {value}" for name, value in said.items())]

    def __call__(self, record: Record) -> bool:
        """Tell whether an event is asked for."""
        asked, event = self.filter, record.event
        if asked.account not in ("", event.account) or asked.kind not in ("", event.kind):
            return False
        if asked.status and not (
            isinstance(event, DeliveryReport) and event.status == asked.status
        ):
            return False
        if asked.handler and asked.handler not in {*record.handlers, *record.replies}:
            return False
        if asked.outcome and outcome_of(record) != asked.outcome:
            return False
        if self.recipient and getattr(event, "recipient", None) != self.recipient:
            return False
        return not self.text or _says(record, self.text.casefold())


def _says(record: Record, wanted: str) -> bool:
    """Tell whether a text is somewhere in an event, its replies or its references."""
    event = record.event
    if _ID.fullmatch(wanted) and event.id.startswith(wanted):
        return True
    said = [getattr(event, "text", None), *(reply.get("text") for reply in record.replies.values())]
    if isinstance(event, InboundMessage | DeliveryReport):
        said += [event.message_id, event.client_reference]
    return any(wanted in text.casefold() for text in said if text)


def _time(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, _MINUTE).replace(tzinfo=UTC)
    except ValueError:
        return None


def minute(text: str, offset: str) -> str:
    """Give a minute that a browser's form names as a URL has it.

    ``offset``: minutes from its clock to UTC, as JavaScript counts them; without, it is UTC.
    """
    try:
        found = datetime.fromisoformat(text.removesuffix("Z")).replace(tzinfo=UTC)
        return (found + timedelta(minutes=int(offset or 0))).strftime(_MINUTE)
    except (ValueError, OverflowError):
        return ""


def _ms(when: datetime | None) -> int | None:
    return None if when is None else int(when.timestamp() * 1000)


def _one_of(words: Sequence[str]) -> Callable[[str], bool]:
    return lambda value: value in words


def _like(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda value: pattern.fullmatch(value) is not None


_CHECKS: Mapping[str, Callable[[str], bool]] = {
    "account": _like(_NAME),
    "kind": _one_of(KINDS),
    "status": _one_of([str(status) for status in Status]),
    "outcome": _one_of(list(OUTCOMES)),
    "handler": _like(_NAME),
    "range": _one_of(list(RANGES)),
    "since": lambda value: _time(value) is not None,
    "until": lambda value: _time(value) is not None,
    "who": _like(_WITH),
    "to": _like(_EVENT),
    "find": _like(_FIND),
}
