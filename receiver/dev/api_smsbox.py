"""SMSBox's side: send_sms and query_sms_balance, after its text, trailing commas included.

Source: the SMS API documentation at https://smsbox.devotek.africa, sections "Sending SMS", "Check
balance" and "Error codes".
"""

from __future__ import annotations

import json
import re
import secrets
from datetime import UTC, datetime
from typing import Any

from .api_call import Call, Outcome, Refusal

NAME = "smsbox"

_ROOT = "/api/sms/v1"
_MAX_RECIPIENTS = 1_000
_MAX_SENDER_ID = 11
_SENDER_ID = re.compile(r"[A-Za-z0-9 .-]+", re.ASCII)
_MSISDN = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
_PLAIN = frozenset(  # the alphabet of GSM 03.38, which a text without "Unicode" is made of
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà\f^{}\\[~]|€"
)
_MEANINGS = {
    101: "Invalid phone number",
    102: "Insufficient balance",
    104: "Please provide all required parameters",
    109: "Invalid Message",
    110: "Message contains special characters",
    111: "Invalid Sender Id",
    112: "The message cannot be scheduled for a date/time in the past",
    113: "Invalid request format",
    114: "Recipients exceed the Limit of 1000",
    115: "Destination Number is Missing",
    117: "Invalid Scheduled Time",
    118: "Missing encoding type",
    119: "Missing recipient(s) tag",
    120: "Invalid Authentication Parameters",
}
_BALANCE = """{{
    "status": true,
    "code": 200,
    "message": "Operation processed successfully",
 "data": [{{
    "balance_money": {}
}}]
}}"""
_SENT = """{{
    "status": true,
    "code": 200,
    "message": "Message Scheduled Successfully",
    "data": "message_id:{}",
  }}"""


def takes(path: str) -> bool:
    """Tell whether a path is one of this API."""
    return path.startswith(f"{_ROOT}/")


def answer(call: Call) -> Outcome:
    """Answer one request; raises `Refusal`."""
    path, method = call.request.path, call.request.method
    balance = path == f"{_ROOT}/query_sms_balance"
    if not balance and path != f"{_ROOT}/send_sms":
        raise Refusal(404, {"error": "Not Found"})
    if method != ("GET" if balance else "POST"):
        raise Refusal(405, {"error": "Method Not Allowed"})
    _authenticate(call)
    if balance:
        return Outcome(body=_BALANCE.format(call.balance))
    return _send(call)


def _authenticate(call: Call) -> None:
    if call.basic is None:
        raise Refusal(400, '{\n   "error": "No authorization headers",\n}')
    key, secret = call.basic
    if not secret or call.credentials.get(key) != secret:
        raise _refusal(120, 401)


def _send(call: Call) -> Outcome:
    data = _body(call)
    source, text = _source(data), _text(data)
    _check_schedule(data.get("schedule_time"))
    numbers = _numbers(data)
    if len(numbers) > call.balance:
        raise _refusal(102)
    now = datetime.now(UTC).strftime("%Y%m%d%H%M%S")
    message_id = f"sms-{now}{secrets.token_hex(9)}"
    sms = {
        "to": numbers,
        "text": text,
        "source": source,
        "client_reference": None,
        "message_id": message_id,
    }
    return Outcome(body=_SENT.format(message_id), sms=sms, credit=len(numbers))


def _body(call: Call) -> dict[str, Any]:
    if call.request.mimetype != "application/json":
        raise _refusal(113)  # XML is documented, and not simulated
    try:
        data = json.loads(call.request.get_data())
    except ValueError:
        raise _refusal(113) from None
    if not isinstance(data, dict):
        raise _refusal(113)
    for name, code in (("source_addr", 104), ("message", 104), ("encoding", 118)):
        if name not in data:
            raise _refusal(code)
    return data


def _source(data: dict[str, Any]) -> str:
    """Read the sender: an ID of 11 characters at most, or a number without its plus."""
    source = data["source_addr"]
    if not isinstance(source, str) or not _SENDER_ID.fullmatch(source):
        raise _refusal(111)
    if not source.isdigit() and len(source) > _MAX_SENDER_ID:
        raise _refusal(111)
    return source


def _text(data: dict[str, Any]) -> str:
    text = data["message"]
    if not isinstance(text, str) or not text.strip():
        raise _refusal(109)
    if not _PLAIN.issuperset(text):
        raise _refusal(110)
    return text


def _check_schedule(when: Any) -> None:
    if when in (None, ""):
        return
    try:
        due = datetime.strptime(str(when), "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
    except ValueError:
        raise _refusal(117) from None
    if due < datetime.now(UTC):
        raise _refusal(112)


def _numbers(data: dict[str, Any]) -> list[str]:
    entries = data.get("recipients")
    if not isinstance(entries, list) or not entries:
        raise _refusal(119)
    if len(entries) > _MAX_RECIPIENTS:
        raise _refusal(114)
    if not all(isinstance(entry, dict) and entry.get("dest_addr") for entry in entries):
        raise _refusal(115)
    numbers = [str(entry["dest_addr"]) for entry in entries]
    if not all(_MSISDN.fullmatch(number) for number in numbers):
        raise _refusal(101)
    return numbers


def _refusal(code: int, status: int = 400) -> Refusal:
    return Refusal(status, {"code": code, "message": _MEANINGS[code]})
