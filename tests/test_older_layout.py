"""What an older version left in Redis is read, run, kept in order and looked after."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from flask import Flask
from test_contact_order import QUEUE, Shop, shop  # noqa: F401 - a fixture
from test_jobs import make_all_due, post
from test_lane_faults import LEDGER, left_of_lanes, let_time_pass

from receiver.store.queue import JobMaker

RunJobs = Callable[[Flask], int]

LANES = "receiver:lanes"


def written_before(app: Flask, redis: Any) -> None:
    """Write all that waits as an older version did: records, jobs, and lanes with one job."""
    parts = app.extensions["receiver"]
    for key in redis.keys("receiver:event:*"):
        record = parts.journal.load(key.rpartition(":")[2])
        redis.hset(key, mapping={"raw": record.raw, "headers": json.dumps(dict(record.headers))})
    for entry in redis.zrange(LEDGER, 0, -1):
        write_job(parts.jobs, redis, entry)
    for lane, job_id in redis.hgetall(LANES).items():
        redis.rpush(f"receiver:lane:{lane}", job_id)
    redis.delete(LANES)


def write_job(maker: JobMaker, redis: Any, entry: str) -> None:
    job = maker.again(entry)
    assert job is not None
    call = maker.read(job.id, job.data, job.signature.encode())
    assert call is not None
    options = {"lane": call.lane} if call.lane else {}
    data = json.dumps([call.function, None, [call.event_id], options]).encode()
    now: Mapping[str, str] = redis.hgetall(f"rq:job:{job.id}")
    older = {
        "data": data,
        "signature": maker._seal.sign(job.id, data),
        "entry": entry,
        "description": job.id,
        "failure_ttl": 600,
        "result_ttl": 0,
    }
    redis.hset(f"rq:job:{job.id}", mapping={**now, **older})


def test_what_waits_is_handled_in_order_and_what_comes_now_waits_behind_it(
    shop: Shop,
    run_jobs: RunJobs,
    redis: Any,
) -> None:
    post(shop.app, "one", "1")
    written_before(shop.app, redis)
    post(shop.app, "two", "2")
    shop.stuck = {"one"}
    run_jobs(shop.app)
    assert shop.handled == []
    shop.stuck = set()
    make_all_due(redis)
    run_jobs(shop.app)
    assert shop.handled == ["one", "two"]
    assert redis.keys("rq:job:*") + left_of_lanes(redis) == []


def test_what_waits_behind_another_is_handled_in_order(
    shop: Shop,
    run_jobs: RunJobs,
    redis: Any,
) -> None:
    for number in range(3):
        post(shop.app, str(number), str(number))
    written_before(shop.app, redis)
    run_jobs(shop.app)
    assert shop.handled == ["0", "1", "2"]
    assert redis.keys("rq:job:*") + left_of_lanes(redis) == []


def lose_the_queue(redis: Any) -> None:
    redis.delete(QUEUE)


def lose_all_of_rq(redis: Any) -> None:
    redis.delete(*redis.keys("rq:*"))


def lose_the_lanes(redis: Any) -> None:
    redis.delete(*redis.keys("receiver:lane*"))


@pytest.mark.parametrize("lose", [lose_the_queue, lose_all_of_rq, lose_the_lanes])
def test_what_is_lost_of_it_is_made_again_in_order(
    shop: Shop,
    run_jobs: RunJobs,
    redis: Any,
    lose: Callable[[Any], None],
) -> None:
    for number in range(3):
        post(shop.app, str(number), str(number))
    written_before(shop.app, redis)
    lose(redis)
    for _ in range(2):
        let_time_pass(redis)
        run_jobs(shop.app)
    assert shop.handled == ["0", "1", "2"]
    assert redis.keys("rq:job:*") + left_of_lanes(redis) == []


def test_a_job_of_an_older_version_that_goes_back_is_on_the_ledger_as_moved(
    shop: Shop,
    run_jobs: RunJobs,
    redis: Any,
) -> None:
    post(shop.app, "one", "1")
    written_before(shop.app, redis)
    shop.stuck = {"one"}
    run_jobs(shop.app)
    let_time_pass(redis)
    ((entry, before),) = redis.zrange(LEDGER, 0, -1, withscores=True)
    make_all_due(redis)
    keys = ["rq:scheduled:receiver-messages", LEDGER]
    connection = shop.app.extensions["receiver"].connection
    assert connection.run("due", keys, ["receiver-messages", 1, 10]) == 1
    ((same, after),) = redis.zrange(LEDGER, 0, -1, withscores=True)
    assert same == entry
    assert after > before
