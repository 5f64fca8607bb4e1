"""What happened, in the trade's words: an inbound message, a delivery report, or an alarm.

Nothing here knows a provider, HTTP or Redis.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from functools import cache, lru_cache
from operator import attrgetter
from typing import Any, ClassVar, Literal

Trust = Literal["key", "token", "asked", "own"]

# Made once: `json.dumps` makes an encoder at each call that asks for separators.
_compact = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode


class Status(StrEnum):
    """What became of a sent SMS; a word that no document lists is ``UNKNOWN``."""

    PENDING = "pending"
    SCHEDULED = "scheduled"
    SUBMITTED = "submitted"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    EXPIRED = "expired"
    BLOCKED = "blocked"
    NO_ROUTE = "no_route"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"

    @property
    def final(self) -> bool:
        """Tell whether no other status follows this one."""
        return self not in _STILL_MOVING


_STILL_MOVING = frozenset({Status.PENDING, Status.SCHEDULED, Status.SUBMITTED, Status.UNKNOWN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Billing:
    """What an inbound SMS cost: ``currency`` is ISO 4217, prices are in its major unit."""

    currency: str
    subscriber_price: Decimal | None = None
    billing_price: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What every event has.

    ``id``: 32 hexadecimal digits, the same for every resend. ``received_at``: aware, UTC.
    ``trust``: how the caller proved itself; ``asked`` where we asked the provider, ``own`` for what
    we noticed ourselves. ``duplicate_of``: the id of an earlier event with the
    same content, where the provider gave nothing to tell them apart. ``replay``: an operator asked
    for this event to be handled once more.
    """

    kind: ClassVar[str]

    id: str
    provider: str
    account: str
    received_at: datetime
    trust: Trust
    duplicate_of: str | None = None
    replay: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Give the event as JSON types: times in ISO 8601, money as text, nothing that is empty."""
        return to_dict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundMessage(Event):
    """An SMS that somebody wrote to us.

    Numbers are E.164 with ``+``; short codes and alphanumeric senders stand as they came.
    ``sender`` is ``None`` where the provider names several ``candidates`` and not which of them
    wrote. ``groups`` are the named groups of the handler's own pattern.
    """

    kind: ClassVar[str] = "message"

    message_id: str | None = None
    sender: str | None = None
    candidates: tuple[str, ...] = ()
    recipient: str | None = None
    text: str = ""
    sent_at: datetime | None = None
    channel: str = "sms"
    client_reference: str | None = None
    billing: Billing | None = None
    media_url: str | None = None
    custom: Mapping[str, Any] = field(default_factory=dict, hash=False)
    groups: Mapping[str, str | None] = field(default_factory=dict, hash=False)

    @property
    def contact(self) -> tuple[str, ...]:
        """Whose conversation this is: the sender, or all who may have written; sorted."""
        return (self.sender,) if self.sender is not None else tuple(sorted(self.candidates))


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryReport(Event):
    """What became of one SMS to one recipient.

    ``provider_status`` is the word as it came; ``credit`` the provider's credits for the whole
    message; ``stale`` is true where a final status was already known.
    """

    kind: ClassVar[str] = "report"

    message_id: str | None = None
    recipient: str
    status: Status
    provider_status: str = ""
    text: str | None = None
    client_reference: str | None = None
    credit: Decimal | None = None
    created_at: datetime | None = None
    delivered_at: datetime | None = None
    stale: bool = False

    @property
    def final(self) -> bool:
        """Tell whether no other status follows for this message and recipient."""
        return self.status.final


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm(Event):
    """Something that somebody should look at.

    ``what`` is a word for code: ``silent``, an account from which nothing came for long. ``text``
    is a sentence for people, without anybody's number; ``since`` when it began.
    """

    kind: ClassVar[str] = "alarm"

    what: Literal["silent"] = "silent"
    text: str = ""
    since: datetime | None = None


AnyEvent = InboundMessage | DeliveryReport | Alarm


def event_id(*identity: str | Sequence[str]) -> str:
    """Make the id of an event from what identifies it: 32 hexadecimal digits."""
    text = ",".join(map(_compact, identity))  # strings have a quick way through the encoder
    return hashlib.sha256(f"[{text}]".encode("ascii")).hexdigest()[:32]


def unique_id() -> str:
    """Make an id for an event that nothing identifies: it is never taken for another's resend."""
    return secrets.token_hex(16)


def to_dict(event: Event) -> dict[str, Any]:
    """Give the event as JSON types, leaving out what says nothing; ``kind`` names its class."""
    result: dict[str, Any] = {"kind": event.kind}
    kind: type = type(event)
    names, defaults, values_of = _fields(kind)
    for name, default, value in zip(names, defaults, values_of(event), strict=True):
        if value is default or value == default or (not value and value in ({}, ())):
            continue
        result[name] = value if type(value) is str else _plain(value)
    return result


def to_json(event: Event) -> str:
    """Give the event as one line of ASCII JSON."""
    return _compact(to_dict(event))


def from_json(text: str | bytes) -> AnyEvent:
    """Make the event that `to_json` wrote; whatever the source says is taken as it stands."""
    return from_dict(json.loads(text))


def from_dict(data: Mapping[str, Any]) -> AnyEvent:
    """Make the event that `to_dict` gave."""
    values = {name: value for name, value in data.items() if name != "kind"}
    for name in ("received_at", "sent_at", "created_at", "delivered_at", "since"):
        if values.get(name) is not None:
            values[name] = datetime.fromisoformat(values[name])
    if data["kind"] == DeliveryReport.kind:
        return _report(values)
    if data["kind"] == Alarm.kind:
        return Alarm(**values)
    return _message(values)


def _message(values: dict[str, Any]) -> InboundMessage:
    values["candidates"] = tuple(values.get("candidates", ()))
    billing = values.get("billing")
    if billing is not None:
        values["billing"] = Billing(
            currency=billing["currency"],
            subscriber_price=_decimal(billing["subscriber_price"]),
            billing_price=_decimal(billing["billing_price"]),
        )
    return InboundMessage(**values)


def _report(values: dict[str, Any]) -> DeliveryReport:
    values["status"] = Status(values["status"])
    values["credit"] = _decimal(values.get("credit"))
    return DeliveryReport(**values)


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


@cache
def _fields(kind: type) -> tuple[list[str], list[Any], Callable[[object], tuple[Any, ...]]]:
    """Give names, defaults, and what gets all values: `dataclasses.fields` finds them anew."""
    fields = dataclasses.fields(kind)
    names = [f.name for f in fields]
    return names, [f.default for f in fields], attrgetter(*names)


def _plain(value: Any) -> Any:
    if value is None or type(value) is str:
        return value
    if isinstance(value, datetime):
        return _iso(value.astimezone(UTC))
    if isinstance(value, (Decimal, StrEnum)):
        return str(value)
    if isinstance(value, Billing):
        names, _, values_of = _fields(Billing)
        return dict(zip(names, map(_plain, values_of(value)), strict=True))
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, Mapping):
        return json.loads(json.dumps(dict(value), default=_number))
    return value


@lru_cache(maxsize=16)  # all reports of one callback share their times
def _iso(when: datetime) -> str:
    return when.isoformat()


def _number(value: Any) -> float | str:
    """Give a decimal of ``custom`` as a number, or as text where a float would lose digits."""
    if not isinstance(value, Decimal):
        raise TypeError(f"{type(value).__name__} is no JSON type")
    number = float(value)
    return number if Decimal(repr(number)) == value else str(value)
