"""Lefoka's side: POST /v1/messages and GET /v1/messages/balance, after its reference text.

Source: https://developer.lefoka.co.za/docs/sms/reference; errors are named as in its section
"Errors". Where that contradicts the section "Send" (100 or 500 numbers, 160 or 440 characters), the
latter counts.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import re
import secrets
from datetime import datetime, timedelta, timezone
from typing import Any

from .api_call import Call, Outcome, Refusal

NAME = "lefoka"

_DOCUMENT = "https://developer.lefoka.co.za/docs/sms/reference"
_MAX_RECIPIENTS = 500
_MAX_TEXT = 440
_MAX_REFERENCE = 100
_SEGMENT = 160
_MSISDN = re.compile(r"27[0-9]{9}", re.ASCII)
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def takes(path: str) -> bool:
    """Tell whether a path is one of this API; unknown ones get its errors, too."""
    return True


def answer(call: Call) -> Outcome:
    """Answer one request; raises `Refusal`."""
    path, method = call.request.path, call.request.method
    if path not in ("/v1/messages", "/v1/messages/balance"):
        raise _refusal(404, "NOT_FOUND", "The requested resource doesn't exist.")
    balance = path.endswith("balance")
    if method != ("GET" if balance else "POST"):
        raise _refusal(405, "INVALID_HTTP_REQUEST_METHOD", "Invalid HTTP request method.")
    secret = _secret(call)
    if balance:
        return Outcome(body={"balance": call.balance, "documentation_url": f"{_DOCUMENT}#balance"})
    return _send(call, secret)


def _secret(call: Call) -> str:
    """Give the secret of the caller's key: the user name of Basic auth, with a blank password."""
    if call.basic is None:
        raise _refusal(401, "UNAUTHORIZED", "No autentication method is provided.")
    key, password = call.basic
    if password or key not in call.credentials:
        raise _refusal(401, "INVALID_API_KEY", "The provided API Key does not exist.")
    return call.credentials[key]


def _send(call: Call, secret: str) -> Outcome:
    data = _body(call)
    numbers, text = _recipients(data), _text(data)
    reference = data.get("client_reference")
    if reference is not None and len(str(reference)) > _MAX_REFERENCE:
        raise _bad("CLIENT_REFERENCE_LIMIT_EXCEEDED", "100 characters limit exceeded.")
    given = call.request.headers.get("Signature", "")
    if not given:
        raise _bad("SIGNATURE_MISSING", "Your request is missing a signature.")
    if not hmac.compare_digest(given.encode(), _signature(data, secret).encode()):
        raise _bad("SIGNATURE_MISMATCH", "Signature is invalid.")
    credit = len(numbers) * math.ceil(len(text) / _SEGMENT)
    if credit > call.balance:
        raise _refusal(402, "INSUFFICIENT_BALANCE", "Not enough SMS credits.")
    message = _message(numbers, text, reference, credit)
    sms = {
        "to": [f"+{number}" for number in numbers],
        "text": text,
        "source": None,
        "client_reference": reference,
        "message_id": message["id"],
    }
    return Outcome(status=201, body=message, sms=sms, credit=credit)


def _body(call: Call) -> dict[str, Any]:
    """Read JSON, or a form, as its introduction says."""
    if call.request.mimetype == "application/x-www-form-urlencoded":
        form = call.request.form
        fields = {name: form[name] for name in form if not name.endswith("[]")}
        lists = {name[:-2]: form.getlist(name) for name in form if name.endswith("[]")}
        return {**fields, **lists}
    try:
        data = json.loads(call.request.get_data())
    except UnicodeDecodeError:
        raise _bad("JSON_MALFORMED_UTF8", "Malformed UTF-8 characters.") from None
    except ValueError:
        raise _bad("JSON_INVALID_SYNTAX", "Syntax error, malformed JSON.") from None
    if not isinstance(data, dict):
        raise _bad("JSON_MALFORMED", "Underflow or the modes mismatch.")
    return data


def _recipients(data: dict[str, Any]) -> list[str]:
    if "recipient" not in data:
        raise _bad("RECIPIENT_MISSING_PARAMETER", "Recipent parameter is missing.")
    numbers = data["recipient"]
    if not numbers:
        raise _bad("RECIPIENT_EMPTY_PARAMETER", "Recipent parameter is blank.")
    if not isinstance(numbers, list):
        raise _bad("INVALID_RECIPIENT_ENTRY", "Recipient must be an array.")
    if len(numbers) > _MAX_RECIPIENTS:
        raise _bad("BATCH_LIMIT_EXCEEDED", f"The batch per send is limited to {_MAX_RECIPIENTS}.")
    if not all(isinstance(number, str) and _MSISDN.fullmatch(number) for number in numbers):
        raise _bad("INVALID_RECIPIENT_ENTRY", "Numbers need to be 11 digits and start with 27.")
    return numbers


def _text(data: dict[str, Any]) -> str:
    if "message" not in data:
        raise _bad("MESSAGE_MISSING_PARAMETER", "Message parameter is missing.")
    text = data["message"]
    if not isinstance(text, str) or not text:
        raise _bad("MESSAGE_EMPTY_PARAMETER", "Message parameter is blank.")
    if len(text) > _MAX_TEXT:
        raise _bad("MESSAGE_LIMIT_EXCEEDED", f"{_MAX_TEXT} characters limit exceeded.")
    return text


def _signature(data: dict[str, Any], secret: str) -> str:
    """Section "Signature": sorted non-blank pairs, RFC 3986, HMAC-SHA256 in hex."""
    pairs: list[tuple[str, Any]] = []
    for name, value in sorted(data.items()):
        values = [(f"{name}[]", item) for item in value] if isinstance(value, list) else None
        pairs += [(name, value)] if values is None else values
    line = "&".join(f"{name}={_encoded(value)}" for name, value in pairs if value not in (None, ""))
    return hmac.digest(secret.encode(), line.encode(), hashlib.sha256).hex()


def _encoded(value: Any) -> str:
    data = str(value).encode()
    return "".join(chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in data)


def _message(numbers: list[str], text: str, reference: Any, credit: int) -> dict[str, Any]:
    """Make "The immediate send message object"."""
    message_id = secrets.token_hex(32)
    now = datetime.now(timezone(timedelta(hours=2)))
    return {
        "id": message_id,
        "type": "sms",
        "recipient": numbers,
        "message": text,
        "client_reference": reference,
        "schedule": None,
        "status": "pending",
        "credit": credit,
        "creation_date": now.isoformat(timespec="seconds"),
        "_links": {
            "self": {"href": f"https://api.lefoka.co.za/v1/messages/{message_id}", "method": "GET"}
        },
        "documentation_url": f"{_DOCUMENT}#send",
    }


def _bad(code: str, description: str) -> Refusal:
    return _refusal(400, code, description)


def _refusal(status: int, code: str, description: str) -> Refusal:
    error = {"message": code, "description": description, "documentation_url": f"{_DOCUMENT}#send"}
    return Refusal(status, {"error": error})
