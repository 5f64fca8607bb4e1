"""What Lefoka's side wants of a request: its body, its fields, its signature; and its errors.

Source: https://developer.lefoka.co.za/docs/sms/reference; errors are named as in its section
"Errors". Where that contradicts the section "Send" (100 or 500 numbers, 160 or 440 characters), the
latter counts. Two errors are printed as in the text, where their names have no quotes.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from datetime import datetime, timedelta, timezone
from typing import Any

from werkzeug.wrappers import Request

from .api_call import Refusal

DOCUMENT = "https://developer.lefoka.co.za/docs/sms/reference"
LOCAL_TIME = timezone(timedelta(hours=2))

_MAX_RECIPIENTS = 500
_MAX_TEXT = 440
_MAX_REFERENCE = 100
_MAX_DEPTH = 512  # of PHP's json_decode
_SOONEST, _LATEST = timedelta(minutes=15), timedelta(days=7)
_MSISDN = re.compile(r"27[0-9]{9}", re.ASCII)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?([+-]\d\d:\d\d)?", re.ASCII)
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_UNQUOTED_NESTED = """{{
"error": {{
"message": {},
"description": "{}",
"documentation_url": "{}#authentication"
}}
}}"""
_UNQUOTED_FLAT = """{{
"message": {},
"description": "{}",
"documentation_url": "{}#send"
}}"""
_AS_PRINTED = {"UNAUTHORIZED": _UNQUOTED_NESTED, "INVALID_RECIPIENT_ENTRY": _UNQUOTED_FLAT}


def body_in(request: Request) -> dict[str, Any]:
    """Read JSON, or a form, as its introduction says."""
    if request.mimetype == "application/x-www-form-urlencoded":
        form = request.form
        fields = {name: form[name] for name in form if not name.endswith("[]")}
        lists = {name[:-2]: form.getlist(name) for name in form if name.endswith("[]")}
        return {**fields, **lists}
    try:
        data = json.loads(request.get_data())
    except UnicodeDecodeError:
        raise bad("JSON_MALFORMED_UTF8", "Malformed UTF-8 characters.") from None
    except RecursionError:
        raise bad("JSON_EXCEEDED", "Maximum stack depth exceeded.") from None
    except json.JSONDecodeError as error:
        if "control character" in error.msg:
            raise bad("JSON_ERROR_CTRL_CHAR", "Unexpected control character found.") from None
        raise bad("JSON_INVALID_SYNTAX", "Syntax error, malformed JSON.") from None
    if _deep(data):
        raise bad("JSON_EXCEEDED", "Maximum stack depth exceeded.")
    if not isinstance(data, dict):
        raise bad("JSON_MALFORMED", "Underflow or the modes mismatch.")
    return data


def check(data: dict[str, Any], *, whole: bool) -> None:
    """Refuse the fields of a send, or of an edit, where none is required."""
    if whole or "recipient" in data:
        _check_recipients(data)
    if whole or "message" in data:
        _check_text(data)
    reference = data.get("client_reference")
    if reference is not None and len(str(reference)) > _MAX_REFERENCE:
        raise bad("CLIENT_REFERENCE_LIMIT_EXCEEDED", "100 characters limit exceeded.")
    if "schedule" in data:
        _check_schedule(data["schedule"])


def check_signature(request: Request, data: dict[str, Any], secret: str, *, needed: bool) -> None:
    """Refuse a wrong signature; a missing one, too, where the text has it as required."""
    given = request.headers.get("Signature", "")
    if not given and needed:
        raise bad("SIGNATURE_MISSING", "Your request is missing a signature.")
    if given and not hmac.compare_digest(given.encode(), _signature(data, secret).encode()):
        raise bad("SIGNATURE_MISMATCH", "Signature is invalid.")


def bad(code: str, description: str) -> Refusal:
    """Make an error of HTTP 400."""
    return refusal(400, code, description)


def refusal(status: int, code: str, description: str) -> Refusal:
    """Make an error: an object in ``error``, or as the text prints it, without quotes."""
    if code in _AS_PRINTED:
        return Refusal(status, _AS_PRINTED[code].format(code, description, DOCUMENT))
    error = {"message": code, "description": description, "documentation_url": f"{DOCUMENT}#send"}
    return Refusal(status, {"error": error})


def _deep(data: Any) -> bool:
    level = [data]
    for _ in range(_MAX_DEPTH + 1):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return bool(level)


def _check_recipients(data: dict[str, Any]) -> None:
    if "recipient" not in data:
        raise bad("RECIPIENT_MISSING_PARAMETER", "Recipent parameter is missing.")
    numbers = data["recipient"]
    if not numbers:
        raise bad("RECIPIENT_EMPTY_PARAMETER", "Recipent parameter is blank.")
    if isinstance(numbers, list) and len(numbers) > _MAX_RECIPIENTS:
        raise bad("BATCH_LIMIT_EXCEEDED", f"The batch per send is limited to {_MAX_RECIPIENTS}.")
    fit = isinstance(numbers, list) and all(
        isinstance(number, str) and _MSISDN.fullmatch(number) for number in numbers
    )
    if not fit:
        raise bad("INVALID_RECIPIENT_ENTRY", "One or more send to numbers provided is not valid")


def _check_text(data: dict[str, Any]) -> None:
    if "message" not in data:
        raise bad("MESSAGE_MISSING_PARAMETER", "Message parameter is missing.")
    text = data["message"]
    if not isinstance(text, str) or not text:
        raise bad("MESSAGE_EMPTY_PARAMETER", "Message parameter is blank.")
    if len(text) > _MAX_TEXT:
        raise bad("MESSAGE_LIMIT_EXCEEDED", f"{_MAX_TEXT} characters limit exceeded.")


def _check_schedule(schedule: Any) -> None:
    if schedule in (None, ""):
        raise bad("SCHEDULE_EMPTY_PARAMETER", "Schedule parameter is blank.")
    ahead = None if (when := time_in(schedule)) is None else when - datetime.now(LOCAL_TIME)
    if ahead is None or not _SOONEST <= ahead <= _LATEST:
        raise bad("DATE_TIME_INVALID", "Invalid date format provided.")


def time_in(text: Any) -> datetime | None:
    """Read a time of the format of section "Schedule"; without an offset it is GMT+2."""
    if not isinstance(text, str) or not _TIME.fullmatch(text):
        return None
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    return when if when.tzinfo else when.replace(tzinfo=LOCAL_TIME)


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
