"""Every call and every code of SMSBox's text: what leaves, what comes back, what it becomes.

Source: the SMS API documentation at https://smsbox.devotek.africa. The two lists are its own, in
its order; the tables beside them must have exactly these rows.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from exchange import Answer, Api, Exchange
from smsbox_calls import EVERY_CALL
from smsbox_samples import (
    ACCEPTED,
    BALANCE,
    FAILURES,
    ID,
    LISTED,
    MADE,
    UPDATED,
    WRAPPINGS,
    XML_SAMPLE,
)

from receiver.errors import DeliveryError, PermanentDeliveryError, TemporaryDeliveryError
from receiver.providers import smsbox_errors as catalogue
from receiver.providers.base import Balance, Sent, Sms
from receiver.providers.smsbox import SMSBox
from receiver.providers.smsbox_answers import SenderName

CALLS = [
    "POST send_sms",
    "POST send_sms, application/xml",
    "POST send_sms, schedule_time",
    "POST send_sms, schedule_time, application/xml",
    "POST send_sms, source_addr is a number",
    "POST send_sms, recipient_name",
    "GET query_sms_balance",
    "GET query_sms_balance, application/xml",
    "GET change_sms_info, scheduled_status '0'",
    "GET change_sms_info, scheduled_status '1'",
    "GET change_sms_info, schedule_time",
    "GET change_sms_info, schedule_time empty",
    "GET change_sms_info, message",
    "GET change_sms_info, source_addr",
    "GET change_sms_info, all of it",
    "GET query_sender_names",
    "GET query_sender_names, q",
    "GET query_sender_names, status",
    "POST request_sender_name",
]
CODES = {
    101: "Invalid phone number",
    102: "Insufficient balance",
    103: "Network timeout",
    104: "Please provide all required parameters",
    105: "Account not found",
    106: "No route mapping to your account",
    107: "No authorization headers",
    108: "Invalid token",
    109: "Invalid Message",
    110: "Message contains special characters",
    111: "Invalid Sender ID",
    112: "The message cannot be scheduled for a date/time in the past",
    113: "Invalid request format",
    114: "Recipients exceed the Limit of 1000",
    115: "Destination Number is Missing",
    116: "Missing/Invalid Reference Id",
    117: "Invalid Scheduled Time",
    118: "Missing encoding type",
    119: "Missing recipient(s) tag",
    120: "Invalid Authentication Parameters",
    121: "Invalid Senderid",
    122: "Duplicate senderid",
    123: "Invalid template_id",
    124: "Sender Name sample content limit",
    125: "SMS Template Updated Successfully",
    126: "SMS Template Created Successfully",
    127: "SMS Template Delete Failed",
    128: "SMS Template Deleted Successfully",
}

URL = "https://smsbox.devotek.africa/api/sms/v1"
ACCOUNT: dict[str, Any] = {"api_keys": ("key-1",), "api_secret": "secret-1", "source_addr": "INFO"}
BASIC = f"Basic {base64.b64encode(b'key-1:secret-1').decode()}"
JSON = {"authorization": BASIC, "content-type": "application/json"}
XML = {"authorization": BASIC, "content-type": "application/xml"}
ALEX, THOMAS = "+22687161524", "+22671625142"
NAMES = tuple(
    SenderName(id=str(number), name=name, status=status, created=datetime(2025, *when, tzinfo=UTC))
    for number, name, status, when in (
        (1, "testing", "pending", (4, 9, 15, 33, 29)),
        (2, "ttere", "approved", (3, 18, 17, 25, 29)),
        (3, "agaba", "approved", (3, 15, 12, 48)),
    )
)
NOON = datetime(2999, 5, 1, 14, 0, tzinfo=timezone(timedelta(hours=2)))


def sms(text: str = "Hello World", **fields: Any) -> Sms:
    return Sms(**{"recipients": (ALEX, THOMAS), "text": text, "key": "k", **fields})


def sample(
    text: str = "Hello World",
    source: str = "INFO",
    when: str = "",
    names: tuple[str, str] = ("", ""),
) -> bytes:
    """The document's first sample, written as compactly as JSON can be."""
    return (
        f'{{"source_addr":"{source}","schedule_time":"{when}","encoding":0,"message":"{text}",'
        f'"recipients":[{{"recipient_name":"{names[0]}","dest_addr":"{ALEX}"}},'
        f'{{"recipient_name":"{names[1]}","dest_addr":"{THOMAS}"}}]}}'
    ).encode()


