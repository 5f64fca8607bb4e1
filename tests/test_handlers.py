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
from receiver.consent import WORDS
from receiver.segmentation import segments
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


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Stop!", "You will get no more messages. Send START to get them again."),
        ("ARRET", "Vous ne recevrez plus de messages. Envoyez START pour en recevoir à nouveau."),
        ("Sair", "Deixa de receber as nossas mensagens. Envie START para as voltar a receber."),
        ("ACHA", "Hutapokea tena ujumbe wetu. Tuma START ukitaka kuupokea tena."),
        (
            "Staak",
            "U sal nie meer boodskappe van ons ontvang nie. Stuur START om dit weer te ontvang.",
        ),
        ("قف", "لن تصلك رسائل منا بعد الآن. أرسل START لاستلامها من جديد."),
    ],
)
def test_an_opt_out_is_confirmed_in_the_language_of_its_word(
    app: Flask, text: str, answer: str
) -> None:
    with app.app_context():
        assert optout.stop(inbound(text=text)) == answer


def test_a_word_of_all_languages_is_confirmed_in_the_one_that_is_set(
    make_app: MakeApp, accounts: Any
) -> None:
    app = make_app(HANDLERS=["handlers"], ACCOUNTS=accounts, OPTOUT={"language": "fr"})
    with app.app_context():
        assert optout.stop(inbound(text="STOP")) == optout.STOPPED["fr"]
        assert optout.start(inbound(text="START")) == optout.STARTED["fr"]
    app = make_app(HANDLERS=["handlers"], ACCOUNTS=accounts, OPTOUT={"language": "zu"})
    with app.app_context():
        assert optout.start(inbound(text="START")) == optout.STARTED["en"]


@pytest.mark.parametrize("texts", [optout.STOPPED, optout.STARTED], ids=["stopped", "started"])
def test_each_confirmation_is_one_sms(texts: dict[str, str]) -> None:
    assert set(texts) == {word.language for word in WORDS if word.language}
    found = {language: segments(text) for language, text in texts.items()}
    assert {language: part.count for language, part in found.items()} == dict.fromkeys(texts, 1)
    assert {language for language, part in found.items() if part.spoilers} == {"ar"}


@pytest.mark.parametrize("handler", [optout.stop, optout.start])
def test_who_is_not_known_is_not_answered(app: Flask, handler: Any) -> None:
    several = inbound(sender=None, candidates=("+27637885448", "+27800055555"), text="STOP")
    with app.app_context():
        assert handler(several) is None


def test_an_opt_out_of_nobody_known_is_said_in_the_log(
    app: Flask, caplog: pytest.LogCaptureFixture, run_jobs: Callable[[Flask], int]
) -> None:
    numbers = ["27637885448", "27800055555"]
    body = {"id": "r-1", "type": "sms-reply", "recipient": numbers, "message": "STOP"}
    app.test_client().post("/webhooks/lefoka", json=body, auth=(LEFOKA_KEY, ""))
    run_jobs(app)
    assert "optout=unknown_sender candidates=2" in caplog.text
    assert "27637885448" not in caplog.text


@pytest.mark.parametrize(
    "text", ["STOP", "stop!", "« Stop »", "unsubscribe", "Opt-out", "𝐒𝐓𝐎𝐏", "STOP STOP"]
)
def test_a_stop_in_any_spelling_is_kept_confirmed_and_not_echoed(
    app: Flask, run_jobs: RunJobs, api: FakeApi, text: str
) -> None:
    say(app, run_jobs, text)
    assert api.texts() == ["You will get no more messages. Send START to get them again."]
    found = app.extensions["receiver"].optouts.find("smsbox", SENDER)
    assert (found.words, found.source, found.event) == (text, "message", found.event)
    assert "optout.stop" in record_of(app, text).handlers
    assert "echo.echo" not in record_of(app, text).handlers


@pytest.mark.parametrize(
    "text", ["Please do not STOP", "STOP 12345", "stopover", "cancel", "end", "STOPP"]
)
def test_a_word_that_may_mean_something_else_opts_nobody_out(
    app: Flask, run_jobs: RunJobs, redis: Any, text: str
) -> None:
    say(app, run_jobs, text)
    assert redis.keys("*optouts*") == []
    assert "echo.echo" in record_of(app, text).handlers


def test_a_deployment_may_take_the_first_word_and_words_of_its_own(
    make_app: MakeApp, accounts: Any, run_jobs: RunJobs, api: FakeApi
) -> None:
    settings = {"match": "first", "stop": ["HALT"]}
    app = make_app(HANDLERS=["handlers"], ACCOUNTS=accounts, OPTOUT=settings)
    optouts = app.extensions["receiver"].optouts
    say(app, run_jobs, "STOP 12345")
    assert optouts.find("smsbox", SENDER).words == "STOP 12345"
    say(app, run_jobs, "start", "halt it")
    assert optouts.find("smsbox", SENDER).words == "halt it"
    assert api.texts() == [optout.STOPPED["en"], optout.STARTED["en"], optout.STOPPED["en"]]


@pytest.mark.parametrize("modules", [["handlers.optout"], []], ids=["confirmed", "silent"])
def test_after_stop_a_reply_is_refused_and_the_record_says_so(
    make_app: MakeApp, accounts: Any, run_jobs: RunJobs, api: FakeApi, modules: list[str]
) -> None:
    def register(receiver: Any) -> None:
        @receiver.keyword("BALANCE")
        def balance(message: Any) -> str:
            return "You have 5 left."

    app = make_app(HANDLERS=modules, ACCOUNTS=accounts, handlers=register)
    say(app, run_jobs, "STOP", "BALANCE")
    assert api.texts() == [optout.STOPPED["en"]] * len(modules)
    refused = record_of(app, "BALANCE").replies["app.balance"]
    assert refused["state"] == "refused"
    assert "opted out" in refused["reason"]
    if modules:
        assert record_of(app, "STOP").replies["optout.stop"]["state"] == "sent"

    api.requests.clear()
    say(app, run_jobs, "START", "balance please")
    assert api.texts() == [optout.STARTED["en"]] * len(modules) + ["You have 5 left."]


def test_who_is_on_the_providers_list_gets_no_reply_either(
    app: Flask, run_jobs: RunJobs, api: FakeApi
) -> None:
    body = {"id": "m-1", "type": "sms", "recipient": ["27637885448"], "status": "blist"}
    app.test_client().post(f"/webhooks/lefoka?api_key={LEFOKA_KEY}", json=body)
    run_jobs(app)
    found = app.extensions["receiver"].optouts.find("lefoka", "+27637885448")
    assert (found.source, found.words) == ("provider", "blist")
    reply = {"id": "m-2", "type": "sms-reply", "recipient": ["27637885448"], "message": "hello"}
    app.test_client().post(f"/webhooks/lefoka?api_key={LEFOKA_KEY}", json=reply)
    run_jobs(app)
    assert record_of(app, "hello").replies["echo.echo"]["state"] == "refused"
    assert api.requests == []


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
        "alarm.log_alarm",
        "alarm.post",
        "alarm.post_alarm",
        "echo.echo",
        "forward.alarms",
        "forward.messages",
        "forward.reports",
        "optout.start",
        "optout.stop",
    ]
