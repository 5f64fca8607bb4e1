"""The index of contacts: what a worker writes as an event's first job begins, and what is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from support import KEYS, message, post, report

from receiver import InboundMessage, Receiver
from receiver.store import contacts
from receiver.store.contacts import Contacts, contact_id

SENDER = "+255712345678"


def knock(app: Flask, provider: str, body: dict[str, Any]) -> None:
    headers = {"x-api-key": KEYS[provider]}
    answer = app.test_client().post(f"/webhooks/{provider}", json=body, headers=headers)
    assert answer.status_code == 200


def index(app: Flask) -> Contacts:
    parts = app.extensions["receiver"]
    return Contacts(parts.connection, parts.settings.namespace)


def alone(receiver: Receiver) -> None:
    receiver.fallback()(lambda message: None)


def two(receiver: Receiver) -> None:
    receiver.fallback()(answer)
    receiver.every()(watch)


def answer(message: InboundMessage) -> str:
    return "yes"


def watch(message: InboundMessage) -> None:
    return None


def nobody(receiver: Receiver) -> None:
    return None


@pytest.mark.parametrize("handlers", [two, nobody], ids=["several", "none"])
def test_each_handled_event_is_found_by_its_number(
    make_app: Callable[..., Flask], run_jobs: Any, handlers: Any
) -> None:
    app = make_app(handlers=handlers)
    knock(app, "smsbox", message("t-1"))
    assert index(app).ids("smsbox", SENDER, limit=9) == []  # it waits
    run_jobs(app)
    [(found, at)] = index(app).ids("smsbox", SENDER, limit=9)
    record = app.extensions["receiver"].journal.load(found)
    assert record.event.sender == SENDER
    assert at == int(record.event.received_at.timestamp() * 1000)
    assert index(app).ids("smsbox", SENDER, before=at, limit=9) == []
    assert index(app).newest(["lefoka", "smsbox"], SENDER) == [found]


def test_a_report_is_found_by_its_recipient_and_a_message_by_all_who_may_have_written(
    make_app: Callable[..., Flask], run_jobs: Any
) -> None:
    numbers = ("27637885448", "27637885449")
    app = make_app()
    knock(app, "lefoka", report("delivered", *numbers))
    reply = {"type": "sms-reply", "id": "r-1", "message": "yes"}
    knock(app, "lefoka", report("delivered", *numbers, **reply))
    run_jobs(app)
    for number in numbers:
        found = [event for event, _ in index(app).ids("lefoka", f"+{number}", limit=9)]
        kinds = [app.extensions["receiver"].journal.load(event).event.kind for event in found]
        assert sorted(kinds) == ["message", "report"]


def test_the_index_expires_with_the_events_and_keeps_no_more_than_so_many(
    make_app: Callable[..., Flask], run_jobs: Any, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app(RETENTION=3600)
    name = f"receiver:contact:{contact_id('smsbox', SENDER)}"
    redis.zadd(name, {"old": 1})
    redis.zadd(name, {f"{n:032x}": 10**13 + n for n in range(contacts.MOST_EVENTS)})
    for number in range(60):  # the ids of some of them end with the digit that sees to it
        knock(app, "smsbox", message(f"t-{number}"))
    run_jobs(app)
    assert redis.zscore(name, "old") is None
    assert contacts.MOST_EVENTS <= redis.zcard(name) < contacts.MOST_EVENTS + 60
    assert 0 < redis.ttl(name) <= 3600


def test_nobody_is_indexed_under_a_number(
    make_app: Callable[..., Flask], run_jobs: Any, redis: Any
) -> None:
    app = make_app(handlers=two)
    post(app, headers={"x-api-key": KEYS["smsbox"]})
    run_jobs(app)
    (key,) = redis.keys("receiver:contact:*")
    assert key == index(app).key("smsbox", SENDER)
