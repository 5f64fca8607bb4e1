"""Keys that we issue: their life on the command line, and what they open meanwhile."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from issuing import (
    KEYS,
    SECRET,
    TWO,
    Desk,
    MakeDesk,
    create,
    knock,
    listed,
    run,
    wait_until_refused,
)
from relay import Relay
from support import ACK, KEY, PATH, account, assert_refused, post
from test_door import PLACES

from receiver.errors import ReceiverError
from receiver.signing import IssuedKey, IssuedKeys
from receiver.store.keybook import KeyState
from receiver.store.keyring import DAY

MakeApp = Callable[..., Flask]


@pytest.fixture
def make_desk(redis_url: str, tmp_path: Path) -> MakeDesk:
    """Make the doors of processes that share a clock, a folder and a Redis."""
    return Desk.maker(redis_url, tmp_path)


def test_a_key_that_redis_has_forgotten_can_be_revoked(make_app: MakeApp, redis: Any) -> None:
    app = make_app(ACCOUNTS=account())
    key_id, text = create(app)
    redis.flushdb()
    assert knock(app, text) == 200
    assert "no key" in run(app, "revoke", key_id, "--yes").output
    assert run(app, "revoke", key_id, "--unrecorded", "--yes").exit_code == 0
    wait_until_refused(app, text)


# What a key opens


@pytest.mark.parametrize("place", PLACES)
def test_an_issued_key_counts_wherever_keys_are_looked_for(
    make_app: MakeApp, place: str, redis: Any
) -> None:
    app = make_app(ACCOUNTS=account())
    _, text = create(app)
    assert post(app, **PLACES[place](text)).get_json() == ACK
    (found,) = redis.zrange("receiver:events", 0, -1)
    assert json.loads(redis.hget(f"receiver:event:{found}", "event"))["trust"] == "key"
    assert_refused(post(app, **PLACES[place](text[:-2])))
    assert_refused(post(app, **PLACES[place](f"{text}x")))


@pytest.mark.parametrize("place", PLACES)
def test_key_in_holds_for_issued_keys(make_app: MakeApp, place: str) -> None:
    app = make_app(ACCOUNTS=account(key_in=place))
    _, text = create(app)
    allowed = {name for name, given in PLACES.items() if post(app, **given(text)).status_code < 300}
    assert allowed == {place}


def test_an_issued_key_opens_its_own_account_only(make_app: MakeApp) -> None:
    app = make_app(ACCOUNTS=TWO)
    _, text = create(app)
    assert knock(app, text) == 200
    assert_refused(post(app, "/webhooks/other", headers={"X-API-Key": text}))


def test_an_account_without_keys_of_its_own_is_opened_by_an_issued_one(make_app: MakeApp) -> None:
    app = make_app(ACCOUNTS={"smsbox": {}})
    _, text = create(app)
    assert knock(app, text) == 200


def test_an_issued_key_outlives_the_rotation_of_secrets_until_its_own_is_removed(
    make_app: MakeApp,
) -> None:
    _, text = create(make_app(ACCOUNTS=account()))
    rotated = make_app(ACCOUNTS=account(), SECRET_KEYS=["a-new-secret-of-some-length", SECRET])
    removed = make_app(ACCOUNTS=account(), SECRET_KEYS=["a-new-secret-of-some-length"])
    assert (knock(rotated, text), knock(removed, text)) == (200, 401)


def test_an_issued_key_ends_when_it_says(make_desk: MakeDesk) -> None:
    desk = make_desk()
    _, text = desk.book.create("smsbox", 1)
    desk.clock.now += DAY - 1
    assert desk.takes(text)
    desk.clock.now += 1
    assert not desk.takes(text)


def test_redis_never_holds_a_key_and_a_wrong_one_never_reaches_it(
    make_app: MakeApp, redis: Any, redis_url: str
) -> None:
    with Relay(redis_url) as relay:
        app = make_app(ACCOUNTS=account(), REDIS_URL=relay.url)
        key_id, text = create(app)
        kept = repr([redis.hgetall(f"receiver:key:{key_id}"), redis.keys("*")])
        assert text.split(".")[1] not in kept
        assert SECRET not in kept
        before = len(relay.said)
        stranger = IssuedKeys(["another-secret-key"])
        foreign = stranger.write(IssuedKey(id=key_id, account="smsbox", expires_at=4_000_000_000))
        expired = KEYS.write(IssuedKey(id=key_id, account="smsbox", expires_at=1))
        for wrong in ("rk_", "rk_x.y", text[:-1], foreign, expired):
            assert knock(app, wrong) == 401
        assert len(relay.said) == before


def test_a_key_of_the_settings_works_beside_issued_ones(make_app: MakeApp) -> None:
    app = make_app(ACCOUNTS=account())
    create(app)
    assert post(app, PATH, auth=(KEY, "")).get_json() == ACK


# The life of a key


def test_a_key_is_shown_once_and_what_to_do_next_is_said(make_app: MakeApp) -> None:
    app = make_app(ACCOUNTS=account(key_in="body"))
    shown = run(app, "create", "smsbox", "--expires-days", "1")
    assert shown.exit_code == 0
    assert shown.stdout.count("rk_") == 1
    key_id = KEYS.read(shown.stdout.strip().encode()).id  # type: ignore[union-attr]
    assert f"Key {key_id} of smsbox, good for 1 day, until 20" in shown.stderr
    assert "Copy it now: it is kept nowhere." in shown.stderr
    assert "sends it as body." in shown.stderr
    assert f"keys rotate {key_id}" in shown.stderr
    assert "rk_" not in run(app, "list").output
    assert "rk_" not in run(app, "list", "--json").output


def test_a_revoked_key_is_refused_by_each_process_within_a_second(
    make_app: MakeApp,
) -> None:
    here, there = make_app(ACCOUNTS=account()), make_app(ACCOUNTS=account())
    key_id, text = create(here)
    assert (knock(here, text), knock(there, text)) == (200, 200)
    said = run(here, "revoke", key_id, "--yes")
    assert said.exit_code == 0
    assert f"The key {key_id} of smsbox is revoked." in said.stderr
    assert "keys create smsbox --expires-days N" in said.stderr
    wait_until_refused(here, text)
    wait_until_refused(there, text)
    assert knock(make_app(ACCOUNTS=account()), text) == 401
    assert listed(here)[key_id]["state"] == "revoked"


def test_both_keys_are_good_until_the_overlap_ends(make_desk: MakeDesk) -> None:
    desk = make_desk()
    old, old_text = desk.book.create("smsbox", 90)
    replaced, new, new_text = desk.book.rotate(old.id, None, 7)
    assert (replaced.replaced_by, replaced.state(desk.clock())) == (new.id, KeyState.REPLACED)
    assert new.expires_at == desk.clock() + 90 * DAY
    desk.clock.now += 7 * DAY - 1
    assert (desk.takes(old_text), desk.takes(new_text)) == (True, True)
    desk.clock.now += 1
    assert (desk.takes(old_text), desk.takes(new_text)) == (False, True)
    assert desk.book.find(old.id).state(desk.clock()) is KeyState.ENDED


def test_the_overlap_makes_no_key_live_longer(make_desk: MakeDesk) -> None:
    desk = make_desk()
    old, old_text = desk.book.create("smsbox", 3)
    replaced, new, _ = desk.book.rotate(old.id, 365, 7)
    assert replaced.ends_at == replaced.good_until == old.expires_at
    assert new.expires_at == desk.clock() + 365 * DAY
    desk.clock.now += 3 * DAY
    assert not desk.takes(old_text)


def test_rotate_says_which_key_ends_when(make_app: MakeApp) -> None:
    app = make_app(ACCOUNTS=account())
    first, first_text = create(app)
    shown = run(app, "rotate", first)
    second = KEYS.read(shown.stdout.strip().encode())
    assert second is not None
    assert f"The old key {first} stays good until 20" in shown.stderr
    assert knock(app, first_text) == 200
    at_once = run(app, "rotate", second.id, "--overlap-days", "0", "--expires-days", "5")
    assert f"The old key {second.id} is refused from now on." in at_once.stderr
    assert "good for 5 days" in at_once.stderr
    wait_until_refused(app, shown.stdout.strip())
    assert knock(app, at_once.stdout.strip()) == 200


def test_of_two_who_rotate_a_key_at_once_one_gets_a_new_one(make_desk: MakeDesk) -> None:
    desks = [make_desk() for _ in range(6)]
    old, _ = desks[0].book.create("smsbox", 90)
    start, outcomes = threading.Barrier(len(desks)), []

    def rotate(desk: Desk) -> None:
        start.wait()
        try:
            outcomes.append(desk.book.rotate(old.id, None, 7)[1].id)
        except ReceiverError:
            outcomes.append("")

    threads = [threading.Thread(target=rotate, args=[desk]) for desk in desks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes)[:5] == [""] * 5
    assert {record.id for record in desks[0].book.records()} == {old.id, max(outcomes)}


def test_what_cannot_be_done_is_said_in_one_line(make_app: MakeApp) -> None:
    app = make_app(ACCOUNTS=account())
    revoked, _ = create(app)
    replaced, _ = create(app)
    run(app, "revoke", revoked, "--yes")
    run(app, "rotate", replaced)
    for args, words in {
        ("create", "nobody", "--expires-days", "9"): "there is no account nobody; there are: smsb",
        ("list", "--account", "nobody"): "there is no account nobody",
        ("rotate", "0000000000"): "there is no key 0000000000: see keys list",
        ("revoke", "0000000000"): "there is no key 0000000000: see keys list",
        ("revoke", revoked): f"{revoked} was revoked already, and lets nobody in",
        ("rotate", revoked): f"{revoked} was revoked already",
        ("rotate", replaced): f"{replaced} was replaced by ",
    }.items():
        result = run(app, *args)
        status = 3 if words.startswith("there is no") else 1
        assert (result.exit_code, result.stdout) == (status, ""), args
        assert result.stderr.startswith(f"Error: {words}"), args
        assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("days", [None, "0", "366", "-1", "x", "1.5"])
def test_a_key_lives_from_one_day_to_a_year(make_app: MakeApp, days: str | None) -> None:
    app = make_app(ACCOUNTS=account())
    given = ["--expires-days", days] if days is not None else []
    assert run(app, "create", "smsbox", *given).exit_code == 2
    assert listed(app) == {}


def test_a_replaced_key_can_be_revoked_before_its_overlap_ends(make_desk: MakeDesk) -> None:
    desk = make_desk()
    old, old_text = desk.book.create("smsbox", 90)
    desk.book.rotate(old.id, None, 7)
    assert desk.takes(old_text)
    assert desk.book.revoke(old.id).state(desk.clock()) is KeyState.REVOKED
    desk.clock.now += 1
    assert not desk.takes(old_text)


def test_what_redis_keeps_of_keys_ends_with_them(make_desk: MakeDesk, redis: Any) -> None:
    desk = make_desk()
    for _ in range(20):
        record, _ = desk.book.create("smsbox", 2)
        desk.book.revoke(record.id)
    kept = redis.expiretime(f"receiver:key:{record.id}")
    assert kept == record.expires_at + 30 * DAY
    desk.clock.now += 2 * DAY
    desk.book.create("smsbox", 2)
    assert redis.zcard("receiver:keys:ended") == 20
    desk.clock.now += DAY
    desk.book.create("smsbox", 2)
    assert redis.zcard("receiver:keys:ended") == 0
    assert redis.zcard("receiver:keys") == 22
    desk.clock.now += 31 * DAY
    desk.book.create("smsbox", 2)
    assert redis.zcard("receiver:keys") == 1 + 2
