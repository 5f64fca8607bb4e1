"""Sending through SMSBox, seen from the wire: what leaves, and what each answer becomes.

Source: the SMS API documentation at https://smsbox.devotek.africa, sections "Sending SMS",
"Change SMS info" and "Error codes".
"""

from __future__ import annotations

import base64
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
from receiver.providers.smsbox import SMSBox
from receiver.security import Door
from receiver.settings import Account
from receiver.signing import SignedUrls

KEY, SECRET = "smsbox-key-0001", "smsbox-secret-0001"
NUMBER, OTHER = "+22687161524", "+22671625142"
TEXT = "Your parcel is here"
ID = "sms-2025050112252123117a517ef211f2dbdb"
ACCEPTED = """{
    "status": true,
    "code": 200,
    "message": "Message Scheduled Successfully",
    "data": "message_id:sms-2025050112252123117a517ef211f2dbdb",
  }"""


class Api:
    """SMSBox at the wire: keeps what it was sent, and answers as it was told."""

    def __init__(
        self, answer: str | Exception = ACCEPTED, status: int = 200, **account: Any
    ) -> None:
        self.requests: list[httpx.Request] = []
        self.headers: dict[str, str] = {}
        self._answer, self._status = answer, status
        data = {"api_keys": (KEY,), "api_secret": SECRET, "source_addr": "INFO", **account}
        self.account = Account(name="shop", provider="smsbox", **data)
        door = Door(self.account, SignedUrls(["x"]))
        self._smsbox = SMSBox(self.account, door, transport=httpx.MockTransport(self._receive))

    def _receive(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if isinstance(self._answer, Exception):
            raise self._answer
        return httpx.Response(self._status, text=self._answer, headers=self.headers)

    def send(self, **fields: Any) -> Sent:
        defaults = {"recipients": (NUMBER,), "text": TEXT, "key": "event-handler"}
        return self._smsbox.send(Sms(**{**defaults, **fields}))

    def refusal(self, **fields: Any) -> DeliveryError:
        with pytest.raises(DeliveryError) as caught:
            self.send(**fields)
        return caught.value


def test_the_request_is_the_one_of_the_document() -> None:
    api = Api()
    api.send(recipients=(NUMBER, OTHER), text="Hello World")
    [request] = api.requests
    assert request.method == "POST"
    assert str(request.url) == "https://smsbox.devotek.africa/api/sms/v1/send_sms"
    assert request.headers["content-type"] == "application/json"
    pair = base64.b64encode(f"{KEY}:{SECRET}".encode()).decode()
    assert request.headers["authorization"] == f"Basic {pair}"
    assert json.loads(request.content) == {
        "source_addr": "INFO",
        "schedule_time": "",
        "encoding": 0,
        "message": "Hello World",
        "recipients": [
            {"recipient_name": "", "dest_addr": "+22687161524"},
            {"recipient_name": "", "dest_addr": "+22671625142"},
        ],
    }


@pytest.mark.parametrize(
    ("source", "expected"),
    [(None, "INFO"), ("15000", "15000"), ("+22670000000", "22670000000"), ("SHOP", "SHOP")],
)
def test_a_reply_comes_from_the_number_that_was_written_to(
    source: str | None, expected: str
) -> None:
    api = Api()
    api.send(source=source)
    assert json.loads(api.requests[0].content)["source_addr"] == expected


@pytest.mark.parametrize("text", ["é ñ", "👍🏽", "مرحبا", 'a"b\\c\n', "50% + 1 & = / ~"])
def test_a_text_in_any_script_arrives_as_it_was_written(text: str) -> None:
    api = Api()
    api.send(text=text)
    assert json.loads(api.requests[0].content.decode("utf-8"))["message"] == text


def test_a_half_of_an_emoji_is_replaced_and_does_not_stop_the_sms() -> None:
    api = Api()
    api.send(text="a\ud83d")
    assert json.loads(api.requests[0].content)["message"] == "a\ufffd"


@pytest.mark.parametrize(
    ("answer", "status", "message_id"),
    [
        pytest.param(ACCEPTED, 200, ID, id="as-printed"),
        pytest.param(f'{{"code": 200, "data": "{ID}"}}', 200, ID, id="id-alone"),
        pytest.param(f'{{"code": "200", "status": "true", "data": "{ID}"}}', 200, ID, id="strings"),
        pytest.param(f'{{"data": "message_id: {ID} "}}', 200, ID, id="no-code"),
        pytest.param(f'{{"data": "message_id:{ID}"}}', 201, ID, id="created"),
        pytest.param(f'{{"code": 200, "error": null, "data": "{ID}"}}', 200, ID, id="error-null"),
        pytest.param('{"status": true, "code": 200, "data": null}', 200, None, id="no-id"),
        pytest.param('{"status": true, "code": 200, "data": []}', 200, None, id="id-as-array"),
    ],
)
def test_the_id_comes_back(answer: str, status: int, message_id: str | None) -> None:
    assert Api(answer, status).send() == Sent(message_id=message_id)


FAILURES = {
    "plain": (400, '{"code": 111, "message": "Invalid Sender Id"}', "111", "Invalid Sender Id"),
    "code-403-with-http-200-and-status-true": (
        200,
        '{"status": true, "code": 403, "message": "Message sms-1 not found",\n    \n  }',
        "403",
        "Message sms-1 not found",
    ),
    "unauthorized": (401, '{"code": 120, "message": "Invalid"}', "120", "Invalid"),
    "error-as-text": (
        400,
        '{\n "error": "No authorization headers",\n}',
        "107",
        "No authorization headers",
    ),
    "error-as-text-with-http-200": (200, '{"error": "No headers",}', "200", "No headers"),
    "wrapped": (
        409,
        '{"data": {"code": 122, "message": "Senderid exist"}}',
        "122",
        "Senderid exist",
    ),
    "wrapped-in-a-success": (
        200,
        '{"code": 200, "data": {"code": 102, "message": "x"}}',
        "102",
        "x",
    ),
    "status-false-alone": (200, '{"status": false, "message": "No"}', "200", "No"),
    "status-false-as-text": (200, '{"status": "false", "code": 200, "message": "No"}', "200", "No"),
    "html": (404, "<h1>404</h1>", "404", "SMSBox refused the request"),
    "redirect": (302, "", "302", "SMSBox refused the request"),
}


@pytest.mark.parametrize(("status", "answer", "code", "reason"), FAILURES.values(), ids=FAILURES)
def test_a_failure_in_any_shape_is_permanent(
    status: int, answer: str, code: str, reason: str
) -> None:
    api = Api(answer, status)
    refusal = api.refusal()
    assert type(refusal) is PermanentDeliveryError
    assert (refusal.code, refusal.reason) == (code, f"{reason} (HTTP {status})")
    assert len(api.requests) == 1


@pytest.mark.parametrize("code", [code for code in range(101, 129) if code != 103])
def test_every_code_of_the_table_but_a_timeout_is_permanent(code: int) -> None:
    refusal = Api(f'{{"code": {code}, "message": "x"}}', 400).refusal()
    assert (type(refusal), refusal.code) == (PermanentDeliveryError, str(code))


@pytest.mark.parametrize(
    ("code", "word"),
    [(102, "Top up"), (107, "api_key"), (110, "plain text"), (111, "source_addr"), (120, "secret")],
)
def test_a_failure_that_the_user_can_mend_says_how(code: int, word: str) -> None:
    refusal = Api(f'{{"code": {code}, "message": "x"}}', 400).refusal()
    assert word in refusal.mend
    assert refusal.mend in str(refusal)


@pytest.mark.parametrize("status", [200, 400])
def test_their_network_timeout_is_temporary(status: int) -> None:
    refusal = Api('{"code": 103, "message": "Network timeout"}', status).refusal()
    assert (type(refusal), refusal.code) == (TemporaryDeliveryError, "103")


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_too_many_requests_and_their_faults_are_temporary(status: int) -> None:
    api = Api("<html>", status)
    refusal = api.refusal()
    assert isinstance(refusal, TemporaryDeliveryError)
    assert (refusal.code, refusal.retry_after) == (str(status), None)
    api.headers["Retry-After"] = "30"
    refusal = api.refusal()
    assert isinstance(refusal, TemporaryDeliveryError)
    assert refusal.retry_after == 30.0


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


@pytest.mark.parametrize("body", ["", "<html>", "[]", "{}", '{"message": "ok"}', '{"data": []}'])
def test_an_answer_of_success_that_says_nothing_is_uncertain(body: str) -> None:
    assert isinstance(Api(body).refusal(), UncertainDeliveryError)


NUMBERS = tuple(f"+2267{n:07d}" for n in range(1001))


@pytest.mark.parametrize(
    ("fields", "account", "code"),
    [
        pytest.param({"recipients": NUMBERS}, {}, "114", id="1001-recipients"),
        pytest.param({"recipients": ()}, {}, "119", id="no-recipient"),
        pytest.param({"text": ""}, {}, "109", id="no-text"),
        pytest.param({}, {"source_addr": None}, "111", id="no-source"),
        pytest.param({}, {"api_keys": ()}, None, id="no-key"),
        pytest.param({}, {"api_secret": None}, None, id="no-secret"),
    ],
)
def test_what_cannot_be_sent_does_not_leave(
    fields: dict[str, Any], account: dict[str, Any], code: str | None
) -> None:
    api = Api(**account)
    refusal = api.refusal(**fields)
    assert (type(refusal), refusal.code) == (PermanentDeliveryError, code)
    assert api.requests == []


def test_a_thousand_recipients_leave() -> None:
    api = Api()
    api.send(recipients=NUMBERS[:1000])
    assert len(json.loads(api.requests[0].content)["recipients"]) == 1000


def test_another_base_url_takes_the_place_of_the_providers() -> None:
    api = Api(base_url="http://localhost:8001")
    api.send()
    assert str(api.requests[0].url) == "http://localhost:8001/api/sms/v1/send_sms"


@pytest.mark.parametrize(
    ("answer", "status", "fields"),
    [
        pytest.param(httpx.ConnectError(f"{KEY} {SECRET} {NUMBER} {TEXT}"), 0, {}, id="connection"),
        pytest.param(httpx.ReadTimeout(f"{KEY} {SECRET} {NUMBER} {TEXT}"), 0, {}, id="timeout"),
        pytest.param("<html>", 500, {}, id="their-fault"),
        pytest.param("", 200, {}, id="no-answer"),
        pytest.param('{"code": 111, "message": "Invalid Sender Id"}', 400, {}, id="refused"),
        pytest.param("", 200, {"recipients": (NUMBER,) * 1001}, id="too-many"),
    ],
)
def test_no_key_number_or_text_is_in_an_error_or_a_log(
    answer: Any, status: int, fields: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    Api().send()
    refusal = Api(answer, status).refusal(**fields)
    said = f"{refusal} {refusal!r} {refusal.code} {refusal.mend}" + caplog.text
    for mark in (KEY, SECRET, NUMBER[1:], TEXT):
        assert mark not in said