def sending(message: Sms, body: bytes, headers: dict[str, str] = JSON) -> Exchange:
    sent = Sent(message_id=ID)
    return Exchange(
        do=lambda box: box.send(message),
        method="POST",
        url=f"{URL}/send_sms",
        headers=headers,
        body=body,
        answer=ACCEPTED,
        gives=sent,
    )


def changing(do: Callable[[SMSBox], object], query: str) -> Exchange:
    """``query`` as the document's PHP builds it."""
    url = f"{URL}/change_sms_info?message_id={ID}&{query}"
    return Exchange(do=do, method="GET", url=url, headers=JSON, answer=UPDATED, gives=ID)


def naming(do: Callable[[SMSBox], object], query: str = "") -> Exchange:
    return Exchange(
        do=do,
        method="GET",
        url=f"{URL}/query_sender_names{query}",
        headers=JSON,
        answer=LISTED,
        gives=NAMES,
    )


def asking(headers: dict[str, str]) -> Exchange:
    url, money = f"{URL}/query_sms_balance", Balance(amount=Decimal(100), unit="money")
    return Exchange(
        do=lambda box: box.balance(),
        method="GET",
        url=url,
        headers=headers,
        answer=BALANCE,
        gives=money,
    )


XML_SMS = sms(
    "Hello world",
    recipients=(ALEX, "+255600000002"),
    names={ALEX: '"Ibrahim"', "+255600000002": '"Jose"'},
)
ALL = {
    "suspended": False,
    "schedule": NOON,
    "text": "Hello & [{RECEIVERNAME}]",
    "source": "+22660000001",
}
TABLE = {
    "POST send_sms": sending(sms(), sample()),
    "POST send_sms, application/xml": sending(XML_SMS, XML_SAMPLE, XML),
    "POST send_sms, schedule_time": sending(sms(schedule=NOON), sample(when="2999-05-01 12:00")),
    "POST send_sms, schedule_time, application/xml": sending(
        replace(XML_SMS, schedule=NOON),
        XML_SAMPLE.replace(
            b"<schedule_time />", b"<schedule_time>2999-05-01 12:00</schedule_time>"
        ),
        XML,
    ),
    "POST send_sms, source_addr is a number": sending(
        sms(source="+22660000001"), sample(source="22660000001")
    ),
    "POST send_sms, recipient_name": sending(
        sms("Hello [{RECEIVERNAME}]", names={ALEX: "Alex", THOMAS: "Thomas"}),
        sample("Hello [{RECEIVERNAME}]", names=("Alex", "Thomas")),
    ),
    "GET query_sms_balance": asking(JSON),
    "GET query_sms_balance, application/xml": asking(XML),
    "GET change_sms_info, scheduled_status '0'": changing(
        lambda box: box.suspend(ID), "scheduled_status=0"
    ),
    "GET change_sms_info, scheduled_status '1'": changing(
        lambda box: box.resume(ID), "scheduled_status=1"
    ),
    "GET change_sms_info, schedule_time": changing(
        lambda box: box.reschedule(ID, NOON), "schedule_time=2999-05-01+12%3A00"
    ),
    "GET change_sms_info, schedule_time empty": changing(
        lambda box: box.change(ID, at_once=True), "schedule_time="
    ),
    "GET change_sms_info, message": changing(lambda box: box.rewrite(ID, "a b"), "message=a+b"),
    "GET change_sms_info, source_addr": changing(
        lambda box: box.change(ID, source="SHOP"), "source_addr=SHOP"
    ),
    "GET change_sms_info, all of it": changing(
        lambda box: box.change(ID, **ALL),
        "scheduled_status=1&schedule_time=2999-05-01+12%3A00"
        "&message=Hello+%26+%5B%7BRECEIVERNAME%7D%5D&source_addr=22660000001",
    ),
    "GET query_sender_names": naming(lambda box: box.sender_names()),
    "GET query_sender_names, q": naming(lambda box: box.sender_names("ag a"), "?q=ag+a"),
    "GET query_sender_names, status": naming(
        lambda box: box.sender_names(status="approved"), "?status=approved"
    ),
    "POST request_sender_name": Exchange(
        do=lambda box: box.request_sender_name("My-Shop 2.", "Your parcel is here"),
        method="POST",
        url=f"{URL}/request_sender_name",
        headers=JSON,
        body=b'{"senderid":"My-Shop 2.","sample_content":"Your parcel is here"}',
        answer=MADE,
        gives="299",
    ),
}


