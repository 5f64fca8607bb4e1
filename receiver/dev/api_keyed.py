"""The keyed panel's side: v1 and v2 send, balance, keys and its two pages, after its text.

Source: "API Documentation" of the panel. What it leaves open is decided here once: the answers of a
success, and that v2 takes v1's names as JSON, as a form, or in the query. The text's own ways are
kept: commas that trail, and a Swagger page that fails. A number that ends in 0000500, 0000502 or
0000200 gets the panel's fault, its proxy's page, or an error inside of a success.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from typing import Any, NoReturn

from .api_call import Call, Outcome, Refusal

NAME = "keyed"

_METHODS = {
    "/v1/sms/send": {"POST"},
    "/api/v2": {"GET"},
    "/api/oauth2-callback": {"GET"},
    "/api/v2/sms/send": {"GET", "POST"},
    "/api/v2/account/balance": {"GET"},
    "/api/generate-key": {"POST"},
    "/api/revoke-key": {"POST"},
    "/api/regenerate-key": {"POST"},
}
_NUMBER = re.compile(r"(?:\+[1-9]|[1-9]|0[1-9])[0-9]{7,13}", re.ASCII)
_A_MINUTE = 60  # both the limit of requests and the seconds that they are counted in
_LONGEST_EXPIRY = 365
_BAD_NUMBER = {"error": "Invalid phone number format."}
_SENT = """{{
    "message": "Messages queued",
    "data": [{{
        "message_id": "{}",
    }}],
}}"""
_CALLBACK_PAGE = """<!doctype html>
<html lang="en-US">
<body>
<script src="oauth2-redirect.js"></script>
</body>
</html>
"""


def takes(path: str) -> bool:
    """Tell whether a path is one of this API."""
    return path in _METHODS or path.startswith(("/v1/sms/", "/api/v2/"))


def answer(call: Call) -> Outcome:
    """Answer one request; raises `Refusal`."""
    path, method = call.request.path, call.request.method
    if path not in _METHODS:
        raise Refusal(404, "<!doctype html><title>404 Not Found</title>")
    if method not in _METHODS[path]:
        raise Refusal(405, {"message": f"The {method} method is not supported for this route."})
    if path == "/api/v2":
        raise Refusal(500, {"message": "Server Error"})
    if path == "/api/oauth2-callback":
        return Outcome(body=_CALLBACK_PAGE)
    data = _data(call)
    if path == "/v1/sms/send":
        _check_password(call, data)
        return _send(call, data)
    if path.endswith("-key"):
        return _change_key(call, path, data)
    headers = _limits(call)
    _key(call, data, headers)
    if path == "/api/v2/account/balance":
        return Outcome(body={"data": {"balance": call.balance}}, headers=headers)
    return _send(call, data, headers)


def _data(call: Call) -> dict[str, Any]:
    """Read query, form and JSON into one, as such panels do."""
    request = call.request
    data: dict[str, Any] = {**request.args.to_dict(), **request.form.to_dict()}
    if request.mimetype != "application/json" or not request.get_data():
        return data
    try:
        body = json.loads(request.get_data())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Refusal(400, {"message": "The body is no JSON object."})
    return {**data, **body}


def _limits(call: Call) -> dict[str, str]:
    """Count the messages of the last minute against the limit that the samples show."""
    since = time.time() - _A_MINUTE
    left = _A_MINUTE - sum(sms.get("taken_at", 0.0) > since for sms in call.sent)
    headers = {"x-ratelimit-limit": str(_A_MINUTE), "x-ratelimit-remaining": str(max(left - 1, 0))}
    if left < 1:
        refused = {**headers, "Retry-After": str(_A_MINUTE)}
        raise Refusal(429, {"message": "Too Many Attempts."}, refused)
    return headers


def _check_password(call: Call, data: dict[str, Any]) -> None:
    """Take a key of ``credentials`` for a user name, and its secret for the password."""
    password = data.get("password")
    if not password or call.credentials.get(str(data.get("username"))) != password:
        raise Refusal(401, {"error": "Unauthorized."})


def _key(call: Call, data: dict[str, Any], headers: dict[str, str]) -> str:
    given = call.request.headers.get("X-API-Key") or data.get("api_key")
    if not given:
        missing = {
            "error": "API key is required",
            "help": "Provide X-API-Key header or api_key parameter",
        }
        raise Refusal(401, missing, headers)
    if given not in call.credentials:
        raise Refusal(401, {"error": "Unauthorized."}, headers)
    return str(given)


def _send(call: Call, data: dict[str, Any], headers: dict[str, str] | None = None) -> Outcome:
    headers = headers or {}
    text, listed = data.get("message_body"), data.get("numbers")
    if not isinstance(text, str) or not text:
        raise Refusal(400, {"error": "The message body field is required."}, headers)
    numbers = [number.strip() for number in str(listed or "").split(",")]
    if not isinstance(listed, str) or not all(map(_NUMBER.fullmatch, numbers)):
        raise Refusal(400, _BAD_NUMBER, headers)
    _misbehave(numbers[0], headers)
    if len(numbers) > call.balance:
        raise Refusal(400, {"error": "Insufficient balance."}, headers)
    message_id = secrets.token_hex(8)
    sms = {
        "to": numbers,
        "text": text,
        "source": None,
        "client_reference": None,
        "message_id": message_id,
        "taken_at": time.time(),
    }
    body = _SENT.format(message_id)
    return Outcome(body=body, headers=headers, sms=sms, credit=len(numbers))


def _misbehave(number: str, headers: dict[str, str]) -> None:
    if number.endswith("0000500"):
        raise Refusal(500, {"message": "Server Error"}, headers)
    if number.endswith("0000502"):
        raise Refusal(502, "<html><body><h1>502 Bad Gateway</h1></body></html>")
    if number.endswith("0000200"):
        raise Refusal(200, _BAD_NUMBER, headers)


def _change_key(call: Call, path: str, data: dict[str, Any]) -> Outcome:
    """Issue and revoke keys in ``credentials``: a new one has the secret of who asked."""
    days = data.get("expiry_days")
    if days is not None and (type(days) is not int or not 1 <= days <= _LONGEST_EXPIRY):
        _refuse_expiry(days)
    if not call.request.headers.get("X-API-Key") and data.get("username"):
        _check_password(call, data)
        owner = str(data["username"])
    else:
        owner = _key(call, data, {})
    keys = call.credentials
    if not isinstance(keys, dict):  # credentials that nobody may change
        raise Refusal(500, {"message": "Server Error"})
    secret = keys[owner]
    if path != "/api/generate-key":
        del keys[owner]
    if path == "/api/revoke-key":
        return Outcome(body={"message": "API key revoked"})
    key = secrets.token_urlsafe(24)
    keys[key] = secret
    return Outcome(body={"message": "API key generated", "data": {"api_key": key}})


def _refuse_expiry(days: Any) -> NoReturn:
    problem = "must be an integer"
    if type(days) is int:
        problem = (
            "must be at least 1" if days < 1 else f"must not be greater than {_LONGEST_EXPIRY}"
        )
    text = f"The expiry days {problem}."
    raise Refusal(422, {"message": text, "errors": {"expiry_days": [text]}})
