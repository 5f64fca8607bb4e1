"""Encrypted at rest: no word and no number is readable in Redis or on disk, and all still works."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import planting
import pytest
from cryptography.fernet import Fernet
from flask import Flask
from planting import DIGITS, NUMBER, OTHERS_WORDS, WORDS
from test_cli import invoke
from test_jobs import make_all_due
from test_spool_pages import spooling, wait_until_drained
from wire import FakeApi

from receiver import PermanentDeliveryError, send
from receiver.store.journal import Noted

MakeApp = Callable[..., Flask]

RunJobs = Callable[[Flask], int]

OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))

MARKS = (DIGITS, WORDS, OTHERS_WORDS)


@pytest.fixture
def shop(make_app: MakeApp, api: FakeApi, tmp_path: Path) -> Callable[..., Flask]:
    """Make the same app with other encryption keys."""

    def make(*keys: str, **more: Any) -> Flask:
        settings = planting.settings(api, tmp_path / "spool", ENCRYPTION_KEYS=list(keys), **more)
        return make_app(handlers=planting.handlers, **settings)

    return make


def readable(redis_url: str, tmp_path: Path) -> list[str]:
    """Name what is readable without a key."""
    in_redis = planting.found(MARKS, planting.in_redis(redis_url))
    return in_redis + planting.found(MARKS, planting.on_disk(tmp_path / "spool"))


def records(app: Flask) -> Iterator[Any]:
    journal = app.extensions["receiver"].journal
    return journal.records(list(journal.ids()))


def test_nothing_that_anybody_wrote_is_readable(
    shop: Callable[..., Flask], run_jobs: RunJobs, redis_url: str, tmp_path: Path
) -> None:
    planting.let_all_happen(shop(NEW), run_jobs)
    assert readable(redis_url, tmp_path) == []


def test_without_a_key_the_same_traffic_is_readable(
    shop: Callable[..., Flask], run_jobs: RunJobs, redis_url: str, tmp_path: Path
) -> None:
    planting.let_all_happen(shop(), run_jobs)
    found = readable(redis_url, tmp_path)
    assert {text.partition(" in ")[0] for text in found} == set(MARKS)


def test_what_waits_is_not_readable_either(
    shop: Callable[..., Flask], run_jobs: RunJobs, redis_url: str, tmp_path: Path
) -> None:
    app = shop(NEW)
    planting.write(app, WORDS)
    parts = app.extensions["receiver"]
    with spooling(app):
        planting.write(app, f"{WORDS} in the spool")
        assert len(parts.spool) == 1
        assert readable(redis_url, tmp_path) == []
    wait_until_drained(app)
    run_jobs(app)
    assert sorted(record.event.text for record in records(app)) == [WORDS, f"{WORDS} in the spool"]


def test_everything_is_handled_and_told_as_without_a_key(
    shop: Callable[..., Flask], run_jobs: RunJobs, api: FakeApi, redis: Any
) -> None:
    app = shop(NEW)
    planting.let_all_happen(app, run_jobs)
    by_text = {
        record.event.text: record for record in records(app) if record.event.kind == "message"
    }
    assert by_text[WORDS].replies["app.echo"]["text"] == f"You wrote: {WORDS}"
    assert by_text[WORDS].replies["app.echo"]["state"] == "sent"
    assert WORDS.encode() in by_text[WORDS].raw
    failed = by_text[f"FAIL {WORDS}"].handlers["app.fails"]
    assert failed["reason"] == f"{NUMBER} wrote FAIL {WORDS}"
    assert "RuntimeError" in failed["traceback"]
    assert f"You wrote: {WORDS}" in api.texts()
    listed = invoke(app, "optouts", "list", "--reveal").output
    assert NUMBER in listed
    assert WORDS in listed
    assert WORDS in invoke(app, "quarantine", "list", "--json").output
    assert WORDS in invoke(app, "failed", "list", "--json").output
    with app.app_context(), pytest.raises(PermanentDeliveryError, match="opted out"):
        send("smsbox", NUMBER, "hello")


def test_a_retry_and_a_replay_find_what_the_first_attempt_wrote(
    shop: Callable[..., Flask], run_jobs: RunJobs, redis: Any, api: FakeApi
) -> None:
    app = shop(NEW, RETRIES=3)
    api.answers = [(503, {}), (503, {}), (200, {"status": True, "code": 200, "data": "x"})]
    planting.write(app, f"FAIL {WORDS}")
    planting.write(app, WORDS, planting.OTHER)
    for _ in range(6):
        run_jobs(app)
        make_all_due(redis)
    by_text = {record.event.text: record for record in records(app)}
    assert by_text[f"FAIL {WORDS}"].handlers["app.fails"]["attempts"] == 4
    reply = by_text[WORDS].replies["app.echo"]
    assert (reply["state"], reply["attempts"]) == ("sent", 3)
    assert "1 queued again" in invoke(app, "failed", "retry", "--all").output
    assert run_jobs(app) == 1
    assert "1 events replayed, 1 left" in invoke(app, "events", "replay", "--since", "1h").output


def test_what_is_written_again_after_a_lost_answer_is_the_same(
    shop: Callable[..., Flask], run_jobs: RunJobs
) -> None:
    app = shop(NEW)
    planting.write(app, WORDS)
    run_jobs(app)
    journal = app.extensions["receiver"].journal
    (record,) = records(app)
    before = record.replies["app.echo"]
    after = journal.stored({**before, "text": "another"})
    for _ in range(2):
        assert journal.note(record.event.id, "reply:app.echo", after, after=before) is Noted.YES
    later = {**before, "text": "one more"}
    assert journal.note(record.event.id, "reply:app.echo", later, after=before) is Noted.OVERTAKEN


def test_a_key_may_be_set_and_rotated_while_events_wait(
    shop: Callable[..., Flask], run_jobs: RunJobs
) -> None:
    planting.write(shop(), f"{WORDS} 1")
    planting.write(shop(OLD), f"{WORDS} 2")
    planting.write(shop(NEW, OLD), f"{WORDS} 3")
    last = shop(NEW, OLD)
    run_jobs(last)
    replies = [record.replies["app.echo"]["text"] for record in records(last)]
    assert sorted(replies) == [f"You wrote: {WORDS} {number}" for number in (1, 2, 3)]


def test_an_opt_out_of_before_the_key_still_counts_and_a_later_word_ends_it(
    shop: Callable[..., Flask], redis: Any
) -> None:
    shop().extensions["receiver"].optouts.add("smsbox", NUMBER, words=WORDS, source="operator")
    optouts = shop(NEW).extensions["receiver"].optouts
    assert optouts.find("smsbox", NUMBER).words == WORDS
    assert [record.number for record in optouts.records("smsbox")] == [NUMBER]
    assert optouts.remove("smsbox", NUMBER, source="operator")
    assert optouts.find("smsbox", NUMBER) is None
    assert optouts.last_opt_in("smsbox", NUMBER)["ended"]["words"] == WORDS
    assert redis.hlen("receiver:optouts:smsbox") == 0
    assert optouts.add("smsbox", NUMBER, source="operator")
    assert optouts.find("smsbox", NUMBER) is not None
