"""The straight line: a callback in, a handler, a reply out."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from conftest import LEFOKA_KEY, SMSBOX_KEY
from flask import Flask

from receiver import DeliveryReport, InboundMessage, Receiver

MakeApp = Callable[..., Flask]

INBOUND = {
    "from": "+255712345678",
    "to": "15000",
    "transaction_id": 77,
    "timeUTC": "Wed, 14 Jun 2017 07:00:00 GMT",
    "message": {"text": "hello"},
}


def report(status: str, *numbers: str, **more: Any) -> dict[str, Any]:
    date = {"creation_date": "2023-06-25T08:55:23+02:00"}
    return {"id": "f8cf", "type": "sms", "recipient": numbers, "status": status, **date, **more}


def test_a_message_reaches_its_handler_as_a_typed_event(make_app: MakeApp, run_jobs: Any) -> None:
    got: list[InboundMessage] = []

    def register(receiver: Receiver) -> None:
        receiver.fallback()(got.append)

    app = make_app(handlers=register)
    answer = app.test_client().post("/webhooks/smsbox", json=INBOUND, auth=(SMSBOX_KEY, ""))
    assert (answer.status_code, answer.get_json()) == (
        200,
        {"transaction_id": 77, "successful": True},
    )
    run_jobs(app)
    assert [(m.sender, m.recipient, m.text) for m in got] == [("+255712345678", "15000", "hello")]


def test_two_statuses_for_two_recipients_are_four_events(make_app: MakeApp, run_jobs: Any) -> None:
    got: list[DeliveryReport] = []

    def register(receiver: Receiver) -> None:
        receiver.report()(got.append)

    app = make_app(handlers=register)
    client = app.test_client()
    for status in ("submitted", "delivered"):
        body = report(status, "27637885448", "27800055555")
        for _ in range(3):
            answer = client.post(f"/webhooks/lefoka?api_key={LEFOKA_KEY}", json=body)
            assert (answer.status_code, answer.data) == (200, b"")
    run_jobs(app)
    assert sorted((event.status.value, event.recipient) for event in got) == [
        ("delivered", "+27637885448"),
        ("delivered", "+27800055555"),
        ("submitted", "+27637885448"),
        ("submitted", "+27800055555"),
    ]


def test_a_resend_is_acknowledged_and_queues_nothing(
    make_app: MakeApp, run_jobs: Any, redis: Any
) -> None:
    app = make_app()
    client = app.test_client()
    for jobs in (1, 0):
        for _ in range(3):
            answer = client.post("/webhooks/smsbox", json=INBOUND, auth=(SMSBOX_KEY, ""))
            assert answer.get_json() == {"transaction_id": 77, "successful": True}
        assert redis.llen("rq:queue:receiver-messages") == jobs
        assert run_jobs(app) == jobs


def test_a_strangers_callback_is_refused_before_anything_is_stored(
    make_app: MakeApp, redis: Any
) -> None:
    client = make_app().test_client()
    answer = client.post("/webhooks/smsbox", data=json.dumps(INBOUND), auth=("wrong", ""))
    assert answer.status_code == 401
    assert set(answer.get_json()) == {"error", "help"}
    assert answer.headers["WWW-Authenticate"].startswith("Basic")
    assert redis.keys("*") == []
