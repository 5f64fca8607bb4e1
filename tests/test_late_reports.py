"""A final status is never undone: what comes after it is marked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from conftest import LEFOKA_KEY
from flask import Flask
from support import report

from receiver import DeliveryReport, Receiver

MakeApp = Callable[..., Flask]
RunJobs = Callable[[Flask], int]

ONE, OTHER = "27637885448", "27637885449"


@pytest.fixture
def seen() -> list[tuple[str, bool]]:
    """Each report that the handler got: its word, and whether it was stale."""
    return []


@pytest.fixture
def app(make_app: MakeApp, seen: list[tuple[str, bool]]) -> Flask:
    """An app that listens to reports."""

    def register(receiver: Receiver) -> None:
        @receiver.report()
        def note(found: DeliveryReport) -> None:
            seen.append((found.provider_status, found.stale))

    return make_app(handlers=register)


def send(app: Flask, status: str, *numbers: str, **more: Any) -> None:
    body = report(status, *(numbers or (ONE,)), **more)
    path = f"/webhooks/lefoka?api_key={LEFOKA_KEY}"
    assert app.test_client().post(path, json=body).status_code == 200


@pytest.mark.parametrize("late", ["submitted", "pending", "failed", "never-heard-of"])
def test_what_comes_after_a_final_status_is_stale(
    app: Flask, run_jobs: RunJobs, seen: list[tuple[str, bool]], late: str
) -> None:
    for second, status in enumerate(("submitted", "delivered", late)):
        send(app, status, delivery_date=f"2023-06-25T08:55:2{second}Z")
    run_jobs(app)
    assert seen == [("submitted", False), ("delivered", False), (late, True)]


def test_each_message_and_recipient_has_a_final_status_of_its_own(
    app: Flask, run_jobs: RunJobs, seen: list[tuple[str, bool]]
) -> None:
    send(app, "delivered", ONE)
    send(app, "submitted", OTHER)
    send(app, "submitted", ONE, id="another")
    run_jobs(app)
    assert not any(stale for _, stale in seen)


def test_a_resend_is_not_stale(app: Flask, run_jobs: RunJobs, seen: list[tuple[str, bool]]) -> None:
    send(app, "delivered")
    send(app, "delivered")
    run_jobs(app)
    assert seen == [("delivered", False)]


def test_the_event_says_so_to_people_too(app: Flask) -> None:
    send(app, "delivered")
    send(app, "submitted")
    listed = app.test_cli_runner().invoke(args=["receiver", "events", "list", "--json"]).output
    assert listed.count('"stale": true') == 1


def test_what_is_no_word_is_no_name_in_redis(app: Flask, redis: Any) -> None:
    send(app, f"failed: {ONE} unreachable")
    send(app, "delivered", delivery_date="2023-06-25T08:55:25Z")
    (outcome,) = redis.keys("receiver:outcome:*")
    names = redis.hkeys(outcome)
    assert "delivered" in names
    assert not [name for name in names if ONE in name]
