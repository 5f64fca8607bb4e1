"""Lefoka's side: the calls of its reference text. An SMS stays as it is until somebody moves it.

Source: https://developer.lefoka.co.za/docs/sms/reference. An entry of `Call.sent` has beside the
usual a ``status`` (``pending`` or ``scheduled``), ``schedule``, ``credit``, ``creation_date`` and
``delivery_date``, as they are told; whoever sets ``status`` to ``delivered`` may set the date too.
"""

from __future__ import annotations

import math
import re
import secrets
from datetime import datetime
from typing import Any

from .api_call import Call, Outcome
from .api_lefoka_fields import (
    DOCUMENT,
    LOCAL_TIME,
    body_in,
    check,
    check_signature,
    refusal,
    time_in,
)
from .api_lefoka_list import listed

NAME = "lefoka"

_SEGMENT = 160
_HREF = "https://api.lefoka.co.za/v1/messages"
_PATH = re.compile(r"/v1/messages(?:/(?P<id>[^/]+))?")


def takes(path: str) -> bool:
    """Tell whether a path is one of this API; unknown ones get its errors, too."""
    return True


def answer(call: Call) -> Outcome:
    """Answer one request; raises `Refusal`."""
    found = _PATH.fullmatch(call.request.path)
    if found is None:
        raise refusal(404, "NOT_FOUND", "The requested resource doesn't exist.")
    message_id = found["id"]
    match call.request.method, message_id:
        case "GET", "balance":
            _secret(call)
            return Outcome(
                body={"balance": call.balance, "documentation_url": f"{DOCUMENT}#balance"}
            )
        case "POST", None:
            return _send(call, _secret(call))
        case "GET", None:
            _secret(call)
            return Outcome(body=listed(call.sent, call.request.args.to_dict()))
        case ("GET" | "PATCH" | "DELETE") as method, str() if message_id != "balance":
            secret = _secret(call)
            return _one(call, method, _entry(call, message_id), secret)
    raise refusal(405, "INVALID_HTTP_REQUEST_METHOD", "Invalid HTTP request method.")


def _secret(call: Call) -> str:
    """Give the secret of the caller's key: the user name of Basic auth, with a blank password."""
    if call.basic is None:
        raise refusal(401, "UNAUTHORIZED", "No autentication method is provided.")
    key, password = call.basic
    if password or key not in call.credentials:
        raise refusal(401, "INVALID_API_KEY", "The provided API Key does not exist.")
    return call.credentials[key]


def _entry(call: Call, message_id: str) -> dict[str, Any]:
    for sms in call.sent:
        if sms["message_id"] == message_id:
            return sms
    raise refusal(404, "NOT_FOUND", "The requested resource doesn't exist.")


def _send(call: Call, secret: str) -> Outcome:
    """Sections "Send" and "Schedule": what is scheduled costs nothing before it goes out."""
    data = body_in(call.request)
    check(data, whole=True)
    check_signature(call.request, data, secret, needed=True)
    numbers, text = data["recipient"], data["message"]
    schedule = _told(data.get("schedule"))
    credit = 0 if schedule else len(numbers) * math.ceil(len(text) / _SEGMENT)
    if credit > call.balance:
        raise refusal(402, "INSUFFICIENT_BALANCE", "Not enough SMS credits.")
    sms = {
        "to": [f"+{number}" for number in numbers],
        "text": text,
        "source": None,
        "client_reference": data.get("client_reference"),
        "message_id": secrets.token_hex(32),
        "schedule": schedule,
        "status": "scheduled" if schedule else "pending",
        "credit": credit,
        "creation_date": datetime.now(LOCAL_TIME).isoformat(timespec="seconds"),
        "delivery_date": None,
    }
    return Outcome(status=201, body=_message(sms), sms=sms, credit=credit)


def _one(call: Call, method: str, sms: dict[str, Any], secret: str) -> Outcome:
    """Show, edit or delete one message; only a scheduled one can be changed."""
    if method == "GET":
        return Outcome(body=_message(sms))
    data = body_in(call.request) if method == "PATCH" else {}
    check(data, whole=False)
    check_signature(call.request, data, secret, needed=False)
    if sms["status"] != "scheduled":
        raise refusal(402, "REQUEST_FAILED", "Only scheduled SMS messages can be changed.")
    if method == "DELETE":
        sms["status"] = "cancelled"
        return Outcome(body={"status": "successful"})
    if "recipient" in data:
        sms["to"] = [f"+{number}" for number in data["recipient"]]
    sms["text"] = data.get("message", sms["text"])
    sms["schedule"] = _told(data.get("schedule")) or sms["schedule"]
    sms["client_reference"] = data.get("client_reference", sms["client_reference"])
    return Outcome(body=_message(sms))


def _told(schedule: Any) -> str | None:
    when = time_in(schedule)
    return None if when is None else when.astimezone(LOCAL_TIME).isoformat(timespec="seconds")


def _message(sms: dict[str, Any]) -> dict[str, Any]:
    """Make "The immediate send message object", or "The scheduled message object"."""
    ways = {"self": "GET"}
    if sms["status"] == "scheduled":
        ways |= {"edit": "PATCH", "delete": "DELETE"}
    href = f"{_HREF}/{sms['message_id']}"
    delivered = {"delivery_date": sms["delivery_date"]} if sms["delivery_date"] else {}
    return {
        "id": sms["message_id"],
        "type": "sms",
        "recipient": [number.lstrip("+") for number in sms["to"]],
        "message": sms["text"],
        "client_reference": sms["client_reference"],
        "schedule": sms["schedule"],
        "status": sms["status"],
        "credit": sms["credit"],
        "creation_date": sms["creation_date"],
        **delivered,
        "_links": {name: {"href": href, "method": method} for name, method in ways.items()},
        "documentation_url": f"{DOCUMENT}#send",
    }
