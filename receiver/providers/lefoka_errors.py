"""Lefoka's errors: every code and HTTP status of its text as a typed error with its advice.

Source: https://developer.lefoka.co.za/docs/sms/reference, sections "Errors" and "Error responses".
Which calls there are stands elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ..errors import (
    DeliveryError,
    PermanentDeliveryError,
    TemporaryDeliveryError,
    UncertainDeliveryError,
)
from ..words import printable
from .wire import LOOK_IT_UP, delivery_error, temporary_by_status

if TYPE_CHECKING:
    import httpx

DOCUMENT = "https://developer.lefoka.co.za/docs/sms/reference"
NOTHING_THERE = "NO_SMS_MESSAGES"

_AUTHENTICATION, _BALANCE, _SEND = "#authentication", "#balance", "#send"
_THEIR_FAULT = "INTERNAL_SERVER_ERROR"
_IF_IT_LASTS = "If it lasts, write to support@lefoka.co.za."
_LONGEST = 300
_SHORT = 4  # characters: a shorter text would be found inside of other words
_PATH = re.compile(r"/v1/messages(?:/[^/]+)?")
_CODE = re.compile(r"[A-Z][A-Z0-9_]{2,63}")
_URL = re.compile(r"https?://[!-~]{1,200}")
_PRIVATE = re.compile(r"\+?\d[\d ]{5,}\d|\+?\w{7,}")  # a number or a key, if it has digits
_FEWEST_DIGITS = 5


@dataclass(frozen=True, slots=True)
class Known:
    """One error of the text: what went wrong, what to do, and where its document says so."""

    meaning: str
    advice: str
    section: str = ""


_SIGNED = "The account's api_secret must be the one that belongs to its api_key."
_JSON = "A body of ours was not taken as JSON: report it, with the version of sms-receiver."

CATALOGUE: Mapping[str, Known] = MappingProxyType(
    {
        "CONNECTION_INSECURE": Known(
            "the connection is insecure", "Use https:// in the account's base_url.", _AUTHENTICATION
        ),
        "UNAUTHORIZED": Known(
            "no authentication came", "Give the account an api_key.", _AUTHENTICATION
        ),
        "INVALID_API_KEY": Known(
            "the API key does not exist",
            "Look for a typing error or an old key; else generate a new one at Lefoka.",
            _AUTHENTICATION,
        ),
        "INVALID_HTTP_REQUEST_METHOD": Known(
            "the HTTP method is wrong for this call",
            "GET, POST, PATCH and DELETE are possible: see that base_url leads to Lefoka itself.",
        ),
        "SIGNATURE_MISSING": Known("the request has no signature", _SIGNED, _SEND),
        "SIGNATURE_MISMATCH": Known("the signature is invalid", _SIGNED, _SEND),
        "RECIPIENT_MISSING_PARAMETER": Known(
            "there is no recipient parameter", "Name the number to send to.", _SEND
        ),
        "RECIPIENT_EMPTY_PARAMETER": Known(
            "there is no recipient", "Give at least one number to send to.", _SEND
        ),
        "BATCH_LIMIT_EXCEEDED": Known(
            "too many recipients",
            "Send to 500 numbers at once at most, or to 100: Lefoka's text names both.",
            _SEND,
        ),
        "MESSAGE_MISSING_PARAMETER": Known(
            "there is no message parameter", "Give the text to send.", _SEND
        ),
        "MESSAGE_EMPTY_PARAMETER": Known("the text is empty", "Give a text to send.", _SEND),
        "MESSAGE_LIMIT_EXCEEDED": Known(
            "the text is too long",
            "Shorten it to 440 characters, or to 160: Lefoka's text names both.",
            _SEND,
        ),
        "CLIENT_REFERENCE_LIMIT_EXCEEDED": Known(
            "the client_reference is too long", "Shorten it to 100 characters.", _SEND
        ),
        "INVALID_RECIPIENT_ENTRY": Known(
            "a number to send to is invalid",
            "Give South African mobile numbers only: 27 and nine digits more.",
            _SEND,
        ),
        "INSUFFICIENT_BALANCE": Known(
            "there are not enough SMS credits", "Buy SMS credits for the Lefoka account.", _BALANCE
        ),
        "SCHEDULE_EMPTY_PARAMETER": Known(
            "the schedule is blank", "Give a time in ISO 8601: 2023-08-07T04:41:08+02:00.", _SEND
        ),
        "DATE_TIME_INVALID": Known(
            "the schedule is invalid",
            "Give a time in ISO 8601, more than 15 minutes (better 20 or 30) and"
            " not more than 7 days ahead.",
            _SEND,
        ),
        _THEIR_FAULT: Known(
            "something went wrong at Lefoka",
            f"Try again later. {_IF_IT_LASTS}",
        ),
        NOTHING_THERE: Known(
            "there are no such messages", "This is no fault: the account or the page has none."
        ),
        "JSON_EXCEEDED": Known("the maximum stack depth is exceeded", _JSON),
        "JSON_MALFORMED": Known("underflow, or the modes mismatch", _JSON),
        "JSON_ERROR_CTRL_CHAR": Known("an unexpected control character", _JSON),
        "JSON_INVALID_SYNTAX": Known("malformed JSON", _JSON),
        "JSON_MALFORMED_UTF8": Known("malformed UTF-8 characters", _JSON),
        "JSON_UNKNOWN": Known("an unknown error", "Ask support@lefoka.co.za."),
    }
)

_BY_STATUS: Mapping[int, Known] = MappingProxyType(
    {
        400: Known("the request was unacceptable", "See which parameter is missing or wrong."),
        401: Known("no valid API key", "Check the account's api_key.", _AUTHENTICATION),
        402: Known("the request failed", "Its parameters were valid: look at the Lefoka account."),
        403: Known("the API key lacks a permission", "Use a key that may do this."),
        404: Known("there is no such resource", "Check the id of the message, and the base_url."),
        405: Known("the HTTP method is not allowed", "See that base_url leads to Lefoka itself."),
        429: Known("too many requests", "Try again later, less and less often."),
    }
)
_SERVER = Known(
    "something went wrong at Lefoka", f"Try again later, less and less often. {_IF_IT_LASTS}"
)
_WRONG_PATH = Known(
    "there is no such resource",
    "The account's base_url is to be without /v1; if it is, check the id of the message.",
)
_OTHER = Known("Lefoka refused the request", "See the account's base_url, and Lefoka's text.")


def own(code: str, reason: str) -> PermanentDeliveryError:
    """Make the error for what Lefoka would refuse and we do not even send."""
    return PermanentDeliveryError(reason, code=code, mend=_mend(CATALOGUE[code]))


def code_in(response: httpx.Response, answer: Mapping[str, Any]) -> str | None:
    """Give the code of an error in either of its shapes, ``{"error": {…}}`` and flat, if any.

    In what is no refusal, a flat ``message`` may be the text of an SMS: it must be a known code.
    """
    nested = answer.get("error")
    error = nested if isinstance(nested, dict) else answer
    code = str(error.get("message") or "").strip()
    flat_success = response.is_success and error is answer
    is_code = code in CATALOGUE if flat_success else _CODE.fullmatch(code)
    return code if is_code else None


def refusal(
    response: httpx.Response,
    answer: Mapping[str, Any],
    *,
    asks: bool = False,
    in_doubt: str = LOOK_IT_UP,
    private: Collection[str] = (),
) -> DeliveryError:
    """Make the error for an answer that is not what the document promises.

    Temporary are 429 and 503; other 5xx and ``INTERNAL_SERVER_ERROR`` only where the request asks,
    since a change may have been made. ``asks`` and ``in_doubt`` as in `Wire.request`; ``private``
    is what must not be quoted.
    """
    status, code = response.status_code, code_in(response, answer)
    if response.is_success and code is None and not answer.get("error"):
        return unclear(f"the answer says nothing (HTTP {status})", asks=asks, in_doubt=in_doubt)
    code = None if code not in CATALOGUE and _echoes(code or "", private) else code
    error = answer.get("error")
    error = error if isinstance(error, dict) else answer
    known = CATALOGUE.get(code or "") or _by_status(response)
    reason = _said(error.get("description"), private) or known.meaning
    url, named = error.get("documentation_url"), code or f"HTTP_{status}"
    if not asks and _may_be_done(status, code):
        mend = _mend(replace(known, advice=f"{in_doubt} {_IF_IT_LASTS}"), url)
        return UncertainDeliveryError(f"{reason} (HTTP {status})", code=named, mend=mend)
    temporary = temporary_by_status(response) or code == _THEIR_FAULT
    mend = _mend(known, url)
    return delivery_error(
        response,
        temporary=temporary,
        reason=reason,
        code=named,
        mend=mend,
        asks=asks,
        in_doubt=in_doubt,
    )


def unclear(reason: str, *, asks: bool, in_doubt: str = LOOK_IT_UP) -> DeliveryError:
    """Make the error for an answer that cannot be understood."""
    if asks:
        return TemporaryDeliveryError(reason, mend="Check the account's base_url.")
    return UncertainDeliveryError(reason, mend=in_doubt)


def _may_be_done(status: int, code: str | None) -> bool:
    """Tell whether a change may have been made, although the answer is an error."""
    if code in CATALOGUE:
        return code == _THEIR_FAULT
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.SERVICE_UNAVAILABLE


def _by_status(response: httpx.Response) -> Known:
    status, path = response.status_code, response.request.url.path
    if status == HTTPStatus.NOT_FOUND and not _PATH.fullmatch(path):
        return _WRONG_PATH
    return _BY_STATUS.get(status) or (_SERVER if status >= 500 else _OTHER)


def _mend(known: Known, given: object = None) -> str:
    """Give the advice and a URL: the one of the answer, or the one that the text has."""
    url = given if isinstance(given, str) and _URL.fullmatch(given) else DOCUMENT + known.section
    return f"{known.advice} See {url}"


def _said(description: object, private: Collection[str]) -> str:
    """Give Lefoka's own sentence without what may be somebody's number, or a key.

    One that quotes what is private is not given at all.
    """
    if not isinstance(description, str) or _echoes(description, private):
        return ""
    return _PRIVATE.sub(_hidden, printable(description.strip()))[:_LONGEST]


def _echoes(said: str, private: Collection[str]) -> bool:
    found = _folded(said)
    for secret in filter(None, map(_folded, private)):
        edge = r"\b" if len(secret) < _SHORT else ""
        if re.search(f"{edge}{re.escape(secret)}{edge}", found):
            return True
    return False


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()


def _hidden(word: re.Match[str]) -> str:
    return "***" if sum(char.isdigit() for char in word[0]) >= _FEWEST_DIGITS else word[0]
