"""Jobs that a worker claimed several at once: what a kill, a slow handler or a rival make of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from processes import until
from test_jobs import make_all_due, post

from receiver import InboundMessage, Receiver, RetryLater
from receiver.clerk import Clerk
from receiver.store.claims import Claims, Ending
from receiver.store.journal import Journal, Note, Noted, Record, field_json

MakeApp = Callable[..., Flask]
RunJobs = Callable[[Flask], int]

NAME = "receiver-messages"
QUEUE = f"rq:queue:{NAME}"
HANDLER = "handler:app.note"


class Shop:
    """An app that notes what it handles; ``before`` is called with each text before that."""

    def __init__(self, make_app: MakeApp) -> None:
        self.handled: list[str] = []
        self.before: Callable[[str], object] = lambda text: None
        self.app = make_app(handlers=self._register)
        self.parts = self.app.extensions["receiver"]
        self.journal: Journal = self.parts.journal

    def _register(self, receiver: Receiver) -> None:
        @receiver.fallback()
        def note(message: InboundMessage) -> None:
            self.before(message.text)
            self.handled.append(message.text)

    def receive(self, *texts: str) -> None:
        """Accept messages, each of a contact of its own."""
        for number, text in enumerate(texts):
            post(self.app, text, text, f"+2557120000{number:02}")

    def claims(self, worker: str) -> Claims:
        """The claims of another worker."""
        claims = Claims(self.parts.connection, self.parts.jobs, NAME, worker, 600)
        claims.announce()
        return claims

    def clerk(self, worker: str = "a-worker") -> Clerk:
        """The clerk of a worker that lives."""
        self.parts.connection.client.hset(f"rq:worker:{worker}", "name", worker)
        clerk = Clerk(self.parts.connection, self.parts.jobs, "messages", worker, 600)
        clerk.sign_on()
        return clerk

    def records(self) -> dict[str, Record]:
        """All records by the text of their message."""
        return {found.event.text: found for found in self.journal.records(self.journal.ids())}


@pytest.fixture
def shop(make_app: MakeApp) -> Shop:
    return Shop(make_app)


def running(event_id: str, worker: str) -> Note:
    """What a record says while a worker is at it."""
    return Note(event_id, HANDLER, field_json({"state": "running", "attempts": 1, "by": worker}))


def done(job_id: str, begun: Note) -> Ending:
    """The end of a job whose handler has run."""
    note = begun.followed_by({"state": "done", "attempts": 1})
    return Ending(job_id=job_id, how="done", event_id=begun.event_id, note=note)


def test_a_worker_that_dies_costs_only_the_job_in_hand(
    shop: Shop, redis: Any, run_jobs: RunJobs
) -> None:
    shop.receive("0", "1", "2", "3")
    claims = shop.claims("dead")
    first, second, *_ = [job.id for job in claims.take(4)]
    records = shop.records()
    begun = [running(records[text].event.id, "dead") for text in ("0", "1")]
    assert claims.turn(None, first, begun[0]) is Noted.YES
    assert claims.turn(done(first, begun[0]), second, begun[1]) is Noted.YES
    run_jobs(shop.app)
    assert shop.handled == ["1", "2", "3"]
    crashes = {text: r.handlers["app.note"].get("crashes") for text, r in shop.records().items()}
    assert crashes == {"0": None, "1": 1, "2": None, "3": None}
    assert redis.keys("receiver:claims*") == redis.keys("rq:job:*") == []


def test_what_a_dead_worker_had_claimed_comes_before_what_waits(
    shop: Shop, run_jobs: RunJobs
) -> None:
    shop.receive("0", "1", "2", "3")
    shop.claims("dead").take(2)
    run_jobs(shop.app)
    assert shop.handled == ["0", "1", "2", "3"]


def test_a_slow_handler_holds_nothing_back_that_its_worker_has_claimed(
    shop: Shop, redis: Any, run_jobs: RunJobs
) -> None:
    """The handler itself waits for the others to be in the queue, or handled."""
    texts = [str(number) for number in range(40)]
    shop.receive(*texts)

    def wait(text: str) -> None:
        if text == "20":
            left = len(texts) - len(shop.handled) - 1
            until(lambda: redis.llen(QUEUE) == left, "the claimed jobs to be given back")
            assert redis.lrange(QUEUE, 0, -1) == ids[21:]

    ids = redis.lrange(QUEUE, 0, -1)
    shop.before = wait
    assert run_jobs(shop.app) == len(texts)
    assert shop.handled == texts


def test_what_is_given_back_is_what_was_not_begun(shop: Shop, redis: Any) -> None:
    shop.receive("0", "1", "2", "3")
    ids = redis.lrange(QUEUE, 0, -1)
    claims = shop.claims("slow")
    claims.take(3)
    claims.turn(None, ids[0])
    claims.give_back()
    assert redis.lrange(QUEUE, 0, -1) == ids[1:]
    assert redis.lrange(f"receiver:claims:{NAME}:slow", 0, -1) == ids[:1]
    assert [redis.hget(f"rq:job:{job_id}", "status") for job_id in ids[:2]] == ["started", "queued"]


def perform_first(shop: Shop, meanwhile: Callable[[str, str], object]) -> None:
    """Claim a message, let something happen to its job and its event, and have its turn come."""
    shop.receive("0")
    clerk = shop.clerk()
    job = clerk.claim(wait=False)
    assert job is not None
    assert job.untouched
    meanwhile(job.id, shop.records()["0"].event.id)
    with shop.app.app_context():
        clerk.perform(job)
    clerk.sign_off()


def test_a_job_that_another_worker_was_given_meanwhile_is_not_run(shop: Shop, redis: Any) -> None:
    def given_to_another(job_id: str, event_id: str) -> None:
        redis.hset("rq:worker:another", "name", "another")
        shop.claims("a-worker").give_back()
        assert [job.id for job in shop.claims("another").take(1)] == [job_id]

    perform_first(shop, given_to_another)
    assert shop.handled == []
    assert redis.llen(f"receiver:claims:{NAME}:another") == 1
    assert redis.zcard("receiver:open") == 1


def test_a_record_that_changed_since_its_job_was_claimed_is_noticed(shop: Shop) -> None:
    def begun_by_another(_: str, event_id: str) -> None:
        shop.journal.note(event_id, HANDLER, {"state": "running", "by": "another"})

    perform_first(shop, begun_by_another)
    assert shop.handled == []
    assert shop.records()["0"].handlers["app.note"]["by"] == "another"


def test_an_event_that_expired_since_its_job_was_claimed_is_not_run(shop: Shop, redis: Any) -> None:
    perform_first(shop, lambda _, event_id: redis.delete(f"receiver:event:{event_id}"))
    assert shop.handled == []
    assert redis.keys("receiver:event:*") == redis.keys("rq:job:*") == []
    assert redis.zcard("receiver:open") == 0


def test_a_job_that_is_gone_when_its_turn_comes_is_let_go(shop: Shop, redis: Any) -> None:
    perform_first(shop, lambda job_id, _: redis.delete(f"rq:job:{job_id}"))
    assert shop.handled == []
    assert redis.keys("rq:job:*") == redis.keys("receiver:claims:*") == []


def test_an_outcome_is_written_whatever_job_comes_next(shop: Shop, redis: Any) -> None:
    """Even one that is never begun: it is gone."""
    shop.receive("0", "1")
    _, gone = (job.id for job in shop.claims("a-worker").take(2))
    redis.delete(f"rq:job:{gone}")
    clerk = shop.clerk()
    with shop.app.app_context():
        while job := clerk.claim(wait=False):
            clerk.perform(job)
            assert shop.handled == ["0"]
    clerk.sign_off()
    assert redis.llen(QUEUE) == 0
    assert shop.records()["0"].handlers["app.note"]["state"] == "done"


def test_jobs_whose_claim_was_not_answered_are_given_again(shop: Shop, redis: Any) -> None:
    shop.receive("0", "1", "2")
    claims = shop.claims("a-worker")
    unanswered = claims.take(2)
    assert claims.take(2) == unanswered
    assert redis.llen(QUEUE) == 1


def test_a_turn_whose_answer_was_lost_is_written_once(shop: Shop, redis: Any) -> None:
    shop.receive("0")
    claims = shop.claims("a-worker")
    (job,) = claims.take(1)
    begun = running(shop.records()["0"].event.id, "a-worker")
    claims.turn(None, job.id, begun)
    later = begun.followed_by({"state": "retrying", "attempts": 1})
    ended = Ending(job_id=job.id, how="later", event_id=begun.event_id, note=later)
    claims.turn(ended)
    make_all_due(redis)
    other = shop.clerk("another")
    other.release_due()
    with shop.app.app_context():
        other.perform(other.claim(wait=False) or job)
    other.settle()
    claims.turn(ended)
    assert shop.records()["0"].handlers["app.note"]["state"] == "done"
    assert redis.keys("rq:scheduled:*") == []


def test_the_outcome_of_a_worker_that_was_taken_for_dead_spares_another_run(
    shop: Shop, run_jobs: RunJobs
) -> None:
    shop.receive("0")
    silent = shop.claims("silent")
    (job,) = silent.take(1)
    begun = running(shop.records()["0"].event.id, "silent")
    silent.turn(None, job.id, begun)
    silent.release_orphans()
    silent.turn(done(job.id, begun))
    run_jobs(shop.app)
    assert shop.handled == []
    assert shop.records()["0"].handlers["app.note"]["state"] == "done"


def test_a_message_that_comes_again_later_lets_the_others_pass(
    shop: Shop, redis: Any, run_jobs: RunJobs
) -> None:
    shop.receive(*(str(number) for number in range(8)))

    def put_off(text: str) -> None:
        if text == "5" and "7" not in shop.handled:
            raise RetryLater(0)

    shop.before = put_off
    run_jobs(shop.app)
    make_all_due(redis)
    run_jobs(shop.app)
    assert shop.handled == ["0", "1", "2", "3", "4", "6", "7", "5"]
