"""`sms.assert_idempotent`: it finds each kind of handler that a second run harms, and says where."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import ACCOUNTS
from flask import Flask

from receiver import InboundMessage, Receiver
from receiver.testing.callbacks import smsbox
from receiver.testing.trial import Trial
from receiver.testing.victim import AFTER_NOTED, AFTER_RETURN, BEFORE, Place, Victim

SENDER = "+255712345678"


class Accounts:
    """A user's database: a file, so that a worker's process and the test see the same."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clear()

    def connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, isolation_level=None)

    def clear(self) -> None:
        self.path.unlink(missing_ok=True)
        with self.connect() as db:
            db.execute("create table total (cents integer)")
            db.execute("insert into total values (0)")
            db.execute("create table paid (id text primary key, cents integer)")

    def rows(self) -> dict[str, list[Any]]:
        with self.connect() as db:
            return {name: sorted(db.execute(f"select * from {name}")) for name in ("total", "paid")}


@pytest.fixture
def db(tmp_path: Path) -> Accounts:
    return Accounts(tmp_path / "accounts.db")


@pytest.fixture
def app(db: Accounts, tmp_path: Path) -> Iterator[Flask]:
    app = Flask("shop")
    app.secret_key = "a-secret-key-of-some-length"
    app.config["RECEIVER_ACCOUNTS"] = ACCOUNTS
    receiver = Receiver(app)

    @receiver.keyword("ADD")
    def adds(message: InboundMessage) -> None:
        with db.connect() as found:
            found.execute("update total set cents = cents + 1")

    @receiver.keyword("MARK")
    def marks_first(message: InboundMessage) -> None:
        with db.connect() as found:
            new = found.execute("insert or ignore into paid values (?, 1)", [message.id]).rowcount
            if new:
                found.execute("update total set cents = cents + 1")

    @receiver.keyword("ONCE")
    def once(message: InboundMessage) -> str:
        with db.connect() as found:
            found.execute("insert or ignore into paid values (?, 1)", [message.id])
        return "Thank you."

    @receiver.keyword("THINK")
    def thinks(message: InboundMessage) -> None:
        app.config["THOUGHT"] = message.text

    @receiver.keyword("LAST")
    def last_wins(message: InboundMessage) -> None:
        with db.connect() as found:
            found.execute("update total set cents = ?", [int(message.text.split()[1])])

    written = os.open(tmp_path / "written", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    @receiver.keyword("WRITE")
    def writes(message: InboundMessage) -> None:
        os.write(written, b"a")
        os.write(written, b"b")
        os.write(written, b"c")

    @receiver.keyword("FAIL")
    def fails(message: InboundMessage) -> None:
        raise ValueError("it cannot be done")

    yield app
    os.close(written)


def says(word: str) -> list[Any]:
    return [smsbox.inbound(f"{word} {n}", sender=SENDER, id=f"t-{n}") for n in (1, 2)]


def test_a_handler_that_may_run_again_passes(sms: Trial, db: Accounts) -> None:
    sms.assert_idempotent("app.once", *says("ONCE"), snapshot=db.rows, reset=db.clear)
    assert sms.sent == []


def test_one_that_only_answers_needs_no_snapshot(sms: Trial) -> None:
    sms.assert_idempotent("app.once", *says("ONCE"))


@pytest.mark.parametrize(
    ("handler", "word", "where", "line"),
    [
        pytest.param(
            "adds", "ADD", "inside the handler, after 2 of the lines", "(4,)", id="counts-twice"
        ),
        pytest.param("marks_first", "MARK", "inside the handler", "(0,)", id="loses-in-between"),
        pytest.param("last_wins", "LAST", "in another order", "(1,)", id="order-matters"),
    ],
)
def test_what_a_second_run_changes_is_found_and_shown(
    sms: Trial, db: Accounts, handler: str, word: str, where: str, line: str
) -> None:
    with pytest.raises(AssertionError) as caught:
        sms.assert_idempotent(f"app.{handler}", *says(word), snapshot=db.rows, reset=db.clear)
    said = str(caught.value)
    assert said.startswith(f"app.{handler} is not idempotent: ")
    assert where in said
    assert any(row.startswith("+") and line in row for row in said.splitlines()), said


@pytest.mark.parametrize(
    ("handler", "word", "said"),
    [
        pytest.param("fails", "FAIL", "it cannot be done", id="the-clean-run-fails"),
        pytest.param("thinks", "THINK", "not in memory", id="nothing-to-compare"),
        pytest.param("once", "ADD", "no event went to app.once; it went to app.adds", id="another"),
    ],
)
def test_what_proves_nothing_is_no_pass(
    sms: Trial, db: Accounts, handler: str, word: str, said: str
) -> None:
    with pytest.raises(AssertionError, match=said):
        sms.assert_idempotent(f"app.{handler}", *says(word), snapshot=db.rows, reset=db.clear)


def test_the_handler_may_be_given_as_the_function(sms: Trial, app: Flask) -> None:
    (function,) = [
        handler.function.__wrapped__
        for handler in sms.parts.loaded.table
        if handler.name == "app.once"
    ]
    sms.assert_idempotent(function, *says("ONCE"))
    with pytest.raises(AssertionError, match="is 0 handlers of this app"):
        sms.assert_idempotent(print, *says("ONCE"))


def test_a_snapshot_needs_a_way_back(sms: Trial, db: Accounts) -> None:
    with pytest.raises(TypeError, match="snapshot= needs reset="):
        sms.assert_idempotent("app.once", *says("ONCE"), snapshot=db.rows)


@pytest.mark.parametrize(
    ("place", "written"),
    [
        pytest.param(None, "abc", id="nowhere"),
        pytest.param(BEFORE, "abc", id="before"),
        pytest.param(Place(1), "aabc", id="after-one-line"),
        pytest.param(Place(2), "ababc", id="after-two-lines"),
        pytest.param(AFTER_RETURN, "abcabc", id="after-the-last"),
        pytest.param(AFTER_NOTED, "abc", id="after-it-was-noted"),
    ],
)
def test_a_worker_dies_where_it_is_told_to_and_another_one_goes_on(
    sms: Trial, tmp_path: Path, place: Place | None, written: str
) -> None:
    victim = Victim(sms, "app.writes")
    sms.knock(smsbox.inbound("WRITE", id="t-1"), account="smsbox")
    victim.work(place)
    assert (tmp_path / "written").read_text() == written
    ((_, outcome),) = victim.outcomes()
    noted_before = place in (None, AFTER_NOTED)
    assert (outcome["state"], "crashes" in outcome) == ("done", not noted_before)
    (event,) = sms.events
    assert (sms.folder / "victims" / event.id).exists() is (place is not None)


def test_a_worker_that_breaks_is_no_clean_run(sms: Trial) -> None:
    def breaks() -> None:
        raise OSError("no database")

    with pytest.raises(AssertionError, match="no database"):
        sms.assert_idempotent("app.once", *says("ONCE"), in_worker=breaks)
