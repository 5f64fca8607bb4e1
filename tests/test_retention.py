"""For how long things are kept: by account, bodies as they came for less, and what waits for longer."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import LEFOKA_KEY, SMSBOX_KEY
from flask import Flask
from support import report
from test_jobs import post
from test_settings import problems

from receiver import InboundMessage, Receiver
from receiver.accounts import Retentions
from receiver.store import aging
from receiver.store.aging import Aging
from receiver.store.record import Record
from receiver.sweeper import Sweeper

MakeApp = Callable[..., Flask]
RunJobs = Callable[[Flask], int]

HOUR, DAY = 3600, 86_400
ACCOUNTS: dict[str, dict[str, Any]] = {
    "lefoka": {"api_key": LEFOKA_KEY, "retention": 2 * DAY},
    "smsbox": {"api_key": SMSBOX_KEY, "retention": 30 * DAY},
    "plain": {"provider": "smsbox", "api_key": "another-key-of-smsbox"},
}
KEPT = {"lefoka": 2 * DAY, "smsbox": 30 * DAY, "plain": 7 * DAY}


def failing(receiver: Receiver) -> None:
    @receiver.fallback()
    def fails(message: InboundMessage) -> None:
        raise RuntimeError("no")


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    """An app whose accounts keep their events for two days, a week and a month."""
    return make_app(handlers=failing, ACCOUNTS=ACCOUNTS, RETRIES=0)


def let_come(app: Flask, *accounts: str) -> None:
    """Let an event come to each account, and one that nobody can read."""
    client = app.test_client()
    for account in accounts or KEPT:
        body: Any = report("delivered", "27637885448", id=account)
        if account != "lefoka":
            body = {"from": "27637885448", "to": "15000", "transaction_id": account}
            body |= {"message": {"text": "hello"}}
        key = ACCOUNTS[account]["api_key"]
        for data in (body, {"unreadable": account}):
            answer = client.post(f"/webhooks/{account}", json=data, headers={"x-api-key": key})
            assert answer.status_code == 200


def records(app: Flask) -> dict[str, Record]:
    journal = app.extensions["receiver"].journal
    return {record.event.account: record for record in journal.records(list(journal.ids()))}


def key_of(app: Flask, account: str) -> str:
    return f"receiver:event:{records(app)[account].event.id}"


def sweep(app: Flask, raw_retention: int | None = None) -> None:
    parts = app.extensions["receiver"]
    settings = parts.settings
    raw = settings.raw_retention if raw_retention is None else raw_retention
    Sweeper(parts.connection, parts.jobs, settings.retentions, raw).sweep()


def age(redis: Any, seconds: int, *event_ids: str) -> None:
    """Let events have come earlier."""
    for event_id in event_ids or redis.zrange("receiver:events", 0, -1):
        redis.zincrby("receiver:events", -1000 * seconds, event_id)


def is_about(found: int, wanted: int) -> bool:
    return wanted - 60 < found <= wanted


@pytest.mark.parametrize(("account", "kept"), KEPT.items(), ids=KEPT)
def test_events_are_kept_for_as_long_as_their_account_says(
    app: Flask, account: str, kept: int, redis: Any, run_jobs: RunJobs
) -> None:
    let_come(app)
    run_jobs(app)
    assert is_about(redis.ttl(key_of(app, account)), kept)
    assert redis.hexists(key_of(app, account), "keep") is (account != "plain")
    found = {redis.hget(key, "account"): key for key in redis.keys("receiver:quarantine:*")}
    assert is_about(redis.ttl(found[account]), kept)


def test_what_waits_for_a_worker_is_there_for_a_week_however_short_its_retention(
    app: Flask, redis: Any, run_jobs: RunJobs
) -> None:
    let_come(app)
    key = key_of(app, "lefoka")
    assert is_about(redis.ttl(key), 7 * DAY)
    assert is_about(redis.ttl(key_of(app, "smsbox")), 30 * DAY)
    redis.expire(key, 3 * DAY)
    for entry in redis.zrange("receiver:open", 0, -1):
        redis.zadd("receiver:open", {entry: 1})
    sweep(app)
    assert is_about(redis.ttl(key), 7 * DAY)


def test_what_is_handled_late_is_there_for_a_day(app: Flask, redis: Any, run_jobs: RunJobs) -> None:
    let_come(app)
    age(redis, 5 * DAY)
    run_jobs(app)
    assert is_about(redis.ttl(key_of(app, "lefoka")), DAY)


def test_a_sweep_sees_all_that_waits(app: Flask, redis: Any) -> None:
    url = f"/webhooks/lefoka?api_key={LEFOKA_KEY}"
    for call in range(6):
        numbers = [f"2763{call}{n:06}" for n in range(400)]
        body = report("delivered", *numbers, id=f"many-{call}")
        assert app.test_client().post(url, json=body).status_code == 200
    entries = redis.zrange("receiver:open", 0, -1)
    assert len(entries) == 2400
    redis.zadd("receiver:open", dict.fromkeys(entries, 1))
    sweep(app)
    assert redis.zcount("receiver:open", 1, 1) == 0


def test_a_dead_letter_is_kept_for_as_long_from_its_end_on(
    app: Flask, run_jobs: RunJobs, redis: Any
) -> None:
    let_come(app, "smsbox", "plain")
    for account in ("smsbox", "plain"):
        redis.expire(key_of(app, account), HOUR)
    run_jobs(app)
    for account in ("smsbox", "plain"):
        assert is_about(redis.ttl(key_of(app, account)), KEPT[account])
        redis.expire(key_of(app, account), HOUR)
    assert app.test_cli_runner().invoke(args=["receiver", "failed", "retry", "--all"])
    for account in ("smsbox", "plain"):
        assert is_about(redis.ttl(key_of(app, account)), KEPT[account])


def test_what_waits_is_kept_for_as_long_again(app: Flask, redis: Any) -> None:
    let_come(app, "smsbox", "plain")
    for account in ("smsbox", "plain"):
        redis.expire(key_of(app, account), HOUR)
    for entry in redis.zrange("receiver:open", 0, -1):
        redis.zadd("receiver:open", {entry: 1})
    sweep(app)
    for account in ("smsbox", "plain"):
        assert is_about(redis.ttl(key_of(app, account)), KEPT[account])


def test_the_index_keeps_the_places_of_those_who_keep_longer(app: Flask, redis: Any) -> None:
    let_come(app)
    age(redis, 8 * DAY)
    ids = {account: record.event.id for account, record in records(app).items()}
    redis.delete(*(f"receiver:event:{ids[account]}" for account in ("lefoka", "plain")))
    sweep(app)
    assert redis.zrange("receiver:events", 0, -1) == [ids["smsbox"]]
    age(redis, 23 * DAY)
    sweep(app)
    assert redis.exists("receiver:events") == 0


def test_a_callback_prunes_no_place_of_those_who_keep_longer(app: Flask, redis: Any) -> None:
    let_come(app)
    age(redis, 8 * DAY)
    before = redis.zcard("receiver:events")
    body = report("delivered", *(f"2763788{n:04}" for n in range(20)), id="many")
    url = f"/webhooks/lefoka?api_key={LEFOKA_KEY}"
    assert app.test_client().post(url, json=body).status_code == 200
    assert redis.zcard("receiver:events") == before + 20
    age(redis, 23 * DAY)
    body["status"] = "failed"
    assert app.test_client().post(url, json=body).status_code == 200
    assert redis.zcard("receiver:events") == 20 + 20


def test_without_retentions_of_their_own_no_place_is_looked_at(
    make_app: MakeApp, redis: Any
) -> None:
    app = make_app()
    post(app)
    age(redis, 7 * DAY - 60)
    sweep(app)
    assert redis.exists("receiver:pruned") == 0
    assert redis.zcard("receiver:events") == 1


class TestBodiesAsTheyCame:
    """They are erased before their events are."""

    def test_old_ones_are_erased_and_young_ones_kept(
        self, make_app: MakeApp, run_jobs: RunJobs, redis: Any
    ) -> None:
        app = make_app(handlers=failing, RAW_RETENTION=HOUR)
        for number in range(3):
            post(app, transaction=f"old-{number}", sender=f"+25571234560{number}")
        age(redis, HOUR + 1)
        post(app, transaction="young")
        sweep(app)
        kept = [bool(redis.hexists(f"receiver:event:{found}", "raw")) for found in ids(redis)]
        assert kept == [False, False, False, True]
        assert run_jobs(app) == 4  # no handler needs a body
        shown = app.test_cli_runner().invoke(
            args=["receiver", "events", "show", ids(redis)[0], "--json"]
        )
        assert '"raw": null' in shown.output

    def test_what_they_were_packed_with_goes_with_them(self, make_app: MakeApp, redis: Any) -> None:
        app = make_app()
        post(app)
        (found,) = ids(redis)
        redis.hset(f"receiver:event:{found}", mapping={"packed_with": "x", "headers": "{}"})
        age(redis, 3 * DAY + 1)
        sweep(app)
        assert set(redis.hkeys(f"receiver:event:{found}")) == {"event"}

    def test_they_go_by_pages_however_many_came_at_once(
        self, make_app: MakeApp, redis: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(aging, "_PAGE", 3)
        monkeypatch.setattr(aging, "_MOST_PAGES", 2)
        app = make_app()
        for number in range(12):
            post(app, transaction=f"t-{number}")
        age(redis, 3 * DAY + 1)
        at_once = int(time.time() * 1000) - 4 * DAY * 1000
        later = {found: at_once + number for number, found in enumerate(ids(redis), 1)}
        redis.zadd("receiver:events", later | dict.fromkeys(ids(redis)[:5], at_once))
        left = []
        for _ in range(2):
            sweep(app)
            left.append(
                sum(redis.hexists(f"receiver:event:{found}", "raw") for found in ids(redis))
            )
        assert left == [4, 0]  # five and three, then the others

    def test_what_comes_late_out_of_a_spool_is_found_when_it_begins_anew(
        self, make_app: MakeApp, redis: Any
    ) -> None:
        app = make_app()
        post(app, transaction="first")
        age(redis, 3 * DAY + 1)
        sweep(app)
        post(app, transaction="late")
        late = ids(redis)[-1]
        age(redis, 4 * DAY, late)
        sweep(app)
        assert redis.hexists(f"receiver:event:{late}", "raw")
        last, _, began = redis.get("receiver:raw-erased").partition(" ")
        redis.set("receiver:raw-erased", f"{last} {float(began) - HOUR}")
        sweep(app)
        assert not redis.hexists(f"receiver:event:{late}", "raw")

    def test_a_sweep_reads_nothing_where_nothing_is_old(
        self, make_app: MakeApp, redis: Any
    ) -> None:
        app = make_app()
        post(app)
        parts = app.extensions["receiver"]
        found = Aging(parts.connection, "receiver", Retentions(DAY), HOUR).erase_raw()
        assert found == 0

    def test_the_quarantine_keeps_its_own(self, app: Flask, redis: Any) -> None:
        let_come(app)
        redis.zadd(
            "receiver:quarantine",
            dict.fromkeys(redis.zrange("receiver:quarantine", 0, -1), time.time() * 1000 - 4e8),
        )
        sweep(app)
        assert all(redis.hexists(key, "raw") for key in redis.keys("receiver:quarantine:*"))


def ids(redis: Any) -> list[str]:
    found: list[str] = redis.zrange("receiver:events", 0, -1)
    return found


WRONG = {"too short": DAY - 1, "too long": 4000 * DAY, "a word": "a week", "half": 60.5}


@pytest.mark.parametrize("value", WRONG.values(), ids=WRONG)
def test_a_wrong_retention_is_named(value: Any, tmp_path: Path) -> None:
    accounts = {"lefoka": {"api_key": "pk", "retention": value}}
    (problem,) = problems(tmp_path, RECEIVER_ACCOUNTS=accounts)
    assert problem.startswith("RECEIVER_ACCOUNTS.lefoka.retention: ")
