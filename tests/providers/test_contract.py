"""The contract of every provider, kept by ours; and the events that tests make for handlers."""

from __future__ import annotations

import dataclasses
import logging
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC
from typing import Any

import pytest
from marshmallow import ValidationError

from receiver import Alarm, DeliveryReport, InboundMessage, Status
from receiver.events import AnyEvent, from_json, to_json
from receiver.providers.base import Ack, Stamp
from receiver.providers.lefoka import Lefoka
from receiver.providers.payload import Payload
from receiver.providers.smsbox import SMSBox
from receiver.testing import (
    AlarmFields,
    MessageFields,
    ProviderContract,
    ReportFields,
    alarm,
    inbound,
    report,
)

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
LEFOKA_ACCOUNT = {"api_key": "pk_contract_0001", "api_secret": "lefoka-secret-0001"}
SMSBOX_ACCOUNT = {"api_key": "smsbox-contract-0001", "api_secret": "smsbox-secret-0001"}
LEFOKA_PROBLEM = b'{"error": "{problem}", "help": "The body was kept and can be replayed."}'
SMSBOX_UNKNOWN = b'{"transaction_id": null, "successful": true}'


class TestLefokaReports(ProviderContract):
    provider = Lefoka
    credentials = LEFOKA_ACCOUNT
    body = (
        b'{"id": "f8cf92ce", "type": "sms", "recipient": ["27637885448", "27800055555"],'
        b' "message": "Your parcel is here", "client_reference": "your reference",'
        b' "schedule": null, "status": "delivered", "credit": 2,'
        b' "creation_date": "2023-06-25T08:55:23+02:00"}'
    )
    private = ("27637885448", "27800055555", "Your parcel is here")
    ack = Ack()
    unreadable_ack = Ack(body=LEFOKA_PROBLEM, content_type=JSON)


class TestLefokaReplies(TestLefokaReports):
    body = (
        b'{"id": "624b3bf9", "type": "sms-reply", "recipient": ["27637885448"],'
        b' "message": "The reply message", "status": "delivered",'
        b' "delivery_date": "2023-12-31T20:57:37Z"}'
    )
    private = ("27637885448", "The reply message")


class TestSMSBox(ProviderContract):
    provider = SMSBox
    credentials = SMSBOX_ACCOUNT
    body = (
        b'{"from": "255701000000", "to": "255701000001", "channel": "sms",'
        b' "timeUTC": "Wed, 14 Jun 2017 07:00:00 GMT", "transaction_id": "120a1039103910",'
        b' "message": {"text": "Test message", "media": {"mediaUrl": ""}, "custom": {}},'
        b' "billing": {"currency": "TZS", "subscriber_price": "100.00"}}'
    )
    private = ("255701000000", "255701000001", "Test message")
    ack = Ack(body=b'{"transaction_id": "120a1039103910", "successful": true}', content_type=JSON)
    unreadable_ack = Ack(body=SMSBOX_UNKNOWN, content_type=JSON)


class TestSMSBoxForms(TestSMSBox):
    body = (
        b"SOURCEADDR=255701000000&DESTADDR=255701000001&MESSAGE=Habari"
        b"&transaction_id=120a1039103910"
    )
    content_type = FORM
    private = ("255701000000", "255701000001", "Habari")


class Broken(SMSBox):
    """A provider whose parser has a fault, and says the text in its error."""

    error: type[Exception] = KeyError

    def parse(self, payload: Payload, stamp: Stamp) -> Iterable[InboundMessage | DeliveryReport]:
        raise self.error(f"{payload['message']} from {payload['from']}")


class Picky(Broken):
    """A provider that checks a value by itself, outside a schema."""

    error = ValidationError


def test_a_fault_in_a_parser_costs_no_ack_and_tells_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Case(TestSMSBox):
        provider = Broken

    caplog.set_level(logging.DEBUG)
    received = Case().receive()
    assert (received.ack, received.unreadable) == (Case.ack, "our parser failed (KeyError)")
    assert "KeyError" in caplog.text
    assert "test_contract.py" in caplog.text, "the traceback says where the fault is"
    assert not [mark for mark in Case.private if mark in caplog.text]


def test_a_value_refused_outside_a_schema_is_quarantine_and_tells_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Case(TestSMSBox):
        provider = Picky

    received = Case().receive()
    assert (received.ack, received.unreadable) == (Case.ack, "wrong type in: some field")
    assert caplog.text == ""


def test_a_broken_promise_fails_the_contract() -> None:
    class Case(TestSMSBox):
        provider = Broken

    with pytest.raises(AssertionError):
        Case().test_a_good_body_gives_events_and_the_exact_ack()


def test_a_handler_is_tested_by_calling_it() -> None:
    def balance(message: InboundMessage) -> str:
        return f"{message.sender} has 5 left" if message.text == "BALANCE" else "?"

    assert balance(inbound(text="BALANCE", sender="+27821234567")) == "+27821234567 has 5 left"
    assert balance(inbound()) == "?"


def test_a_made_message_looks_like_a_providers() -> None:
    message = inbound()
    assert message.candidates == (message.sender,)
    assert message.received_at.tzinfo is UTC
    assert inbound().id != message.id
    assert inbound(sender=None).candidates == ()
    assert inbound(sender=None, candidates=("+27821234567", "+27637885448")).sender is None


def test_a_made_report_is_of_a_delivered_sms_unless_told_otherwise() -> None:
    assert (report().status, report().final) == (Status.DELIVERED, True)
    failed = report(status=Status.FAILED)
    assert (failed.status, failed.provider_status) == (Status.FAILED, "failed")
    assert report(status=Status.BLOCKED, provider_status="blist").provider_status == "blist"
    assert report().id != report().id


@pytest.mark.parametrize(
    "made",
    [inbound(text="é😀"), report(text="é😀"), alarm(text="é😀")],
    ids=["message", "report", "alarm"],
)
def test_a_made_event_can_be_stored_and_read_again(made: AnyEvent) -> None:
    assert from_json(to_json(made)) == made


@pytest.mark.parametrize("make", [inbound, report, alarm])
def test_a_misspelt_field_of_an_event_is_an_error(make: Any) -> None:
    with pytest.raises(TypeError, match="txet"):
        make(txet="hello")


@pytest.mark.parametrize(
    ("event", "fields"),
    [(InboundMessage, MessageFields), (DeliveryReport, ReportFields), (Alarm, AlarmFields)],
    ids=["message", "report", "alarm"],
)
def test_every_field_of_an_event_can_be_given(event: Any, fields: Any) -> None:
    assert {field.name for field in dataclasses.fields(event)} == set(fields.__annotations__)


def test_an_app_without_pytest_can_import_the_samples() -> None:
    code = (
        "import sys; sys.modules['pytest'] = None; from receiver.testing import inbound; inbound()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
