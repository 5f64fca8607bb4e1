"""Our jobs as RQ, its dashboards and its own classes see them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from conftest import LEFOKA_KEY
from flask import Flask
from rq.job import Job, JobStatus
from rq.queue import Queue
from rq.serializers import JSONSerializer
from test_jobs import only_record, post

from receiver.signing import Seal
from receiver.store.queue import Job as OurJob
from receiver.store.queue import JobMaker, rq_time

MakeApp = Callable[..., Flask]


@pytest.mark.parametrize("field", ["data", "origin", "status", "timeout", "created_at"])
def test_rq_reads_our_jobs_as_its_own(make_app: MakeApp, redis: Any, field: str) -> None:
    app = make_app()
    post(app)
    client = app.extensions["receiver"].connection.client
    (ours,) = Queue("receiver-messages", connection=client, serializer=JSONSerializer).jobs
    event_id = only_record(app).event.id
    theirs = Job.create(
        "receiver.jobs.run",
        args=(event_id,),
        id="theirs",
        origin="receiver-messages",
        timeout=180,
        status=JobStatus.QUEUED,
        connection=client,
        serializer=JSONSerializer,
    )
    if field == "data":
        assert (ours.func_name, list(ours.args)) == (theirs.func_name, list(theirs.args))
    elif field == "created_at":
        assert ours.created_at.tzinfo == theirs.created_at.tzinfo
        assert abs((ours.created_at - theirs.created_at).total_seconds()) < 60
    elif field == "status":
        assert ours.get_status() == theirs.get_status(refresh=False)
    else:
        assert getattr(ours, field) == getattr(theirs, field)


def test_rq_and_its_dashboards_see_no_number_and_no_text(make_app: MakeApp, redis: Any) -> None:
    app = make_app()
    post(app, "my pin is 4711")
    app.test_client().post(
        f"/webhooks/lefoka?api_key={LEFOKA_KEY}",
        json={"id": "x", "type": "sms", "recipient": ["27637885448"], "message": "pin 4711"},
    )
    keys = redis.keys("*")
    shown = [str(keys)] + [str(redis.hgetall(key)) for key in keys if key.startswith("rq:job:")]
    assert len(shown) == 3
    assert not [text for text in shown if "4711" in text or "712345678" in text or "7885" in text]


def test_two_namespaces_have_jobs_of_their_own() -> None:
    makers = [JobMaker(name, Seal(["a-secret"])) for name in ("one", "two")]
    one, two = (maker.route("e", "message") for maker in makers)
    assert one.id != two.id
    assert one.queue != two.queue


def test_a_job_that_waits_is_kept_small_by_redis(make_app: MakeApp, redis: Any) -> None:
    """As Redis comes, a hash is small as long as none of its values is longer than 64 bytes."""
    app = make_app()
    post(app)
    (key,) = redis.keys("rq:job:*")
    assert redis.object("encoding", key) == "listpack"
    redis.hset(key, "worker_name", "0" * 32)
    redis.hset(key, "deaths", 3)
    assert redis.object("encoding", key) == "listpack"


def test_a_job_names_its_event_to_rqs_tools_and_its_lane_to_nobody(
    make_app: MakeApp, redis: Any
) -> None:
    app = make_app()
    post(app)
    client = app.extensions["receiver"].connection.client
    (job_id,) = redis.lrange("rq:queue:receiver-messages", 0, -1)
    job = Job.fetch(job_id, connection=client, serializer=JSONSerializer)
    assert (job.args, job.kwargs, job.instance) == ([only_record(app).event.id], {}, 0)


LANE = "0123456789abcdef"


def test_a_lane_is_signed_with_its_job() -> None:
    maker = JobMaker("receiver", Seal(["a-secret"]))
    job, plain = maker.route("ab", "message", LANE), maker.route("ab", "message")
    lane, _, proof = job.signature.encode().partition(b".")
    assert lane.decode() == LANE
    read = maker.read(job.id, job.data, job.signature.encode())
    assert read is not None
    assert read.lane == LANE
    whole = job.data.removesuffix(b"{}]") + b'{"lane":"%b"}]' % lane
    assert maker.read(job.id, whole, proof) == read  # as an older version wrote it
    forged = [
        (job.data, proof),
        (job.data, b"." + proof),
        (job.data, b"f" + lane[1:] + b"." + proof),
        (job.data, b'x","lane":"' + job.signature.encode()),
        (whole, job.signature.encode()),
        (plain.data, lane + b"." + plain.signature.encode()),
    ]
    assert [maker.read(job.id, *given) for given in forged] == [None] * len(forged)
    assert maker.read(plain.id, plain.data, b"." + plain.signature.encode()) is not None


MAKES: dict[str, Callable[[JobMaker], OurJob]] = {
    "a message": lambda jobs: jobs.route("ab", "message", LANE),
    "who says STOP": lambda jobs: jobs.route("ab", "message"),
    "a report": lambda jobs: jobs.route("ab", "report"),
    "an alarm": lambda jobs: jobs.route("ab", "alarm"),
    "a handler": lambda jobs: jobs.run("ab", "report", "shop.note"),
    "a handler in a lane": lambda jobs: jobs.run("ab", "message", "shop.note", LANE),
    "a handler of a router with a dash": lambda jobs: jobs.run("ab", "message", "my-shop.note"),
    "a handler of many words": lambda jobs: jobs.run("ab", "message", "a.b-c.note", LANE),
    "a reply": lambda jobs: jobs.send("ab", "shop.note"),
}


@pytest.mark.parametrize("namespace", ["receiver", "of-two-words"])
@pytest.mark.parametrize("make", MAKES.values(), ids=MAKES)
def test_a_job_that_goes_back_to_its_queue_finds_its_place_in_the_ledger(
    make_app: MakeApp, redis: Any, make: Callable[[JobMaker], OurJob], namespace: str
) -> None:
    parts = make_app().extensions["receiver"]
    maker = JobMaker(namespace, Seal(["a-secret"]))
    job = make(maker)
    redis.hset("a-record", "event", "{}")
    args = ["note", "1", "always", "", rq_time(), 600, "", "", *job.args()]
    parts.connection.run("note", ["a-record", maker.ledger], args)
    redis.zadd(maker.ledger, {job.entry: 0})
    claims = f"{namespace}:claims:{job.queue}:dead"
    redis.sadd("the-claims", claims)
    redis.lmove(f"rq:queue:{job.queue}", claims)
    assert parts.connection.run("orphans", ["the-claims", maker.ledger], [""]) == 1
    ((entry, moved),) = redis.zrange(maker.ledger, 0, -1, withscores=True)
    assert entry == job.entry
    assert moved > 0
    assert maker.again(entry) == job
