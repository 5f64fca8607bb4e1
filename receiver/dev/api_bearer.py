"""The bearer API's side: its catalogue of errors, word for word, and a send, balance and status.

Source: "Error Codes Reference" of the API. Its paths, its fields and its successes are nowhere in
the text: POST /sms/send, GET /account/balance and GET /sms/<id> are those of `providers.bearer`'s
defaults. Answers come as the text's samples have them: an error may stand in a 200. A number that
ends in 0000 and a code of the catalogue gets that error; one that ends in 0000502 a page of HTML.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from datetime import UTC, datetime
from typing import Any, NoReturn

from .api_call import Call, Outcome, Refusal

NAME = "bearer"

_SEND, _BALANCE = "/sms/send", "/account/balance"
_MSISDN = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
_SENDER_ID = re.compile(r"\+?[A-Za-z0-9 ]{1,15}", re.ASCII)
_LONGEST_TEXT = 160
_RECENTLY = 60.0  # seconds
_TYPES = ("SMS", "OTP")
_MESSAGES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
    1001: "Invalid Phone Number",
    1002: "Message Too Long",
    1003: "Insufficient Balance",
    1004: "Invalid Sender ID",
    1005: "Duplicate Message",
    1006: "Invalid Message Type",
    1007: "Network Error",
    1008: "Invalid Schedule Time",
    2001: "Invalid OTP Length",
    2002: "Invalid Expiry Time",
    2003: "OTP Not Found",
    2004: "OTP Expired",
    2005: "Invalid OTP Code",
    2006: "Max Attempts Exceeded",
}
_DETAILS = {
    401: "Invalid or missing API key",
    404: "Resource not found",
    1001: "Phone number must be in international format",
    1002: "Message exceeds 160 characters",
    1003: "Account balance is too low",
    1004: "Sender ID is not approved",
    1005: "Message was already sent recently",
    1006: "Message type is not supported",
    1008: "Schedule time is in the past",
}


def takes(path: str) -> bool:
    """Tell whether a path is one of this API."""
    return path.startswith(("/sms/", "/account/"))


def answer(call: Call) -> Outcome:
    """Answer one request; raises `Refusal`."""
    path, method = call.request.path, call.request.method
    _authenticate(call)
    if method != ("POST" if path == _SEND else "GET"):
        _refuse(404)
    if path == _SEND:
        return _send(call)
    if path == _BALANCE:
        return _success({"balance": f"{call.balance}.00"})
    return _status(call, path.removeprefix("/sms/"))


def _authenticate(call: Call) -> None:
    given = call.request.authorization
    if given is None or given.type != "bearer" or given.token not in call.credentials:
        _refuse(401)


def _send(call: Call) -> Outcome:
    data = _body(call)
    to, text = data.get("to"), data.get("message")
    numbers = to if isinstance(to, list) else str(to or "").split(",")
    if not all(isinstance(number, str) and _MSISDN.fullmatch(number) for number in numbers):
        _refuse(1001)
    if not numbers or not isinstance(text, str) or not text:
        _refuse(400)
    _misbehave(numbers[0])
    _check(call, data, numbers, text)
    message_id = f"msg_{secrets.token_hex(8)}"
    sms = {
        "to": numbers,
        "text": text,
        "source": data.get("sender_id"),
        "client_reference": data.get("reference"),
        "message_id": message_id,
        "taken_at": time.time(),
    }
    body = _success({"message_id": message_id, "status": "queued"}).body
    return Outcome(body=body, sms=sms, credit=len(numbers))


def _body(call: Call) -> dict[str, Any]:
    if call.request.mimetype != "application/json":
        _refuse(400)
    try:
        data = json.loads(call.request.get_data())
    except ValueError:
        data = None
    return data if isinstance(data, dict) else _refuse(400)


def _check(call: Call, data: dict[str, Any], numbers: list[str], text: str) -> None:
    """Refuse what the catalogue names, in its order."""
    if len(text) > _LONGEST_TEXT:
        _refuse(1002)
    if len(numbers) > call.balance:
        _refuse(1003)
    source = data.get("sender_id")
    if source is not None and not (isinstance(source, str) and _SENDER_ID.fullmatch(source)):
        _refuse(1004)
    since = time.time() - _RECENTLY
    recent = [sms for sms in call.sent if sms.get("taken_at", 0.0) > since]
    if any(sms["text"] == text and sms["to"] == numbers for sms in recent):
        _refuse(1005)
    if str(data.get("type", "SMS")).upper() not in _TYPES:
        _refuse(1006)
    if "schedule" in data and _past(data["schedule"]):
        _refuse(1008)


def _past(when: Any) -> bool:
    try:
        return datetime.fromisoformat(str(when)).astimezone(UTC) < datetime.now(UTC)
    except ValueError:
        return True


def _status(call: Call, message_id: str) -> Outcome:
    found = next((sms for sms in call.sent if sms["message_id"] == message_id), None)
    if found is None:
        _refuse(404)
    word = found.get("status", "sent")
    return _success({"message_id": message_id, "to": found["to"][0], "status": word})


def _misbehave(number: str) -> None:
    if number.endswith("0000502"):
        raise Refusal(502, "<html><body><h1>502 Bad Gateway</h1></body></html>")
    for code in _MESSAGES:
        if number.endswith(f"0000{code}"):
            _refuse(code, in_success=code > 1000)


def _success(data: dict[str, Any]) -> Outcome:
    return Outcome(body=json.dumps({"status": "success", "data": data})[:-1] + ",\n}")


def _refuse(code: int, *, in_success: bool = False) -> NoReturn:
    """Answer in the documented envelope; codes of the SMS and OTP tables come with a 400."""
    message = _MESSAGES[code]
    details = _DETAILS.get(code, message)
    status = code if code < 1000 else 200 if in_success else 400
    error = {"code": code, "message": message, "details": details}
    headers = {"Retry-After": "30"} if code == 429 else {}
    raise Refusal(status, {"status": "error", "error": error}, headers)
