"""SMSBox, Burkina Faso and Tanzania: pushes inbound SMS; sends SMS.

Source: the SMS API documentation at https://smsbox.devotek.africa; sections of that text are
named below. Its prose, its JSON sample, its PHP and its Node sample disagree about names and
encodings, so that all of them are read. The answer is ``{"transaction_id": …, "successful": true}``
(section "Two way SMS").
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar
from urllib.parse import unquote_plus

import httpx
from marshmallow import EXCLUDE, Schema, fields, validate

from ..accounts import Account, AccountSchema
from ..errors import (
    DeliveryError,
    PermanentDeliveryError,
    UncertainDeliveryError,
    Unreadable,
)
from ..events import Billing, DeliveryReport, InboundMessage
from ..security import Door
from .base import Ack, Provider, Sent, Sms, Stamp, json_ack
from .payload import Payload, Text, amount, mend_surrogates, parse_json, plain, text_in
from .wire import Wire, answer_in, delivery_error, temporary_by_status

LIVE_URL = "https://smsbox.devotek.africa"

_DEFAULT_CURRENCY = "TZS"
_MAX_RECIPIENTS = 1_000
_ACCEPTED = "200"
_TRANSACTION = re.compile(
    rb"""transaction_?id["']?\s*(?:=([^&\s]{1,256})|"""
    rb""":\s*(?:"([^"\\]{1,256})"|'([^'\\]{1,256})'|([0-9]{1,256})(?![\w.])))""",
    re.I,
)

# Names as they come, without case and underscores, and the documented name of each.
_ALIASES = {"sourceaddr": "from", "destaddr": "to", "mobile": "from"}


class _Callback(Schema):
    """Section "Callback parameters", after `_documented` has given each field its name."""

    class Meta:
        unknown = EXCLUDE

    sender = Text(data_key="from", allow_none=True, load_default=None)
    recipient = Text(data_key="to", allow_none=True, load_default=None)
    channel = Text(allow_none=True, load_default=None)
    time = fields.Raw(data_key="timeutc", allow_none=True, load_default=None)
    transaction_id = Text(data_key="transactionid", allow_none=True, load_default=None)
    message = fields.Raw(allow_none=True, load_default=None)
    billing = fields.Raw(allow_none=True, load_default=None)


class _AccountSchema(AccountSchema):
    """``successful`` is what the ack says: ``True``, or ``"true"`` for sibling gateways."""

    successful = fields.Raw(validate=validate.OneOf([True, "true"]))


class SMSBox(Provider):
    """An account at SMSBox; a reply comes from the number that was written to."""

    name = "smsbox"
    region = "BF"
    account_schema = _AccountSchema

    # Section "Error codes"; of them only a network time-out passes by itself.
    TEMPORARY_CODES: ClassVar[frozenset[str]] = frozenset({"103"})
    MENDS: ClassVar[Mapping[str, str]] = {
        "102": "Top up the account.",
        "107": "Set api_key and api_secret of the account.",
        "110": "SMSBox takes plain text only: no emoji, no accents outside its alphabet.",
        "111": "Set source_addr to a sender ID that is active on the portal.",
        "120": "Check api_key and api_secret of the account.",
    }

    def __init__(self, account: Account, door: Door, *, transport: Any = None) -> None:
        super().__init__(account, door)
        key = account.api_keys[0] if account.api_keys else ""
        self._wire = Wire(account.base_url or LIVE_URL, (key, account.api_secret or ""), transport)

    def parse(self, payload: Payload, stamp: Stamp) -> Iterable[InboundMessage | DeliveryReport]:
        """Give the one message of a callback."""
        names = _documented(payload)
        data = _CALLBACK.load(names)
        message = _message(data["message"])
        media_url = text_in(_lower(message.get("media")).get("mediaurl"), "mediaUrl") or None
        text = text_in(message.get("text"), "message")
        if not text and not media_url and "status" in names:
            raise Unreadable("a status without a text is no inbound message")
        if text is None and media_url is None:
            raise Unreadable("there is no message text")
        text = text or ""
        sender = self._party(data["sender"])
        recipient = self._party(data["recipient"])
        transaction = (data["transaction_id"] or "").strip()
        identity = [transaction, sender or "", text] if transaction else None
        common = stamp(InboundMessage.kind, identity, alike=(sender or "", recipient or "", text))
        custom = message.get("custom")
        return [
            InboundMessage(
                **common,
                message_id=transaction or None,
                sender=sender,
                candidates=(sender,) if sender else (),
                recipient=recipient,
                text=text,
                sent_at=_date(data["time"]),
                channel=((data["channel"] or "").strip() or "sms").lower(),
                billing=_billing(data["billing"]),
                media_url=media_url,
                custom=plain(custom) if isinstance(custom, dict) else {},
            )
        ]

    def ack(self, payload: Payload, problem: str | None) -> Ack:
        """Echo the transaction id as it came, same JSON type; also for what cannot be read."""
        found = [value for name, value in payload.items() if _name(name) == "transactionid"]
        successful = self.account.options.get("successful", True)
        answer = {"transaction_id": found[0] if found else None, "successful": successful}
        return json_ack(answer)

    def salvage(self, body: bytes) -> Payload:
        """Find the transaction id in a body that is no JSON, like the document's own sample."""
        match = _TRANSACTION.search(body)
        if match is None:
            return {}
        form, double, single, digits = (
            group and group.decode("utf-8", "replace") for group in match.groups()
        )
        if digits:
            return {"transaction_id": int(digits)}
        return {"transaction_id": unquote_plus(form) if form else double or single}

    def send(self, sms: Sms) -> Sent:
        """POST /api/sms/v1/send_sms as JSON (section "Sending SMS")."""
        source = sms.source or self.account.source_addr
        self._check(sms, source)
        body = {
            "source_addr": (source or "").removeprefix("+"),
            "schedule_time": "",
            "encoding": 0,
            "message": mend_surrogates(sms.text),
            "recipients": [{"recipient_name": "", "dest_addr": to} for to in sms.recipients],
        }
        response = self._wire.request("POST", "/api/sms/v1/send_sms", json=body)
        answer = _answer(response)
        message_id = _message_id(answer.get("data"))
        if not _accepted(response, answer):
            raise self._refusal(response, answer)
        if message_id is None and "code" not in answer:
            raise UncertainDeliveryError(
                f"the answer has no id and no code (HTTP {response.status_code})",
                mend="Look it up at SMSBox before sending it again.",
            )
        return Sent(message_id=message_id)

    def _check(self, sms: Sms, source: str | None) -> None:
        if not self.account.api_keys or not self.account.api_secret:
            raise PermanentDeliveryError(
                f"account {self.account.name} has no api_key or no api_secret",
                mend="SMSBox wants both; add them to RECEIVER_ACCOUNTS.",
            )
        if not source:
            raise PermanentDeliveryError(
                "there is no sender ID", code="111", mend="Set source_addr of the account."
            )
        if not sms.text:
            raise PermanentDeliveryError("the text is empty", code="109")
        if not sms.recipients:
            raise PermanentDeliveryError("there is no recipient", code="119")
        if len(sms.recipients) > _MAX_RECIPIENTS:
            count = len(sms.recipients)
            raise PermanentDeliveryError(
                f"{count} recipients, {_MAX_RECIPIENTS} allowed", code="114"
            )

    def _party(self, raw: str | None) -> str | None:
        return self.number(raw) if raw and raw.strip() else None

    def _refusal(self, response: httpx.Response, answer: Mapping[str, Any]) -> DeliveryError:
        code = str(answer.get("code", response.status_code))
        reason = answer.get("message") or answer.get("error") or "SMSBox refused the request"
        return delivery_error(
            response,
            temporary=code in self.TEMPORARY_CODES or temporary_by_status(response),
            reason=str(reason),
            code=code,
            mend=self.MENDS.get(code, ""),
        )


