"""Conversations from webhook to reply: who takes the next message, and what is known by then."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from processes import children, running, until
from test_handlers import record_of, say
from test_jobs import make_all_due, post
from wire import FakeApi

from receiver import InboundMessage, Receiver
from receiver.conversations import conversation

MakeApp = Callable[..., Flask]
RunJobs = Callable[[Flask], int]

SENDER = "+255712345678"


def shop(receiver: Receiver) -> None:
    @receiver.keyword("ORDER")
    def order(message: InboundMessage) -> str:
        with conversation(message, ttl=3600) as talk:
            talk["item"] = "shirt"
            talk.expect("size")
        return "Which size?"

    @receiver.router.expects("size")
    def size(message: InboundMessage) -> str:
        with conversation(message) as talk:
            if message.text not in ("S", "XL"):
                talk.expect("size")
                return "S or XL?"
            item = talk["item"]
            talk.end()
        return f"A {item} in {message.text}, then."

    @receiver.fallback()
    def rest(message: InboundMessage) -> str:
        return f"What is {message.text}?"


@pytest.fixture
def app(make_app: MakeApp, accounts: Any) -> Flask:
    return make_app(handlers=shop, ACCOUNTS=accounts)


def test_the_next_message_goes_to_who_expects_it(
    app: Flask, run_jobs: RunJobs, api: FakeApi
) -> None:
    say(app, run_jobs, "XL", "ORDER", "S", "thanks")
    answers = ["What is XL?", "Which size?", "A shirt in S, then.", "What is thanks?"]
    assert api.texts() == answers
    assert app.extensions["receiver"].conversations.show("smsbox", SENDER) is None


def test_what_is_expected_comes_before_keywords_and_can_be_asked_again(
    app: Flask, run_jobs: RunJobs, api: FakeApi
) -> None:
    say(app, run_jobs, "order", "ORDER", "blue", "XL", "order!")
    answers = ["Which size?", "S or XL?", "S or XL?", "A shirt in XL, then.", "Which size?"]
    assert api.texts() == answers


def test_the_messages_of_others_are_not_taken(app: Flask, run_jobs: RunJobs, api: FakeApi) -> None:
    say(app, run_jobs, "ORDER")
    body = {"from": "+255712345679", "to": "15000", "transaction_id": "o", "message": {"text": "S"}}
    key = app.config["RECEIVER_ACCOUNTS"]["smsbox"]["api_key"]
    app.test_client().post("/webhooks/smsbox", json=body, auth=(key, ""))
    run_jobs(app)
    assert api.texts() == ["Which size?", "What is S?"]


def test_a_resend_takes_nothing(app: Flask, run_jobs: RunJobs, api: FakeApi) -> None:
    say(app, run_jobs, "ORDER", "ORDER", "S")
    assert api.texts() == ["Which size?", "A shirt in S, then."]


def test_messages_that_wait_together_are_each_handled_in_turn(
    app: Flask, run_jobs: RunJobs, api: FakeApi
) -> None:
    for text in ("ORDER", "S", "thanks"):
        post(app, text, transaction=f"t-{text}")
    run_jobs(app)
    states = {text: sorted(record_of(app, text).handlers) for text in ("ORDER", "S", "thanks")}
    assert states == {"ORDER": ["app.order"], "S": ["app.size"], "thanks": ["app.rest"]}


def test_a_handler_that_fails_after_its_block_sees_the_same_again(
    make_app: MakeApp, accounts: Any, run_jobs: RunJobs, redis: Any, api: FakeApi
) -> None:
    seen: list[dict[str, Any]] = []

    def register(receiver: Receiver) -> None:
        @receiver.keyword("ORDER")
        def order(message: InboundMessage) -> None:
            with conversation(message) as talk:
                talk["item"] = "shirt"
                talk.expect("size")

        @receiver.router.expects("size")
        def size(message: InboundMessage) -> str:
            with conversation(message) as talk:
                seen.append(dict(talk))
                talk.end()
            if len(seen) < 3:
                raise RuntimeError("the shop is away")
            return f"A {seen[-1]['item']}."

        @receiver.every()
        def count(message: InboundMessage) -> None:
            with conversation(message) as talk:
                talk["count"] = talk.get("count", 0) + 1

    app = make_app(handlers=register, ACCOUNTS=accounts)
    say(app, run_jobs, "ORDER", "S")
    while make_all_due(redis):
        run_jobs(app)
    assert [found["item"] for found in seen] == ["shirt"] * 3
    assert record_of(app, "S").handlers["app.size"]["attempts"] == 3
    assert api.texts() == ["A shirt."]


KILLED = """
import os
from pathlib import Path
from flask import Flask
from receiver import Receiver
from receiver.conversations import conversation

app = Flask(__name__)
app.secret_key = "a-secret-key-of-some-length"
app.config["RECEIVER_ACCOUNTS"] = {"lefoka": {}, "smsbox": {}}
app.config["RECEIVER_REDIS_URL"] = os.environ["REDIS_URL"]
receiver = Receiver(app)
here = Path(__file__).parent

@receiver.keyword("COUNT")
def count(message):
    with conversation(message) as talk:
        talk["n"] = talk.get("n", 0) + 1
        n = talk["n"]
    with (here / "ran").open("a") as file:
        file.write(f"{n}\\n")
    os.close(os.open(here / "gate", os.O_RDONLY))  # opens when the test opens its end
"""


def test_a_worker_that_is_killed_after_the_commit_does_not_count_twice(
    make_app: MakeApp, redis_url: str, tmp_path: Path
) -> None:
    web = make_app()
    (tmp_path / "shop.py").write_text(KILLED)
    os.mkfifo(tmp_path / "gate")
    ran = tmp_path / "ran"
    post(web, "COUNT")
    command = ("flask", "--app", "shop", "receiver", "worker")
    with running(*command, folder=tmp_path, REDIS_URL=redis_url) as worker:
        until(lambda: ran.exists() and ran.read_text() == "1\n", "the first attempt")
        for pid in children(worker.pid):
            os.kill(pid, signal.SIGKILL)
        until(lambda: ran.read_text() == "1\n1\n", "the second attempt")
        (tmp_path / "gate").open("w").close()
        until(lambda: _state(web) == "done", "its end")
    shown = web.extensions["receiver"].conversations.show("smsbox", SENDER)
    assert shown is not None
    assert shown.state == {"n": 1}


def _state(app: Flask) -> str:
    return str(record_of(app, "COUNT").handlers.get("app.count", {}).get("state"))


def test_an_opt_out_ends_the_conversation(app: Flask, run_jobs: RunJobs, api: FakeApi) -> None:
    say(app, run_jobs, "ORDER", "STOP", "START", "XL")
    assert api.texts()[-1] == "What is XL?"


def test_an_old_opt_out_that_is_replayed_ends_no_conversation(
    app: Flask, run_jobs: RunJobs, api: FakeApi
) -> None:
    say(app, run_jobs, "STOP", "START", "ORDER")
    stop = record_of(app, "STOP").event.id
    replayed = app.test_cli_runner().invoke(args=["receiver", "events", "replay", stop])
    assert replayed.exit_code == 0, replayed.output
    run_jobs(app)
    say(app, run_jobs, "XL")
    assert api.texts()[-1] == "A shirt in XL, then."
