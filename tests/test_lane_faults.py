"""Lanes when something is broken, lost or expired: order is kept, and nobody is stuck for ever."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from panel import ONE, Desk
from redis import Redis
from test_cli import invoke
from test_contact_order import OTHER, QUEUE, Shop, shop  # noqa: F401 - a fixture
from test_jobs import make_all_due, post

from receiver import GiveUp, InboundMessage, Receiver, RetryLater
from receiver.clerk import Clerk
from receiver.store.conversations import Writer

MakeApp = Callable[..., Flask]
RunJobs = Callable[[Flask], int]

LEDGER = "receiver:open"
SCHEDULED = "rq:scheduled:receiver-messages"
NOT_THERE = "no_such_module_of_handlers"


class Books:
    """A watcher that notes texts; what is ``stuck`` is put off, what is ``hopeless`` dies."""

    def __init__(self) -> None:
        self.noted: list[str] = []
        self.stuck: set[str] = set()
        self.hopeless: set[str] = set()

    def watched(self, receiver: Receiver) -> None:
        """Register the watcher alone: nothing answers."""

        @receiver.every()
        def watch(message: InboundMessage) -> None:
            if message.text in self.stuck:
                raise RetryLater(60)
            if message.text in self.hopeless:
                raise GiveUp("no")
            self.noted.append(message.text)

    def answered(self, receiver: Receiver) -> None:
        """Register the watcher, and one that answers."""
        self.watched(receiver)

        @receiver.fallback()
        def answer(message: InboundMessage) -> None: ...


@pytest.fixture
def books() -> Books:
    return Books()


def let_time_pass(redis: Any) -> None:
    """Make all that waits look as if nobody had moved it for long, in the order it has."""
    for entry, score in redis.zrange(LEDGER, 0, -1, withscores=True):
        redis.zadd(LEDGER, {entry: score - 100_000})


def left_of_lanes(redis: Any) -> list[str]:
    """Name the lanes that are there, and the jobs that are not settled."""
    return [*redis.keys("receiver:lane*"), *redis.zrange(LEDGER, 0, -1)]


def test_a_stop_waits_for_no_earlier_stop(make_app: MakeApp, run_jobs: RunJobs) -> None:
    def register(receiver: Receiver) -> None:
        @receiver.opted_out()
        def goodbye(message: InboundMessage) -> None:
            raise RetryLater(60)

    app = make_app(handlers=register)
    optouts = app.extensions["receiver"].optouts
    for number, (text, is_out) in enumerate((("STOP", True), ("START", False), ("STOP", True))):
        post(app, text, str(number))
        run_jobs(app)
        assert (optouts.find("smsbox", "+255712345678") is not None) is is_out


def test_a_broken_plugin_puts_no_second_copy_of_a_watcher_into_its_lane(
    make_app: MakeApp, run_jobs: RunJobs, redis: Any, books: Books
) -> None:
    app = make_app(handlers=books.watched, HANDLERS=[NOT_THERE], RETRIES=3)
    books.stuck, books.hopeless = {"one"}, {"two"}
    post(app, "one", "1")
    post(app, "two", "2")
    run_jobs(app)
    while retried := [job for job in redis.zrange(SCHEDULED, 0, -1) if "-route-" in job]:
        redis.zadd(SCHEDULED, dict.fromkeys(retried, 0))
        run_jobs(app)
        lanes = [redis.lrange(key, 0, -1) for key in redis.keys("receiver:lane:*")]
        assert all(len(lane) == len(set(lane)) for lane in lanes)
    books.stuck = set()
    post(app, "three", "3")
    run_jobs(app)
    while make_all_due(redis):
        run_jobs(app)
    assert books.noted == ["one", "three"]
    assert left_of_lanes(redis) == []


def test_a_mended_plugin_does_not_drop_the_dead_letter_of_a_watcher(
    make_app: MakeApp, run_jobs: RunJobs, redis: Any, books: Books
) -> None:
    broken = make_app(handlers=books.watched, HANDLERS=[NOT_THERE])
    books.hopeless = {"one"}
    post(broken, "one", "1")
    run_jobs(broken)
    mended = make_app(handlers=books.answered)
    make_all_due(redis)
    run_jobs(mended)
    assert "app.watch  GiveUp" in invoke(mended, "failed", "list").output
    books.hopeless = set()
    assert invoke(mended, "failed", "retry", "--all").output == "1 queued again.\n"
    run_jobs(mended)
    assert books.noted == ["one"]


def test_a_conversation_of_a_wrong_type_stops_nobody_else(
    make_app: MakeApp, run_jobs: RunJobs, redis: Any
) -> None:
    handled: list[str] = []

    def register(receiver: Receiver) -> None:
        @receiver.expects("size")
        def size(message: InboundMessage) -> None: ...

        @receiver.fallback()
        def answer(message: InboundMessage) -> None:
            handled.append(message.text)

    app = make_app(handlers=register)
    conversations = app.extensions["receiver"].conversations
    opened = conversations.open("smsbox", "+255712345678", Writer("an event"))
    key = f"receiver:talk:{opened.key}"
    redis.set(key, "not a hash")
    post(app, "one", "1")
    post(app, "of another", "2", OTHER)
    run_jobs(app)
    assert handled == ["of another"]
    redis.delete(key)
    make_all_due(redis)
    run_jobs(app)
    assert handled == ["of another", "one"]


def lose_the_lane(app: Flask, redis: Any) -> None:
    redis.delete(*redis.keys("receiver:lane*"))


def lose_the_next_job(app: Flask, redis: Any) -> None:
    lanes = [redis.lrange(key, 0, -1) for key in redis.keys("receiver:lane:*")]
    (lane,) = (jobs for jobs in lanes if "-route-" in jobs[0])
    redis.delete(f"rq:job:{lane[1]}")


def empty_the_queue(app: Flask, redis: Any) -> None:
    """As `rq empty` does, once the first message's retry is due."""
    parts = app.extensions["receiver"]
    make_all_due(redis)
    Clerk(parts.connection, parts.jobs, "messages", "a-supervisor", 600).release_due()
    redis.delete(QUEUE, *(f"rq:job:{job}" for job in redis.lrange(QUEUE, 0, -1)))


