"""What waits in the spool goes to Redis many at once, and each as if it went alone."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from processes import until
from redis import Redis
from redis.exceptions import ResponseError
from relay import Relay
from servers import own_valkey, url_of
from support import KEYS, message, report
from test_spool import drained, fill

from receiver import InboundMessage, Receiver
from receiver.store.spool import Spool
from receiver.store.spool_lock import try_lock, unlock

MakeApp = Callable[..., Flask]
RunJobs = Callable[[Flask], int]

OF_A_WRONG_TYPE = "neither a list nor a set"
ANOTHER = "+255712345679"


@pytest.fixture
def relay(redis_url: str) -> Iterator[Relay]:
    with Relay(redis_url) as relay:
        yield relay


@pytest.fixture
def handled() -> list[str]:
    """The texts that a handler was given."""
    return []


def noting(handled: list[str]) -> Callable[[Receiver], None]:
    """Give what adds a handler of everything, which notes it here."""

    def handlers(receiver: Receiver) -> None:
        @receiver.fallback()
        def note(found: InboundMessage) -> None:
            handled.append(found.text)

    return handlers


@pytest.fixture
def app(make_app: MakeApp, relay: Relay, tmp_path: Path, handled: list[str]) -> Flask:
    """An app whose commands to Redis are seen."""
    return make_app(handlers=noting(handled), REDIS_URL=relay.url, SPOOL_DIR=str(tmp_path))


@contextmanager
def spooling(app: Flask) -> Iterator[None]:
    """Have callbacks wait: earlier ones seem to, and nobody can drain them before the end."""
    folder = app.extensions["receiver"].settings.spool_dir
    lock = try_lock(folder / "spool.drain")
    assert lock is not None
    (folder / "spool.behind").touch()
    try:
        yield
    finally:
        unlock(lock)


def post(app: Flask, account: str, body: dict[str, Any]) -> None:
    headers = {"x-api-key": KEYS[account]}
    answer = app.test_client().post(f"/webhooks/{account}", json=body, headers=headers)
    assert answer.status_code == 200


def say(app: Flask, text: str, number: str = "+255712345678") -> None:
    post(app, "smsbox", message(f"t-{text}", message={"text": text}, **{"from": number}))


@contextmanager
def spool_of(folder: Path) -> Iterator[sqlite3.Connection]:
    """The file of a spool, in a transaction."""
    with closing(sqlite3.connect(folder / "spool.db")) as database, database:
        yield database


def parcel(database: sqlite3.Connection, number: int) -> dict[str, Any]:
    """What a callback that waits is written as."""
    (text,) = database.execute("SELECT parcel FROM parcels WHERE id = ?", [number]).fetchone()
    found: dict[str, Any] = json.loads(text)
    return found


def wait_until_drained(app: Flask, left: int = 0) -> None:
    """Wait for the app's own thread; what Redis refused is left."""
    spool = app.extensions["receiver"].spool
    until(lambda: not spool.behind and len(spool) == left, "the drain")


def written_with(relay: Relay) -> list[bytes]:
    """The commands that wrote events."""
    mine = {b"MULTI", b"EVAL", b"EVALSHA", b"EXEC"}
    return [name for name in relay.commands() if name in mine]


def resends(app: Flask) -> list[int]:
    journal = app.extensions["receiver"].journal
    return [record.resends for record in journal.records(journal.ids())]


def test_what_waits_goes_in_one_transaction_and_in_order(
    app: Flask, relay: Relay, run_jobs: RunJobs, handled: list[str]
) -> None:
    texts = [str(number) for number in range(30)]
    with spooling(app):
        for text in texts:
            say(app, text)
    wait_until_drained(app)
    assert written_with(relay) == [b"MULTI", b"EVAL", *[b"EVALSHA"] * 29, b"EXEC"]
    run_jobs(app)
    assert handled == texts
    assert resends(app) == [0] * 30


