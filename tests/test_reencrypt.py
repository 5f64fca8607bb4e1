"""Encryption at rest, brought under another key."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import planting
import pytest
from flask import Flask
from planting import NUMBER, OTHERS_WORDS, WORDS
from test_at_rest import (
    NEW,
    OLD,
    RunJobs,
    readable,
    records,
    shop,  # noqa: F401
)
from test_cli import invoke
from test_jobs import make_all_due
from test_spool_pages import spooling, wait_until_drained
from wire import FakeApi

from receiver import send
from receiver.errors import KeyLost


class TestAKeyThatIsLost:
    """What nobody can decrypt is told, and costs nothing else."""

    @pytest.fixture
    def app(self, shop: Callable[..., Flask], run_jobs: RunJobs) -> Flask:
        """An app that has lost the key of what waits for it."""
        planting.write(shop(OLD), WORDS)
        return shop(NEW)

    def test_other_events_are_acknowledged_and_handled(
        self, app: Flask, run_jobs: RunJobs, redis: Any
    ) -> None:
        planting.write(app, "good morning", planting.OTHER)
        run_jobs(app)
        (record,) = records(app)
        assert record.handlers["app.echo"]["state"] == "done"

    def test_the_event_waits_and_is_handled_once_the_key_is_back(
        self, app: Flask, shop: Callable[..., Flask], run_jobs: RunJobs, redis: Any
    ) -> None:
        run_jobs(app)
        back = shop(NEW, OLD)
        make_all_due(redis)
        run_jobs(back)
        (record,) = records(back)
        assert record.handlers["app.echo"]["state"] == "done"

    def test_a_dead_letter_of_it_says_what_to_do(
        self, app: Flask, run_jobs: RunJobs, shop: Callable[..., Flask], redis: Any
    ) -> None:
        while make_all_due(redis) or run_jobs(app):
            run_jobs(app)
        assert "crashed: KeyLost" in invoke(app, "failed", "list").output
        refused = invoke(app, "failed", "retry", "--all")
        assert "put back" in refused.output
        assert "1 dead letter cannot be decrypted" in refused.output
        assert refused.exit_code == 1
        back = shop(NEW, OLD)
        assert "1 queued again" in invoke(back, "failed", "retry", "--all").output
        run_jobs(back)
        assert [record.handlers["app.echo"]["state"] for record in records(back)] == ["done"]

    def test_it_keeps_no_other_dead_letter_from_being_tried_again(
        self, app: Flask, run_jobs: RunJobs, redis: Any
    ) -> None:
        planting.write(app, f"FAIL {OTHERS_WORDS}", planting.OTHER)
        while make_all_due(redis) or run_jobs(app):
            run_jobs(app)
        refused = invoke(app, "failed", "retry", "--all")
        assert "1 queued again, 1 left as they are." in refused.output
        assert refused.exit_code == 1

    @pytest.mark.parametrize("others", [0, 1], ids=["alone", "beside another"])
    def test_the_list_of_events_counts_it(self, app: Flask, others: int) -> None:
        for _ in range(others):
            planting.write(app, OTHERS_WORDS, planting.OTHER)
        output = invoke(app, "events", "list").output
        assert "1 event cannot be decrypted: put back" in output
        assert "No events yet" not in output

    def test_the_list_of_the_quarantine_counts_what_lies_there(
        self, shop: Callable[..., Flask]
    ) -> None:
        planting.call(shop(OLD), "smsbox", b"{", planting.SMSBOX_KEY)
        output = invoke(shop(NEW), "quarantine", "list").output
        assert "1 body cannot be decrypted" in output

    def test_check_finds_it(self, app: Flask) -> None:
        output = invoke(app, "check").output
        assert "cannot be decrypted" in output
        assert "RECEIVER_ENCRYPTION_KEYS" in output

    def test_what_waits_in_the_spool_stays_there(
        self, shop: Callable[..., Flask], caplog: pytest.LogCaptureFixture
    ) -> None:
        app = shop(OLD)
        with spooling(app):
            planting.write(app, WORDS)
            ((_, parcel),) = app.extensions["receiver"].spool.parcels()
            assert shop(NEW).extensions["receiver"].intake.draining.take_page([parcel, parcel]) == [
                False
            ]
            assert "error=KeyLost" in caplog.text
        wait_until_drained(app)

    def test_nothing_is_sent_while_nobody_can_tell_who_opted_out(
        self, shop: Callable[..., Flask], api: FakeApi
    ) -> None:
        shop(OLD).extensions["receiver"].optouts.add("smsbox", NUMBER, source="operator")
        with shop(NEW).app_context(), pytest.raises(KeyLost, match="taken out"):
            send("smsbox", planting.OTHER, "hello")
        assert api.requests == []


def test_reencrypt_leaves_nothing_under_the_old_key(
    shop: Callable[..., Flask], run_jobs: RunJobs, redis_url: str, tmp_path: Path
) -> None:
    planting.let_all_happen(shop(OLD), run_jobs)
    assert "values encrypted" in invoke(shop(NEW, OLD), "privacy", "reencrypt").output
    assert invoke(shop(NEW, OLD), "privacy", "reencrypt").output.startswith("0 values")
    app = shop(NEW)
    exported = json.loads(invoke(app, "export", NUMBER).stdout)
    assert exported["unreadable"] == 0
    assert len(exported["events"]) > 30
    assert app.extensions["receiver"].optouts.find("smsbox", NUMBER).words == f"STOP {WORDS}"
    run_jobs(app)
    assert "cannot be decrypted" not in invoke(app, "check").output


def test_reencrypt_encrypts_what_was_plain(
    shop: Callable[..., Flask], run_jobs: RunJobs, redis_url: str, tmp_path: Path
) -> None:
    planting.let_all_happen(shop(), run_jobs)
    app = shop(NEW)
    assert readable(redis_url, tmp_path) != []
    result = invoke(app, "privacy", "reencrypt")
    assert result.exit_code == 0, result.output
    assert readable(redis_url, tmp_path) == []
    assert app.extensions["receiver"].optouts.find("smsbox", NUMBER).words == f"STOP {WORDS}"
    answered = app.extensions["receiver"].sentbox.recipients_of("smsbox", "p-1", None, [NUMBER])
    assert answered == {NUMBER}


def test_reencrypt_without_a_key_says_so(shop: Callable[..., Flask]) -> None:
    result = invoke(shop(), "privacy", "reencrypt")
    assert result.exit_code == 1
    assert "RECEIVER_ENCRYPTION_KEYS is empty" in result.output


def test_reencrypt_with_a_lost_key_says_how_much(
    shop: Callable[..., Flask], run_jobs: RunJobs, caplog: pytest.LogCaptureFixture
) -> None:
    planting.write(shop(OLD), WORDS)
    with caplog.at_level(logging.ERROR):
        result = invoke(shop(NEW), "privacy", "reencrypt")
    assert result.exit_code == 1
    assert "2 values cannot be decrypted" in result.output
