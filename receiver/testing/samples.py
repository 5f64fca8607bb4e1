"""Events for tests, as a provider would make them: each field can be given, none has to be."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, TypedDict, Unpack

from ..events import Alarm, Billing, DeliveryReport, InboundMessage, Status, Trust, unique_id


class _EventFields(TypedDict, total=False):
    id: str
    provider: str
    account: str
    received_at: datetime
    trust: Trust
    duplicate_of: str | None
    replay: bool


class _SmsFields(_EventFields, total=False):
    message_id: str | None
    client_reference: str | None


class MessageFields(_SmsFields, total=False):
    """The fields of an `InboundMessage`."""

    sender: str | None
    candidates: tuple[str, ...]
    recipient: str | None
    text: str
    sent_at: datetime | None
    channel: str
    billing: Billing | None
    media_url: str | None
    custom: Mapping[str, Any]
    groups: Mapping[str, str | None]


class ReportFields(_SmsFields, total=False):
    """The fields of a `DeliveryReport`."""

    recipient: str
    status: Status
    provider_status: str
    text: str | None
    credit: Decimal | None
    created_at: datetime | None
    delivered_at: datetime | None
    stale: bool


class AlarmFields(_EventFields, total=False):
    """The fields of an `Alarm`."""

    what: Literal["silent"]
    text: str
    since: datetime | None


def inbound(**fields: Unpack[MessageFields]) -> InboundMessage:
    """Make a message as a provider would: each has an id of its own, and says only ``hello``.

    A ``sender`` is the only one of the ``candidates``, unless those are given too.
    """
    sender = fields.get("sender", "+27637885448")
    defaults: dict[str, Any] = {
        "id": unique_id(),
        "provider": "test",
        "account": "test",
        "received_at": datetime.now(UTC),
        "trust": "key",
        "sender": sender,
        "candidates": (sender,) if sender else (),
        "recipient": "15000",
        "text": "hello",
    }
    return InboundMessage(**{**defaults, **fields})


def report(**fields: Unpack[ReportFields]) -> DeliveryReport:
    """Make a delivery report as a provider would: of a delivered SMS, unless ``status`` is given.

    ``provider_status`` is the word of ``status``, unless it is given too.
    """
    status = fields.get("status", Status.DELIVERED)
    defaults: dict[str, Any] = {
        "id": unique_id(),
        "provider": "test",
        "account": "test",
        "received_at": datetime.now(UTC),
        "trust": "key",
        "message_id": unique_id(),
        "recipient": "+27637885448",
        "status": status,
        "provider_status": str(status),
    }
    return DeliveryReport(**{**defaults, **fields})


def alarm(**fields: Unpack[AlarmFields]) -> Alarm:
    """Make an alarm as we raise it: of an account that is silent."""
    defaults: dict[str, Any] = {
        "id": unique_id(),
        "provider": "test",
        "account": "test",
        "received_at": datetime.now(UTC),
        "trust": "own",
        "text": "nothing came from account test for 3 h",
        "since": datetime.now(UTC) - timedelta(hours=3),
    }
    return Alarm(**{**defaults, **fields})
