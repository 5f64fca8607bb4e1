"""Every error that Lefoka's text has, in every shape and from every call: none left out.

Source: https://developer.lefoka.co.za/docs/sms/reference, sections "Errors" and "Error responses".
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from exchange import Answer, Api
from lefoka_samples import (
    ACCOUNT,
    DOCUMENT,
    NUMBERS,
    SCHEDULED_ID,
    SENT_ID,
)
from test_lefoka_documented import CODES

from receiver.errors import (
    DeliveryError,
    PermanentDeliveryError,
    TemporaryDeliveryError,
    UncertainDeliveryError,
)
from receiver.providers.base import Sms
from receiver.providers.lefoka import Lefoka

# What the text says to do, in a word or two of its own; and where its samples point to.
SEND = f"{DOCUMENT}#send"
ADVICE = {
    "CONNECTION_INSECURE": ("https://", f"{DOCUMENT}#authentication"),
    "UNAUTHORIZED": ("api_key", f"{DOCUMENT}#authentication"),
    "INVALID_API_KEY": ("generate", f"{DOCUMENT}#authentication"),
    "INVALID_HTTP_REQUEST_METHOD": ("GET, POST, PATCH and DELETE", DOCUMENT),
    "SIGNATURE_MISSING": ("api_secret", SEND),
    "RECIPIENT_MISSING_PARAMETER": ("number", SEND),
    "MESSAGE_MISSING_PARAMETER": ("text", SEND),
    "RECIPIENT_EMPTY_PARAMETER": ("number", SEND),
    "BATCH_LIMIT_EXCEEDED": ("100", SEND),
    "MESSAGE_EMPTY_PARAMETER": ("text", SEND),
    "MESSAGE_LIMIT_EXCEEDED": ("160", SEND),
    "CLIENT_REFERENCE_LIMIT_EXCEEDED": ("100 characters", SEND),
    "INVALID_RECIPIENT_ENTRY": ("South African", SEND),
    "SIGNATURE_MISMATCH": ("api_secret", SEND),
    "INSUFFICIENT_BALANCE": ("Buy SMS credits", f"{DOCUMENT}#balance"),
    "SCHEDULE_EMPTY_PARAMETER": ("2023-08-07T04:41:08+02:00", SEND),
    "DATE_TIME_INVALID": ("15 minutes", SEND),
    "INTERNAL_SERVER_ERROR": ("support@lefoka.co.za", DOCUMENT),
    "NO_SMS_MESSAGES": ("no fault", DOCUMENT),
    "JSON_EXCEEDED": ("JSON", DOCUMENT),
    "JSON_MALFORMED": ("JSON", DOCUMENT),
    "JSON_ERROR_CTRL_CHAR": ("JSON", DOCUMENT),
    "JSON_INVALID_SYNTAX": ("JSON", DOCUMENT),
    "JSON_MALFORMED_UTF8": ("JSON", DOCUMENT),
    "JSON_UNKNOWN": ("support@lefoka.co.za", DOCUMENT),
    "HTTP_400": ("parameter", DOCUMENT),
    "HTTP_401": ("api_key", f"{DOCUMENT}#authentication"),
    "HTTP_402": ("Lefoka account", DOCUMENT),
    "HTTP_403": ("key that may", DOCUMENT),
    "HTTP_404": ("id of the message", DOCUMENT),
    "HTTP_405": ("base_url", DOCUMENT),
    "HTTP_429": ("less and less often", DOCUMENT),
    **dict.fromkeys(("HTTP_500", "HTTP_502", "HTTP_503"), ("Try again later", DOCUMENT)),
    "HTTP_504": ("Try again later", DOCUMENT),
}
NAMED = [code for code in CODES if not code.startswith("HTTP_")]
STATUSES = [code for code in CODES if code.startswith("HTTP_")]
TEMPORARY = {"INTERNAL_SERVER_ERROR", "HTTP_429", "HTTP_500", "HTTP_502", "HTTP_503", "HTTP_504"}

SHAPES = {
    "nested": '{"error": %s}',
    "flat": "%s",
    "trailing-comma": '{"error": %s,}',
}
# Both samples of the text have their code without quotes.
PRINTED = '{\n"message": %s,\n"description": "What went wrong.",\n"documentation_url": "%s"\n}'
CALLING: dict[str, Any] = {
    "send": lambda lefoka: lefoka.send(Sms(recipients=NUMBERS, text="test", key="k")),
    "edit": lambda lefoka: lefoka.edit(SCHEDULED_ID, text="x"),
    "delete": lambda lefoka: lefoka.delete(SCHEDULED_ID),
    "get": lambda lefoka: lefoka.get(SENT_ID),
    "messages": lambda lefoka: next(lefoka.messages()),
    "balance": lambda lefoka: lefoka.balance(),
}
# A change may have been made before these; a question is asked again.
DOUBTFUL = {"INTERNAL_SERVER_ERROR", "HTTP_500", "HTTP_502", "HTTP_504"}
IN_DOUBT = {
    "send": "Look it up at the provider before sending it again.",
    **dict.fromkeys(("edit", "delete"), "Look at the account before trying again."),
}
GIVEN = "https://developer.lefoka.co.za/sms#send"


def refusal(call: str, answer: Answer) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        CALLING[call](Api(Lefoka, answer, **ACCOUNT).provider)
    return caught.value


def kind_of(code: str, call: str) -> type[DeliveryError]:
    if code in DOUBTFUL and call in IN_DOUBT:
        return UncertainDeliveryError
    return TemporaryDeliveryError if code in TEMPORARY else PermanentDeliveryError


def test_no_documented_error_is_left_out() -> None:
    assert sorted(ADVICE) == sorted(CODES)


@pytest.mark.parametrize("status", [400, 200], ids=["refused", "inside-a-200"])
@pytest.mark.parametrize("quoted", [True, False], ids=["quoted", "as-printed"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("code", NAMED)
def test_an_error_is_typed_in_every_shape(code: str, shape: str, quoted: bool, status: int) -> None:
    word, known = ADVICE[code]
    body = SHAPES[shape] % (PRINTED % (f'"{code}"' if quoted else code, GIVEN))
    bare = json.dumps({"error": {"message": code}})
    for call in CALLING if shape == "nested" and quoted else ("send", "get"):
        if (call, code) == ("messages", "NO_SMS_MESSAGES"):
            continue
        error = refusal(call, Answer(body, status))
        assert type(error) is kind_of(code, call)
        assert (error.code, error.reason) == (code, f"What went wrong. (HTTP {status})")
        assert word in error.mend
        assert error.mend.endswith(f" See {GIVEN}")
    silent = refusal("send", Answer(bare, status))
    assert (type(silent), silent.code) == (kind_of(code, "send"), code)
    assert silent.reason.removesuffix(f" (HTTP {status})")
    assert silent.mend.endswith(f" See {known}")


@pytest.mark.parametrize("body", ["", "<html>", "{}", "[]"], ids=["none", "html", "object", "list"])
@pytest.mark.parametrize("call", CALLING)
@pytest.mark.parametrize("code", STATUSES)
def test_an_http_status_alone_is_typed(code: str, call: str, body: str) -> None:
    word, known = ADVICE[code]
    error = refusal(call, Answer(body, int(code[5:]), {"Retry-After": "30"}))
    assert (type(error), error.code) == (kind_of(code, call), code)
    if isinstance(error, UncertainDeliveryError):
        word = IN_DOUBT[call]
    assert word in error.mend
    assert error.mend.endswith(f" See {known}")
    if isinstance(error, TemporaryDeliveryError):
        assert error.retry_after == 30


def test_no_messages_is_the_end_of_the_list_and_no_error() -> None:
    for status in (200, 400, 404):
        for shape in SHAPES.values():
            answer = Answer(shape % (PRINTED % ("NO_SMS_MESSAGES", GIVEN)), status)
            assert list(Api(Lefoka, answer, **ACCOUNT).provider.messages()) == []


@pytest.mark.parametrize("call", CALLING)
@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v1/messages", "/v1/messages/"])
def test_a_base_url_with_a_path_is_told_to_be_without_it(path: str, call: str) -> None:
    account = {**ACCOUNT, "base_url": f"https://api.lefoka.co.za{path}"}
    with pytest.raises(PermanentDeliveryError) as caught:
        CALLING[call](Api(Lefoka, Answer("<html>", 404), **account).provider)
    assert "base_url is to be without /v1" in caught.value.mend
    assert "without /v1" not in refusal(call, Answer("<html>", 404)).mend
