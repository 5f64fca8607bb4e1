"""Jobs that are nowhere any more are found, and nothing that is dead is kept for ever."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from test_jobs import make_all_due, only_record, post

from receiver import InboundMessage, Receiver, RetryLater
from receiver.sweeper import Sweeper

MakeApp = Callable[..., Flask]
RunJobs = Callable[[Flask], int]

QUEUE = "rq:queue:receiver-messages"
LEDGER = "receiver:open"


class Shop:
    """An app whose handler asks for another time as often as it is told to."""

    def __init__(self, make_app: MakeApp, redis: Any, **settings: Any) -> None:
        self.ran: list[str] = []
        self.later = 0
        self.redis = redis
        self.app = make_app(handlers=self._register, **settings)

    def _register(self, receiver: Receiver) -> None:
        @receiver.fallback()
        def note(message: InboundMessage) -> None:
            if self.later:
                self.later -= 1
                raise RetryLater(60)
            self.ran.append(message.text)

    def sweep(self) -> int:
        parts = self.app.extensions["receiver"]
        return Sweeper(parts.connection, parts.jobs, parts.settings.retentions).sweep()

    def let_time_pass(self) -> None:
        """Make all that waits look as if nobody had moved it for long."""
        for entry in self.redis.zrange(LEDGER, 0, -1):
            self.redis.zadd(LEDGER, {entry: 0})


@pytest.fixture
def shop(make_app: MakeApp, redis: Any) -> Shop:
    """That app."""
    return Shop(make_app, redis)


def lose_the_queue(redis: Any) -> None:
    redis.delete(QUEUE)


def lose_the_job(redis: Any) -> None:
    redis.delete(f"rq:job:{redis.lpop(QUEUE)}")


def lose_all_of_rq(redis: Any) -> None:
    redis.delete(*redis.keys("rq:*"))


LOSSES = [lose_the_queue, lose_the_job, lose_all_of_rq]


@pytest.mark.parametrize("lose", LOSSES)
def test_a_lost_job_is_made_again(
    shop: Shop, redis: Any, run_jobs: RunJobs, lose: Callable[[Any], None]
) -> None:
    post(shop.app)
    lose(redis)
    shop.let_time_pass()
    assert shop.sweep() == 1
    assert shop.sweep() == 0
    run_jobs(shop.app)
    assert shop.ran == ["hello"]
    assert redis.zcard(LEDGER) == 0


def test_what_waits_is_scheduled_or_in_hand_is_left_alone(
    shop: Shop, redis: Any, run_jobs: RunJobs
) -> None:
    shop.later = 1
    post(shop.app, "later", "1")
    run_jobs(shop.app)
    post(shop.app, "waits", "2", "+255712345679")
    post(shop.app, "in hand", "3", "+255712345670")
    redis.hset("rq:worker:w", "name", "w")
    redis.sadd("receiver:claims", "receiver:claims:receiver-messages:w")
    redis.lmove(QUEUE, "receiver:claims:receiver-messages:w", "RIGHT", "LEFT")
    shop.let_time_pass()
    assert shop.sweep() == 0
    assert redis.llen(QUEUE) == 1
    assert min(score for _, score in redis.zrange(LEDGER, 0, -1, withscores=True)) > 0


def test_a_lost_retry_is_made_again(shop: Shop, redis: Any, run_jobs: RunJobs) -> None:
    shop.later = 1
    post(shop.app)
    run_jobs(shop.app)
    redis.delete("rq:scheduled:receiver-messages")
    shop.let_time_pass()
    run_jobs(shop.app)
    assert shop.ran == ["hello"]


def test_a_long_queue_is_searched_to_its_end(shop: Shop, redis: Any) -> None:
    post(shop.app)
    last = redis.lpop(QUEUE)
    redis.rpush(QUEUE, *[f"somebody-elses-{number}" for number in range(5_000)], last)
    shop.let_time_pass()
    assert shop.sweep() == 0
    redis.rpop(QUEUE)
    shop.let_time_pass()
    assert shop.sweep() == 1


def test_one_sweeps_at_a_time(shop: Shop, redis: Any) -> None:
    parts = shop.app.extensions["receiver"]
    sweeper = Sweeper(parts.connection, parts.jobs, parts.settings.retentions)
    assert sweeper.sweep_when_due("one") == 0
    assert sweeper.sweep_when_due("two") is None
    assert 0 < redis.ttl("receiver:sweeper") <= 30


def test_an_event_that_waits_for_long_does_not_expire(
    make_app: MakeApp, redis: Any, run_jobs: RunJobs
) -> None:
    shop = Shop(make_app, redis, RETENTION=600)
    shop.later = 1
    post(shop.app)
    key = f"receiver:event:{only_record(shop.app).event.id}"
    run_jobs(shop.app)
    redis.expire(key, 100)
    shop.let_time_pass()
    shop.sweep()
    assert redis.ttl(key) > 500
    make_all_due(redis)
    run_jobs(shop.app)
    assert shop.ran == ["hello"]


def test_an_event_that_is_gone_leaves_the_ledger(shop: Shop, redis: Any) -> None:
    post(shop.app)
    redis.delete(f"receiver:event:{only_record(shop.app).event.id}")
    shop.let_time_pass()
    assert shop.sweep() == 0
    assert redis.zcard(LEDGER) == 0


def test_what_is_past_its_time_is_dropped(shop: Shop, redis: Any) -> None:
    for name in ("events", "quarantine"):
        redis.zadd(f"receiver:{name}", {f"old-{number}": 1 for number in range(3_000)})
    redis.zadd("rq:failed:receiver-sends", {"old": 1})
    redis.sadd("rq:workers", "rq:worker:dead")
    redis.sadd("rq:workers:receiver-sends", "rq:worker:dead")
    redis.zadd(LEDGER, {"what is this": 1})
    shop.sweep()
    assert redis.keys("*") == []


def test_what_is_in_no_queue_costs_no_look_through_the_whole_backlog(
    shop: Shop, redis: Any, run_jobs: RunJobs
) -> None:
    shop.later = 1
    post(shop.app, "put off", "1")
    run_jobs(shop.app)
    post(shop.app, "behind it", "2")
    claims = "receiver:claims:receiver-messages:busy"
    post(shop.app, "in hand", "3", "+255712345679")
    redis.sadd("receiver:claims", claims)
    redis.lmove(QUEUE, claims)
    redis.rpush(QUEUE, *range(10_000))
    shop.let_time_pass()
    redis.config_resetstat()
    assert shop.sweep() == 0
    looked = redis.info("commandstats")["cmdstat_lrange"]["calls"]
    assert looked <= 3  # the claims, by us and by the script
    assert min(score for _, score in redis.zrange(LEDGER, 0, -1, withscores=True)) > 0
