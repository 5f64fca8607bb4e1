"""`forget` on disk: the spool of this host, and a process that is killed in the middle."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import planting
import pytest
from flask import Flask
from planting import (  # noqa: F401
    DIGITS,
    KEYS,
    NUMBER,
    WORDS,
    app,
    everywhere,
    forget,
    keys,
    planted,
)
from test_cli import invoke
from wire import FakeApi

from receiver import PermanentDeliveryError, send

MakeApp = Callable[..., Flask]
RunJobs = Callable[[Flask], int]


def test_pages_of_the_spool_that_are_free_are_written_anew(app: Flask, tmp_path: Path) -> None:
    def on_disk() -> list[str]:
        return planting.found((DIGITS, "lingers"), planting.on_disk(tmp_path / "spool"))

    with closing(sqlite3.connect(tmp_path / "spool" / "spool.db")) as database:
        database.execute("PRAGMA secure_delete = 0").fetchall()
        with database:
            row = f"{NUMBER} lingers" + " " * 9_000
            database.execute("INSERT INTO parcels (put_at, parcel) VALUES (0, ?)", [row])
            database.execute("DELETE FROM parcels WHERE put_at = 0")
    assert on_disk() != []
    forget(app)
    assert on_disk() == []


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
