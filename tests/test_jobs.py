"""Handlers in jobs: each alone, retried alone, finished once."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from conftest import SMSBOX_KEY
from flask import Flask

from receiver import GiveUp, InboundMessage, Receiver, RetryLater
from receiver.store.journal import Journal, Record

MakeApp = Callable[..., Flask]
RunJobs = Callable[[Flask], int]


def post(
    app: Flask, text: str = "hello", transaction: str = "t-1", sender: str = "+255712345678"
) -> None:
    body = {"from": sender, "to": "15000", "transaction_id": transaction}
    answer = app.test_client().post(
        "/webhooks/smsbox", json={**body, "message": {"text": text}}, auth=(SMSBOX_KEY, "")
    )
    assert answer.get_json() == {"transaction_id": transaction, "successful": True}


def only_record(app: Flask) -> Record:
    journal: Journal = app.extensions["receiver"].journal
    (record,) = journal.records(journal.ids())
    return record


def make_all_due(redis: Any) -> int:
    """Let the time of all scheduled jobs come."""
    keys = redis.keys("rq:scheduled:*")
    ids = [(key, job_id) for key in keys for job_id in redis.zrange(key, 0, -1)]
    for key, job_id in ids:
        redis.zadd(key, {job_id: 0})
    return len(ids)


def test_a_failing_handler_is_retried_alone(
    make_app: MakeApp, run_jobs: RunJobs, redis: Any
) -> None:
    ran: list[str] = []

    def register(receiver: Receiver) -> None:
        @receiver.keyword("HELLO")
        def fails_once(message: InboundMessage) -> None:
            ran.append("fails_once")
            if ran.count("fails_once") == 1:
                raise RuntimeError("the database is away")

        @receiver.every()
        def watcher(message: InboundMessage) -> None:
            ran.append("watcher")

    app = make_app(handlers=register)
    post(app)
    run_jobs(app)
    assert sorted(ran) == ["fails_once", "watcher"]
    failed = only_record(app).handlers["app.fails_once"]
    assert (failed["state"], failed["reason"]) == ("retrying", "the database is away")
    assert make_all_due(redis) == 1
    run_jobs(app)
    assert sorted(ran) == ["fails_once", "fails_once", "watcher"]
    assert only_record(app).handlers["app.fails_once"]["state"] == "done"


def test_retries_end_in_a_dead_letter_after_about_an_hour(
    make_app: MakeApp, run_jobs: RunJobs, redis: Any
) -> None:
    def register(receiver: Receiver) -> None:
        @receiver.fallback()
        def broken(message: InboundMessage) -> None:
            raise KeyError(message.sender)

    app = make_app(handlers=register)
    post(app)
    delays = []
    run_jobs(app)
    while record := only_record(app).handlers["app.broken"]:
        if record["state"] == "failed":
            break
        delays.append(record["next_in"])
        assert make_all_due(redis) == 1
        run_jobs(app)
    assert (record["attempts"], len(delays)) == (9, 8)
    assert sorted(delays) == delays
    assert 2700 <= sum(delays) <= 4500
    assert redis.zcard("rq:failed:receiver-messages") == 1


def test_retries_of_one_handler_can_be_fewer(
    make_app: MakeApp, run_jobs: RunJobs, redis: Any
) -> None:
    def register(receiver: Receiver) -> None:
        @receiver.fallback(retries=0)
        def broken(message: InboundMessage) -> None:
            raise RuntimeError

    app = make_app(handlers=register)
    post(app)
    run_jobs(app)
    assert only_record(app).handlers["app.broken"]["state"] == "failed"
    assert make_all_due(redis) == 0


def test_retry_later_names_the_time(make_app: MakeApp, run_jobs: RunJobs, redis: Any) -> None:
    def register(receiver: Receiver) -> None:
        @receiver.fallback()
        def busy(message: InboundMessage) -> None:
            raise RetryLater(600, "the core banking system is closed")

    app = make_app(handlers=register)
    post(app)
    before = redis.time()[0]
    run_jobs(app)
    ((_, due),) = redis.zrange("rq:scheduled:receiver-messages", 0, -1, withscores=True)
    assert before + 600 <= due <= redis.time()[0] + 601
    assert only_record(app).handlers["app.busy"]["reason"] == "the core banking system is closed"


def test_give_up_is_a_dead_letter_at_once(make_app: MakeApp, run_jobs: RunJobs, redis: Any) -> None:
    def register(receiver: Receiver) -> None:
        @receiver.fallback()
        def hopeless(message: InboundMessage) -> None:
            raise GiveUp("no such customer")

    app = make_app(handlers=register)
    post(app)
    run_jobs(app)
    outcome = only_record(app).handlers["app.hopeless"]
    assert (outcome["state"], outcome["reason"]) == ("failed", "no such customer")
    assert make_all_due(redis) == 0
    assert redis.zcard("rq:failed:receiver-messages") == 1


def test_a_handler_that_exits_does_not_take_its_worker_along(
    make_app: MakeApp, run_jobs: RunJobs
) -> None:
    def register(receiver: Receiver) -> None:
        @receiver.fallback()
        def exits(message: InboundMessage) -> None:
            raise SystemExit(3)

    app = make_app(handlers=register)
    post(app)
    run_jobs(app)
    assert only_record(app).handlers["app.exits"]["state"] == "retrying"


def test_a_handler_that_hangs_is_stopped_at_its_timeout(
    make_app: MakeApp, run_jobs: RunJobs
) -> None:
    def register(receiver: Receiver) -> None:
        @receiver.fallback(timeout=0.2)
        def hangs(message: InboundMessage) -> None:
            while True:
                try:
                    pass
                except Exception:  # noqa: BLE001 - what careless handlers do
                    continue

    app = make_app(handlers=register)
    post(app)
    run_jobs(app)
    outcome = only_record(app).handlers["app.hangs"]
    assert (outcome["state"], outcome["reason"]) == ("retrying", "took longer than 0.2 seconds")


@pytest.mark.parametrize("deaths", [1, 2, 3])
def test_an_event_that_kills_three_workers_ends_as_a_dead_letter(
    make_app: MakeApp, run_jobs: RunJobs, redis: Any, deaths: int
) -> None:
    """As dead workers leave it: ``running`` on the record, the job counted and queued again."""

    def register(receiver: Receiver) -> None:
        @receiver.fallback(retries=0)
        def deadly(message: InboundMessage) -> None:
            pass

    app = make_app(handlers=register)
    post(app)
    left = {"state": "running", "attempts": 1, "by": "a-dead-worker"}
    app.extensions["receiver"].journal.note(only_record(app).event.id, "handler:app.deadly", left)
    redis.hset(f"rq:job:{redis.lindex('rq:queue:receiver-messages', 0)}", "deaths", deaths)
    run_jobs(app)
    outcome = only_record(app).handlers["app.deadly"]
    assert (outcome["state"], outcome["crashes"]) == ("failed" if deaths == 3 else "done", deaths)
    assert outcome.get("reason", "poison").startswith("poison")
    assert outcome["attempts"] == 1  # a death is no failure of the handler
    assert redis.zcard("rq:failed:receiver-messages") == (deaths == 3)


def test_a_wrong_return_value_is_said_and_not_retried(
    make_app: MakeApp, run_jobs: RunJobs, redis: Any
) -> None:
    def register(receiver: Receiver) -> None:
        @receiver.fallback()
        def number(message: InboundMessage) -> str:
            return 5  # type: ignore[return-value]

    app = make_app(handlers=register)
    post(app)
    run_jobs(app)
    outcome = only_record(app).handlers["app.number"]
    assert (outcome["state"], outcome["reason"]) == (
        "failed",
        "returned int: must be text or None",
    )
    assert make_all_due(redis) == 0


def test_a_job_that_runs_again_does_not_run_a_finished_handler_again(
    make_app: MakeApp, run_jobs: RunJobs, redis: Any
) -> None:
    ran: list[str] = []

    def register(receiver: Receiver) -> None:
        @receiver.fallback()
        def once(message: InboundMessage) -> None:
            ran.append(message.id)

    app = make_app(handlers=register)
    post(app)
    job_id = redis.lindex("rq:queue:receiver-messages", 0)
    left_over = redis.hgetall(f"rq:job:{job_id}")
    run_jobs(app)
    redis.hset(f"rq:job:{job_id}", mapping=left_over)
    redis.rpush("rq:queue:receiver-messages", job_id)
    assert run_jobs(app) == 1
    assert len(ran) == 1


def test_each_job_has_an_app_context_of_its_own(make_app: MakeApp, run_jobs: RunJobs) -> None:
    seen: list[str] = []

    def register(receiver: Receiver) -> None:
        @receiver.fallback()
        def uses_the_app(message: InboundMessage) -> None:
            seen.append(f"handled {message.text}")

    app = make_app(handlers=register)
    app.teardown_appcontext(lambda _: seen.append("closed"))
    post(app, "one", "1")
    post(app, "two", "2")
    seen.clear()
    run_jobs(app)
    assert [entry for entry in seen if entry != "closed"] == ["handled one", "handled two"]
    between = seen[seen.index("handled one") : seen.index("handled two")]
    assert "closed" in between


def test_a_job_that_names_a_foreign_function_does_not_run_it(
    make_app: MakeApp, run_jobs: RunJobs, redis: Any, tmp_path: Any
) -> None:
    app = make_app()
    post(app)
    job_id = redis.lindex("rq:queue:receiver-messages", 0)
    forged = f'["os.mkdir", null, ["{tmp_path / "mark"}"], {{}}]'
    redis.hset(f"rq:job:{job_id}", "data", forged)
    run_jobs(app)
    assert not (tmp_path / "mark").exists()
    assert redis.hget(f"rq:job:{job_id}", "status") == "failed"


def test_an_expired_event_ends_its_job_quietly(
    make_app: MakeApp, run_jobs: RunJobs, redis: Any
) -> None:
    app = make_app()
    post(app)
    for key in redis.keys("receiver:event:*"):
        redis.delete(key)
    assert run_jobs(app) == 1
    assert redis.keys("rq:job:*") == []
    assert redis.keys("receiver:event:*") == []


def test_a_process_that_a_handler_forks_does_not_go_on_as_a_worker(
    make_app: MakeApp, run_jobs: RunJobs, tmp_path: Any
) -> None:
    def register(receiver: Receiver) -> None:
        @receiver.fallback()
        def forks(message: InboundMessage) -> None:
            pid = os.fork()
            if pid:
                _, status = os.waitpid(pid, 0)
                (tmp_path / "exit").write_text(str(os.waitstatus_to_exitcode(status)))

    app = make_app(handlers=register)
    post(app)
    assert run_jobs(app) == 1
    assert (tmp_path / "exit").read_text() == "0"
    assert only_record(app).handlers["app.forks"]["attempts"] == 1
