"""Numbers, texts and keys stay out of every log, whatever goes wrong."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from test_jobs import make_all_due
from wire import FakeApi

from receiver import DeliveryReport, InboundMessage, Receiver

MakeApp = Callable[..., Flask]
RunJobs = Callable[[Flask], int]

KEY = "key-that-nobody-may-see"
SECRET = "secret-that-nobody-may-see"
TEXT = "text-that-nobody-may-see"
NUMBER = "255712987654"
MARKS = (KEY, SECRET, TEXT, NUMBER, NUMBER[3:])


def register(receiver: Receiver) -> None:
    @receiver.keyword("FAIL")
    def quotes_everything(message: InboundMessage) -> None:
        raise RuntimeError(f"{message.sender} wrote {message.text}")

    @receiver.fallback()
    def echo(message: InboundMessage) -> str:
        return message.text

    @receiver.report()
    def wrong(report: DeliveryReport) -> None:
        raise KeyError(report.recipient)


def inbound(text: str, transaction: str) -> dict[str, Any]:
    message = {"text": text, "custom": {"key": KEY}}
    return {"from": NUMBER, "to": "15000", "transaction_id": transaction, "message": message}


@pytest.fixture
def traffic(make_app: MakeApp, run_jobs: RunJobs, api: FakeApi, redis: Any) -> Callable[[], None]:
    """Everything that can happen to marked callbacks, well and badly."""
    account = {"api_key": KEY, "api_secret": SECRET, "base_url": api.url}
    app = make_app(handlers=register, ACCOUNTS={"smsbox": account, "lefoka": account})
    refusals = [{"code": 111, "message": "Invalid Sender Id"}, {"code": NUMBER, "message": TEXT}]
    api.answers = [*((400, refusal) for refusal in refusals), (503, {}), None]

    def send() -> None:
        client = app.test_client()
        for number, text in enumerate([TEXT, f"FAIL {TEXT}", TEXT, TEXT]):
            body = inbound(text, f"t{number}")
            client.post("/webhooks/smsbox", json=body, auth=(KEY, ""))
            client.post(f"/webhooks/smsbox?api_key={KEY}x", json=body)
        client.post(f"/webhooks/smsbox/{KEY}", json=inbound(TEXT, "t"))
        client.post("/webhooks/smsbox", data=f"{{{TEXT} {NUMBER}", auth=(KEY, ""))
        client.post("/webhooks/smsbox", json={"from": [NUMBER], "message": TEXT}, auth=(KEY, ""))
        body = {"id": "x", "type": "sms", "recipient": [NUMBER], "message": TEXT}
        client.post("/webhooks/lefoka", json=body, auth=(KEY, ""))
        client.post("/webhooks/lefoka", json={**body, "type": TEXT}, auth=(KEY, ""))
        run_jobs(app)
        make_all_due(redis)
        run_jobs(app)

    return send


def test_no_number_text_or_key_is_in_any_log(
    traffic: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        traffic()
    ours = [record for record in caplog.records if record.name.startswith("receiver")]
    assert {"event=refused", "event=quarantined"} <= {r.getMessage().split()[0] for r in ours}
    for record in caplog.records:
        shown = record.getMessage() + repr(record.args)
        if record.exc_info:
            shown += "".join(traceback.format_exception(*record.exc_info))
        assert not [mark for mark in MARKS if mark in shown], record.name


def test_no_number_or_text_is_in_a_key_of_redis(traffic: Callable[[], None], redis: Any) -> None:
    traffic()
    keys = redis.keys("*")
    assert len(keys) > 5
    assert not [key for key in keys for mark in MARKS if mark in key]


def test_no_number_or_text_is_in_a_dead_letter_of_rq(
    traffic: Callable[[], None], redis: Any
) -> None:
    traffic()
    shown = " ".join(str(redis.hgetall(key)) for key in redis.keys("rq:job:*"))
    assert "failed" in shown
    assert not [mark for mark in MARKS if mark in shown]
