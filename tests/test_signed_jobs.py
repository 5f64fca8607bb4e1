"""Who can write to Redis cannot make a worker run what we did not sign."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from test_jobs import only_record, post

from receiver import InboundMessage, Receiver

MakeApp = Callable[..., Flask]
RunJobs = Callable[[Flask], int]

QUEUE = "rq:queue:receiver-messages"


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


def forge(redis: Any, job_id: str, **fields: str) -> None:
    """Write a job as somebody who can write to Redis would."""
    redis.hset(f"rq:job:{job_id}", mapping=fields)
    redis.rpush(QUEUE, job_id)


def refused(redis: Any) -> int:
    """How many jobs were refused, as the counter says."""
    return int(redis.hget("receiver:counters", "forged_jobs") or 0)


def test_a_shell_command_as_data_is_not_run(
    app: Flask, run_jobs: RunJobs, redis: Any, tmp_path: Path, ran: list[str]
) -> None:
    mark = tmp_path / "mark"
    forge(redis, "x", data=json.dumps(["os.system", None, [f"touch {mark}"], {}]))
    assert run_jobs(app) == 2
    assert not mark.exists()
    assert refused(redis) == 1
    assert ran == ["hello"]
    listed = app.test_cli_runner().invoke(args=["receiver", "failed", "list"]).output
    assert "forged: not signed with our secret keys" in listed


def test_callbacks_and_webhooks_on_a_true_job_are_not_called(
    app: Flask, run_jobs: RunJobs, redis: Any, tmp_path: Path, ran: list[str]
) -> None:
    job = f"rq:job:{redis.lindex(QUEUE, 0)}"
    for name in ("success", "failure", "stopped"):
        redis.hset(job, f"{name}_callback_name", "pathlib.Path.touch")
    redis.hset(job, "webhooks", json.dumps([{"url": "http://127.0.0.1:9/"}]))
    assert run_jobs(app) == 1
    assert ran == ["hello"]
    assert refused(redis) == 0
    assert not redis.exists(job)


def test_a_signature_holds_for_its_own_id_only(
    app: Flask, run_jobs: RunJobs, redis: Any, ran: list[str]
) -> None:
    true = redis.hgetall(f"rq:job:{redis.lindex(QUEUE, 0)}")
    run_jobs(app)
    forge(redis, "receiver-route-another", **true)
    run_jobs(app)
    assert refused(redis) == 1
    assert ran == ["hello"]


@pytest.mark.parametrize("field", ["data", "signature"])
def test_a_job_that_was_changed_is_refused_and_the_event_handled_all_the_same(
    app: Flask, run_jobs: RunJobs, redis: Any, ran: list[str], field: str
) -> None:
    """The sweeper makes the job anew from its ledger, which says what is still to be done."""
    job_id = redis.lindex(QUEUE, 0)
    changed = redis.hget(f"rq:job:{job_id}", field)[::-1]
    redis.hset(f"rq:job:{job_id}", field, changed)
    run_jobs(app)
    assert (ran, refused(redis)) == ([], 1)
    (entry,) = redis.zrange("receiver:open", 0, -1)
    redis.zadd("receiver:open", {entry: 0})
    run_jobs(app)
    assert ran == ["hello"]
    assert only_record(app).handlers["app.note"]["state"] == "done"
    assert redis.keys("rq:job:*") == []


def test_keys_rotate_while_jobs_wait(
    app: Flask, make_app: MakeApp, run_jobs: RunJobs, redis: Any
) -> None:
    newer = make_app(SECRET_KEYS=["a-newer-secret-key", "a-secret-key-of-some-length"])
    assert run_jobs(newer) == 1
    assert refused(redis) == 0
    post(newer, transaction="t-2")
    assert run_jobs(app) == 1
    assert refused(redis) == 1


def test_a_refused_job_is_not_tried_again_by_hand(
    app: Flask, run_jobs: RunJobs, redis: Any
) -> None:
    forge(redis, "x", data='["os.getpid", null, [], {}]')
    run_jobs(app)
    runner = app.test_cli_runner()
    retried = runner.invoke(args=["receiver", "failed", "retry", "--reason", "forged"])
    assert "is not ours" in retried.output
    assert "0 queued again, 1 left" in retried.output
    dropped = runner.invoke(args=["receiver", "failed", "drop", "--reason", "forged", "--yes"])
    assert "1 dropped" in dropped.output
    assert redis.keys("rq:job:*") == []
