"""Handlers in a worker: who answers, and what a pattern that never ends may cost."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from test_jobs import make_all_due, only_record, post
from wire import FakeApi

from receiver import InboundMessage, Receiver

MakeApp = Callable[..., Flask]
RunJobs = Callable[[Flask], int]

ENDLESS = r"(a+)+$"
TEXT = "a" * 64 + "!"


def test_a_pattern_that_backtracks_for_ever_is_stopped_and_the_next_handler_answers(
    make_app: MakeApp, accounts: Any, run_jobs: RunJobs, api: FakeApi
) -> None:
    def register(receiver: Receiver) -> None:
        @receiver.matching(ENDLESS, timeout=1)
        def endless(message: InboundMessage) -> str:
            return "never"

        @receiver.keyword("A" * 64)
        def next_one(message: InboundMessage) -> str:
            return "taken"

    app = make_app(handlers=register, ACCOUNTS=accounts)
    post(app, TEXT)
    started = time.monotonic()
    run_jobs(app)
    assert time.monotonic() - started < 10  # by itself it takes longer than the universe
    assert api.texts() == ["taken"]
    handlers = only_record(app).handlers
    assert handlers["app.endless"]["state"] == "failed"
    assert handlers["app.endless"]["reason"] == "its pattern took longer than 1 seconds"
    assert handlers["app.next_one"]["state"] == "done"


def test_the_groups_of_a_pattern_reach_its_handler(
    make_app: MakeApp, accounts: Any, run_jobs: RunJobs, api: FakeApi
) -> None:
    watched: list[Any] = []

    def register(receiver: Receiver) -> None:
        receiver.every()(watched.append)

        @receiver.matching(r"BAL (?P<account>\d+)")
        def balance(message: InboundMessage) -> str:
            return f"Account {message.groups['account']} has 5 left."

    app = make_app(handlers=register, ACCOUNTS=accounts)
    post(app, " bal 12 please")
    run_jobs(app)
    assert api.texts() == ["Account 12 has 5 left."]
    assert [message.groups for message in watched] == [{}]


def test_what_a_watcher_returns_is_no_reply(
    make_app: MakeApp, accounts: Any, run_jobs: RunJobs, api: FakeApi
) -> None:
    def register(receiver: Receiver) -> None:
        @receiver.every()
        def watcher(message: InboundMessage) -> str:
            return "not sent"

        @receiver.fallback()
        def winner(message: InboundMessage) -> str:
            return "sent"

    app = make_app(handlers=register, ACCOUNTS=accounts)
    post(app)
    run_jobs(app)
    assert api.texts() == ["sent"]
    assert only_record(app).handlers["app.watcher"]["state"] == "done"


def test_a_pattern_that_was_stopped_is_not_tried_again_with_each_retry(
    make_app: MakeApp, run_jobs: RunJobs, redis: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def register(receiver: Receiver) -> None:
        @receiver.matching(ENDLESS, timeout=0.2)
        def endless(message: InboundMessage) -> None: ...

        @receiver.fallback()
        def fails(message: InboundMessage) -> None:
            raise RuntimeError("the database is away")

    app = make_app(handlers=register)
    post(app, TEXT)
    run_jobs(app)
    make_all_due(redis)
    run_jobs(app)
    assert only_record(app).handlers["app.fails"]["attempts"] == 2
    assert caplog.text.count("outcome=pattern_timeout") == 1