def test_no_more_events_go_at_once_than_redis_takes_in_passing(app: Flask, relay: Relay) -> None:
    with spooling(app):
        for first in (0, 60, 120):
            numbers = [f"27{600_000_000 + number}" for number in range(first, first + 60)]
            post(app, "lefoka", report("delivered", *numbers))
    wait_until_drained(app)
    assert b"MULTI" not in written_with(relay)
    assert resends(app) == [0] * 180


def test_what_redis_refuses_among_others_is_left_alone(
    app: Flask, redis: Any, run_jobs: RunJobs, handled: list[str], tmp_path: Path
) -> None:
    with spooling(app):
        for text in "1234":
            say(app, text)
        with spool_of(tmp_path) as database:
            (event,) = parcel(database, 2)["events"]
            record = f"receiver:event:{event['id']}"
            redis.set(record, "no record of ours")
    wait_until_drained(app, left=1)
    assert app.extensions["receiver"].spool.status().refused == 1
    run_jobs(app)
    assert handled == ["1", "3", "4"]
    redis.delete(record)
    say(app, "5")
    wait_until_drained(app)
    run_jobs(app)
    assert set(handled[3:]) == {"2", "5"}
    assert resends(app) == [0] * 5


def test_what_nobody_can_read_is_left_and_all_behind_it_is_taken(
    app: Flask, run_jobs: RunJobs, handled: list[str]
) -> None:
    texts = [str(number) for number in range(6)]
    with spooling(app):
        for text in texts:
            say(app, text)
            if text in ("0", "3"):
                app.extensions["receiver"].spool.put(b"no parcel")
                post(app, "smsbox", {"unreadable": text})
    wait_until_drained(app, left=2)
    run_jobs(app)
    assert handled == texts
    assert resends(app) == [0] * 6


def test_a_parcel_that_cannot_even_be_sent_holds_up_no_other(
    app: Flask, run_jobs: RunJobs, handled: list[str], tmp_path: Path
) -> None:
    spool = app.extensions["receiver"].spool
    with spooling(app):
        for text in "123":
            say(app, text)
        with spool_of(tmp_path) as database:
            broken = parcel(database, 2)
            broken["alike"] = {event["id"]: ["no", "text"] for event in broken["events"]}
            database.execute("UPDATE parcels SET parcel = ? WHERE id = 2", [json.dumps(broken)])
    wait_until_drained(app, left=1)
    assert spool.status().refused == 1
    run_jobs(app)
    assert handled == ["1", "3"]


def test_a_full_redis_takes_none_of_them_and_later_all_in_order(
    make_app: MakeApp, run_jobs: RunJobs, tmp_path: Path, handled: list[str]
) -> None:
    with own_valkey() as server, Redis.from_url(url_of(server)) as redis:
        app = make_app(handlers=noting(handled), REDIS_URL=url_of(server), SPOOL_DIR=str(tmp_path))
        parts = app.extensions["receiver"]
        with spooling(app):
            for text in "123":
                say(app, text)
            redis.config_set("maxmemory", 1)
        with pytest.raises(ResponseError, match="OOM"):
            until(lambda: parts.spool.drain_by_pages(parts.intake.draining.take_page), "a page")
        assert (len(parts.spool), redis.zcard("receiver:events")) == (3, 0)
        redis.config_set("maxmemory", 0)
        wait_until_drained(app)
        run_jobs(app)
        assert handled == ["1", "2", "3"]
        assert resends(app) == [0] * 3


def test_what_is_taken_by_pages_is_given_until_it_is_answered_for(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "pages")
    fill(spool, *(b"%d" % number for number in range(150)))
    given: list[list[bytes]] = []

    def take(parcels: Sequence[bytes]) -> Sequence[bool]:
        given.append(list(parcels))
        if len(given) == 5:
            raise ConnectionError("Redis went away again")
        return [parcel != b"7" for parcel in parcels[:40]]

    with pytest.raises(ConnectionError, match="went away again"):
        spool.drain_by_pages(take)
    assert [page[0] for page in given] == [b"0", b"40", b"80", b"100", b"140"]
    assert drained(spool) == [b"7", *(b"%d" % number for number in range(140, 150))]
    spool.close()
