"""One trace from the ack to the reply, and nothing private in it; none where nobody asked for one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from conftest import SMSBOX_KEY
from flask import Flask
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from private import private_in
from processes import until
from redis.exceptions import ConnectionError as RedisConnectionError
from support import message, report
from tracing import answers, events_of, named, post, trace_ids, traced, tree

from receiver import DeliveryReport, GiveUp, InboundMessage, Receiver, RetryLater, send
from receiver.store.connection import Connection

MakeApp = Callable[..., Flask]
RunJobs = Callable[[Flask], int]
Accounts = dict[str, dict[str, Any]]


def said(span: ReadableSpan) -> dict[str, Any]:
    return {
        name.removeprefix("receiver."): value for name, value in (span.attributes or {}).items()
    }


def test_a_message_and_its_reply_are_one_trace_of_the_callbacks_id(
    make_app: MakeApp, run_jobs: RunJobs, accounts: Accounts, redis: Any
) -> None:
    app = make_app(handlers=answers, ACCOUNTS=accounts)
    with traced() as exporter:
        assert post(app, "smsbox", message("t-1")) == 200
        run_jobs(app)
    spans = exporter.get_finished_spans()
    (event,) = events_of(redis)
    assert trace_ids(spans) == {event}
    name = next(span.name for span in spans if span.name.startswith("handle "))
    assert tree(spans) == {"": ["receive"], "receive": ["accept", "route", "send"], "route": [name]}
    received = said(named(spans, "receive"))
    who = {"account": "smsbox", "provider": "smsbox"}
    assert received == {**who, "answer": 200, "events": 1, "new": 1}
    assert said(named(spans, name))["outcome"] == "done"
    assert said(named(spans, name))["attempt"] == 1
    assert said(named(spans, "send"))["result"] == "sent"
    assert named(spans, "receive").kind is trace.SpanKind.SERVER
    assert named(spans, "send").kind is trace.SpanKind.CLIENT


def test_all_events_of_a_callback_are_in_its_trace(make_app: MakeApp, run_jobs: RunJobs) -> None:
    def watches(receiver: Receiver) -> None:
        @receiver.report()
        def first(report: DeliveryReport) -> None: ...

        @receiver.report()
        def second(report: DeliveryReport) -> None: ...

    app = make_app(handlers=watches)
    with traced() as exporter:
        post(app, "lefoka", report("failed", "27637885448", "27637885449"))
        run_jobs(app)
    spans = exporter.get_finished_spans()
    assert len(trace_ids(spans)) == 1
    below = tree(spans)["receive"]
    assert [name.partition(" ")[0] for name in below].count("handle") == 4
    assert below.count("route") == 2


def test_a_handlers_own_spans_and_sends_are_below_its_span(
    make_app: MakeApp, run_jobs: RunJobs, accounts: Accounts
) -> None:
    def works(receiver: Receiver) -> None:
        @receiver.every()
        def work(message: InboundMessage) -> None:
            with trace.get_tracer("shop").start_as_current_span("look up"):
                pass
            send("smsbox", message.sender or "", "hello", source="15000")

    app = make_app(handlers=works, ACCOUNTS=accounts)
    with traced() as exporter:
        post(app, "smsbox", message("t-1"))
        run_jobs(app)
    spans = exporter.get_finished_spans()
    (handle,) = [span.name for span in spans if span.name.startswith("handle ")]
    assert tree(spans)[handle] == ["look up", "send"]
    assert said(named(spans, "send"))["result"] == "sent"


FAILURES = {
    "a fault": (ValueError("0637885448 wrote hello"), "retrying", "ValueError"),
    "later": (RetryLater(60), "retrying", "RetryLater"),
    "never": (GiveUp("0637885448 is unknown"), "failed", "GiveUp"),
}


@pytest.mark.parametrize("case", FAILURES)
def test_a_failed_attempt_says_so_and_never_what_was_raised(
    make_app: MakeApp, run_jobs: RunJobs, case: str
) -> None:
    error, outcome, name = FAILURES[case]

    def fails(receiver: Receiver) -> None:
        @receiver.fallback()
        def fail(message: InboundMessage) -> None:
            raise error

    app = make_app(handlers=fails)
    with traced() as exporter:
        post(app, "smsbox", message("t-1"))
        run_jobs(app)
    (span,) = [s for s in exporter.get_finished_spans() if s.name.startswith("handle ")]
    assert said(span)["outcome"] == outcome
    assert said(span)["failed"].endswith(f": {name}")
    assert span.status.status_code is trace.StatusCode.ERROR
    assert not span.events


def test_a_reply_that_fails_says_with_which_code(
    make_app: MakeApp, run_jobs: RunJobs, accounts: Accounts, api: Any
) -> None:
    api.answers = [(200, {"status": False, "code": 102, "message": "no credit for 0712345678"})]
    app = make_app(handlers=answers, ACCOUNTS=accounts)
    with traced() as exporter:
        post(app, "smsbox", message("t-1"))
        run_jobs(app)
    sent = named(exporter.get_finished_spans(), "send")
    assert said(sent)["result"] in ("failed", "retrying")
    assert said(sent)["failed"] == "102"
    assert sent.status.status_code is trace.StatusCode.ERROR


def test_a_resend_is_in_the_trace_of_what_it_repeats(make_app: MakeApp) -> None:
    app = make_app()
    with traced() as exporter:
        post(app, "smsbox", message("t-1"))
        post(app, "smsbox", message("t-1"))
    spans = exporter.get_finished_spans()
    assert len(trace_ids(spans)) == 1
    assert len({span.context.span_id for span in spans}) == 4
    assert tree(spans) == {"": ["receive"], "receive": ["accept", "accept", "receive"]}
    assert [said(s)["new"] for s in spans if s.name == "receive"] == [1, 0]


REFUSED = {
    "a wrong key": ("/webhooks/smsbox", {"x-api-key": "wrong"}, {}, 401),
    "a stranger's guess": ("/webhooks/255712345678", {}, {}, 404),
    "what nobody can read": ("/webhooks/smsbox", {"x-api-key": SMSBOX_KEY}, {"data": b"\xff"}, 200),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_taken_is_a_trace_of_its_own(make_app: MakeApp, case: str) -> None:
    path, headers, options, status = REFUSED[case]
    app = make_app()
    with traced() as exporter:
        options = options or {"json": message("t-1")}
        answer = app.test_client().post(path, headers=headers, **options)
    assert answer.status_code == status
    *steps, received = exporter.get_finished_spans()
    assert received.parent is None
    assert said(received)["answer"] == status
    assert ("account" in said(received)) == (status != 404)
    assert [step.name for step in steps] == (["quarantine"] if status == 200 else [])


def test_a_spooled_callback_goes_on_in_the_same_trace(
    make_app: MakeApp, run_jobs: RunJobs, monkeypatch: pytest.MonkeyPatch, redis: Any
) -> None:
    app = make_app(handlers=answers)

    def away(*given: object) -> None:
        raise RedisConnectionError

    with traced() as exporter:
        with monkeypatch.context() as patched:
            patched.setattr(Connection, "run_durably", away)
            assert post(app, "smsbox", message("t-1")) == 200
        intake = app.extensions["receiver"].intake
        until(lambda: not intake.outage.waiting() and not intake.outage.open, "the drain")
        run_jobs(app)
    spans = exporter.get_finished_spans()
    assert trace_ids(spans) == {*events_of(redis)}
    below = tree(spans)
    assert (below[""], below["receive"][-2:]) == (["receive"], ["send", "spool"])


def test_nothing_private_is_in_any_span(
    make_app: MakeApp, run_jobs: RunJobs, accounts: Accounts
) -> None:
    app = make_app(handlers=answers, ACCOUNTS=accounts)
    with traced() as exporter:
        post(app, "smsbox", message("t-1"))
        post(app, "smsbox", message("t-2"), key="0712345678")
        post(app, "lefoka", report("failed", "27637885448"))
        run_jobs(app)
    spans = exporter.get_finished_spans()
    assert len(spans) > 8
    text = " ".join(span.to_json() for span in spans)
    assert private_in(text) == []
    assert "hello" not in text
    assert "Thank you" not in text
