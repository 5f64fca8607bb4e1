"""Where spans are made and how: on both ways to the webhooks, as a provider wants, or not at all."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from fronting import answer_of, begun
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased, TraceIdRatioBased
from processes import until
from support import message
from tracing import answers, events_of, named, post, trace_ids, traced, tree

from receiver.traces import is_on, look_again, receiving, span

MakeApp = Callable[..., Flask]
RunJobs = Callable[[Flask], int]
Accounts = dict[str, dict[str, Any]]


WAYS = {"the short way": False, "flask's way": True}


@pytest.mark.parametrize("way", WAYS)
def test_both_ways_to_the_webhooks_are_traced(make_app: MakeApp, way: str) -> None:
    app = make_app()
    if WAYS[way]:
        app.teardown_request(lambda error: None)
    begun(app)
    with traced() as exporter:
        assert answer_of(app)[0] == "200 OK"
    assert tree(exporter.get_finished_spans()) == {"": ["receive"], "receive": ["accept"]}


def test_what_traces_the_server_is_linked_to_and_stays_by_itself(make_app: MakeApp) -> None:
    app = make_app()
    with traced() as exporter:
        with trace.get_tracer("server").start_as_current_span("POST") as around:
            post(app, "smsbox", message("t-1"))
        spans = exporter.get_finished_spans()
    received = named(spans, "receive")
    assert received.parent is None
    assert [link.context.span_id for link in received.links] == [around.get_span_context().span_id]
    assert len(trace_ids(spans)) == 2


SAMPLERS = {
    "none": (ALWAYS_OFF, 0),
    "none, or as the parent says": (ParentBased(ALWAYS_OFF), 0),
    "by the trace's id": (ParentBased(TraceIdRatioBased(0.5)), None),
}


@pytest.mark.parametrize("case", SAMPLERS)
def test_a_callback_is_sampled_as_a_whole(
    make_app: MakeApp, run_jobs: RunJobs, accounts: Accounts, case: str
) -> None:
    sampler, wanted = SAMPLERS[case]
    app = make_app(handlers=answers, ACCOUNTS=accounts)
    with traced(sampler=sampler) as web:
        for number in range(12):
            post(app, "smsbox", message(f"t-{number}"))
    with traced(sampler=sampler) as worker:
        run_jobs(app)
    assert trace_ids(web.get_finished_spans()) == trace_ids(worker.get_finished_spans())
    count = len(trace_ids(web.get_finished_spans()))
    assert count == wanted if wanted is not None else 0 < count < 12


class Broken(SpanProcessor):
    """A processor of somebody's own that fails."""

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        raise RuntimeError("no backend")

    def on_end(self, span: ReadableSpan) -> None:
        raise RuntimeError("no backend")


def test_neither_an_ack_nor_a_handler_fails_for_its_span(
    make_app: MakeApp, run_jobs: RunJobs, redis: Any
) -> None:
    app = make_app(handlers=answers)
    with traced(Broken()):
        assert post(app, "smsbox", message("t-1")) == 200
        run_jobs(app)
    (event,) = events_of(redis)
    (name,) = [n for n in redis.hkeys(f"receiver:event:{event}") if n.startswith("handler:")]
    assert json.loads(redis.hget(f"receiver:event:{event}", name))["state"] == "done"


def test_without_a_provider_there_is_nothing_to_note(make_app: MakeApp) -> None:
    look_again()
    assert not is_on()
    with span("route", "0" * 32, event="0" * 32) as first, receiving() as second:
        assert first is second
    post(make_app(), "smsbox", message("t-1"))


def test_a_provider_that_cannot_be_loaded_costs_no_ack(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise RuntimeError("no such provider")

    monkeypatch.setattr(trace, "get_tracer_provider", broken)
    look_again()
    assert post(make_app(), "smsbox", message("t-1")) == 200


def test_a_provider_that_comes_late_is_seen_soon(make_app: MakeApp) -> None:
    app = make_app()
    post(app, "smsbox", message("t-0"))
    with traced(look=False) as exporter:
        numbers = itertools.count(1)

        def is_traced() -> bool:
            post(app, "smsbox", message(f"t-{next(numbers)}"))
            return bool(exporter.get_finished_spans())

        until(is_traced, "a span")
