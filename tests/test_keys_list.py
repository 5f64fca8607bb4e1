"""What the list and the log say of issued keys."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from issuing import (
    TWO,
    Desk,
    MakeDesk,
    create,
    knock,
    listed,
    run,
)
from support import account

from receiver.store.keyring import DAY

MakeApp = Callable[..., Flask]


@pytest.fixture
def make_desk(redis_url: str, tmp_path: Path) -> MakeDesk:
    """Make the doors of processes that share a clock, a folder and a Redis."""
    return Desk.maker(redis_url, tmp_path)


def test_the_list_shows_what_has_become_of_each_key(make_app: MakeApp, redis: Any) -> None:
    app = make_app(ACCOUNTS=TWO)
    live, live_text = create(app)
    near, near_text = create(app, "smsbox", "--expires-days", "14")
    gone, _ = create(app)
    old, old_text = create(app)
    other, _ = create(app, "other", "--expires-days", "30")
    expired, _ = create(app)
    redis.hset(f"receiver:key:{expired}", "expires_at", 1_000_000_000)
    run(app, "revoke", gone, "--yes")
    run(app, "rotate", old)
    redis.hincrby(f"receiver:key:{old}", "created_at", -100)
    (new,) = {*listed(app)} - {live, near, gone, old, other, expired}
    redis.hincrby(f"receiver:key:{new}", "created_at", -50)
    assert [knock(app, text) for text in (live_text, near_text, old_text)] == [200] * 3
    lines = run(app, "list").stdout.splitlines()
    rows = {line[:10]: line for line in lines}  # in a pipe without headings
    assert len(rows) == 7
    assert rows[live].endswith("0 minutes ago  live, ends in 90 days")
    assert rows[near].endswith("near its end, ends in 14 days (used 0 minutes ago!)")
    assert rows[old].endswith(f"replaced by {new}, ends in 7 days (used 0 minutes ago!)")
    assert rows[new].endswith("never          live, ends in 90 days")
    assert rows[gone].endswith("revoked")
    assert re.search(r"  2001-09-09 \S+  never          expired$", rows[expired])
    redis.hincrby(f"receiver:key:{old}", "last_used_at", -60)
    assert run(app, "list").stdout.count("!") == 1
    only = run(app, "list", "--account", "other").stdout
    assert (other in only, live in only) == (True, False)
    assert set(listed(app)[old]) == {
        *("id", "account", "created_at", "expires_at", "ends_at", "replaced_by"),
        *("revoked_at", "last_used_at", "state"),
    }


def test_the_list_of_no_keys_says_how_to_make_one(make_app: MakeApp) -> None:
    result = run(make_app(ACCOUNTS=account()), "list")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "keys create ACCOUNT" in result.stderr


def test_use_of_a_key_that_should_be_changed_is_logged_once_a_minute(
    make_desk: MakeDesk, caplog: pytest.LogCaptureFixture
) -> None:
    desk = make_desk()
    near, near_text = desk.book.create("smsbox", 15)
    old, old_text = desk.book.create("smsbox", 90)
    desk.book.rotate(old.id, None, 7)
    for _ in range(3):
        assert desk.takes(near_text)
        assert desk.takes(old_text)
        desk.clock.now += 10
    replaced = f"event=key_replaced_but_used account=smsbox key={old.id} days=7"
    assert [record.getMessage() for record in caplog.records] == [replaced]
    caplog.clear()
    desk.clock.now += DAY
    desk.book.revoke(old.id)
    for _ in range(3):
        assert desk.takes(near_text)
        assert not desk.takes(old_text)
    assert [record.getMessage() for record in caplog.records] == [
        f"event=key_near_end account=smsbox key={near.id} days=14",
        f"event=key_ended_but_used account=smsbox key={old.id}",
    ]
    assert "rk_" not in caplog.text


def test_an_account_with_one_key_stands_for_it(make_app: MakeApp) -> None:
    app = make_app(ACCOUNTS=account())
    assert "the account smsbox has no key" in run(app, "revoke", "smsbox", "--yes").output
    first, _ = create(app)
    assert run(app, "rotate", "smsbox").exit_code == 0
    assert listed(app)[first]["state"] == "replaced"
    assert "has 2 keys, name one: " in run(app, "revoke", "smsbox", "--yes").output
    assert run(app, "revoke", first, "--yes").exit_code == 0
    assert run(app, "revoke", "smsbox", "--yes").exit_code == 0
    assert {key["state"] for key in listed(app).values()} == {"revoked"}
