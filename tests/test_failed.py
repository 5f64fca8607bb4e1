"""Dead letters: listed, tried again, dropped; never lost on the way."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from conftest import LEFOKA_KEY
from flask import Flask
from support import report
from test_cli import invoke
from test_jobs import only_record, post
from wire import SMSBOX_SENT, FakeApi

from receiver import DeliveryReport, GiveUp, InboundMessage, Receiver

MakeApp = Callable[..., Flask]
RunJobs = Callable[[Flask], int]


class Shop:
    """An app that gives up on everything until its fault is mended."""

    def __init__(self, make_app: MakeApp, accounts: Any) -> None:
        self.broken = True
        self.ran: list[str] = []
        self.app = make_app(handlers=self._register, ACCOUNTS=accounts)

    def _register(self, receiver: Receiver) -> None:
        @receiver.fallback()
        def credit(message: InboundMessage) -> str:
            self._try("credit")
            return "You have 5 left."

        @receiver.report()
        def books(found: DeliveryReport) -> None:
            self._try("books")

    def _try(self, name: str) -> None:
        if self.broken:
            raise GiveUp(f"no account for {name} +255712345678")
        self.ran.append(name)


@pytest.fixture
def shop(make_app: MakeApp, accounts: Any, run_jobs: RunJobs) -> Shop:
    """That app, with a dead letter of each handler."""
    shop = Shop(make_app, accounts)
    post(shop.app)
    path = f"/webhooks/lefoka?api_key={LEFOKA_KEY}"
    shop.app.test_client().post(path, json=report("failed", "27637885448"))
    run_jobs(shop.app)
    return shop


def listed(app: Flask, *options: str) -> list[dict[str, Any]]:
    output = invoke(app, "failed", "list", "--json", *options).output
    return [json.loads(line) for line in output.splitlines()]


def test_a_list_shows_what_and_why_and_no_number_unless_asked(shop: Shop) -> None:
    output = invoke(shop.app, "failed").output
    assert re.search(r" smsbox  app\.credit  GiveUp$", output, re.M)
    assert re.search(r" lefoka  app\.books   GiveUp$", output, re.M)
    assert "255712345678" not in output
    assert (
        "no account for credit +255712345678"
        in invoke(shop.app, "failed", "list", "--reveal").output
    )


NOW = datetime.now(UTC)
CHOICES = {
    "handler": (["--handler", "app.books"], {"app.books"}),
    "provider": (["--provider", "smsbox"], {"app.credit"}),
    "account": (["--account", "lefoka"], {"app.books"}),
    "reason": (["--reason", "For Credit"], {"app.credit"}),
    "class of error": (["--reason", "giveup"], {"app.credit", "app.books"}),
    "since": (["--since", "1h"], {"app.credit", "app.books"}),
    "until": (["--until", (NOW - timedelta(days=1)).isoformat()], set()),
    "both": (["--handler", "app.books", "--provider", "smsbox"], set()),
}


@pytest.mark.parametrize(("options", "handlers"), CHOICES.values(), ids=CHOICES)
def test_dead_letters_are_chosen_by(shop: Shop, options: list[str], handlers: set[str]) -> None:
    assert {found["handler"] for found in listed(shop.app, *options)} == handlers


def test_an_id_is_an_events_or_its_beginning(shop: Shop) -> None:
    (found,) = listed(shop.app, "--handler", "app.credit")
    assert listed(shop.app, found["event"][:6]) == [found]
    shown = invoke(shop.app, "failed", "show", found["event"]).output
    assert "traceback: Traceback" in shown


def test_what_is_retried_is_handled_and_replied_to(
    shop: Shop, run_jobs: RunJobs, api: FakeApi, redis: Any
) -> None:
    shop.broken = False
    result = invoke(shop.app, "failed", "retry", "--handler", "app.credit")
    assert result.output == "1 queued again.\n"
    run_jobs(shop.app)
    assert shop.ran == ["credit"]
    assert api.texts() == ["You have 5 left."]
    assert [found["handler"] for found in listed(shop.app)] == ["app.books"]
    assert redis.zcard("receiver:open") == 0


def test_what_is_retried_in_vain_has_all_its_attempts_and_is_a_dead_letter_again(
    shop: Shop, run_jobs: RunJobs
) -> None:
    invoke(shop.app, "failed", "retry", "--all")
    assert listed(shop.app) == []
    run_jobs(shop.app)
    assert [found["attempts"] for found in listed(shop.app)] == [1, 1]


def test_two_operators_retry_it_once(shop: Shop, run_jobs: RunJobs, redis: Any) -> None:
    letters = shop.app.extensions["receiver"].deadletters
    found = [letter for letter in letters if letter.handler == "app.credit"]
    assert [letters.retry(letter) for letter in found * 2] == [1, -1]
    shop.broken = False
    run_jobs(shop.app)
    assert shop.ran == ["credit"]


def test_what_is_dropped_is_gone_and_its_event_says_why(shop: Shop, redis: Any) -> None:
    assert "say which" in invoke(shop.app, "failed", "drop").output
    assert "2 dropped" in invoke(shop.app, "failed", "drop", "--all", "--yes").output
    assert listed(shop.app) == []
    assert redis.keys("rq:job:*") == []
    assert "GiveUp" in invoke(shop.app, "events", "list", "--json").output


def test_a_dead_letter_keeps_its_event_from_expiring(shop: Shop, redis: Any) -> None:
    (found,) = listed(shop.app, "--handler", "app.credit")
    key = f"receiver:event:{found['event']}"
    assert redis.ttl(key) > 604_000
    redis.delete(key)
    result = invoke(shop.app, "failed", "retry", "--all")
    assert "has expired; drop it" in result.output
    assert "1 queued again, 1 left" in result.output


def test_a_reply_that_failed_is_sent_by_retrying(
    shop: Shop, run_jobs: RunJobs, api: FakeApi
) -> None:
    api.answers = [(400, {"code": 111, "message": "Invalid Sender Id"}), SMSBOX_SENT]
    shop.broken = False
    invoke(shop.app, "failed", "retry", "--handler", "app.credit")
    run_jobs(shop.app)
    (found,) = listed(shop.app, "--handler", "app.credit")
    assert (found["what"], found["why"]) == ("send", "app.credit: reply failed (111)")
    invoke(shop.app, "failed", "retry", "--handler", "app.credit")
    run_jobs(shop.app)
    assert api.texts() == ["You have 5 left."] * 2
    assert listed(shop.app, "--handler", "app.credit") == []


def test_a_reply_that_may_have_been_sent_needs_a_word_more(
    make_app: MakeApp, accounts: Any, run_jobs: RunJobs, api: FakeApi
) -> None:
    shop = Shop(make_app, accounts)
    shop.broken = False
    api.answers = [(200, b"")]  # taken, perhaps: the answer says nothing
    post(shop.app)
    run_jobs(shop.app)
    assert only_record(shop.app).replies["app.credit"]["state"] == "unknown"
    assert "may have been sent" in invoke(shop.app, "failed", "retry", "--all").output
    assert len(api.requests) == 1
    invoke(shop.app, "failed", "retry", "--all", "--uncertain")
    run_jobs(shop.app)
    assert len(api.requests) == 2