LOSSES = {
    "the lane": lose_the_lane,
    "the job behind": lose_the_next_job,
    "what was queued": empty_the_queue,
}


@pytest.mark.parametrize("lose", LOSSES.values(), ids=LOSSES)
def test_what_is_lost_after_a_retry_is_made_again_in_order(
    shop: Shop,
    run_jobs: RunJobs,
    redis: Any,
    lose: Callable[[Flask, Any], None],
) -> None:
    shop.stuck = {"0"}
    for number in range(4):
        post(shop.app, str(number), str(number))
    run_jobs(shop.app)
    lose(shop.app, redis)
    shop.stuck = set()
    make_all_due(redis)
    for _ in range(2):
        let_time_pass(redis)
        run_jobs(shop.app)
    assert shop.handled == ["0", "1", "2", "3"]
    assert left_of_lanes(redis) == []


def test_an_expired_message_that_waited_in_its_lane_leaves_nothing(
    shop: Shop,
    run_jobs: RunJobs,
    redis: Any,
) -> None:
    shop.stuck = {"one"}
    post(shop.app, "one", "1")
    run_jobs(shop.app)
    post(shop.app, "two", "2")
    (job_id,) = (key for key in redis.keys("rq:job:*") if redis.hget(key, "status") == "deferred")
    redis.delete(f"receiver:event:{job_id.rpartition('-')[2]}")
    let_time_pass(redis)
    run_jobs(shop.app)
    shop.stuck = set()
    make_all_due(redis)
    run_jobs(shop.app)
    assert shop.handled == ["one"]
    assert redis.keys("rq:job:*") + left_of_lanes(redis) == []


def test_inline_a_lane_goes_on_after_a_retry(make_app: MakeApp, redis: Any) -> None:
    handled: list[str] = []
    stuck = {"one"}

    def register(receiver: Receiver) -> None:
        @receiver.fallback()
        def answer(message: InboundMessage) -> None:
            if message.text in stuck:
                raise RetryLater(60)
            handled.append(message.text)

    app = make_app(handlers=register, INLINE=True)
    post(app, "one", "1")
    post(app, "two", "2")
    assert handled == []
    stuck.clear()
    make_all_due(redis)
    post(app, "three", "3")
    assert handled == ["one", "two", "three"]


UNREADABLE = {
    "not JSON": "a newer release's own",
    "other fields": '{"of": "a newer release"}',
    "no object": "[]",
    "a wrong time": '{"recipients": [], "sent_at": 7}',
}


@pytest.mark.parametrize("text", UNREADABLE.values(), ids=UNREADABLE)
def test_a_poll_that_nobody_can_read_stops_no_other(
    make_app: MakeApp, redis_url: str, redis: Redis, text: str
) -> None:
    desk = Desk(make_app, redis_url)
    desk.send("m-1", ONE)
    redis.set("receiver:poll:bad", text)
    redis.zadd("receiver:polls", {"bad": 1})
    (poll,) = desk.box.due(datetime.now(UTC) + timedelta(hours=1), 100, 600)
    assert poll.message_id == "m-1"
