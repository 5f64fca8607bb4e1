"""Every code and the one request that the bearer API's text documents, seen from the wire.

Source: "Error Codes Reference". `CODES` and `CALLS` are written off the text; a row that is
missing, or one too many, fails.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from exchange import Answer, Api, Exchange

from receiver.errors import (
    DeliveryError,
    PermanentDeliveryError,
    TemporaryDeliveryError,
    UncertainDeliveryError,
)
from receiver.providers.base import Asked, Sent, Sms
from receiver.providers.bearer import Bearer
from receiver.providers.bearer_codes import CATALOGUE

KEY = "YOUR_API_KEY"
ACCOUNT: dict[str, Any] = {
    "api_keys": (KEY,),
    "base_url": "https://api.example/v1",
    "options": {"status_path": "/sms/{message_id}"},
}
SMS = Sms(recipients=("+254712345679",), text="Hello", key="k", client_reference="ref-1")

# "Handling Errors", "Python Example", and "401 Unauthorized": the only request of the text. Its
# path and its fields are the account's, and so are a balance and a status.
CALLS = ["POST url, json=data, Authorization: Bearer YOUR_API_KEY"]

CALL_ROWS = {
    "POST url, json=data, Authorization: Bearer YOUR_API_KEY": Exchange(
        do=lambda bearer: bearer.send(SMS),
        method="POST",
        url="https://api.example/v1/sms/send",
        headers={"authorization": "Bearer YOUR_API_KEY", "content-type": "application/json"},
        body=b'{"to":"+254712345679","message":"Hello","reference":"ref-1"}',
        answer=Answer('{"status": "success", "data": {"message_id": "m-1"}}'),
        gives=Sent(message_id="m-1"),
    )
}

# "HTTP Status Codes", "SMS API Error Codes", "OTP API Error Codes": message, description, solution.
CODES = {
    200: ("OK", "Request successful", "No action needed"),
    400: (
        "Bad Request",
        "Invalid request parameters",
        "Check your request format and parameters",
    ),
    401: (
        "Unauthorized",
        "Invalid or missing API key",
        "Check your API key in the Authorization header",
    ),
    403: ("Forbidden", "You don't have permission", "Check your account permissions"),
    404: ("Not Found", "Resource not found", "Check the resource ID or endpoint URL"),
    429: ("Too Many Requests", "Rate limit exceeded", "Wait before making more requests"),
    500: ("Internal Server Error", "Server error", "Try again later or contact support"),
    503: ("Service Unavailable", "Server temporarily unavailable", "Try again later"),
    1001: (
        "Invalid Phone Number",
        "Phone number format is invalid",
        "Use international format: +254712345678",
    ),
    1002: (
        "Message Too Long",
        "Message exceeds 160 characters",
        "Shorten your message or split into multiple SMS",
    ),
    1003: ("Insufficient Balance", "Account balance is too low", "Add credit to your account"),
    1004: (
        "Invalid Sender ID",
        "Sender ID is not approved",
        "Use an approved sender ID or request approval",
    ),
    1005: (
        "Duplicate Message",
        "Message was already sent recently",
        "Wait a moment before resending",
    ),
    1006: (
        "Invalid Message Type",
        "Message type is not supported",
        "Use a supported message type (SMS, OTP, etc.)",
    ),
    1007: ("Network Error", "Network error occurred", "Try again later"),
    1008: ("Invalid Schedule Time", "Schedule time is in the past", "Use a future timestamp"),
    2001: ("Invalid OTP Length", "OTP length must be between 4 and 8", "Set length between 4-8"),
    2002: (
        "Invalid Expiry Time",
        "Expiry time must be between 60 and 3600 seconds",
        "Set expiry between 60-3600 seconds",
    ),
    2003: ("OTP Not Found", "OTP code not found", "Generate a new OTP"),
    2004: ("OTP Expired", "OTP code has expired", "Generate a new OTP"),
    2005: ("Invalid OTP Code", "OTP code is incorrect", "Enter the correct OTP code"),
    2006: ("Max Attempts Exceeded", "Too many failed OTP attempts", "Generate a new OTP"),
}

NO = PermanentDeliveryError
# What each code means for another try: the class, and the seconds to wait where we name them.
OUTCOMES: dict[int, tuple[type[DeliveryError], float | None]] = {
    400: (NO, None),
    401: (NO, None),
    403: (NO, None),
    404: (NO, None),
    429: (TemporaryDeliveryError, 60.0),
    500: (TemporaryDeliveryError, None),
    503: (TemporaryDeliveryError, 60.0),
    1001: (NO, None),
    1002: (NO, None),
    1003: (NO, None),
    1004: (NO, None),
    1005: (UncertainDeliveryError, None),  # it was sent: by us, perhaps, when an answer was lost
    1006: (NO, None),
    1007: (TemporaryDeliveryError, None),
    1008: (NO, None),
    **dict.fromkeys(range(2001, 2007), (NO, None)),
}


def envelope(code: Any, **more: Any) -> str:
    error = {"code": code, "message": "A message", "details": "Some details", **more}
    return json.dumps({"status": "error", "error": error})


def status_of(code: int) -> int:
    return code if code < 1000 else 400


# "Error Response Format", and all the ways that an answer of these families is wrapped.
WRAPPINGS: dict[str, Any] = {
    "as-documented": lambda code: Answer(envelope(code), status_of(code)),
    "code-as-text": lambda code: Answer(envelope(str(code)), status_of(code)),
    "inside-a-success": lambda code: Answer(envelope(code), 200),
    "with-another-status": lambda code: Answer(envelope(code), 502),
    "flat": lambda code: Answer(f'{{"status": "error", "code": {code}}}', status_of(code)),
    "flat-inside-a-success": lambda code: Answer(f'{{"code": {code}, "message": "x"}}', 200),
    "in-data": lambda code: Answer(f'{{"data": {envelope(code)}}}', 200),
    "in-a-list": lambda code: Answer(f"[{envelope(code)}]", status_of(code)),
    "list-of-errors": lambda code: Answer(f'{{"error": [{{"code": {code}}}]}}', status_of(code)),
    "commas-trail": lambda code: Answer(envelope(code)[:-2] + ",\n},\n}", status_of(code)),
}


def test_the_table_has_every_documented_call_and_no_other() -> None:
    assert [*CALL_ROWS] == CALLS


@pytest.mark.parametrize("row", CALL_ROWS.values(), ids=CALL_ROWS)
def test_the_request_leaves_as_documented_and_gives_what_came(row: Exchange) -> None:
    row.check(Bearer, **ACCOUNT)


def test_the_table_has_every_documented_code_and_no_other() -> None:
    assert {*OUTCOMES} == {*CODES} - {200}
    assert {int(code): tuple(row)[:3] for code, row in CATALOGUE.items()} == CODES


DOINGS: dict[str, Any] = {
    "send": lambda bearer: bearer.send(SMS),
    "balance": lambda bearer: bearer.balance(),
    "status": lambda bearer: bearer.status(Asked(message_id="m-1"), None),
}


@pytest.mark.parametrize("wrapped", WRAPPINGS.values(), ids=WRAPPINGS)
@pytest.mark.parametrize("code", OUTCOMES)
def test_a_code_is_its_own_error_in_every_wrapping(code: int, wrapped: Any) -> None:
    message, description, solution = CODES[code]
    kind, seconds = OUTCOMES[code]
    answer = wrapped(code)
    api = Api(Bearer, answer, **ACCOUNT)
    with pytest.raises(DeliveryError) as caught:
        DOINGS["send"](api.provider)
    error = caught.value
    assert (type(error), error.code, error.mend) == (kind, str(code), solution)
    assert error.reason == f"{message}: {description} (HTTP {answer.status})"
    assert getattr(error, "retry_after", None) == seconds
    assert len(api.requests) == 1


@pytest.mark.parametrize("doing", ["balance", "status"])
@pytest.mark.parametrize("inside_a_success", [False, True])
@pytest.mark.parametrize("code", OUTCOMES)
def test_a_question_is_refused_with_the_same_codes(
    code: int, inside_a_success: bool, doing: str
) -> None:
    answer = Answer(envelope(code), 200 if inside_a_success else status_of(code))
    with pytest.raises(DeliveryError) as caught:
        DOINGS[doing](Api(Bearer, answer, **ACCOUNT).provider)
    kind, seconds = OUTCOMES[code]
    if kind is UncertainDeliveryError:  # a question changes nothing
        kind = TemporaryDeliveryError
    error = caught.value
    assert (type(error), error.code, error.mend) == (kind, str(code), CODES[code][2])
    assert getattr(error, "retry_after", None) == seconds


@pytest.mark.parametrize("code", [code for code in CODES if code < 1000 and code != 200])
@pytest.mark.parametrize("body", ["", "<html><h1>Sorry</h1></html>", "[]", "{}"])
def test_an_http_status_alone_is_its_error(code: int, body: str) -> None:
    with pytest.raises(DeliveryError) as caught:
        Api(Bearer, Answer(body, code), **ACCOUNT).provider.send(SMS)
    kind, seconds = OUTCOMES[code]
    error = caught.value
    assert (type(error), error.code, error.mend) == (kind, str(code), CODES[code][2])
    assert getattr(error, "retry_after", None) == seconds


@pytest.mark.parametrize("code", [429, 500, 503, 1007])
def test_the_providers_own_pause_goes_before_ours(code: int) -> None:
    answer = Answer(envelope(code), status_of(code), {"Retry-After": "7"})
    with pytest.raises(TemporaryDeliveryError) as caught:
        Api(Bearer, answer, **ACCOUNT).provider.send(SMS)
    assert caught.value.retry_after == 7.0


@pytest.mark.parametrize("body", ["", "{}", '{"status": "success", "message": "OK"}'])
def test_200_is_a_success_also_where_it_says_nothing_more(body: str) -> None:
    assert Api(Bearer, Answer(body), **ACCOUNT).provider.send(SMS) == Sent(message_id=None)
