"""Sending through Lefoka, seen from the wire: what leaves, and what each answer becomes.

Source: https://developer.lefoka.co.za/docs/sms/reference, sections "Send SMS message immediately"
and "Error responses".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
from typing import Any

import httpx
import pytest

from receiver.errors import (
    DeliveryError,
    PermanentDeliveryError,
    TemporaryDeliveryError,
    UncertainDeliveryError,
)
from receiver.providers.base import Sent, Sms
from receiver.providers.lefoka import SANDBOX_URL, Lefoka
from receiver.security import Door
from receiver.settings import Account
from receiver.signing import SignedUrls

KEY = "pk_89d6a0e39886f68518c54086a68912cfe38efdd6d92774284d1d45a229e73"
SECRET = "a-secret-of-lefoka"
NUMBER, OTHER = "+27637885448", "+27800055555"
TEXT = "Your parcel is here"
DOCS = "https://developer.lefoka.co.za/sms#send"
ACCEPTED = {
    "id": "f8cf92ceff5a5646c0eb53a0736ba1776286bb77430f65e0390af37fd5324cdd",
    "type": "sms",
    "schedule": None,
    "status": "pending",
    "credit": 2,
}


class Api:
    """Lefoka at the wire: keeps what it was sent, and answers as it was told."""

    def __init__(self, answer: httpx.Response | Exception | None = None, **account: Any) -> None:
        self.requests: list[httpx.Request] = []
        self._answer = answer or httpx.Response(200, json=ACCEPTED)
        data = {"api_keys": (KEY,), "api_secret": SECRET, **account}
        self.account = Account(name="shop", provider="lefoka", **data)
        door = Door(self.account, SignedUrls(["x"]))
        self._lefoka = Lefoka(self.account, door, transport=httpx.MockTransport(self._receive))

    def _receive(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer

    def send(self, **fields: Any) -> Sent:
        defaults = {"recipients": (NUMBER,), "text": TEXT, "key": "event-handler"}
        return self._lefoka.send(Sms(**{**defaults, **fields}))

    def refusal(self, **fields: Any) -> DeliveryError:
        with pytest.raises(DeliveryError) as caught:
            self.send(**fields)
        return caught.value


def test_the_request_is_the_one_of_the_document() -> None:
    api = Api()
    api.send(recipients=(NUMBER, OTHER), text="test", client_reference="your reference")
    [request] = api.requests
    assert (request.method, str(request.url)) == ("POST", "https://api.lefoka.co.za/v1/messages")
    assert request.headers["content-type"] == "application/json"
    assert request.headers["authorization"] == basic(KEY)
    assert json.loads(request.content) == {
        "recipient": ["27637885448", "27800055555"],
        "message": "test",
        "client_reference": "your reference",
    }
    signed = (
        "client_reference=your%20reference&message=test"
        "&recipient[]=27637885448&recipient[]=27800055555"
    )
    assert request.headers["signature"] == hmac_of(signed)


def test_what_is_blank_is_neither_sent_nor_signed() -> None:
    for reference in (None, ""):
        api = Api()
        api.send(text="test", client_reference=reference)
        [request] = api.requests
        assert json.loads(request.content) == {"recipient": ["27637885448"], "message": "test"}
        assert request.headers["signature"] == hmac_of("message=test&recipient[]=27637885448")


@pytest.mark.parametrize("text", ["é ñ ǃ", "👍🏽", "مرحبا", 'a"b\\c\n', "50% + 1 & = / ~"])
def test_a_text_in_any_script_arrives_as_it_was_written(text: str) -> None:
    api = Api()
    api.send(text=text)
    assert json.loads(api.requests[0].content.decode("utf-8"))["message"] == text


def test_a_half_of_an_emoji_is_replaced_and_does_not_stop_the_sms() -> None:
    api = Api()
    api.send(text="a\ud83d")
    assert json.loads(api.requests[0].content)["message"] == "a\ufffd"
    assert api.requests[0].headers["signature"] == hmac_of(
        "message=a%EF%BF%BD&recipient[]=27637885448"
    )


def test_the_id_and_the_credits_come_back() -> None:
    assert Api().send() == Sent(message_id=ACCEPTED["id"], credit="2")
    created = httpx.Response(201, json={"id": 77})
    assert Api(created).send() == Sent(message_id="77", credit=None)


def test_the_newest_key_is_used_and_the_sandbox_if_it_is_named() -> None:
    api = Api(api_keys=("pk_new", "pk_old"), base_url=SANDBOX_URL)
    api.send()
    assert api.requests[0].headers["authorization"] == basic("pk_new")
    assert str(api.requests[0].url) == "https://sandbox.lefoka.co.za/v1/messages"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ('{"error": {"message": UNAUTHORIZED, "description": "as printed"}}', "UNAUTHORIZED"),
        ('{"error": {"message": "UNAUTHORIZED",}}', "UNAUTHORIZED"),
        ('\ufeff{"error": {"message": "UNAUTHORIZED"}}', "UNAUTHORIZED"),
        ('{"message": " SOMETHING_NEW "}', "SOMETHING_NEW"),
        ('{"error": "Unauthorized"}', "HTTP_401"),
        ('{"error": null}', "HTTP_401"),
        *[(body, "HTTP_401") for body in ("", "[]", "<h1>401</h1>", '{"message": "Hi you"}')],
    ],
    ids=[
        *("as-printed", "comma", "byte-order-mark", "undocumented", "error-as-text", "null"),
        *("empty", "array", "html", "text-for-a-code"),
    ],
)
def test_an_error_in_another_shape_is_still_permanent(body: str, code: str) -> None:
    refusal = Api(httpx.Response(401, text=body)).refusal()
    assert type(refusal) is PermanentDeliveryError
    assert refusal.code == code
    assert "HTTP 401" in refusal.reason
    assert refusal.mend


@pytest.mark.parametrize("status", [429, 503])
def test_too_many_requests_and_no_service_are_temporary(status: int) -> None:
    refusal = Api(httpx.Response(status, text="<html>")).refusal()
    assert isinstance(refusal, TemporaryDeliveryError)
    assert (refusal.code, refusal.retry_after) == (f"HTTP_{status}", None)


@pytest.mark.parametrize("body", ["<html>", '{"message": "SOMETHING_NEW"}'], ids=["html", "code"])
@pytest.mark.parametrize("status", [500, 502, 504, 520])
def test_a_fault_of_theirs_may_have_come_after_the_sms_was_taken(status: int, body: str) -> None:
    refusal = Api(httpx.Response(status, text=body)).refusal()
    assert type(refusal) is UncertainDeliveryError
    assert refusal.mend.startswith("Look it up at the provider before sending it again.")


@pytest.mark.parametrize("status", [200, 400, 500])
def test_an_internal_error_is_uncertain_whatever_the_status_is(status: int) -> None:
    answer = httpx.Response(status, json={"error": {"message": "INTERNAL_SERVER_ERROR"}})
    assert type(Api(answer).refusal()) is UncertainDeliveryError


def test_what_they_refuse_by_name_was_not_taken_whatever_the_status_is() -> None:
    answer = httpx.Response(500, json={"error": {"message": "MESSAGE_LIMIT_EXCEEDED"}})
    assert isinstance(Api(answer).refusal(), TemporaryDeliveryError)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (httpx.ConnectError, TemporaryDeliveryError),
        (httpx.ConnectTimeout, TemporaryDeliveryError),
        (httpx.PoolTimeout, TemporaryDeliveryError),
        (httpx.ReadTimeout, UncertainDeliveryError),
        (httpx.ReadError, UncertainDeliveryError),
        (httpx.WriteTimeout, UncertainDeliveryError),
        (httpx.RemoteProtocolError, UncertainDeliveryError),
    ],
)
def test_what_never_left_is_temporary_and_a_lost_answer_uncertain(
    error: type[Exception], kind: type[DeliveryError]
) -> None:
    refusal = Api(error(f"to {NUMBER}: {TEXT}")).refusal()
    assert type(refusal) is kind
    assert error.__name__ in refusal.reason


@pytest.mark.parametrize("body", ["", "<html>", "[]", "{}", '{"id": null}', '{"status": "x"}'])
def test_an_answer_of_success_that_says_nothing_is_uncertain(body: str) -> None:
    assert isinstance(Api(httpx.Response(200, text=body)).refusal(), UncertainDeliveryError)


def test_an_error_with_status_200_is_an_error() -> None:
    answer = httpx.Response(200, json={"error": {"message": "INSUFFICIENT_BALANCE"}})
    refusal = Api(answer).refusal()
    assert (type(refusal), refusal.code) == (PermanentDeliveryError, "INSUFFICIENT_BALANCE")


def test_the_sms_and_its_key_follow_no_redirect() -> None:
    api = Api(httpx.Response(307, headers={"Location": "https://example.com/"}))
    assert isinstance(api.refusal(), PermanentDeliveryError)
    assert len(api.requests) == 1


NUMBERS = tuple(f"+2763788{n:04d}" for n in range(501))


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        pytest.param({"recipients": NUMBERS}, "BATCH_LIMIT_EXCEEDED", id="501-recipients"),
        pytest.param({"recipients": ()}, "RECIPIENT_EMPTY_PARAMETER", id="no-recipient"),
        pytest.param({"text": "x" * 441}, "MESSAGE_LIMIT_EXCEEDED", id="441-characters"),
        pytest.param({"text": ""}, "MESSAGE_EMPTY_PARAMETER", id="no-text"),
        pytest.param(
            {"client_reference": "x" * 101}, "CLIENT_REFERENCE_LIMIT_EXCEEDED", id="reference-101"
        ),
        *[
            pytest.param({"recipients": (NUMBER, number)}, "INVALID_RECIPIENT_ENTRY", id=number)
            for number in ("+255701000000", "15000", "MTN", "+2763788544", "+276378854481", "")
        ],
    ],
)
def test_what_is_over_a_limit_does_not_leave(fields: dict[str, Any], code: str) -> None:
    api = Api()
    refusal = api.refusal(**fields)
    assert (type(refusal), refusal.code) == (PermanentDeliveryError, code)
    assert api.requests == []


def test_what_is_at_every_limit_leaves() -> None:
    api = Api()
    api.send(recipients=NUMBERS[:500], text="x" * 440, client_reference="x" * 100)
    assert len(json.loads(api.requests[0].content)["recipient"]) == 500


@pytest.mark.parametrize("missing", [{"api_keys": ()}, {"api_secret": None}], ids=["key", "secret"])
def test_an_account_that_cannot_send_says_what_to_add(missing: dict[str, Any]) -> None:
    api = Api(**missing)
    refusal = api.refusal()
    assert isinstance(refusal, PermanentDeliveryError)
    assert "shop" in refusal.reason
    assert "RECEIVER_ACCOUNTS" in refusal.mend
    assert api.requests == []


@pytest.mark.parametrize(
    ("answer", "fields"),
    [
        pytest.param(httpx.ConnectError(f"{KEY} {SECRET} {NUMBER} {TEXT}"), {}, id="connection"),
        pytest.param(httpx.ReadTimeout(f"{KEY} {SECRET} {NUMBER} {TEXT}"), {}, id="timeout"),
        pytest.param(httpx.Response(500), {}, id="their-fault"),
        pytest.param(httpx.Response(200), {}, id="no-answer"),
        pytest.param(None, {"text": TEXT * 40}, id="too-long"),
        pytest.param(None, {"recipients": (NUMBER,) * 501}, id="too-many"),
        pytest.param(None, {"recipients": ("+255701000000",)}, id="abroad"),
    ],
)
def test_no_key_number_or_text_is_in_an_error_or_a_log(
    answer: Any, fields: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    Api().send()
    refusal = Api(answer).refusal(**fields)
    said = f"{refusal} {refusal!r} {refusal.code} {refusal.mend}" + caplog.text
    for mark in (KEY, SECRET, NUMBER[1:], "255701000000", TEXT):
        assert mark not in said


def basic(user: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:".encode()).decode()


def hmac_of(text: str) -> str:
    return hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