def _documented(payload: Payload) -> Payload:
    """Give each field its documented name; of two that mean one, the documented one with a value.

    What is neither ``None`` nor blank is never covered by what is.
    """
    named: Payload = {}
    for name, value in payload.items():
        folded = _name(name)
        known = _ALIASES.get(folded, folded)
        blank = named.get(known) in (None, "")
        if blank or (known == folded and value not in (None, "")):
            named[known] = value
    return named


def _name(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _lower(value: Any) -> dict[str, Any]:
    return {_name(name): entry for name, entry in value.items()} if isinstance(value, dict) else {}


def _message(value: Any) -> dict[str, Any]:
    """Read ``message`` as an object, as a string that holds one, or as the text itself."""
    if isinstance(value, str):
        inner = _object_in(value)
        return _lower(inner) if inner and "text" in _lower(inner) else {"text": value}
    if isinstance(value, dict) or value is None:
        return _lower(value)
    return {"text": value}


def _object_in(text: str) -> dict[str, Any] | None:
    if text.lstrip()[:1] != "{":
        return None
    try:
        value = parse_json(text)
    except Unreadable:
        return None
    return value if isinstance(value, dict) else None


def _date(value: Any) -> datetime | None:
    """Read RFC 1123 as documented, or ISO 8601; without an offset it is UTC."""
    if not isinstance(value, str):
        return None
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            when = read(value.strip())
            return (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError, IndexError, TypeError):
            continue
    return None


def _billing(value: Any) -> Billing | None:
    given = _lower(_object_in(value) if isinstance(value, str) else value)
    if not given:
        return None
    currency = given.get("currency")
    return Billing(
        currency=currency if isinstance(currency, str) and currency else _DEFAULT_CURRENCY,
        subscriber_price=amount(given.get("subscriberprice")),
        billing_price=amount(given.get("billingprice")),
    )


def _accepted(response: httpx.Response, answer: Mapping[str, Any]) -> bool:
    """Tell whether HTTP status, ``code``, ``status`` and ``error`` all say yes: they disagree."""
    said_no = bool(answer.get("error")) or str(answer.get("status", True)).lower() == "false"
    return response.is_success and not said_no and str(answer.get("code", _ACCEPTED)) == _ACCEPTED


def _answer(response: httpx.Response) -> Mapping[str, Any]:
    """Read an answer that may be wrapped in ``data``."""
    answer = answer_in(response)
    wrapped = answer.get("data")
    return wrapped if isinstance(wrapped, dict) and "code" in wrapped else answer


def _message_id(data: Any) -> str | None:
    """``"message_id:sms-2025…"`` holds the id behind its colon."""
    return data.rpartition(":")[2].strip() or None if isinstance(data, str) else None


_CALLBACK = _Callback()
