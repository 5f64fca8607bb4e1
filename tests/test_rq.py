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
from receiver.store.queue import JobMaker

MakeApp = Callable[..., Flask]


@pytest.mark.parametrize("field", ["data", "origin", "status", "timeout", "created_at"])
def test_rq_reads_our_jobs_as_its_own(make_app: MakeApp, redis: Any, field: str) -> None:
    app = make_app()
    post(app)
    client = app.extensions["receiver"].connection.client
    (ours,) = Queue("receiver-messages", connection=client, serializer=JSONSerializer).jobs
    event_id = only_record(app).event.id
    theirs = Job.create(
        "receiver.jobs.route",
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
