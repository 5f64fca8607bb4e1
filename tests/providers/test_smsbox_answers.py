"""What SMSBox answers: in XML, in odd wrappings, unreadable, or quoting what it was sent.

Source: the SMS API documentation at https://smsbox.devotek.africa. It shows no XML answer.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest
from exchange import Answer, Api
from smsbox_calls import (
    ACCOUNT,
    ALEX,
    ASKING,
    EVERY_CALL,
    IN_XML,
    KEY,
    SECRET,
    changing,
    refusal,
    sending,
    sms,
)
from smsbox_samples import ID, LISTED, UPDATED

from receiver.errors import TemporaryDeliveryError, UncertainDeliveryError
from receiver.providers.base import Sent
from receiver.providers.smsbox import SMSBox

BOMB = (
    '<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><r><code>200</code><data>&c;</data></r>'
)
OUTSIDE = '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/hostname">]><r><data>&x;</data></r>'
DEEP = "<r>" * 5_000 + "</r>" * 5_000
UNREADABLE = {
    "bomb": BOMB,
    "outside": OUTSIDE,
    "deep": DEEP,
    "torn": "<r><code>200</r>",
    "html": "<html>",
    "empty": "",
}


@pytest.mark.parametrize("body", UNREADABLE)
@pytest.mark.parametrize("do", EVERY_CALL)
def test_an_answer_that_cannot_be_read_is_uncertain_where_something_was_changed(
    do: str, body: str
) -> None:
    error, _ = refusal(EVERY_CALL[do], Answer(UNREADABLE[body]))
    asks = do in ASKING
    assert type(error) is (TemporaryDeliveryError if asks else UncertainDeliveryError)
    assert error.mend


XML_SENT = f'<?xml version="1.0" encoding="latin-1"?>\n<response xmlns="urn:x"><status>true</status><code>200</code><data>message_id:{ID}</data></response>'
XML_BALANCE = (
    "<r><code>200</code><data><item><balance_money> 99.50 </balance_money></item></data></r>"
)
XML_ROW = "<row><id>{}</id><sending_name>A &amp; B</sending_name><status>Pending</status><created>?</created></row>"
XML_NAMES = f"<r><code>200</code><data>{XML_ROW.format(1)}{XML_ROW.format(2)}</data></r>"


def test_answers_in_xml_are_read() -> None:
    assert Api(SMSBox, Answer(XML_SENT), **IN_XML).provider.send(sms()) == Sent(message_id=ID)
    assert str(Api(SMSBox, Answer(XML_BALANCE), **IN_XML).provider.balance().amount) == "99.50"
    names = Api(SMSBox, Answer(XML_NAMES), **IN_XML).provider.sender_names()
    found = [(each.id, each.name, each.status, each.created) for each in names]
    assert found == [("1", "A & B", "pending", None), ("2", "A & B", "pending", None)]


@pytest.mark.parametrize(
    "body",
    [
        '{"balance_money": "12.5"}',
        '{"code": 200, "data": {"balance_money": 12.5}}',
        '{"data": {"code": 200, "data": [{"balance_money": 12.5,},],},}',
        '{"data": [{"currency": "XOF"}, {"balance_money": " 12.5 "}]}',
    ],
)
def test_the_balance_is_found_in_any_wrapping(body: str) -> None:
    assert str(Api(SMSBox, Answer(body), **ACCOUNT).provider.balance().amount) == "12.5"


@pytest.mark.parametrize(
    "body", ['{"code": 200, "data": []}', '{"code": 200, "data": "[]",}', '{"data": []}']
)
def test_no_sender_name_is_an_empty_list(body: str) -> None:
    assert Api(SMSBox, Answer(body), **ACCOUNT).provider.sender_names() == ()


@pytest.mark.parametrize("data", ['"[]"', "null", "[]", '{"message_id": null}', '"message_id:"'])
def test_a_change_without_an_id_of_its_own_keeps_the_one_it_was_asked_for(data: str) -> None:
    api = Api(SMSBox, Answer(f'{{"status": true, "code": 200, "data": {data},}}'), **ACCOUNT)
    assert api.provider.suspend(ID) == ID


@pytest.mark.parametrize("do", EVERY_CALL)
def test_a_lost_answer_is_uncertain_where_something_was_changed(do: str) -> None:
    asks = do in ASKING
    for answer in (httpx.ReadTimeout(KEY), Answer("<html>", 504)):
        error, _ = refusal(EVERY_CALL[do], answer)
        assert type(error) is (TemporaryDeliveryError if asks else UncertainDeliveryError)


@pytest.mark.parametrize(
    "said",
    [
        "to {number}: no",
        "to 22687161524: no",
        "Your text was {text}",
        "Dear {name}",
        "No key {key}",
        "No secret {secret}",
        "long " * 60,
    ],
)
def test_what_smsbox_says_quotes_no_number_text_name_or_key(
    said: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    text, name = "Your parcel is here", "Alexandra"
    words = said.format(number=ALEX, text=text, name=name, key=KEY, secret=SECRET)
    for status, code in ((400, "111"), (400, ALEX), (200, "403"), (400, "null")):
        answer = Answer(f'{{"code": "{code}", "message": "{words}"}}', status)
        error, _ = refusal(sending(text=text, names={ALEX: name}), answer)
        changed, _ = refusal(changing(text=text), answer)
        for said_by_us in (f"{error} {error!r} {error.code}", f"{changed}", caplog.text):
            for mark in (ALEX[1:], text, KEY, SECRET, "long long"):
                assert mark not in said_by_us
        assert name not in str(error)


def test_what_smsbox_says_reaches_the_error_with_its_number_masked() -> None:
    answer = Answer('{"code": 101, "message": "Invalid number 22687161524\\n"}', 400)
    error, _ = refusal(sending(), answer)
    assert error.reason == "Invalid number 2268***524 (HTTP 400)"


def test_the_names_come_as_they_are_listed() -> None:
    names = Api(SMSBox, LISTED, **ACCOUNT).provider.sender_names()
    assert [each.name for each in names] == ["testing", "ttere", "agaba"]
    assert Api(SMSBox, UPDATED, **ACCOUNT).provider.sender_names() == ()


@pytest.fixture
def far_from_gmt(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "FAR-9")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("far_from_gmt")
@pytest.mark.parametrize(
    ("created", "read"),
    [
        ("2025-04-09 15:33:29", datetime(2025, 4, 9, 15, 33, 29, tzinfo=UTC)),
        ("2025-04-09T15:33:29+02:00", datetime(2025, 4, 9, 13, 33, 29, tzinfo=UTC)),
        ("0001-01-01 00:00:00+09:00", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_a_time_of_the_list_is_in_gmt(created: str, read: datetime | None) -> None:
    row = f'{{"data": [{{"id": 7, "sending_name": "SHOP", "created": "{created}"}},]}}'
    (name,) = Api(SMSBox, Answer(row), **ACCOUNT).provider.sender_names()
    assert (name.id, name.status, name.created) == ("7", "", read)
