"""KoboMobile's answers, in every form that its text leaves open.

Source: https://kobomobile.net/developer. It documents words, numbers and ids, and no envelope.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from exchange import Answer, Api
from hypothesis import given
from hypothesis import strategies as st

from receiver.errors import (
    PermanentDeliveryError,
    TemporaryDeliveryError,
    UncertainDeliveryError,
)
from receiver.events import DeliveryReport, Status
from receiver.providers.base import Asked, Balance, Sent, Sms, Stamp
from receiver.providers.kobomobile import KoboMobile
from receiver.providers.kobomobile_answer import read

ACCOUNT = {"api_keys": ("demo", "old"), "api_secret": "demopass", "source_addr": "Testing"}
ONE, TWO = "+2348030000000", "+2348030000011"
ID, OTHER_ID = "42138969-09f9-434d-a3c6-db5733fba736", "47e63835"
PAIR, BOTH = f"2348030000000,{ID}", f"2348030000000,{ID}~2348030000011,{OTHER_ID}"
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def api(body: str = '"sent"', status: int = 200, **account: Any) -> Api:
    return Api(KoboMobile, Answer(body, status), **{**ACCOUNT, **account})


def sms(**more: Any) -> Sms:
    return Sms(**{"recipients": (ONE,), "text": "Testing", "key": "event-handler", **more})


def sent(body: str, *recipients: str) -> Sent:
    given: Sent = api(body).provider.send(sms(recipients=recipients or (ONE,)))
    return given


def reports(body: str, *recipients: str, status: int = 200) -> tuple[DeliveryReport, ...]:
    provider = api(body, status).provider
    asked = Asked(message_id=ID, recipients=recipients or (ONE,))
    given: tuple[DeliveryReport, ...] = provider.status(asked, Stamp(provider.account, "asked", AT))
    return given


ENVELOPES = {
    "json-text": json.dumps,
    "text": str,
    "lines": lambda text: f"\r\n {text} ~\n",
    "spaced": lambda text: text.replace(",", " , ").replace("~", " ~ "),
    "response": lambda text: json.dumps({"response": text}),
    "data": lambda text: json.dumps({"status": "1", "data": text, "to": text.split(",")[0]}),
    "nested": lambda text: json.dumps({"status": True, "data": {"message": text}}),
    "list": lambda text: json.dumps(text.split("~")),
    "verdict-before": lambda text: f"1|{text}",
    "plus": lambda text: "~".join(f"+{pair}" for pair in text.split("~")),
    "national": lambda text: text.replace("234803", "0803"),
    "json-in-json": lambda text: json.dumps(json.dumps({"response": text})),
    "commas": lambda text: f'{{"response": "{text}",}}',
}


@pytest.mark.parametrize("envelope", ENVELOPES)
def test_the_ids_are_found_in_every_envelope(envelope: str) -> None:
    wrap = ENVELOPES[envelope]
    assert sent(wrap(PAIR)) == Sent(message_id=ID, message_ids={ONE: ID})
    both = {ONE: ID, TWO: OTHER_ID}
    assert sent(wrap(BOTH), ONE, TWO) == Sent(message_id=ID, message_ids=both)


def test_an_id_in_a_field_of_its_own_is_the_one_numbers() -> None:
    body = json.dumps({"status": "sent", "message_id": ID})
    assert sent(body) == Sent(message_id=ID, message_ids={ONE: ID})
    assert sent(body, ONE, TWO) == Sent(message_id=ID)


def test_a_number_whose_place_holds_an_error_has_no_id() -> None:
    assert sent("2348030000000,error_gw~2348030000011,x1", ONE, TWO).message_ids == {TWO: "x1"}
    with pytest.raises(TemporaryDeliveryError) as caught:
        sent("2348030000000,error_gw")
    assert caught.value.code == "error_gw"


@pytest.mark.parametrize(
    "echo",
    [
        {"to": "2348030000000,2348030000011"},
        {"recipients": "2348030000000,2348030000011"},
        {"msg": "call 2348030000000,now or see error_gw"},
    ],
    ids=str,
)
def test_a_request_that_the_answer_repeats_is_no_id_and_no_error(echo: dict[str, str]) -> None:
    body = json.dumps({"response": "sent", **echo})
    assert sent(body, ONE, TWO) == Sent(message_id=None)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{}",
        "[]",
        "null",
        "true",
        "0",
        "7",
        "<html>",
        '"ok"',
        '{"code": 200}',
        "2349990000000,x",
    ],
)
def test_a_success_that_says_nothing_is_uncertain(body: str) -> None:
    with pytest.raises(UncertainDeliveryError) as caught:
        sent(body)
    assert "Look it up" in caught.value.mend


@pytest.mark.parametrize(
    "body",
    ["error_new", '{"status": "error"}', '{"error": "No such sender"}', '"Error"'],
)
def test_an_error_that_is_not_documented_is_permanent(body: str) -> None:
    with pytest.raises(PermanentDeliveryError) as caught:
        sent(body)
    assert type(caught.value) is PermanentDeliveryError
    assert caught.value.code == ("error_new" if "new" in body else "error")
    assert caught.value.mend
    assert "sender" not in str(caught.value)


STATUSES = {
    "DELIVRD": Status.DELIVERED,
    "delivered": Status.DELIVERED,
    "UNDELIV": Status.UNDELIVERED,
    "Undelivered": Status.UNDELIVERED,
    "EXPIRED": Status.EXPIRED,
    "REJECTD": Status.FAILED,
    "rejected": Status.FAILED,
    "ACCEPTD": Status.SUBMITTED,
    "ENROUTE": Status.SUBMITTED,
    "DELETED": Status.CANCELLED,
    "UNKNOWN": Status.UNKNOWN,
    "Sent": Status.SUBMITTED,
    "Pending": Status.PENDING,
    "queued": Status.PENDING,
    "FAILED": Status.FAILED,
    "DND_REJECTED": Status.UNKNOWN,
    "Lost in space": Status.UNKNOWN,
}
REPORTED = {
    "json-text": json.dumps,
    "text": str,
    "response": lambda word: json.dumps({"response": word}),
    "status": lambda word: json.dumps({"status": word}),
    "data": lambda word: json.dumps({"code": 1, "data": {"msgid": ID, "status": word}}),
    "with-number": lambda word: f"2348030000000,{word}",
    "with-id": lambda word: json.dumps(f"{PAIR},{word}"),
    "verdict-before": lambda word: f"1|{word}",
}


@pytest.mark.parametrize("envelope", REPORTED)
@pytest.mark.parametrize("word", STATUSES)
def test_a_status_is_found_in_every_envelope_and_kept_as_it_came(word: str, envelope: str) -> None:
    [report] = reports(REPORTED[envelope](word))
    assert (report.status, report.provider_status) == (STATUSES[word], word)
    assert (report.recipient, report.message_id, report.trust) == (ONE, ID, "asked")


@pytest.mark.parametrize("body", ["", "{}", "null", "<html>", f'"{ID}"', '{"code": 200}', "0"])
def test_an_answer_without_a_status_is_no_report(body: str) -> None:
    assert reports(body) == ()


@pytest.mark.parametrize(
    ("dlr", "status"),
    [("DELIVRD", Status.DELIVERED), ("Pending", Status.PENDING), ("Odd", Status.SUBMITTED)],
)
def test_a_known_status_counts_for_more_than_the_verdict_beside_it(
    dlr: str, status: Status
) -> None:
    [report] = reports(json.dumps({"status": "sent", "dlr": dlr}))
    assert report.status is status


def test_a_verdict_of_sent_as_a_number_is_a_status() -> None:
    assert [report.status for report in reports("1")] == [Status.SUBMITTED]


def test_asking_again_gives_the_same_ids_and_another_status_others() -> None:
    [first], [again], [other] = reports("DELIVRD"), reports('"delivrd"'), reports("EXPIRED")
    assert first.id == again.id != other.id


def test_each_recipient_gets_its_own_report() -> None:
    for body in ("DELIVRD", "2348030000000,DELIVRD"):
        assert [r.recipient for r in reports(body, ONE, TWO)] == [ONE, TWO]
    named = reports("2348030000011,EXPIRED~2348030000000,DELIVRD", ONE, TWO)
    assert [(r.recipient, r.status) for r in named] == [
        (ONE, Status.DELIVERED),
        (TWO, Status.EXPIRED),
    ]
    assert reports("2348030000011,EXPIRED~2348030000022,DELIVRD") == ()


@pytest.mark.parametrize(
    ("body", "amount", "unit"),
    [
        ('"1250.50"', "1250.50", "credits"),
        ("1250.50", "1250.50", "credits"),
        ("3", "3", "credits"),
        ('{"response": 5}', "5", "credits"),
        ('{"status": 1, "balance": "1,250"}', "1250", "credits"),
        ('{"code": 200, "data": {"credit": -2.5}}', "-2.5", "credits"),
        ('"1250 units"', "1250", "credits"),
        ('"Balance: 1250 SMS"', "1250", "credits"),
        ('"NGN 1,250.50"', "1250.50", "money"),
        ('"₦1250"', "1250", "money"),
        ('"N1,250"', "1250", "money"),
        ('"1250 Naira"', "1250", "money"),
        ('{"balance": 10, "currency": "NGN"}', "10", "money"),
    ],
)
def test_the_credit_is_read_with_its_unit(body: str, amount: str, unit: str) -> None:
    assert api(body).provider.balance() == Balance(amount=Decimal(amount), unit=unit)


@pytest.mark.parametrize("body", ["", "{}", '"sent"', "<html>", "12.5.3", "true", '"1,25"'])
def test_an_answer_without_a_credit_is_temporary(body: str) -> None:
    with pytest.raises(TemporaryDeliveryError, match="no balance"):
        api(body).provider.balance()


def test_a_small_number_is_an_error_of_credit_where_the_http_status_says_so() -> None:
    with pytest.raises(PermanentDeliveryError) as caught:
        api("5", 401).provider.balance()
    assert caught.value.code == "error_user"


WORD = st.sampled_from(
    ["sent", "error_user", "3", PAIR, "DELIVRD", "1,250", "~", ",", "|", '"', "{"]
)
TEXT = st.one_of(st.text(), st.lists(st.one_of(WORD, st.characters())).map("".join))
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXT),
    lambda inner: st.one_of(
        st.lists(inner),
        st.dictionaries(st.sampled_from(["status", "data", "message_id", "to", "credit"]), inner),
    ),
)


@given(st.one_of(TEXT, JSON.map(json.dumps)))
def test_whatever_is_answered_can_be_read(body: str) -> None:
    answer = read(body)
    assert answer.verdict is None or answer.verdict.isascii()
    assert all(number in ("", ONE[1:]) for number, _ in answer.ids((ONE[1:],)))
    amount = answer.amount()
    assert amount is None or amount[0].is_finite()
    assert all(word.isascii() for _, word in answer.statuses({"delivrd"}, ID))