def test_the_table_has_every_documented_call() -> None:
    assert list(TABLE) == CALLS


@pytest.mark.parametrize("call", CALLS)
def test_a_call_is_the_documented_one(call: str) -> None:
    options = {"format": "xml"} if call.endswith("application/xml") else {}
    TABLE[call].check(SMSBox, **ACCOUNT, options=options)


SUCCESSES = {125, 126, 128}
TEMPORARY = {103}


def refusal(do: str, status: int, body: str) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        EVERY_CALL[do](Api(SMSBox, Answer(body, status), **ACCOUNT).provider)
    return caught.value


@pytest.mark.parametrize("do", EVERY_CALL)
@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_every_code_is_a_typed_error_in_every_wrapping(wrapping: str, do: str) -> None:
    status, body = WRAPPINGS[wrapping]
    for code, name in CODES.items():
        if code in SUCCESSES:
            continue
        error = refusal(do, status, body % (code, name))
        kind = TemporaryDeliveryError if code in TEMPORARY else PermanentDeliveryError
        assert (type(error), error.code) == (kind, str(code))
        assert error.reason == f"{name} (HTTP {status})"
        assert len(error.mend) > 10
        assert refusal(do, status, body % (code, "")).reason == error.reason, "its own words"


@pytest.mark.parametrize("wrapping", [w for w, (status, _) in WRAPPINGS.items() if status == 200])
def test_the_codes_of_success_are_no_errors(wrapping: str) -> None:
    status, body = WRAPPINGS[wrapping]
    for code in SUCCESSES:
        EVERY_CALL["change"](
            Api(SMSBox, Answer(body % (code, CODES[code]), status), **ACCOUNT).provider
        )


@pytest.mark.parametrize("failure", FAILURES)
def test_each_printed_failure_is_an_error_with_its_code_and_a_mend(failure: str) -> None:
    do, code, answer = FAILURES[failure]
    error = refusal(do, answer.status, answer.body)
    assert (type(error), error.code) == (PermanentDeliveryError, code)
    assert len(error.mend) > 10


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("do", EVERY_CALL)
def test_an_overload_is_temporary_for_as_long_as_it_says(do: str, status: int) -> None:
    answer = Answer("<html>", status, {"Retry-After": "30"})
    with pytest.raises(TemporaryDeliveryError) as caught:
        EVERY_CALL[do](Api(SMSBox, answer, **ACCOUNT).provider)
    assert (caught.value.code, caught.value.retry_after) == (str(status), 30.0)


def test_the_tables_have_every_documented_code() -> None:
    assert list(CODES) == list(range(101, 129))
    assert set(map(str, CODES)) == set(catalogue.CODES) - {"200", "401", "403"}
    successes = {code for code, known in catalogue.CODES.items() if known.is_success}
    assert successes == {"200", *map(str, SUCCESSES)}
