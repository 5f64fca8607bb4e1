"""The spool where order is at stake: nothing half-written, no mark lost, no app behind another's."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from panel import ONE, Desk
from processes import until
from redis.exceptions import ResponseError
from servers import own_valkey, url_of
from test_cli import invoke
from test_contact_order import Shop, shop  # noqa: F401 - a fixture
from test_jobs import only_record, post
from test_lane_faults import left_of_lanes
from test_lane_replay import post_a_report

from receiver import Status
from receiver.store.spool import Spool
from receiver.store.spool_lock import try_lock, unlock

MakeApp = Callable[..., Flask]
RunJobs = Callable[[Flask], int]

OF_A_WRONG_TYPE = "neither a list nor a set"


def tries(folder: Path) -> int:
    """How often the first parcel of a spool was offered in vain."""
    with closing(sqlite3.connect(folder / "spool.db")) as database:
        row = database.execute("SELECT tries FROM parcels ORDER BY id").fetchone()
    return int(row[0]) if row else 0


def test_what_redis_takes_by_half_stays_whole_in_the_spool(
    shop: Shop,
    run_jobs: RunJobs,
    redis: Any,
) -> None:
    post(shop.app, "one", "1")
    (alone,) = redis.hkeys("receiver:lanes")
    lane = f"receiver:lane:{alone}"
    run_jobs(shop.app)
    redis.set(lane, OF_A_WRONG_TYPE)
    post(shop.app, "two", "2")
    spool = shop.app.extensions["receiver"].spool
    until(lambda: spool.status().refused == 1, "the refusal of Redis")
    assert only_record(shop.app).event.text == "one"
    assert redis.keys("rq:job:*") == []
    assert redis.zcard("receiver:events") == 1
    redis.delete(lane)
    until(lambda: invoke(shop.app, "spool", "drain") and not spool.waiting(), "the drain")
    run_jobs(shop.app)
    assert shop.handled == ["one", "two"]
    journal = shop.app.extensions["receiver"].journal
    assert {found.event.duplicate_of for found in journal.records(journal.ids())} == {None}


BROKEN = (
    "receiver:events",
    "receiver:lanes",
    "receiver:open",
    "rq:queues",
    "rq:queue:receiver-messages",
)


@pytest.mark.parametrize("key", BROKEN)
def test_whatever_redis_refuses_of_a_message_nothing_of_it_stays(
    shop: Shop,
    run_jobs: RunJobs,
    redis: Any,
    key: str,
) -> None:
    redis.set(key, OF_A_WRONG_TYPE)
    post(shop.app, "one", "1")
    spool = shop.app.extensions["receiver"].spool
    until(lambda: spool.status().refused == 1, "the refusal of Redis")
    for kind in ("receiver:*", "rq:*"):
        assert set(redis.keys(kind)) <= {"receiver:probe", key}
    redis.delete(key)
    until(lambda: invoke(shop.app, "spool", "drain") and not spool.waiting(), "the drain")
    run_jobs(shop.app)
    assert shop.handled == ["one"]
    assert left_of_lanes(redis) == []


def test_a_report_that_redis_refused_is_not_late_when_it_takes_it(
    make_app: MakeApp, redis: Any
) -> None:
    app, queue = make_app(), "rq:queue:receiver-reports"
    spool = app.extensions["receiver"].spool
    redis.set(queue, OF_A_WRONG_TYPE)
    post_a_report(app)
    until(lambda: spool.status().refused == 1, "the refusal of Redis")
    redis.delete(queue)
    until(lambda: invoke(app, "spool", "drain") and not spool.waiting(), "the drain")
    assert not only_record(app).event.stale


def test_an_answer_that_redis_refused_is_new_when_it_is_asked_for_again(
    make_app: MakeApp, redis_url: str, redis: Any
) -> None:
    desk, queue = Desk(make_app, redis_url), "rq:queue:receiver-reports"
    desk.panel.statuses["m-1"] = {ONE: Status.DELIVERED}
    desk.send("m-1")
    desk.wait()
    redis.set(queue, OF_A_WRONG_TYPE)
    with pytest.raises(ResponseError):
        desk.polling.poll_once()
    redis.delete(queue)
    desk.wait(timedelta(minutes=10))
    desk.polling.poll_once()
    assert not only_record(desk.app).event.stale


def test_a_mark_that_another_process_takes_away_meanwhile_is_set_again(tmp_path: Path) -> None:
    """Its drain found nothing: what is put now was marked, and not yet on disk."""
    spool = Spool(tmp_path)
    spool.prepare()
    lock = try_lock(tmp_path / "spool.lock")
    assert lock is not None
    putting = threading.Thread(target=spool.put, args=(b"one",))
    putting.start()
    until(lambda: spool.behind, "the mark")
    (tmp_path / "spool.behind").unlink()
    unlock(lock)
    putting.join()
    assert (len(spool), spool.behind) == (1, True)


def test_no_app_waits_for_what_another_one_left_in_a_folder_of_both(
    make_app: MakeApp, run_jobs: RunJobs, tmp_path: Path
) -> None:
    with own_valkey() as away, own_valkey() as there:
        settings = {"SPOOL_DIR": str(tmp_path)}
        first = make_app(REDIS_URL=url_of(away), NAMESPACE="first", **settings)
        second = Shop(
            lambda **more: make_app(REDIS_URL=url_of(there), NAMESPACE="second", **settings, **more)
        )
        away.stop()
        post(first, "of the first", "1")
        post(second.app, "one", "1")
        until(lambda: tries(tmp_path) > 1, "a drain that took nothing, and a rest after it")
        post(first, "of the first again", "2")
        post(second.app, "two", "2")
        post(second.app, "three", "3")
        spool = second.app.extensions["receiver"].spool
        until(lambda: len(spool) == 2, "what is left: the first one's")
        run_jobs(second.app)
        assert second.handled == ["one", "two", "three"]
