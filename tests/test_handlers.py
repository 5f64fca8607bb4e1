"""The bundled handlers: called as plain functions, and at the end of the straight line."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from conftest import LEFOKA_KEY
from flask import Flask
from test_jobs import make_all_due, post
from wire import FakeApi

from handlers import alarm, echo, optout
from receiver import RetryLater, Status
from receiver.store.journal import Record
from receiver.testing import inbound, report

MakeApp = Callable[..., Flask]
RunJobs = Callable[[Flask], int]

SENDER = "+255712345678"
FAILURES = [
    Status.FAILED,
    Status.UNDELIVERED,
    Status.EXPIRED,
    Status.BLOCKED,
    Status.NO_ROUTE,
]


def record_of(app: Flask, text: str) -> Record:
    """The record of the one message that said this."""
    journal = app.extensions["receiver"].journal
    (found,) = [r for r in journal.records(journal.ids()) if r.event.text == text]
    return found


def say(app: Flask, run_jobs: RunJobs, *texts: str) -> None:
    """Let the sender write, one text after the other, each handled before the next."""
    for text in texts:
        post(app, text, transaction=f"t-{text}")
        run_jobs(app)


def test_echo_gives_the_text_back() -> None:
    assert echo.echo(inbound(text="good morning")) == "You wrote: good morning"


# --- optout


@pytest.fixture
def app(make_app: MakeApp, accounts: Any) -> Flask:
    """An app with all the bundled handlers, sending to `api`."""
    return make_app(HANDLERS=["handlers"], ACCOUNTS=accounts)


def test_stop_is_kept_and_start_undoes_it(app: Flask) -> None:
    optouts = app.extensions["receiver"].optouts
    with app.app_context():
        answer = optout.stop(inbound(account="smsbox", sender=SENDER, text="Stop!"))
        assert answer == "You will get no more messages. Send START to get them again."
        assert optouts.find("smsbox", SENDER)["text"] == "Stop!"
        assert optouts.find("lefoka", SENDER) is None
        answer = optout.start(inbound(account="smsbox", sender=SENDER, text="start"))
        assert answer == "You will get messages again. Send STOP to end them."
        assert optouts.find("smsbox", SENDER) is None


@pytest.mark.parametrize("handler", [optout.stop, optout.start])
def test_who_is_not_known_is_neither_answered_nor_opted_out(
    app: Flask, redis: Any, caplog: pytest.LogCaptureFixture, handler: Any
) -> None:
    several = inbound(sender=None, candidates=("+27637885448", "+27800055555"), text="STOP")
    with app.app_context():
        assert handler(several) is None
    assert redis.keys("*optouts*") == []
    assert "27637885448" not in caplog.text
    if handler is optout.stop:
        assert "optout=unknown_sender candidates=2" in caplog.text


@pytest.mark.parametrize(
    "text", ["STOP", "stop!", "« Stop »", "Arrêt", "ARRET svp", "unsubscribe", "désabonner", "𝐒𝐓𝐎𝐏"]
)
def test_a_stop_in_any_spelling_is_confirmed_and_not_echoed(
    app: Flask, run_jobs: RunJobs, api: FakeApi, text: str
) -> None:
    say(app, run_jobs, text)
    assert api.texts() == ["You will get no more messages. Send START to get them again."]
    assert "optout.stop" in record_of(app, text).handlers
    assert "echo.echo" not in record_of(app, text).handlers


@pytest.mark.parametrize("text", ["Please do not STOP", "stopover", "cancel", "end", "STOPP"])
def test_a_word_that_may_mean_something_else_opts_nobody_out(
    app: Flask, run_jobs: RunJobs, redis: Any, text: str
) -> None:
    say(app, run_jobs, text)
    assert redis.keys("*optouts*") == []
    assert "echo.echo" in record_of(app, text).handlers


def test_after_stop_a_reply_is_refused_and_the_record_says_so(
    make_app: MakeApp, accounts: Any, run_jobs: RunJobs, api: FakeApi
) -> None:
    def register(receiver: Any) -> None:
        @receiver.keyword("BALANCE")
        def balance(message: Any) -> str:
            return "You have 5 left."

    app = make_app(HANDLERS=["handlers.optout"], ACCOUNTS=accounts, handlers=register)
    say(app, run_jobs, "STOP", "BALANCE")
    assert api.texts() == ["You will get no more messages. Send START to get them again."]
    refused = record_of(app, "BALANCE").replies["app.balance"]
    assert refused["state"] == "refused"
    assert "opted out" in refused["reason"]
    assert record_of(app, "STOP").replies["optout.stop"]["state"] == "sent"

    say(app, run_jobs, "START", "balance please")
    assert api.texts()[1:] == [
        "You will get messages again. Send STOP to end them.",
        "You have 5 left.",
    ]


# --- alarm


@pytest.mark.parametrize("status", list(Status))
def test_only_a_failure_is_an_alarm(
    app: Flask, run_jobs: RunJobs, caplog: pytest.LogCaptureFixture, api: FakeApi, status: Status
) -> None:
    app.config["ALARM_URL"] = f"{api.url}/alarm"
    words = {Status.BLOCKED: "blist", Status.NO_ROUTE: "noroute"}
    body = {"id": "m-1", "type": "sms", "recipient": ["27637885448"]}
    body["status"] = words.get(status, status.value)
    app.test_client().post(f"/webhooks/lefoka?api_key={LEFOKA_KEY}", json=body)
    run_jobs(app)
    alarms = [r.getMessage() for r in caplog.records if r.name == "handlers.alarm"]
    assert len(alarms) == (status in FAILURES)
    assert [request["path"] for request in api.requests] == ["/alarm"] * (status in FAILURES)
    if alarms:
        assert f"account=lefoka alarm={status} recipient=+2763***448 message_id='m-1'" in alarms[0]


def test_an_alarm_is_posted_without_the_number(app: Flask, api: FakeApi) -> None:
    app.config["ALARM_URL"] = f"{api.url}/alarm"
    failed = report(status=Status.FAILED, account="shop", recipient="+27637885448", text="hello")
    with app.app_context():
        alarm.post(failed)
    (request,) = api.requests
    assert request["json"]["text"] == "SMS to +2763***448 by shop: failed"
    assert request["json"]["event"] == failed.id
    assert "7885" not in json.dumps(request["json"])
    assert "hello" not in json.dumps(request["json"])


@pytest.mark.parametrize(
    "number", ["15000", "+2261234", "70123456", "+22670123456", "+27\nalarm=no"]
)
def test_an_alarm_hides_four_digits_at_least(caplog: pytest.LogCaptureFixture, number: str) -> None:
    alarm.log(report(status=Status.FAILED, recipient=number))
    shown = caplog.text.partition("recipient=")[2].partition(" ")[0]
    assert "***" in shown
    assert len(shown) - 3 <= max(0, len(number) - 4)
    assert caplog.text.count("\n") == 1


def test_an_alarm_about_what_is_known_already_is_none(
    app: Flask, caplog: pytest.LogCaptureFixture, api: FakeApi
) -> None:
    app.config["ALARM_URL"] = f"{api.url}/alarm"
    late = report(status=Status.EXPIRED, stale=True)
    with app.app_context():
        alarm.log(late)
        alarm.post(late)
    assert caplog.records == []
    assert api.requests == []


def test_an_alarm_that_nobody_takes_is_tried_again(app: Flask, api: FakeApi) -> None:
    failed = report(status=Status.FAILED)
    app.config["ALARM_URL"] = f"{api.url}/alarm"
    api.answers = [(500, "out of order"), None]
    with app.app_context():
        with pytest.raises(RetryLater, match="ALARM_URL answered 500"):
            alarm.post(failed)
        with pytest.raises(RetryLater, match="ALARM_URL did not answer"):
            alarm.post(failed)


def test_an_alarm_that_is_posted_again_is_logged_once(
    app: Flask, run_jobs: RunJobs, api: FakeApi, redis: Any, caplog: pytest.LogCaptureFixture
) -> None:
    app.config["ALARM_URL"] = f"{api.url}/alarm"
    api.answers = [(500, ""), (200, "")]
    body = {"id": "m-1", "type": "sms", "recipient": ["27637885448"], "status": "failed"}
    app.test_client().post(f"/webhooks/lefoka?api_key={LEFOKA_KEY}", json=body)
    run_jobs(app)
    make_all_due(redis)
    run_jobs(app)
    assert len(api.requests) == 2
    assert len([r for r in caplog.records if r.name == "handlers.alarm"]) == 1


# --- all together


def test_all_bundled_handlers_live_together(app: Flask) -> None:
    with app.app_context():
        loaded = app.extensions["receiver"].loaded
    assert loaded.failures == ()
    assert sorted(handler.name for handler in loaded.table) == [
        "alarm.log",
        "alarm.post",
        "echo.echo",
        "forward.messages",
        "forward.reports",
        "optout.start",
        "optout.stop",
    ]
