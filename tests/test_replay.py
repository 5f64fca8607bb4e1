"""Events handled again on an operator's word, and told so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from test_cli import invoke
from test_jobs import only_record, post
from wire import FakeApi

from receiver import InboundMessage, Receiver, RetryLater

MakeApp = Callable[..., Flask]
RunJobs = Callable[[Flask], int]

Ran = list[tuple[str, bool]]


@pytest.fixture
def ran() -> Ran:
    """Which handler was called, and whether it was told of a replay."""
    return []


@pytest.fixture
def app(make_app: MakeApp, accounts: Any, ran: Ran) -> Flask:
    """An app with one that answers and one that watches."""

    def register(receiver: Receiver) -> None:
        @receiver.fallback()
        def answer(message: InboundMessage) -> str:
            ran.append(("answer", message.replay))
            if message.text == "later" and len(ran) == 1:
                raise RetryLater(60)
            return "thank you"

        @receiver.every()
        def watch(message: InboundMessage) -> None:
            ran.append(("watch", message.replay))

    return make_app(handlers=register, ACCOUNTS=accounts)


def test_a_replay_runs_all_handlers_again_and_says_so(
    app: Flask, run_jobs: RunJobs, ran: Ran, api: FakeApi
) -> None:
    post(app)
    run_jobs(app)
    ran.clear()
    event_id = only_record(app).event.id
    assert invoke(app, "events", "replay", event_id[:8]).output == "1 events replayed.\n"
    run_jobs(app)
    assert sorted(ran) == [("answer", True), ("watch", True)]
    assert api.texts() == ["thank you"]  # a reply leaves once
    assert {v["state"] for v in only_record(app).handlers.values()} == {"done"}


def test_one_handler_is_replayed_alone(app: Flask, run_jobs: RunJobs, ran: Ran) -> None:
    post(app)
    run_jobs(app)
    ran.clear()
    invoke(app, "events", "replay", "--provider", "smsbox", "--handler", "app.watch")
    run_jobs(app)
    assert ran == [("watch", True)]


def test_a_handler_is_not_given_what_others_handled(make_app: MakeApp, run_jobs: RunJobs) -> None:
    ran: list[str] = []

    def register(receiver: Receiver) -> None:
        @receiver.keyword("STOP")
        def stop(message: InboundMessage) -> None:
            ran.append(message.text)

        @receiver.fallback()
        def other(message: InboundMessage) -> None: ...

    app = make_app(handlers=register)
    post(app, "stop", "1")
    post(app, "hello", "2")
    run_jobs(app)
    output = invoke(app, "events", "replay", "--since", "1h", "--handler", "app.stop").output
    assert output == "1 events replayed.\n"
    run_jobs(app)
    assert ran == ["stop", "stop"]


def test_events_are_chosen_by_time_provider_and_account(app: Flask, run_jobs: RunJobs) -> None:
    post(app, transaction="1")
    post(app, transaction="2")
    run_jobs(app)
    for options, count in (
        (["--since", "1h"], 2),
        (["--until", "2020-01-01"], 0),
        (["--provider", "lefoka"], 0),
        (["--account", "smsbox"], 2),
    ):
        output = invoke(app, "events", "replay", "--dry-run", *options).output
        assert output == f"{count} events would be replayed.\n"


def test_what_waits_or_is_retried_is_left_alone(app: Flask, run_jobs: RunJobs, ran: Ran) -> None:
    post(app, "later", "1")
    run_jobs(app)
    post(app, "waits", "2")
    output = invoke(app, "events", "replay", "--since", "1h").output
    assert output == "0 events replayed, 2 left alone: they wait, or are at work.\n"
    run_jobs(app)
    assert not any(replay for _, replay in ran)


def test_a_replay_without_a_choice_or_with_a_wrong_one_says_what_to_do(app: Flask) -> None:
    assert "say which" in invoke(app, "events", "replay").output
    assert "no event begins with feed" in invoke(app, "events", "replay", "feed").output
    wrong = invoke(app, "events", "replay", "--since", "yesterday")
    assert "write 2h (ago)" in wrong.output
    wrong = invoke(app, "events", "replay", "--since", "1h", "--handler", "app.anwser")
    assert "there are: app.answer, app.watch" in wrong.output
