"""KoboMobile: every documented call and every documented code, as they stand on the wire.

Source: https://kobomobile.net/developer. It documents no envelope ("a response in json format"),
so that each code is tried in every one that can be meant.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from exchange import Answer, Api, Exchange

from receiver.errors import (
    DeliveryError,
    PermanentDeliveryError,
    TemporaryDeliveryError,
    UncertainDeliveryError,
)
from receiver.events import DeliveryReport, Status, event_id
from receiver.providers.base import Asked, Balance, Sent, Sms, Stamp
from receiver.providers.kobomobile import KoboMobile

# Transcribed from the document: what can be asked of it, …
CALLS = {
    "POST /api/send/ single recipient",
    "POST /api/send/ multiple recipients",
    "POST /api/send/ type=0",
    "POST /api/send/ type=1",
    "POST /api/send/ type=2",
    "POST /api/send/ enable_msg_id=1",
    "POST /api/send/ enable_msg_id=1 multiple recipients",
    "POST /api/send/ message_uuid",
    "POST /api/credit/",
    "POST /api/report/",
}
# … and what it answers, section "API Response".
CODES = {
    (1, "sent"),
    (2, "error_param"),
    (3, "error_credit"),
    (3, "error_billing"),
    (4, "error_gw"),
    (5, "error_user"),
    (6, "error_limit"),
}

ACCOUNT = {"api_keys": ("demo",), "api_secret": "demopass", "source_addr": "Testing"}
LIVE = "https://kobomobile.net/api"
LOGIN = "user=demo&pass=demopass"
ID, OTHER_ID = "42138969-09f9-434d-a3c6-db5733fba736", "974790b3-e598-41a8-939b-772d16860fb4"
REPORT_ID = "24137cf8-eccc-469c-80af-109538857e53"
ONE, TWO, THREE = "+2348030000000", "+2348030000011", "+2348030000022"
UUID = hashlib.sha256(b"event-handler").hexdigest()[:32]
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def sms(*recipients: str, text: str = "Testing", **more: Any) -> Sms:
    return Sms(**{"recipients": recipients or (ONE,), "text": text, "key": "event-handler", **more})


def sending(*recipients: str, **more: Any) -> Callable[[Any], object]:
    return lambda provider: provider.send(sms(*recipients, **more))


def reporting(provider: Any) -> tuple[DeliveryReport, ...]:
    asked = Asked(message_id=REPORT_ID, recipients=(ONE,), client_reference="ref-1")
    given: tuple[DeliveryReport, ...] = provider.status(asked, stamp_of(provider))
    return given


def stamp_of(provider: Any) -> Stamp:
    return Stamp(provider.account, "asked", AT)


def url(to: str, msg: str = "Testing", kind: int = 0) -> str:
    rest = f"type={kind}&enable_msg_id=1&message_uuid={UUID}"
    return f"{LIVE}/send/?{LOGIN}&to={to}&from=Testing&msg={msg}&{rest}"


def post(do: Callable[[Any], object], to: str, answer: str, gives: object) -> Exchange:
    return Exchange(do=do, method="POST", url=to, answer=Answer(answer), gives=gives)


A_REPORT = DeliveryReport(
    id=event_id("kobomobile", "shop", "report", REPORT_ID, "delivrd", ONE),
    provider="kobomobile",
    account="shop",
    received_at=AT,
    trust="asked",
    message_id=REPORT_ID,
    recipient=ONE,
    status=Status.DELIVERED,
    provider_status="DELIVRD",
    client_reference="ref-1",
)
SENT_ONE = Sent(message_id=ID, message_ids={ONE: ID})
ANSWER_ONE = f'"2348030000000,{ID}"'

TABLE = {
    "POST /api/send/ single recipient": post(
        sending(ONE), url("2348030000000"), '"sent"', Sent(message_id=None)
    ),
    "POST /api/send/ multiple recipients": post(
        sending(ONE, TWO, THREE),
        url("2348030000000,2348030000011,2348030000022"),
        '"sent"',
        Sent(message_id=None),
    ),
    "POST /api/send/ type=0": post(
        sending(text="é & 50% = ~{€}+\n#?"),
        url("2348030000000", "%C3%A9%20%26%2050%25%20%3D%20~%7B%E2%82%AC%7D%2B%0A%23%3F"),
        ANSWER_ONE,
        SENT_ONE,
    ),
    "POST /api/send/ type=1": post(
        sending(flash=True), url("2348030000000", kind=1), ANSWER_ONE, SENT_ONE
    ),
    "POST /api/send/ type=2": post(
        sending(text="مرحبا 你"),
        url("2348030000000", "%D9%85%D8%B1%D8%AD%D8%A8%D8%A7%20%E4%BD%A0", 2),
        ANSWER_ONE,
        SENT_ONE,
    ),
    "POST /api/send/ enable_msg_id=1": post(sending(), url("2348030000000"), ANSWER_ONE, SENT_ONE),
    "POST /api/send/ enable_msg_id=1 multiple recipients": post(
        sending(ONE, TWO),
        url("2348030000000,2348030000011"),
        f'"2348030000000,{ID}~2348030000011,{OTHER_ID}"',
        Sent(message_id=ID, message_ids={ONE: ID, TWO: OTHER_ID}),
    ),
    "POST /api/send/ message_uuid": post(
        sending(key="event-handler"),
        url("2348030000000"),
        '"2348030000000,4b1d777e"',
        Sent(message_id="4b1d777e", message_ids={ONE: "4b1d777e"}),
    ),
    "POST /api/credit/": post(
        lambda provider: provider.balance(),
        f"{LIVE}/credit/?{LOGIN}",
        '"1250.50"',
        Balance(amount=Decimal("1250.50"), unit="credits"),
    ),
    "POST /api/report/": post(
        reporting, f"{LIVE}/report/?{LOGIN}&msgid={REPORT_ID}", '"DELIVRD"', (A_REPORT,)
    ),
}

PERMANENT, TEMPORARY = PermanentDeliveryError, TemporaryDeliveryError
ERRORS: dict[tuple[int, str], tuple[type[DeliveryError], str]] = {
    (2, "error_param"): (PERMANENT, "Check the numbers"),
    (3, "error_credit"): (PERMANENT, "Top up"),
    (3, "error_billing"): (TEMPORARY, "usually a temporary error"),
    (4, "error_gw"): (TEMPORARY, "Wait"),
    (5, "error_user"): (PERMANENT, "Check api_key"),
    (6, "error_limit"): (PERMANENT, "at most 500 numbers"),
}

# Every envelope in which a code may come: with its word …
WORDED: dict[str, Callable[[int, str], str]] = {
    "json-text": lambda number, word: json.dumps(word),
    "text": lambda number, word: word,
    "text-line": lambda number, word: f"\ufeff {word.upper()}\r\n",
    "number|word": lambda number, word: f"{number}|{word}",
    "json-number|word": lambda number, word: json.dumps(f"{number}|{word}"),
    "word-number": lambda number, word: f"{word} {number}",
    "explained": lambda number, word: f"{word}: as the document says",
    "response": lambda number, word: json.dumps({"response": word}),
    "status": lambda number, word: json.dumps({"Status": word}),
    "both": lambda number, word: json.dumps({"status": number, "message": word}),
    "code": lambda number, word: json.dumps({"code": str(number), "msg": word}),
    "nested": lambda number, word: json.dumps({"data": {"error": {"code": number, "name": word}}}),
    "list": lambda number, word: json.dumps([number, word]),
    "json-in-json": lambda number, word: json.dumps(json.dumps({"response": word})),
    "commas": lambda number, word: f'{{"response": "{word}",}}',
}
# … and with its number alone.
NUMBERED: dict[str, Callable[[int], str]] = {
    "status": lambda number: json.dumps({"status": number}),
    "code": lambda number: json.dumps({"code": str(number)}),
    "error": lambda number: json.dumps({"error": {"code": number}}),
    "bare": str,
    "json-text": lambda number: json.dumps(str(number)),
    "response": lambda number: json.dumps({"response": number}),
}

ASKING: dict[str, Callable[[Any], object]] = {
    "send": sending(),
    "credit": lambda provider: provider.balance(),
    "report": reporting,
}


def refusal(do: Callable[[Any], object], answer: Answer) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        do(Api(KoboMobile, answer, **ACCOUNT).provider)
    return caught.value


def test_no_documented_call_and_no_documented_code_is_left_out() -> None:
    assert set(TABLE) == CALLS
    assert {*ERRORS, (1, "sent")} == CODES
    words = {word for _, word in CODES}
    assert {*KoboMobile.ERRORS} == {*words, "3"} - {"sent"}


@pytest.mark.parametrize("call", TABLE)
def test_a_documented_call_leaves_as_documented_and_is_understood(call: str) -> None:
    TABLE[call].check(KoboMobile, **ACCOUNT)


@pytest.mark.parametrize("envelope", sorted({*WORDED} - {"explained"}))  # a sentence is no success
def test_sent_is_a_success_in_every_envelope(envelope: str) -> None:
    api = Api(KoboMobile, Answer(WORDED[envelope](1, "sent")), **ACCOUNT)
    assert api.provider.send(sms()) == Sent(message_id=None)


@pytest.mark.parametrize("envelope", NUMBERED)
def test_sent_is_a_success_as_a_number_too(envelope: str) -> None:
    api = Api(KoboMobile, Answer(NUMBERED[envelope](1)), **ACCOUNT)
    assert api.provider.send(sms()) == Sent(message_id=None)


@pytest.mark.parametrize("asking", ASKING)
@pytest.mark.parametrize("envelope", WORDED)
@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize(("number", "word"), ERRORS, ids=str)
def test_a_documented_error_is_typed_whatever_it_comes_in(
    number: int, word: str, status: int, envelope: str, asking: str
) -> None:
    kind, mend = ERRORS[number, word]
    if (word, asking == "send") == ("error_param", False):  # what is asked has no text
        mend = "Check api_key"
    answer = Answer(WORDED[envelope](number, word), status, {"Retry-After": "17"})
    error = refusal(ASKING[asking], answer)
    assert (type(error), error.code) == (kind, word)
    assert mend in error.mend
    assert error.reason.endswith(f"(HTTP {status})")
    assert getattr(error, "retry_after", 17.0) == 17.0


@pytest.mark.parametrize("envelope", NUMBERED)
@pytest.mark.parametrize(("number", "word"), [row for row in ERRORS if row[0] != 3], ids=str)
def test_a_number_alone_stands_for_its_word(number: int, word: str, envelope: str) -> None:
    kind, mend = ERRORS[number, word]
    error = refusal(sending(), Answer(NUMBERED[envelope](number)))
    assert (type(error), error.code) == (kind, word)
    assert mend in error.mend


@pytest.mark.parametrize("envelope", NUMBERED)
def test_a_3_alone_names_both_its_meanings_and_is_tried_again(envelope: str) -> None:
    error = refusal(sending(), Answer(NUMBERED[envelope](3)))
    assert (type(error), error.code) == (TemporaryDeliveryError, "3")
    for meaning in ("credit is insufficient", "could not be debited"):
        assert meaning in error.reason
    for mend in ("Top up", "temporary"):
        assert mend in error.mend


@pytest.mark.parametrize("asking", ASKING)
@pytest.mark.parametrize(
    ("status", "kind", "mend"),
    [
        (301, PERMANENT, "base_url"),
        (401, PERMANENT, "api_key"),
        (403, PERMANENT, "api_key"),
        (404, PERMANENT, "base_url"),
        (414, PERMANENT, "fewer numbers"),
        (400, PERMANENT, "Ask KoboMobile"),
        (429, TEMPORARY, "less and less often"),
        (500, TEMPORARY, "base_url"),
        (503, TEMPORARY, "base_url"),
    ],
)
def test_without_a_documented_word_the_http_status_tells(
    status: int, kind: type[DeliveryError], mend: str, asking: str
) -> None:
    answer = Answer("<html>Sorry</html>", status, {"Retry-After": "60"})
    error = refusal(ASKING[asking], answer)
    assert (type(error), error.code) == (kind, f"HTTP_{status}")
    assert mend in error.mend
    assert getattr(error, "retry_after", 60.0) == 60.0


def test_a_gateway_that_gave_up_waiting_leaves_a_send_uncertain_and_a_question_open() -> None:
    answer = Answer("<html>", 504)
    assert type(refusal(ASKING["send"], answer)) is UncertainDeliveryError
    for asking in ("credit", "report"):
        assert type(refusal(ASKING[asking], answer)) is TemporaryDeliveryError
