"""`forget`: a number that was everywhere is nowhere afterwards, and stays away."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import planting
import pytest
from cryptography.fernet import Fernet
from flask import Flask
from planting import (  # noqa: F401
    DIGITS,
    KEYS,
    NATIONAL,
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
from redis import Redis
from test_cli import invoke
from wire import FakeApi

from receiver import PermanentDeliveryError, send

MakeApp = Callable[..., Flask]
RunJobs = Callable[[Flask], int]


def test_a_number_that_was_everywhere_is_nowhere_afterwards(
    app: Flask, redis_url: str, tmp_path: Path, keys: list[str]
) -> None:
    assert bool(everywhere(redis_url, tmp_path)) is not bool(keys)
    before = forget(app)
    assert set(before) >= {
        *("events", "events with others", "other people's events", "raw bodies"),
        *("handler outcomes", "replies", "dead letters", "quarantined bodies", "conversations"),
        *("opt-outs", "sent to", "sends", "polls", "contact index"),
    }
    assert everywhere(redis_url, tmp_path) == []
    assert forget(app) == {"opt-outs kept as a hash": 1}
    document = json.loads(invoke(app, "export", NUMBER, "--json").stdout)
    left = [part for part, told in document.items() if isinstance(told, list) and told]
    assert left == ["opt_outs"]
    assert forget(app, "--also-optouts") == {"opt-outs kept as a hash": 1}
    assert forget(app) == {}


def test_others_lose_nothing_but_the_mention(app: Flask, run_jobs: RunJobs) -> None:
    forget(app)
    journal = app.extensions["receiver"].journal
    others = {
        record.event.text: record
        for record in journal.records(list(journal.ids()))
        if record.event.kind == "message" and OTHERS_WORDS in record.event.text
    }
    asked = others[f"TALK ask (forgotten) about {OTHERS_WORDS}"]
    assert asked.replies["app.talks"]["text"] == f"Noted: {asked.event.text}"
    failed = others[f"FAIL {OTHERS_WORDS} of (forgotten)"]
    assert failed.handlers["app.fails"]["reason"] == f"{OTHER} wrote {failed.event.text}"
    reply = others[OTHERS_WORDS]
    assert (reply.event.sender, reply.event.candidates) == (None, (OTHER,))
    shown = app.extensions["receiver"].conversations.show("smsbox", OTHER)
    assert shown.state == {"said": asked.event.text, "who": OTHER}


def test_what_remains_says_that_there_was_something(app: Flask) -> None:
    journal = app.extensions["receiver"].journal
    before = {record.event.id: record for record in journal.records(list(journal.ids()))}
    forget(app)
    after = {record.event.id: record for record in journal.records(list(journal.ids()))}
    assert after.keys() == before.keys()
    gone = [record for record in after.values() if record.forgotten]
    assert len(gone) > 30
    for record in gone:
        was = before[record.event.id]
        assert record.event.received_at == was.event.received_at
        assert not record.event.text
        assert record.packed is None
        states = {name: found["state"] for name, found in was.handlers.items()}
        assert {name: found["state"] for name, found in record.handlers.items()} == states
    listed = invoke(app, "events", "list", "--limit", "100", "--reveal")
    assert listed.exit_code == 0, listed.output


def test_a_resend_is_known_and_brings_nothing_back(
    app: Flask, run_jobs: RunJobs, redis_url: str, tmp_path: Path
) -> None:
    forget(app)
    planting.write(app, WORDS)
    planting.call(app, "smsbox", f'{{"from": "0{DIGITS}", {WORDS}'.encode(), planting.SMSBOX_KEY)
    report = {"id": "m-1", "type": "sms", "recipient": [OTHER[1:], NUMBER[1:]]}
    report |= {"status": "delivered", "message": OTHERS_WORDS}
    planting.call(app, "lefoka", report, planting.LEFOKA_KEY)
    assert run_jobs(app) == 0
    assert everywhere(redis_url, tmp_path) == []
    assert len(app.extensions["receiver"].quarantine) == 0


def test_who_said_stop_gets_nothing_even_when_nobody_knows_the_number(
    app: Flask, api: FakeApi, run_jobs: RunJobs
) -> None:
    forget(app)
    sent = len(api.requests)
    with app.app_context(), pytest.raises(PermanentDeliveryError, match="opted out"):
        send("smsbox", NUMBER, "hello")
    planting.write(app, "are you there?")
    run_jobs(app)
    assert len(api.requests) == sent
    assert "-" in invoke(app, "optouts", "list", "--account", "smsbox").output
    planting.write(app, "START")
    planting.write(app, "and now?")
    run_jobs(app)
    assert api.texts()[sent:] == ["You wrote: START", "You wrote: and now?"]


def test_the_suppression_outlives_a_rotation(
    app: Flask, make_app: MakeApp, api: FakeApi, tmp_path: Path, keys: list[str]
) -> None:
    forget(app)
    newer = [Fernet.generate_key().decode(), *keys] if keys else []
    secrets = ["a-newer-secret-of-some-length", "a-secret-key-of-some-length"]
    for kept, secret in ((newer, secrets), (newer[:1], secrets[:1])):
        settings = planting.settings(
            api, tmp_path / "spool", ENCRYPTION_KEYS=kept, SECRET_KEYS=secret
        )
        rotated = make_app(**settings)
        if kept == newer and keys:
            assert invoke(rotated, "privacy", "reencrypt").exit_code == 0
        with rotated.app_context(), pytest.raises(PermanentDeliveryError, match="opted out"):
            send("smsbox", NUMBER, "hello")


def test_a_dry_run_changes_nothing(app: Flask, redis_url: str) -> None:
    with Redis.from_url(redis_url) as client:
        before = {key: client.dump(key) for key in client.keys("*")}
        counted = json.loads(invoke(app, "forget", NUMBER, "--dry-run", "--json").stdout)["found"]
        assert {key: client.dump(key) for key in client.keys("*")} == before
    assert forget(app) == counted


def test_the_table_names_places_and_counts_and_no_number(app: Flask) -> None:
    shown = invoke(app, "forget", NATIONAL, "--dry-run")
    assert shown.exit_code == 2  # whose country is it?
    shown = invoke(app, "forget", NUMBER.replace("+27", "0027"), "--dry-run")
    assert "conversations" in shown.output
    assert DIGITS not in shown.output


def test_nobody_to_ask_means_nothing_is_erased(app: Flask) -> None:
    assert invoke(app, "forget", NUMBER).exit_code == 2
    assert forget(app, "--dry-run")["events"] > 30
