"""What SMSBox posts to us, read into the fields of its text; events are made of them elsewhere.

Source: section "Two way SMS" of the SMS API documentation at https://smsbox.devotek.africa. Its
prose, its JSON sample, its PHP and its Node sample disagree about names and encodings, so that all
of them are read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_plus

from marshmallow import EXCLUDE, Schema

from ..errors import Unreadable
from ..events import Billing
from .payload import Payload, Text, amount, parse_json, plain, text_in

_DEFAULT_CURRENCY = "TZS"
_TRANSACTION = re.compile(
    rb"""transaction_?id["']?\s*(?:=([^&\s]{1,256})|"""
    rb""":\s*(?:"([^"\\]{1,256})"|'([^'\\]{1,256})'|([0-9]{1,256})(?![\w.])))""",
    re.I,
)

# RFC 1123 just as documented; the standard library's reader takes a sixth of a whole callback.
_AS_DOCUMENTED = re.compile(
    r"[A-Z][a-z]{2}, (\d\d) ([A-Z][a-z]{2}) ([12]\d{3}) (\d\d):(\d\d):(\d\d) GMT", re.ASCII
)
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

# Names as they come, without case and underscores, and the documented name of each.
_ALIASES = {"sourceaddr": "from", "destaddr": "to", "mobile": "from"}

# Section "Callback parameters": as they are spelled there, and without case and underscores.
DOCUMENTED = {
    "": frozenset(
        {"from", "to", "channel", "timeUTC", "timeutc", "transaction_id", "transactionid"}
        | {"message", "billing", "api_key", "apikey"}
    ),
    "message.": frozenset({"text", "media", "custom"}),
    "message.media.": frozenset({"mediaUrl", "mediaurl"}),
    "billing.": frozenset({"currency", "subscriber_price", "billing_price"})
    | {"subscriberprice", "billingprice"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """One callback; ``transaction_id`` is empty where there is none, numbers are as they came."""

    transaction_id: str
    sender: str | None
    recipient: str | None
    text: str
    channel: str
    sent_at: datetime | None
    billing: Billing | None
    media_url: str | None
    custom: Mapping[str, Any]


class _Fields(Schema):
    """Section "Callback parameters", after `_documented` has given each field its name.

    ``timeUTC``, ``message`` and ``billing`` come in too many shapes; they are read by hand.
    """

    class Meta:
        unknown = EXCLUDE

    sender = Text(data_key="from", allow_none=True, load_default=None)
    recipient = Text(data_key="to", allow_none=True, load_default=None)
    channel = Text(allow_none=True, load_default=None)
    transaction_id = Text(data_key="transactionid", allow_none=True, load_default=None)


def read_callback(payload: Payload) -> Callback:
    """Read a decoded body; raises `Unreadable`, or marshmallow's error, where it is no message."""
    names = _documented(payload)
    data = _texts(names)
    message = _message(names.get("message"))
    media_url = text_in(_lower(message.get("media")).get("mediaurl"), "mediaUrl") or None
    text = text_in(message.get("text"), "message")
    if not text and not media_url and "status" in names:
        raise Unreadable("a status without a text is no inbound message")
    if text is None and media_url is None:
        raise Unreadable("there is no message text")
    custom = message.get("custom")
    return Callback(
        transaction_id=(data["transaction_id"] or "").strip(),
        sender=data["sender"],
        recipient=data["recipient"],
        text=text or "",
        channel=((data["channel"] or "").strip() or "sms").lower(),
        sent_at=_date(names.get("timeutc")),
        billing=_billing(names.get("billing")),
        media_url=media_url,
        custom=plain(custom) if isinstance(custom, dict) else {},
    )


def _texts(names: Payload) -> Mapping[str, str | None]:
    """Load the fields that are texts; what is ASCII already is just what the schema would give.

    That saves a sixth of reading a callback.
    """
    found = {name: names.get(key) for name, key in _KEYS.items()}
    if all(value is None or (type(value) is str and value.isascii()) for value in found.values()):
        return found
    loaded: Mapping[str, str | None] = _FIELDS.load(names)
    return loaded


def transaction_in(payload: Payload) -> Any:
    """Give the transaction id as it came, same JSON type; ``None`` without one."""
    return next((payload[name] for name in payload if _name(name) == "transactionid"), None)


def salvage_transaction(body: bytes) -> Payload:
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


def documented_name(name: str) -> str:
    """Give the documented name of a field, without case and underscores."""
    folded = _name(name)
    return _ALIASES.get(folded, folded)


@lru_cache(maxsize=64)  # the same few again and again
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
    for read in (_documented_date, parsedate_to_datetime, datetime.fromisoformat):
        try:
            when = read(value.strip())
            return (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError, IndexError, TypeError):
            continue
    return None


def _documented_date(text: str) -> datetime:
    found = _AS_DOCUMENTED.fullmatch(text)
    if found is None:
        raise ValueError("written in another way")
    day, month, year, *clock = found.groups()
    hour, minute, second = map(int, clock)
    return datetime(int(year), _MONTHS.index(month) + 1, int(day), hour, minute, second, tzinfo=UTC)


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


_FIELDS = _Fields()
_KEYS = {name: field.data_key or name for name, field in _FIELDS.fields.items()}
