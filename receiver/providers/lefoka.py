"""Lefoka, South Africa: pushes delivery reports and replies to one URL; sends SMS.

Source: https://developer.lefoka.co.za/docs/sms/reference (version 0.0.1, 2024-01-02). Sections of
that text are named below. Only status 200 counts as an ack; anything else is re-sent at once,
three times, and then given up (section "Webhooks").
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, ClassVar
from urllib.parse import quote

import httpx
from marshmallow import EXCLUDE, Schema, fields

from ..accounts import Account
from ..errors import (
    DeliveryError,
    PermanentDeliveryError,
    UncertainDeliveryError,
    Unreadable,
)
from ..events import DeliveryReport, InboundMessage, Status
from ..security import Door
from .base import Ack, Provider, Sent, Sms, Stamp, json_ack
from .payload import Payload, Text, amount, mend_surrogates, text_in
from .wire import Wire, answer_in, delivery_error, temporary_by_status

LIVE_URL = "https://api.lefoka.co.za"
SANDBOX_URL = "https://sandbox.lefoka.co.za"

_LOCAL_TIME = timezone(timedelta(hours=2))  # "Schedule": without an offset, GMT+2 is assumed
_MAX_RECIPIENTS = 500
_MOST_REPORTED = 2_000  # recipients of one callback: four times what they send, and fast to keep
_MAX_TEXT = 440
_MAX_REFERENCE = 100


class _Callback(Schema):
    """Sections "SMS webhook payload example" and "SMS reply webhook payload example"."""

    class Meta:
        unknown = EXCLUDE

    id = Text(allow_none=True, load_default=None)
    type = Text(allow_none=True, load_default=None)
    recipient = fields.Raw(allow_none=True, load_default=None)
    message = Text(allow_none=True, load_default=None)
    client_reference = Text(allow_none=True, load_default=None)
    status = Text(allow_none=True, load_default=None)
    credit = fields.Raw(allow_none=True, load_default=None)
    creation_date = fields.Raw(allow_none=True, load_default=None)
    delivery_date = fields.Raw(allow_none=True, load_default=None)


class Lefoka(Provider):
    """An account at Lefoka; ``base_url`` may be `SANDBOX_URL`."""

    name = "lefoka"
    region = "ZA"

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

    def __init__(self, account: Account, door: Door, *, transport: Any = None) -> None:
        super().__init__(account, door)
        key = account.api_keys[0] if account.api_keys else ""
        self._wire = Wire(account.base_url or LIVE_URL, (key, ""), transport)

    def parse(self, payload: Payload, stamp: Stamp) -> Iterable[InboundMessage | DeliveryReport]:
        """Give a report for each recipient, or the one reply; ``type`` tells them apart."""
        data = _CALLBACK.load(payload)
        numbers = tuple(dict.fromkeys(self.number(raw) for raw in _recipients(data["recipient"])))
        match (data["type"] or "").strip().lower():
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

    def send(self, sms: Sms) -> Sent:
        """POST /v1/messages (section "Send SMS message immediately"), signed."""
        self._check(sms)
        fields_ = {
            "recipient": [number.lstrip("+") for number in sms.recipients],
            "message": mend_surrogates(sms.text),
            "client_reference": sms.client_reference,
        }
        body = {name: value for name, value in fields_.items() if value}
        headers = {"Signature": sign(body, self.account.api_secret or "")}
        response = self._wire.request("POST", "/v1/messages", json=body, headers=headers)
        answer = answer_in(response)
        if not response.is_success or not answer.get("id"):
            raise _refusal(response, answer)
        credit = answer.get("credit")
        return Sent(message_id=str(answer["id"]), credit=None if credit is None else str(credit))

    def _check(self, sms: Sms) -> None:
        if not self.account.api_keys or not self.account.api_secret:
            raise PermanentDeliveryError(
                f"account {self.account.name} has no api_key or no api_secret",
                mend="Lefoka wants both; add them to RECEIVER_ACCOUNTS.",
            )
        if not sms.text:
            raise _too("MESSAGE_EMPTY_PARAMETER", "the text is empty")
        if len(sms.text) > _MAX_TEXT:
            raise _too("MESSAGE_LIMIT_EXCEEDED", f"{len(sms.text)} characters, {_MAX_TEXT} allowed")
        if not sms.recipients:
            raise _too("RECIPIENT_EMPTY_PARAMETER", "there is no recipient")
        if len(sms.recipients) > _MAX_RECIPIENTS:
            count = len(sms.recipients)
            raise _too("BATCH_LIMIT_EXCEEDED", f"{count} recipients, {_MAX_RECIPIENTS} allowed")
        if len(sms.client_reference or "") > _MAX_REFERENCE:
            raise _too("CLIENT_REFERENCE_LIMIT_EXCEEDED", f"{_MAX_REFERENCE} characters allowed")
        if not all(_south_african(number) for number in sms.recipients):
            raise _too("INVALID_RECIPIENT_ENTRY", "Lefoka sends to South African numbers only")

    def _reports(
        self, data: Mapping[str, Any], numbers: Sequence[str], stamp: Stamp
    ) -> Iterable[DeliveryReport]:
        if not numbers:
            raise Unreadable("a delivery report without a recipient")
        word = (data["status"] or "").strip()
        created, delivered = _date(data["creation_date"]), _date(data["delivery_date"])
        for number in numbers:
            identity = _identity(data, word, number)
            yield DeliveryReport(
                **stamp(DeliveryReport.kind, identity),
                message_id=_message_id(data),
                recipient=number,
                status=self.STATUSES.get(word.lower(), Status.UNKNOWN),
                provider_status=word,
                text=data["message"],
                client_reference=data["client_reference"] or None,
                credit=amount(data["credit"]),
                created_at=created,
                delivered_at=delivered,
            )

    def _reply(
        self, data: Mapping[str, Any], numbers: tuple[str, ...], stamp: Stamp
    ) -> InboundMessage:
        text = data["message"]
        if text is None:
            raise Unreadable("a reply without a message")
        word = (data["status"] or "").strip()
        identity = _identity(data, word, ",".join(sorted(numbers)), text)
        return InboundMessage(
            **stamp(InboundMessage.kind, identity, alike=(*sorted(numbers), text)),
            message_id=_message_id(data),
            sender=numbers[0] if len(numbers) == 1 else None,
            candidates=numbers,
            text=text,
            sent_at=_date(data["delivery_date"]) or _date(data["creation_date"]),
            client_reference=data["client_reference"] or None,
        )


def sign(body: Mapping[str, Any], secret: str) -> str:
    """Sign a request as section "Signature" does in PHP: HMAC-SHA256 over sorted pairs, in hex.

    Values are encoded as RFC 3986 says, lists stand as ``name[]=``, blank values are left out.
    """
    pairs = []
    for name in sorted(body):
        value = body[name]
        if isinstance(value, list | tuple):
            pairs += [f"{name}[]={quote(str(item), safe='')}" for item in value]
        elif value not in (None, ""):
            pairs.append(f"{name}={quote(str(value), safe='')}")
    return hmac.new(secret.encode(), "&".join(pairs).encode(), hashlib.sha256).hexdigest()


def _message_id(data: Mapping[str, Any]) -> str | None:
    return (data["id"] or "").strip() or None


def _identity(data: Mapping[str, Any], word: str, *rest: str) -> list[str] | None:
    """What a resend never changes; the id alone is shared by all statuses and recipients."""
    message_id = _message_id(data)
    if message_id is None:
        return None
    when = _date(data["delivery_date"]) or _date(data["creation_date"])
    return [message_id, word.lower(), when.isoformat() if when else "", *rest]


def _recipients(value: Any) -> list[str]:
    """Read an array, one number alone, or nothing; PHP writes an array with gaps as an object."""
    found = list(value.values()) if isinstance(value, dict) else value
    found = found if isinstance(found, list) else [found]
    if len(found) > _MOST_REPORTED:
        raise Unreadable(f"more than {_MOST_REPORTED} recipients")
    numbers = [text_in(item, "recipient") for item in found]
    return [number for number in numbers if number and number.strip()]


def _date(value: Any) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        when = datetime.fromisoformat(value.strip())
        return (when if when.tzinfo else when.replace(tzinfo=_LOCAL_TIME)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _south_african(number: str) -> bool:
    digits = number.removeprefix("+")
    return len(digits) == 11 and digits.isascii() and digits.isdigit() and digits[:2] == "27"


def _too(code: str, reason: str) -> PermanentDeliveryError:
    return PermanentDeliveryError(reason, code=code)


def _refusal(response: httpx.Response, answer: Mapping[str, Any]) -> DeliveryError:
    """Read both shapes of an error: ``{"error": {…}}`` and flat."""
    error = answer.get("error")
    error = error if isinstance(error, dict) else answer
    if response.is_success and not error.get("message"):
        return UncertainDeliveryError(
            f"the answer has no id and no error (HTTP {response.status_code})",
            mend="Look it up at Lefoka before sending it again.",
        )
    code = str(error.get("message") or f"HTTP_{response.status_code}")
    return delivery_error(
        response,
        temporary=temporary_by_status(response) or code == "INTERNAL_SERVER_ERROR",
        reason=str(error.get("description") or "Lefoka refused the request"),
        code=code,
        mend=f"See {error['documentation_url']}" if error.get("documentation_url") else "",
    )


_CALLBACK = _Callback()
