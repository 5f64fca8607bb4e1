"""`forget`, while something of the number waits or is in a worker's hands."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import planting
import pytest
from flask import Flask
from planting import (  # noqa: F401
    KEYS,
    NUMBER,
    OTHER,
    OTHERS_WORDS,
    WORDS,
    app,
    everywhere,
    forget,
    keys,
    planted,
)
from test_cli import invoke
from test_spool_pages import spooling
from wire import FakeApi

from receiver import InboundMessage, PermanentDeliveryError, Receiver, send
from receiver.clerk import Clerk
from receiver.store.connection import Connection
from receiver.store.journal import Noted

MakeApp = Callable[..., Flask]
RunJobs = Callable[[Flask], int]


class TestWhatWaits:
    """What nobody has handled yet is not lost by the way."""

    @pytest.fixture(autouse=True)
    def waiting(self, app: Flask) -> None:
        """Let the number write once more, and nobody handle it."""
        planting.write(app, f"{WORDS} waits")
        planting.write(app, f"{OTHERS_WORDS} waits", OTHER)

    def test_it_is_refused_by_default_and_nothing_is_erased(
        self, app: Flask, redis_url: str, tmp_path: Path, run_jobs: RunJobs
    ) -> None:
        result = invoke(app, "forget", NUMBER, "--yes")
        assert result.exit_code == 1
        assert "nothing was erased: 1 event waits" in result.output
        assert "--drop-waiting" in result.output
        assert forget(app, "--dry-run")["conversations"] == 2
        run_jobs(app)
        forget(app)
        assert everywhere(redis_url, tmp_path) == []

    def test_it_is_erased_unhandled_where_that_is_wanted(
        self, app: Flask, redis_url: str, tmp_path: Path, run_jobs: RunJobs, api: FakeApi
    ) -> None:
        sent = len(api.requests)
        forget(app, "--drop-waiting")
        assert everywhere(redis_url, tmp_path) == []
        assert run_jobs(app) == 2 + 1  # both are routed; only the other one's reply is sent
        assert api.texts()[sent:] == [f"You wrote: {OTHERS_WORDS} waits"]
        assert everywhere(redis_url, tmp_path) == []

    def test_a_worker_that_has_claimed_it_does_nothing_about_it(
        self,
        app: Flask,
        redis_url: str,
        tmp_path: Path,
        api: FakeApi,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        parts = app.extensions["receiver"]
        clerk = Clerk(parts.connection, parts.jobs, "messages", "w", 3600)
        sent = len(api.requests)
        with app.app_context():
            job = clerk.claim(wait=False)
            assert job is not None
            forget(app, "--drop-waiting")
            caplog.clear()
            clerk.perform(job)
            clerk.settle()
        assert everywhere(redis_url, tmp_path) == []
        assert len(api.requests) == sent
        assert "outcome=expired" in caplog.text
        assert "outcome=done" not in caplog.text

    def test_a_replay_of_what_was_forgotten_is_none(self, app: Flask, run_jobs: RunJobs) -> None:
        forget(app, "--drop-waiting")
        run_jobs(app)
        replayed = invoke(app, "events", "replay", "--account", "smsbox", "--dry-run").output
        done = invoke(app, "events", "replay", "--account", "smsbox").output
        assert int(done.split()[0]) < int(replayed.split()[0])
        run_jobs(app)
        assert forget(app) == {"opt-outs kept as a hash": 1}


BLOCKED = {"id": "m-b", "type": "sms", "recipient": [NUMBER[1:]], "status": "blist"}
OPTING_OUT: dict[str, tuple[str, Callable[[Flask], None]]] = {
    "a message": ("smsbox", lambda app: planting.write(app, "STOP")),
    "two messages": (
        "smsbox",
        lambda app: [planting.write(app, text) for text in ("START", "STOP")] and None,
    ),
    "a report": (
        "lefoka",
        lambda app: planting.call(app, "lefoka", BLOCKED, planting.LEFOKA_KEY),
    ),
}


@pytest.mark.parametrize(("account", "says"), OPTING_OUT.values(), ids=OPTING_OUT)
@pytest.mark.parametrize("is_spooled", [False, True], ids=["in Redis", "on disk"])
def test_who_opted_out_in_what_waits_gets_nothing_after_it_is_erased(
    make_app: MakeApp,
    api: FakeApi,
    tmp_path: Path,
    run_jobs: RunJobs,
    redis_url: str,
    keys: list[str],
    account: str,
    says: Callable[[Flask], None],
    is_spooled: bool,
) -> None:
    settings = planting.settings(api, tmp_path / "spool", ENCRYPTION_KEYS=keys)
    app = make_app(handlers=planting.handlers, **settings)
    if is_spooled:
        with spooling(app):
            says(app)
            forget(app, "--drop-waiting")
    else:
        says(app)
        forget(app, "--drop-waiting")
    run_jobs(app)
    assert everywhere(redis_url, tmp_path) == []
    with app.app_context(), pytest.raises(PermanentDeliveryError, match="opted out"):
        send(account, NUMBER, "hello")
    assert forget(app, "--also-optouts") == {"opt-outs kept as a hash": 1}


def test_where_the_key_of_the_opt_outs_is_lost_all_else_is_erased_and_that_is_said(
    make_app: MakeApp, api: FakeApi, tmp_path: Path, run_jobs: RunJobs, redis_url: str
) -> None:
    settings = planting.settings(api, tmp_path / "spool")
    app = make_app(handlers=planting.handlers, **settings)
    planting.write(app, "STOP", OTHER)
    run_jobs(app)
    assert invoke(app, "forget", OTHER, "--yes").exit_code == 0  # from here on there is a key
    planting.write(app, f"TALK {WORDS}")
    run_jobs(app)
    planting.write(app, "STOP")
    lost = make_app(**settings, SECRET_KEYS=["another-secret-key-of-some-length"])
    told = invoke(lost, "export", NUMBER, "--json")
    assert told.exit_code == 1
    assert WORDS in json.loads(told.stdout.splitlines()[0])["conversations"][0]["state"]["said"]
    result = invoke(lost, "forget", NUMBER, "--yes", "--drop-waiting")
    assert result.exit_code == 1
    assert "nobody can tell whether it opted out" in result.output
    assert "what waits opts out, and that cannot be noted" in result.output
    journal = app.extensions["receiver"].journal
    records = list(journal.records(list(journal.ids())))
    assert [r.event.text for r in records if r.event.sender is not None] == ["STOP"]
    assert planting.found((WORDS,), planting.in_redis(redis_url)) == []
    forget(app, "--drop-waiting")
    assert everywhere(redis_url, tmp_path) == []
    with app.app_context(), pytest.raises(PermanentDeliveryError, match="opted out"):
        send("smsbox", NUMBER, "hello")


def test_who_wants_the_opt_out_forgotten_too_has_no_other_left(
    make_app: MakeApp, api: FakeApi, tmp_path: Path
) -> None:
    app = make_app(handlers=planting.handlers, **planting.settings(api, tmp_path / "spool"))
    planting.write(app, "STOP")
    forget(app, "--drop-waiting", "--also-optouts")
    with app.app_context():
        send("smsbox", NUMBER, "hello")


def test_no_handler_that_waits_its_turn_sees_what_is_left(
    make_app: MakeApp, run_jobs: RunJobs, redis: Any, keys: list[str]
) -> None:
    seen: list[str | None] = []

    def handlers(receiver: Receiver) -> None:
        @receiver.every()
        def watches(message: InboundMessage) -> None:
            seen.append(message.sender)

        @receiver.fallback()
        def answers(message: InboundMessage) -> str:
            return message.text

    app = make_app(handlers=handlers, ENCRYPTION_KEYS=keys)
    planting.write(app, WORDS)
    parts = app.extensions["receiver"]
    clerk = Clerk(parts.connection, parts.jobs, "messages", "w", 3600)
    with app.app_context():
        job = clerk.claim(wait=False)
        assert job is not None
        clerk.perform(job)
        clerk.settle()
    assert redis.llen("rq:queue:receiver-sends") == 1
    assert forget(app, "--drop-waiting")["replies"] == 1
    assert run_jobs(app) == 2
    assert seen == []


def test_a_poll_that_was_claimed_before_brings_no_number_back(
    app: Flask, redis_url: str, tmp_path: Path
) -> None:
    box = app.extensions["receiver"].sentbox
    now = datetime.now(UTC) + timedelta(minutes=2)
    polls = {poll.message_id: poll for poll in box.due(now, 10, 600)}
    assert polls["p-1"].recipients == (NUMBER, OTHER)
    forget(app)
    box.settle(polls["p-1"], now)
    assert everywhere(redis_url, tmp_path) == []
    (poll,) = (poll for poll in box.due(now, 10, 600) if poll.message_id == "p-1")
    assert poll.recipients == (OTHER,)
    box.settle(replace(poll, refusals=1), now)
    assert [poll.refusals for poll in box.due(now, 10, 600) if poll.message_id == "p-1"] == [1]


def test_nobody_writes_on_what_was_forgotten(app: Flask) -> None:
    journal = app.extensions["receiver"].journal
    forget(app)
    gone = next(found for found in journal.records(list(journal.ids())) if found.forgotten)
    outcome = {"state": "failed", "reason": WORDS}
    assert journal.note(gone.event.id, "handler:late", outcome) is Noted.GONE
    assert journal.note(gone.event.id, "handler:late", outcome, after={}) is Noted.GONE
    assert "late" not in journal.load(gone.event.id).handlers


AMENDS = {
    "as it was read": ([2, "text", "before", "after"], 1, "after"),
    "another text": ([2, "text", "other", "after"], -1, "before"),
    "one field more": ([1, "text", "before", "after"], -1, "before"),
    "whatever else is there": (["", "text", "before", "after"], 1, "after"),
    "a field that goes": ([2, "text", "before", ""], 1, None),
}


@pytest.mark.parametrize(("args", "answer", "text"), AMENDS.values(), ids=AMENDS)
def test_a_hash_is_amended_only_as_it_was_read(
    redis_url: str, redis: Any, args: list[Any], answer: int, text: str | None
) -> None:
    redis.hset("a", mapping={"text": "before", "more": "1"})
    connection = Connection(redis_url)
    assert connection.run("amend", ["a"], args) == answer
    assert redis.hget("a", "text") == text
    assert connection.run("amend", ["nothing"], args) == 0
