"""What the providers push, shape by shape: the bodies that `simulate` sends.

Each shape is the document's own, or one that its samples imply; the numbers and texts in it are
the document's where nothing else is asked for.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlencode

_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"
_GARBAGE = b'\x00\xff{"type": '


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the caller wants in a callback; ``None`` and empty leave it to the shape."""

    id: str | None = None
    text: str | None = None
    sender: str | None = None
    recipients: tuple[str, ...] = ()
    status: str | None = None

    @property
    def made_id(self) -> str:
        """The id asked for, or a new one."""
        return self.id or secrets.token_hex(12)


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """One body, and the transaction id that its ack must repeat, where it has one.

    ``ack``: the status and the body that must be answered, where a case says so.
    """

    body: bytes
    content_type: str = _JSON
    transaction_id: str | None = None
    ack: tuple[int, bytes] | None = None


Shape = Callable[[Wish], Callback]


def lefoka_report(wish: Wish) -> Callback:
    """A delivery report, final unless --status says otherwise."""
    return _lefoka_sms(wish, wish.recipients or ("27637885448",), wish.status or "delivered")


def lefoka_sample(wish: Wish) -> Callback:
    """The document's own report: two recipients, and a status that it lists nowhere."""
    numbers = wish.recipients or ("27637885448", "27800055555")
    return _lefoka_sms(wish, numbers, wish.status or "pending")


def lefoka_reply(wish: Wish) -> Callback:
    """A reply: its only sign of the sender is the one recipient."""
    numbers = (wish.sender,) if wish.sender else wish.recipients or ("27637885448",)
    body = {
        **_lefoka_common(wish, numbers, "sms-reply"),
        "message": wish.text or "The reply message",
        "status": wish.status or "delivered",
        "credit": 0,
        "creation_date": _now(UTC).replace("+00:00", "Z"),
        "delivery_date": _now(UTC).replace("+00:00", "Z"),
    }
    return Callback(body=_json(body))


def smsbox_inbound(wish: Wish) -> Callback:
    """A message, as the table of the callback's parameters has it."""
    names = ("from", "to", "channel", "timeUTC", "transaction_id", "message", "billing")
    return _smsbox_json(wish, names)


def smsbox_node(wish: Wish) -> Callback:
    """A message, under the names that the Node sample reads."""
    names = ("source_addr", "dest_addr", "channel", "timeUtc", "transaction_id", "message")
    return _smsbox_json(wish, (*names, "billing"))


def smsbox_form(wish: Wish) -> Callback:
    """A message as a form with brackets: the Node sample mounts that parser too."""
    message, billing = _smsbox_message(wish), _BILLING
    values = dict(zip(_PLAIN_NAMES, _smsbox_values(wish), strict=True))
    pairs = {
        **values,
        "message[text]": message["text"],
        "message[media][mediaUrl]": "",
        **{f"billing[{name}]": value for name, value in billing.items()},
    }
    body = urlencode(pairs).encode()
    transaction_id = values["transaction_id"]
    return Callback(body=body, content_type=_FORM, transaction_id=transaction_id)


def smsbox_sample(wish: Wish) -> Callback:
    """The document's own sample, mended to JSON."""
    return _smsbox_json(wish, (*_PLAIN_NAMES, "message", "billing"), _SAMPLE_TIME)


def smsbox_verbatim(wish: Wish) -> Callback:
    """The document's own sample as it is printed, which is no JSON: for the quarantine."""
    text = _VERBATIM.replace("120a1039103910", wish.made_id)
    found = text.partition("'transaction_id': '")[2].partition("'")[0]
    return Callback(body=text.encode(), transaction_id=found)


def garbage(wish: Wish) -> Callback:
    """Bytes that are nothing: kept in quarantine, and acknowledged."""
    return Callback(body=_GARBAGE)


SHAPES: Mapping[str, Mapping[str, Shape]] = {
    "lefoka": {
        "report": lefoka_report,
        "reply": lefoka_reply,
        "sample": lefoka_sample,
        "garbage": garbage,
    },
    "smsbox": {
        "inbound": smsbox_inbound,
        "form": smsbox_form,
        "node": smsbox_node,
        "sample": smsbox_sample,
        "verbatim": smsbox_verbatim,
        "garbage": garbage,
    },
}

_PLAIN_NAMES = ("from", "to", "channel", "timeUTC", "transaction_id")
_SAMPLE_TIME = "Wed, 14 Jun 2017 07:00:00 GMT"
_BILLING = {"currency": "TZS", "subscriber_price": "100.00", "billing_price": "100.00"}
_VERBATIM = """{
   'from': '255701000000',
   'to': '255701000001',
   'channel': 'sms',
   'timeUTC': 'Wed, 14 Jun 2017 07:00:00 GMT' ,
   'transaction_id': '120a1039103910',
   'message': {
    'text': 'Test message',
    'media': { 'mediaUrl': '' },
    'custom': { },
  },
   'billing': {
   'currency':'TZS',
    'subscriber_price':'100.00',
    'billing_price':'100.00'
  },
}
"""


def _lefoka_sms(wish: Wish, numbers: tuple[str, ...], status: str) -> Callback:
    common = _lefoka_common(wish, numbers, "sms")
    href = f"https://api.lefoka.co.za/v1/messages/{common['id']}"
    body = {
        **common,
        "message": wish.text or "test",
        "status": status,
        "credit": len(numbers),
        "creation_date": _now(timezone(timedelta(hours=2))),
        "_links": {"self": {"href": href, "method": "GET"}},
        "documentation_url": "https://developer.lefoka.co.za/docs/sms/reference#send",
    }
    return Callback(body=_json(body))


def _lefoka_common(wish: Wish, numbers: tuple[str, ...], kind: str) -> dict[str, Any]:
    return {
        "id": wish.id or secrets.token_hex(32),
        "type": kind,
        "recipient": [number.removeprefix("+") for number in numbers],
        "client_reference": "your reference",
        "schedule": None,
    }


def _smsbox_json(wish: Wish, names: tuple[str, ...], time: str | None = None) -> Callback:
    values = _smsbox_values(wish, time)
    content = dict(zip(names, (*values, _smsbox_message(wish), _BILLING), strict=True))
    return Callback(body=_json(content), transaction_id=values[-1])


def _smsbox_values(wish: Wish, time: str | None = None) -> tuple[str, str, str, str, str]:
    """Give the values of `_PLAIN_NAMES`."""
    sender = wish.sender or "255701000000"
    recipient = wish.recipients[0] if wish.recipients else "255701000001"
    when = time or format_datetime(datetime.now(UTC), usegmt=True)
    return sender, recipient, "sms", when, wish.made_id


def _smsbox_message(wish: Wish) -> dict[str, Any]:
    return {"text": wish.text or "Test message", "media": {"mediaUrl": ""}, "custom": {}}


def _now(zone: timezone) -> str:
    return datetime.now(zone).isoformat(timespec="seconds")


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content).encode("ascii")
