"""SMSBox's side: its calls and who may make them, after its text, trailing commas included.

Source: the SMS API documentation at https://smsbox.devotek.africa. Every call is of one file
beside this one, or the balance, which is here.
"""

from __future__ import annotations

from collections.abc import Callable

from .api_call import Call, Outcome, Refusal
from .api_smsbox_codes import refused, without_headers
from .api_smsbox_names import query_names, request_name
from .api_smsbox_send import change, send

NAME = "smsbox"

_ROOT = "/api/sms/v1/"
_BALANCE = """{{
    "status": true,
    "code": 200,
    "message": "Operation processed successfully",
 "data": [{{
    "balance_money": {}
}}]
}}"""
_OTHER_WORDS = ("query_sms_balance", "query_sender_names")  # for the same 120


def takes(path: str) -> bool:
    """Tell whether a path is one of this API."""
    return path.startswith(_ROOT)


def answer(call: Call) -> Outcome:
    """Answer one request; raises `Refusal`."""
    name = call.request.path.removeprefix(_ROOT)
    if name not in _CALLS:
        raise Refusal(404, {"error": "Not Found"})
    method, make = _CALLS[name]
    if call.request.method != method:
        raise Refusal(405, {"error": "Method Not Allowed"})
    _authenticate(call, name)
    return make(call)


def _authenticate(call: Call, name: str) -> None:
    if "authorization" not in call.request.headers:
        raise without_headers()
    if call.basic is None:
        raise refused(108, 401)
    key, secret = call.basic
    if not secret or call.credentials.get(key) != secret:
        message = "Invalid Authorization Parameters" if name in _OTHER_WORDS else None
        raise refused(120, 401, message)


def _balance(call: Call) -> Outcome:
    return Outcome(body=_BALANCE.format(call.balance))


_CALLS: dict[str, tuple[str, Callable[[Call], Outcome]]] = {
    "send_sms": ("POST", send),
    "query_sms_balance": ("GET", _balance),
    "change_sms_info": ("GET", change),
    "query_sender_names": ("GET", query_names),
    "request_sender_name": ("POST", request_name),
}
