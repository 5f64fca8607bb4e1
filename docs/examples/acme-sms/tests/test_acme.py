from pathlib import Path

import httpx
import pytest
from acme_sms import Acme

from receiver import PermanentDeliveryError, TemporaryDeliveryError
from receiver.providers.base import Ack, Sms
from receiver.testing import ProviderContract, assert_case, cases

CASES = Path(__file__).parent / "cases"
SMS = Sms(recipients=("+254711082345",), text="Habari", key="k-1", source="ACME")


class TestMessages(ProviderContract):
    provider = Acme
    credentials = {"api_key": "acme-key-0001", "api_secret": "acme-secret-0001"}
    body = b'{"event": "mo", "id": "m-7", "from": "0711082345", "to": "22384", "text": "Habari"}'
    private = ("0711082345", "Habari")
    ack = Ack(body=b"OK m-7")
    unreadable_ack = Ack(body=b"OK ")


class TestReports(TestMessages):
    body = b'{"event": "dlr", "id": "m-8", "to": "+254711082345", "state": "delivered"}'
    private = ("254711082345",)
    ack = Ack(body=b"OK m-8")


@pytest.mark.parametrize("path", cases(CASES), ids=lambda path: path.stem)
def test_the_callback_gives_what_its_case_says(path):
    assert_case(path, Acme)


def test_the_next_state_is_another_event():
    now = TestReports().receive()
    next_one = TestReports().receive(TestReports.body.replace(b"delivered", b"expired"))
    assert now.events[0].id != next_one.events[0].id


def answering(status, body, asked=None):
    """Give an account whose API answers so; what it was asked is noted."""

    def answer(request):
        if asked is not None:
            asked.append(request)
        return httpx.Response(status, json=body)

    return TestMessages().make(transport=httpx.MockTransport(answer))


def test_an_sms_is_sent_as_the_document_says():
    asked = []
    assert answering(201, {"id": "m-9"}, asked).send(SMS).message_id == "m-9"
    (request,) = asked
    assert (request.method, request.url.path) == ("POST", "/v2/messages")
    assert b'"to":["+254711082345"]' in request.content.replace(b" ", b"")


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [(400, 12, PermanentDeliveryError), (503, 1, TemporaryDeliveryError)],
)
def test_a_refusal_says_whether_to_try_again(status, code, error):
    with pytest.raises(error) as caught:
        answering(status, {"error": {"code": code, "text": "no"}}).send(SMS)
    assert caught.value.code == str(code)
