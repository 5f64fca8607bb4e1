"""`forget`: a number that was everywhere is nowhere afterwards, and stays away."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import planting
import pytest
from cryptography.fernet import Fernet
from flask import Flask
from planting import DIGITS, NATIONAL, NUMBER, OTHER, OTHERS_WORDS, WORDS
from redis import Redis
from test_cli import invoke
from wire import FakeApi

from receiver import PermanentDeliveryError, send
from receiver.clerk import Clerk

MakeApp = Callable[..., Flask]
RunJobs = Callable[[Flask], int]

KEYS = {"in clear": [], "encrypted": [Fernet.generate_key().decode()]}


@pytest.fixture(params=KEYS.values(), ids=KEYS)
def keys(request: pytest.FixtureRequest) -> list[str]:
    """The encryption keys of a deployment: none, or one."""
    found: list[str] = request.param
    return found


@pytest.fixture
def app(
    make_app: MakeApp, api: FakeApi, tmp_path: Path, run_jobs: RunJobs, keys: list[str]
) -> Flask:
    """An app in which the number is everywhere."""
    settings = planting.settings(api, tmp_path / "spool", ENCRYPTION_KEYS=keys)
    app = make_app(handlers=planting.handlers, **settings)
    planting.let_all_happen(app, run_jobs)
    return app


def forget(app: Flask, *args: str, status: int = 0) -> Any:
    """Forget the number; gives what was found, by place."""
    result = invoke(app, "forget", NUMBER, "--yes", "--json", *args)
    assert result.exit_code == status, result.output
    return json.loads(result.stdout.splitlines()[0])["found"]


def everywhere(redis_url: str, tmp_path: Path) -> list[str]:
    """Name each place in which the number or the words still are."""
    marks = (DIGITS, WORDS)
    return [
        *planting.found(marks, planting.in_redis(redis_url)),
        *planting.found(marks, planting.on_disk(tmp_path / "spool")),
    ]


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

    def test_a_worker_that_has_claimed_it_writes_nothing_of_it(
        self, app: Flask, redis_url: str, tmp_path: Path, api: FakeApi
    ) -> None:
        parts = app.extensions["receiver"]
        clerk = Clerk(parts.connection, parts.jobs, "messages", "w", 3600)
        sent = len(api.requests)
        with app.app_context():
            job = clerk.claim(wait=False)
            assert job is not None
            forget(app, "--drop-waiting")
            clerk.perform(job)
            clerk.settle()
        assert everywhere(redis_url, tmp_path) == []
        assert len(api.requests) == sent

    def test_a_replay_of_what_was_forgotten_is_none(self, app: Flask, run_jobs: RunJobs) -> None:
        forget(app, "--drop-waiting")
        run_jobs(app)
        replayed = invoke(app, "events", "replay", "--account", "smsbox", "--dry-run").output
        done = invoke(app, "events", "replay", "--account", "smsbox").output
        assert int(done.split()[0]) < int(replayed.split()[0])
        run_jobs(app)
        assert forget(app) == {"opt-outs kept as a hash": 1}


def test_what_redis_refused_waits_in_the_spool_and_is_dropped_there(
    app: Flask, redis_url: str, tmp_path: Path
) -> None:
    parts = app.extensions["receiver"]
    parts.spool.put(f'{{"version": 0, "from": "+27{DIGITS}", "said": "{WORDS}"}}'.encode())
    parts.spool.put(b'{"version": 0, "of": "somebody else"}')
    assert invoke(app, "forget", NUMBER, "--yes").exit_code == 1
    assert forget(app, "--drop-waiting")["spool of this host"] == 1
    assert everywhere(redis_url, tmp_path) == []
    assert len(parts.spool) == 1


def test_a_damaged_file_that_names_the_number_is_told(app: Flask, tmp_path: Path) -> None:
    aside = tmp_path / "spool" / "spool-corrupt-1.db"
    with closing(sqlite3.connect(aside)) as database, database:
        database.execute("CREATE TABLE parcels (id INTEGER PRIMARY KEY AUTOINCREMENT, parcel BLOB)")
        database.execute("INSERT INTO parcels (parcel) VALUES (?)", [f"x {NUMBER} x".encode()])
    result = invoke(app, "forget", NUMBER, "--yes")
    assert result.exit_code == 1
    assert "spool-corrupt-1.db is damaged" in result.output
    aside.unlink()
    forget(app)


STEPS = (0, 40, 80, 110, 140)


@pytest.mark.parametrize("step", STEPS)
def test_a_kill_in_the_middle_costs_nothing(
    app: Flask, step: int, redis_url: str, tmp_path: Path, keys: list[str], api: FakeApi
) -> None:
    settings = planting.settings(api, tmp_path / "spool", ENCRYPTION_KEYS=keys)
    settings |= {"REDIS_URL": redis_url, "SECRET_KEYS": ["a-secret-key-of-some-length"]}
    done = subprocess.run(
        [sys.executable, "-c", KILLED, json.dumps(settings), NUMBER, str(step)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    forget(app)
    assert everywhere(redis_url, tmp_path) == []
    with app.app_context(), pytest.raises(PermanentDeliveryError, match="opted out"):
        send("smsbox", NUMBER, "hello")


KILLED = """
import json, os, signal, sys
from flask import Flask
from receiver import Receiver
from receiver.privacy import Forgetting, Search

app = Flask("shop")
for name, value in json.loads(sys.argv[1]).items():
    app.config[f"RECEIVER_{name}"] = value
Receiver(app)
left = [int(sys.argv[3])]

def die_in_time(more):
    left[0] -= more
    if left[0] < 0:
        os.kill(os.getpid(), signal.SIGKILL)

with app.app_context():
    places = app.extensions["receiver"].places
    Forgetting(Search(places, sys.argv[2])).run(erasing=die_in_time)
"""
