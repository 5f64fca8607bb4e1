"""What a dead worker leaves behind, and what the next one makes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from test_jobs import only_record, post

from receiver import InboundMessage, Receiver

MakeApp = Callable[..., Flask]
RunJobs = Callable[[Flask], int]

QUEUE = "rq:queue:receiver-messages"
CLAIMS = "receiver:claims:receiver-messages:another"


@pytest.fixture
def ran() -> list[str]:
    """What the handler was called with."""
    return []


@pytest.fixture
def app(make_app: MakeApp, ran: list[str]) -> Flask:
    """An app with one handler, and one message that waits."""

    def register(receiver: Receiver) -> None:
        @receiver.fallback()
        def note(message: InboundMessage) -> None:
            ran.append(message.text)

    app = make_app(handlers=register)
    post(app)
    return app


def begun_by_another(app: Flask, redis: Any) -> str:
    """Have another worker be at work on the message; its job stands in the queue a second time."""
    left = {"state": "running", "attempts": 1, "by": "another"}
    app.extensions["receiver"].journal.note(only_record(app).event.id, "handler:app.note", left)
    job_id: str = redis.lindex(QUEUE, 0)
    redis.sadd("receiver:claims", CLAIMS)
    redis.rpush(CLAIMS, job_id)
    redis.hset("rq:worker:another", "name", "another")
    return job_id


def test_what_a_living_worker_has_in_hand_is_not_run_beside_it(
    app: Flask, run_jobs: RunJobs, redis: Any, ran: list[str]
) -> None:
    job_id = begun_by_another(app, redis)
    assert run_jobs(app) == 1
    assert ran == []
    assert redis.exists(f"rq:job:{job_id}")
    redis.delete("rq:worker:another")  # and then it dies after all
    assert run_jobs(app) == 1
    assert ran == ["hello"]
    assert redis.zcard("receiver:open") == 0


def test_what_a_living_worker_has_let_go_of_is_run(
    app: Flask, run_jobs: RunJobs, redis: Any, ran: list[str]
) -> None:
    begun_by_another(app, redis)
    redis.delete(CLAIMS)
    run_jobs(app)
    assert ran == ["hello"]


def test_workers_that_died_in_the_bookkeeping_make_no_poison_of_what_was_done(
    app: Flask, run_jobs: RunJobs, redis: Any, ran: list[str]
) -> None:
    done = {"state": "done", "attempts": 1}
    app.extensions["receiver"].journal.note(only_record(app).event.id, "handler:app.note", done)
    redis.hset(f"rq:job:{redis.lindex(QUEUE, 0)}", "deaths", 3)
    run_jobs(app)
    assert ran == []
    assert only_record(app).handlers["app.note"]["state"] == "done"
    assert list(app.extensions["receiver"].deadletters) == []
