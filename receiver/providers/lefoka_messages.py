"""What Lefoka says of a message, in its callbacks and in its API: the same object in both.

Source: https://developer.lefoka.co.za/docs/sms/reference, sections "SMS webhook payload example",
"SMS reply webhook payload example" and "Returns a list of SMS messages". One reader makes the
events of all three, so that one and the same has one id, however it came. What leaves is elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar

from marshmallow import EXCLUDE, Schema, fields

from ..errors import Unreadable
from ..events import DeliveryReport, InboundMessage, Status
from .base import Ack, Provider, Stamp, json_ack
from .documented import Documented
from .lefoka_request import LOCAL_TIME
from .payload import Payload, Text, amount, text_in

_MOST_REPORTED = 2_000  # recipients of one callback: four times what they send, and fast to keep


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """Section "The message object": one SMS to one or many ``recipients``, in E.164.

    ``provider_status`` is Lefoka's own word; ``credit`` what the whole message cost. Times are
    aware, in UTC. ``kind``: ``sms``, or ``sms-reply`` for an answer, whose recipients are those who
    may have written it.
    """

    id: str
    recipients: tuple[str, ...] = field(repr=False)
    text: str | None = field(repr=False)
    status: Status
    provider_status: str = ""
    schedule: datetime | None = None
    client_reference: str | None = None
    credit: Decimal | None = None
    created_at: datetime | None = None
    delivered_at: datetime | None = None
    kind: str = "sms"


# For openapi.json alone: what is read by hand, and what a name does not say.
_TYPE = {
    "description": "sms: a delivery report; sms-reply: somebody answered.",
    "example": "sms",
}
_RECIPIENT = {
    "description": "Numbers without a plus: whom a report is about, or who may have written.",
    "type": ["array", "string", "number", "object", "null"],
    "items": {"type": ["string", "number", "null"]},
    "example": ["27637885448"],
}
_CREDIT = {"type": ["string", "number", "null"], "example": "1"}
_TIME = {
    "description": "ISO 8601; without an offset it is GMT+2.",
    "type": ["string", "null"],
    "example": "2023-06-25T08:55:23+02:00",
}


class _Object(Schema):
    """Section "The immediate send message object", and ``delivery_date`` of the list."""

    class Meta:
        unknown = EXCLUDE

    id = Text(allow_none=True, load_default=None, metadata={"example": "f8cf39ee"})
    type = Text(allow_none=True, load_default=None, metadata=_TYPE)
    recipient = fields.Raw(allow_none=True, load_default=None, metadata=_RECIPIENT)
    message = Text(allow_none=True, load_default=None, metadata={"example": "See you at nine."})
    client_reference = Text(allow_none=True, load_default=None, metadata={"example": "booking-77"})
    status = Text(allow_none=True, load_default=None, metadata={"example": "delivered"})
    credit = fields.Raw(allow_none=True, load_default=None, metadata=_CREDIT)
    schedule = fields.Raw(allow_none=True, load_default=None, metadata=_TIME)
    creation_date = fields.Raw(allow_none=True, load_default=None, metadata=_TIME)
    delivery_date = fields.Raw(allow_none=True, load_default=None, metadata=_TIME)


_OBJECT = _Object()


class LefokaMessages(Provider):
    """The half of `Lefoka` that reads."""

    name = "lefoka"
    region = "ZA"
    callback_schema = _Object
    type_field = "type"
    documented: ClassVar[Documented] = {
        "": frozenset({*_OBJECT.fields, "_links", "documentation_url", "api_key"})
    }

    # Section "Delivery statuses", and the words of the samples and of the list's filter.
    STATUSES: ClassVar[Mapping[str, Status]] = {
        "pending": Status.PENDING,
        "staged": Status.PENDING,
        "scheduled": Status.SCHEDULED,
        "submitted": Status.SUBMITTED,
        "delivered": Status.DELIVERED,
        "undelivered": Status.UNDELIVERED,
        "expired": Status.EXPIRED,
        "blist": Status.BLOCKED,
        "noroute": Status.NO_ROUTE,
        "failed": Status.FAILED,
        "cancelled": Status.CANCELLED,
    }

    def parse(self, payload: Payload, stamp: Stamp) -> Iterable[InboundMessage | DeliveryReport]:
        """Give a report for each recipient, or the one reply; ``type`` tells them apart."""
        data = _OBJECT.load(payload)
        numbers = self._numbers(data)
        match _kind(data):
            case "sms":
                return self._reports(data, numbers, stamp)
            case "sms-reply":
                return [self._reply(data, numbers, stamp)]
            case _:
                raise Unreadable("type is neither sms nor sms-reply")

    def ack(self, payload: Payload, problem: str | None) -> Ack:
        """Status 200 and nothing else; a body only to say what was wrong."""
        if problem is None:
            return Ack()
        return json_ack({"error": problem, "help": "The body was kept and can be replayed."})

    def message(self, answer: Mapping[str, Any]) -> Message:
        """Read an object of the API; raises `Unreadable`, or `ValidationError` of marshmallow."""
        data = _OBJECT.load(answer)
        message_id = _message_id(data)
        if message_id is None:
            raise Unreadable("a message without an id")
        word = _word(data)
        return Message(
            id=message_id,
            recipients=self._numbers(data),
            text=data["message"],
            status=self._status(word),
            provider_status=word,
            schedule=date(data["schedule"]),
            client_reference=data["client_reference"] or None,
            credit=amount(data["credit"]),
            created_at=date(data["creation_date"]),
            delivered_at=date(data["delivery_date"]),
            kind=_kind(data) or "sms",
        )

    def _numbers(self, data: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.number(raw) for raw in _recipients(data["recipient"])))

    def _status(self, word: str) -> Status:
        return self.STATUSES.get(word.lower(), Status.UNKNOWN)

    def _reports(
        self, data: Mapping[str, Any], numbers: Sequence[str], stamp: Stamp
    ) -> Iterable[DeliveryReport]:
        if not numbers:
            raise Unreadable("a delivery report without a recipient")
        word = _word(data)
        identity = _identity(data, word)
        shared: dict[str, Any] = {
            "message_id": _message_id(data),
            "status": self._status(word),
            "provider_status": word,
            "text": data["message"],
            "client_reference": data["client_reference"] or None,
            "credit": amount(data["credit"]),
            "created_at": date(data["creation_date"]),
            "delivered_at": date(data["delivery_date"]),
        }
        for number in numbers:
            who = None if identity is None else [*identity, number]
            yield DeliveryReport(**stamp(DeliveryReport.kind, who), **shared, recipient=number)

    def _reply(
        self, data: Mapping[str, Any], numbers: tuple[str, ...], stamp: Stamp
    ) -> InboundMessage:
        text = data["message"]
        if text is None:
            raise Unreadable("a reply without a message")
        identity = _identity(data, _word(data), ",".join(sorted(numbers)), text)
        return InboundMessage(
            **stamp(InboundMessage.kind, identity, alike=(*sorted(numbers), text)),
            message_id=_message_id(data),
            sender=numbers[0] if len(numbers) == 1 else None,
            candidates=numbers,
            text=text,
            sent_at=date(data["delivery_date"]) or date(data["creation_date"]),
            client_reference=data["client_reference"] or None,
        )


def date(value: object) -> datetime | None:
    """Read a time in ISO 8601, as UTC; without an offset it is GMT+2. ``None`` for all else."""
    if not isinstance(value, str):
        return None
    try:
        when = datetime.fromisoformat(value.strip())
        return (when if when.tzinfo else when.replace(tzinfo=LOCAL_TIME)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _kind(data: Mapping[str, Any]) -> str:
    return (data["type"] or "").strip().lower()


def _word(data: Mapping[str, Any]) -> str:
    return (data["status"] or "").strip()


def _message_id(data: Mapping[str, Any]) -> str | None:
    return (data["id"] or "").strip() or None


def _identity(data: Mapping[str, Any], word: str, *rest: str) -> list[str] | None:
    """What a resend never changes; the id alone is shared by all statuses and recipients."""
    message_id = _message_id(data)
    if message_id is None:
        return None
    when = date(data["delivery_date"]) or date(data["creation_date"])
    return [message_id, word.lower(), when.isoformat() if when else "", *rest]


def _recipients(value: Any) -> list[str]:
    """Read an array, one number alone, or nothing; PHP writes an array with gaps as an object."""
    found = list(value.values()) if isinstance(value, dict) else value
    found = found if isinstance(found, list) else [found]
    if len(found) > _MOST_REPORTED:
        raise Unreadable(f"more than {_MOST_REPORTED} recipients")
    numbers = [text_in(item, "recipient") for item in found]
    return [number for number in numbers if number and number.strip()]
