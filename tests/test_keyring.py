"""What issued keys cost of Redis, and what counts while it is away."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from issuing import (
    Clock,
    Desk,
    MakeDesk,
    Watch,
    create,
    knock,
    run,
)
from relay import Relay
from support import account

from receiver.store.keyring import DAY, ENDED_FILE

MakeApp = Callable[..., Flask]


@pytest.fixture
def make_desk(redis_url: str, tmp_path: Path) -> MakeDesk:
    """Make the doors of processes that share a clock, a folder and a Redis."""
    return Desk.maker(redis_url, tmp_path)


# What Redis costs, and its absence


def test_redis_is_asked_once_a_second_and_once_a_minute_for_each_key(
    make_desk: MakeDesk, redis: Any, redis_url: str
) -> None:
    issuer = make_desk()
    made = [issuer.book.create("smsbox", 90) for _ in range(3)]
    (one, one_text), (two, two_text), (_, other_text) = made
    with Relay(redis_url) as relay:
        desk = make_desk(relay.url)

        def trips(text: str, times: int = 20) -> int:
            before = relay.round_trips()
            assert all(desk.takes(text) for _ in range(times))
            return relay.round_trips() - before

        assert issuer.takes(one_text)  # from now on Redis knows the script
        assert desk.takes(one_text)
        assert redis.hget(f"receiver:key:{one.id}", "last_used_at") == str(int(desk.clock()))
        assert desk.takes(other_text)  # noted by a script: those have a connection of their own
        desk.clock.now += 1
        assert desk.takes(one_text)  # and from now on both are there
        assert trips(one_text) == 0
        assert trips(two_text) == 1  # the first use is noted at once
        assert redis.hget(f"receiver:key:{two.id}", "last_used_at") == str(int(desk.clock()))
        desk.clock.now += 1
        assert trips(one_text) == 1
        desk.clock.now -= 3_600  # a clock that is set back stops nothing
        assert trips(one_text) == 1
        desk.clock.now += 3_660
        assert trips(one_text) == 1
        assert redis.hget(f"receiver:key:{one.id}", "last_used_at") == str(int(desk.clock()))


def test_a_use_soon_after_the_rotation_is_noted_though_one_before_it_was(
    make_desk: MakeDesk,
) -> None:
    desk = make_desk()
    old, text = desk.book.create("smsbox", 90)
    assert desk.takes(text)
    desk.clock.now += 1
    _, new, _ = desk.book.rotate(old.id, None, 7)
    desk.clock.now += 1
    assert desk.takes(text)  # this one learns of the rotation
    assert desk.takes(text)
    used = desk.book.find(old.id).last_used_at
    assert used == desk.clock()
    assert used > new.created_at


def test_the_last_known_ends_count_while_redis_is_away_and_after_a_restart(
    make_desk: MakeDesk, redis_url: str
) -> None:
    book = make_desk().book
    (gone, gone_text), (old, old_text), (_, live_text) = (
        book.create("smsbox", 90) for _ in range(3)
    )
    book.revoke(gone.id)
    book.rotate(old.id, None, 7)
    with Relay(redis_url) as relay:
        url = relay.url
        desk = make_desk(url)
        assert desk.takes(live_text)
    for process in (desk, make_desk(url)):
        process.clock.now += 2
        assert process.takes(live_text)
        assert process.guard.trips == 1
        assert process.takes(old_text)
        assert not process.takes(gone_text)
        assert process.guard.trips == 1  # the failed try of this second was enough
    desk.clock.now += 7 * DAY
    assert [desk.takes(text) for text in (live_text, old_text)] == [True, False]


def test_a_restarted_app_refuses_revoked_keys_though_redis_is_away(make_app: MakeApp) -> None:
    app = make_app(ACCOUNTS=account())
    (gone, gone_text), (_, live_text) = create(app), create(app)
    run(app, "revoke", gone, "--yes")
    assert (knock(app, live_text), knock(app, gone_text)) == (200, 401)
    away = make_app(ACCOUNTS=account(), REDIS_URL="unix:///nowhere/redis.sock")
    assert (knock(away, live_text), knock(away, gone_text)) == (200, 401)


def test_an_open_guard_keeps_redis_out_of_it(make_desk: MakeDesk, redis_url: str) -> None:
    _, text = make_desk().book.create("smsbox", 90)
    with Relay(redis_url) as relay:
        guard = Watch(opens=True)
        desk = make_desk(relay.url, guard)
        guard.open = True
        assert desk.takes(text)
        assert relay.said == []
        guard.open = False
        assert desk.takes(text)
        assert relay.said
    desk.clock.now += 60
    assert desk.takes(text)
    desk.clock.now += 60
    assert desk.takes(text)
    assert (guard.trips, guard.open) == (1, True)


def test_threads_that_meet_a_silent_redis_wait_for_one_try_together(
    make_desk: MakeDesk,
) -> None:
    _, text = make_desk().book.create("smsbox", 90)
    silent = socket.create_server(("127.0.0.1", 0))  # it lets connect, and never answers
    desk = make_desk(f"redis://127.0.0.1:{silent.getsockname()[1]}")
    start, taken = threading.Barrier(8), []

    def enter() -> None:
        start.wait()
        taken.append(desk.takes(text))

    threads = [threading.Thread(target=enter) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    silent.close()
    assert (taken, desk.guard.trips) == ([True] * 8, 1)


def test_what_was_once_known_to_have_ended_stays_so_though_redis_forgets_it(
    make_desk: MakeDesk, redis: Any
) -> None:
    desk = make_desk()
    (gone, gone_text), (_, live_text) = (desk.book.create("smsbox", 90) for _ in range(2))
    desk.book.revoke(gone.id)
    assert desk.takes(live_text)
    redis.flushdb()
    for process in (desk, make_desk()):
        process.clock.now += 1
        assert process.takes(live_text)
        assert not process.takes(gone_text)
    assert redis.keys("*") == []  # a record that is gone is not begun anew by a use


def test_a_redis_that_takes_no_writes_still_says_what_was_revoked(
    make_desk: MakeDesk, redis: Any
) -> None:
    desk = make_desk()
    (gone, gone_text), (live, live_text) = (desk.book.create("smsbox", 90) for _ in range(2))
    desk.book.revoke(gone.id)
    redis.config_set("maxmemory", 1)
    try:
        assert desk.takes(live_text)
        assert desk.guard.trips == 0
        assert desk.book.find(live.id).last_used_at is None
        desk.guard.open = True
        assert not desk.takes(gone_text)
    finally:
        redis.config_set("maxmemory", 0)


# The file


def test_the_file_is_its_owners_alone_and_written_only_when_something_changed(
    make_desk: MakeDesk, tmp_path: Path
) -> None:
    desk, file = make_desk(), tmp_path / ENDED_FILE
    (gone, _), (late, late_text) = (desk.book.create("smsbox", 90) for _ in range(2))
    assert desk.takes(late_text)
    assert list(tmp_path.iterdir()) == []
    desk.book.revoke(gone.id)
    written = []
    for _ in range(3):
        desk.clock.now += 1
        assert desk.takes(late_text)
        written.append(file.stat().st_ino)
    assert written == written[:1] * 3
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(json.loads(file.read_text())) == [gone.id]
    desk.book.revoke(late.id)
    desk.clock.now += 1
    assert not desk.takes(late_text)
    assert set(json.loads(file.read_text())) == {gone.id, late.id}
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "7", '{"a": "b"}', '{"a": null}', "[" * 50_000, "\udcff", "NaN"]
)
def test_a_broken_file_is_no_error_and_is_replaced(
    make_desk: MakeDesk, tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / ENDED_FILE
    file.write_bytes(content.encode("utf-8", "surrogateescape"))
    desk = make_desk()
    assert "event=ended_keys_unreadable" in caplog.text
    gone, gone_text = desk.book.create("smsbox", 90)
    desk.book.revoke(gone.id)
    assert not desk.takes(gone_text)
    assert list(json.loads(file.read_text())) == [gone.id]


def test_a_folder_that_takes_no_file_costs_a_warning_a_minute_and_nothing_else(
    redis_url: str, redis: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "no-folder").write_text("")
    desk = Desk(redis_url, tmp_path / "no-folder", Clock(), Watch())
    (gone, gone_text), (_, live_text) = (desk.book.create("smsbox", 90) for _ in range(2))
    desk.book.revoke(gone.id)
    caplog.clear()
    caplog.set_level(logging.WARNING)
    for _ in range(5):
        desk.clock.now += 1
        assert desk.takes(live_text)
        assert not desk.takes(gone_text)
        redis.flushdb()  # the process remembers by itself
    assert caplog.text.count("event=ended_keys_not_written error=") == 1


def test_two_processes_of_a_host_keep_what_either_has_learnt(
    make_desk: MakeDesk, tmp_path: Path, redis: Any
) -> None:
    one, two = make_desk(), make_desk()
    first, _ = one.book.create("smsbox", 90)
    second, second_text = one.book.create("smsbox", 90)
    _, live_text = one.book.create("smsbox", 90)
    one.book.revoke(first.id)
    assert one.takes(live_text)
    redis.delete("receiver:keys:ended")
    two.book.revoke(second.id)
    assert not two.takes(second_text)
    assert set(json.loads((tmp_path / ENDED_FILE).read_text())) == {first.id, second.id}
