"""An operator's word, where a contact's messages wait: it overtakes nobody and blocks no lane."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from conftest import LEFOKA_KEY
from flask import Flask
from support import report
from test_cli import invoke
from test_contact_order import Shop, shop  # noqa: F401 - a fixture
from test_jobs import make_all_due, only_record, post
from test_lane_faults import (  # noqa: F401 - a fixture
    NOT_THERE,
    Books,
    books,
    left_of_lanes,
    let_time_pass,
)

from receiver import DeliveryReport, InboundMessage, Receiver, conversation

MakeApp = Callable[..., Flask]
RunJobs = Callable[[Flask], int]

LEFT_ALONE = "0 events replayed, 1 left alone: they wait, or are at work.\n"
REPLAYED = "1 events replayed.\n"

WHOLE: list[str] = []
ALONE = ["--handler", "app.watch"]
HOW = {"the whole event": WHOLE, "the watcher alone": ALONE}

# An event that was answered is answered again; a watcher that has not had its turn is not due.
WAITING = {"the whole event": (WHOLE, REPLAYED), "the watcher alone": (ALONE, LEFT_ALONE)}


def id_of(app: Flask, text: str) -> str:
    """The id of the event with a text."""
    journal = app.extensions["receiver"].journal
    (found,) = (r.event.id for r in journal.records(journal.ids()) if r.event.text == text)
    return str(found)


@pytest.mark.parametrize(("options", "said"), WAITING.values(), ids=WAITING)
def test_a_watcher_keeps_its_place_in_its_lane_whatever_is_replayed(
    shop: Shop,
    run_jobs: RunJobs,
    redis: Any,
    options: list[str],
    said: str,
) -> None:
    shop.stuck = {"watch one"}
    post(shop.app, "one", "1")
    post(shop.app, "two", "2")
    run_jobs(shop.app)
    two = id_of(shop.app, "two")
    assert invoke(shop.app, "events", "replay", two, *options).output == said
    run_jobs(shop.app)
    assert shop.watched == []
    shop.stuck = set()
    make_all_due(redis)
    run_jobs(shop.app)
    assert shop.watched == ["one", "two"]
    assert left_of_lanes(redis) == []


@pytest.mark.parametrize(("options", "said"), WAITING.values(), ids=WAITING)
def test_a_watcher_that_dies_after_it_waited_and_a_replay_is_a_dead_letter(
    make_app: MakeApp,
    run_jobs: RunJobs,
    redis: Any,
    books: Books,
    options: list[str],
    said: str,
) -> None:
    app = make_app(handlers=books.answered)
    books.stuck, books.hopeless = {"one"}, {"two"}
    post(app, "one", "1")
    post(app, "two", "2")
    run_jobs(app)
    assert invoke(app, "events", "replay", id_of(app, "two"), *options).output == said
    books.stuck = set()
    make_all_due(redis)
    run_jobs(app)
    post(app, "three", "3")
    run_jobs(app)
    let_time_pass(redis)
    run_jobs(app)
    assert books.noted == ["one", "three"]
    assert "app.watch  GiveUp" in invoke(app, "failed", "list").output
    assert left_of_lanes(redis) == []


@pytest.mark.parametrize("options", HOW.values(), ids=HOW)
def test_a_watcher_that_dies_in_a_replay_blocks_no_lane(
    make_app: MakeApp,
    run_jobs: RunJobs,
    redis: Any,
    books: Books,
    options: list[str],
) -> None:
    app = make_app(handlers=books.answered)
    post(app, "one", "1")
    run_jobs(app)
    books.hopeless = {"one"}
    assert invoke(app, "events", "replay", id_of(app, "one"), *options).output == REPLAYED
    run_jobs(app)
    post(app, "two", "2")
    run_jobs(app)
    assert books.noted == ["one", "two"]
    assert "app.watch  GiveUp" in invoke(app, "failed", "list").output
    assert left_of_lanes(redis) == []


ORDERED = {"the whole events": [], "one handler": ["--handler", "app.answer"]}


@pytest.mark.parametrize("options", ORDERED.values(), ids=ORDERED)
def test_a_replay_keeps_the_order_of_a_contact(
    shop: Shop,
    run_jobs: RunJobs,
    redis: Any,
    options: list[str],
) -> None:
    for number in range(4):
        post(shop.app, str(number), str(number))
    run_jobs(shop.app)
    shop.handled.clear()
    shop.stuck = {"1"}
    output = invoke(shop.app, "events", "replay", "--since", "2h", *options).output
    assert output == "4 events replayed.\n"
    run_jobs(shop.app)
    assert shop.handled == ["0"]
    shop.stuck = set()
    make_all_due(redis)
    run_jobs(shop.app)
    assert shop.handled == ["0", "1", "2", "3"]
    assert left_of_lanes(redis) == []


def post_a_report(app: Flask) -> None:
    body = report("DELIVERED", "0637885448")
    answer = app.test_client().post("/webhooks/lefoka", json=body, auth=(LEFOKA_KEY, ""))
    assert answer.status_code == 200


def noting_replays(ran: list[bool]) -> Callable[[Receiver], None]:
    """Handlers that note whether they were told of a replay."""

    def register(receiver: Receiver) -> None:
        @receiver.fallback()
        def answer(message: InboundMessage) -> None:
            ran.append(message.replay)

        @receiver.report()
        def book(found: DeliveryReport) -> None:
            ran.append(found.replay)

    return register


KINDS = {"message": (post, "messages"), "report": (post_a_report, "reports")}


@pytest.mark.parametrize(("send", "queue"), KINDS.values(), ids=KINDS)
def test_no_replay_comes_between_an_outcome_and_the_settling_of_its_job(
    make_app: MakeApp, run_jobs: RunJobs, redis: Any, send: Callable[[Flask], None], queue: str
) -> None:
    """As a kill leaves it in between: the record says done, the job is claimed."""
    ran: list[bool] = []
    app = make_app(handlers=noting_replays(ran))
    send(app)
    (job_id,) = redis.lrange(f"rq:queue:receiver-{queue}", 0, -1)
    keys = [f"rq:job:{job_id}", "receiver:open", *redis.keys("receiver:lane*")]
    unsettled = {key: redis.dump(key) for key in keys}
    run_jobs(app)
    for key, value in unsettled.items():
        redis.restore(key, 0, value, replace=True)
    claims = f"receiver:claims:receiver-{queue}:dead"
    redis.sadd("receiver:claims", claims)
    redis.rpush(claims, job_id)
    assert invoke(app, "events", "replay", "--since", "1h").output == LEFT_ALONE
    run_jobs(app)
    assert ran == [False]
    assert invoke(app, "events", "replay", "--since", "1h").output == REPLAYED
    run_jobs(app)
    assert ran == [False, True]
    assert left_of_lanes(redis) == []


def test_a_list_of_dead_letters_touches_no_job_that_is_alive(
    make_app: MakeApp,
    run_jobs: RunJobs,
    redis: Any,
    books: Books,
) -> None:
    app = make_app(handlers=books.answered)
    books.hopeless = {"one"}
    post(app, "one", "1")
    run_jobs(app)
    books.hopeless, books.stuck = set(), {"one"}
    assert invoke(app, "events", "replay", only_record(app).event.id).output == REPLAYED
    run_jobs(app)
    (job,) = redis.keys("rq:job:*")
    assert invoke(app, "failed", "list").output == "No dead letters.\n"
    assert redis.keys("rq:job:*") == [job]
    books.stuck = set()
    make_all_due(redis)
    run_jobs(app)
    assert books.noted == ["one"]


def taking_orders(got: list[tuple[str, str]]) -> Callable[[Receiver], None]:
    """A shop that asks for a size, and notes who got which text."""

    def register(receiver: Receiver) -> None:
        @receiver.keyword("ORDER")
        def order(message: InboundMessage) -> None:
            with conversation(message) as talk:
                talk.expect("size")

        @receiver.expects("size")
        def size(message: InboundMessage) -> None:
            got.append(("size", message.text))

        @receiver.fallback()
        def other(message: InboundMessage) -> None:
            got.append(("other", message.text))

    return register


def test_a_dead_letter_of_the_routing_is_no_answer_to_what_was_asked_since(
    make_app: MakeApp, run_jobs: RunJobs
) -> None:
    got: list[tuple[str, str]] = []
    broken = make_app(HANDLERS=[NOT_THERE], RETRIES=0)
    post(broken, "hello", "1")
    run_jobs(broken)
    app = make_app(handlers=taking_orders(got))
    post(app, "ORDER", "2")
    run_jobs(app)
    assert invoke(app, "failed", "retry", "--all").output == "1 queued again.\n"
    run_jobs(app)
    post(app, "XL", "3")
    run_jobs(app)
    assert got == [("other", "hello"), ("size", "XL")]
