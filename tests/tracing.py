"""Spans as a backend would get them: OpenTelemetry's own SDK, with all spans kept in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from flask import Flask
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.util._once import Once
from support import KEYS

from receiver import InboundMessage, Receiver
from receiver.traces import look_again


@contextmanager
def traced(*processors: Any, look: bool = True, **options: Any) -> Iterator[InMemorySpanExporter]:
    """Set up a tracer provider as an app does, for a while; OpenTelemetry means it for ever."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False, **options)
    for processor in processors:
        provider.add_span_processor(processor)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    if look:
        look_again()
    try:
        yield exporter
    finally:
        provider.shutdown()
        trace._TRACER_PROVIDER = None
        trace._TRACER_PROVIDER_SET_ONCE = Once()


def tree(spans: Sequence[ReadableSpan]) -> dict[str, list[str]]:
    """Give the names below each name; what has no parent here is below an empty name."""
    names = {span.context.span_id: span.name for span in spans}
    found: dict[str, list[str]] = {}
    for span in spans:
        parent = span.parent and names.get(span.parent.span_id, "(elsewhere)")
        found.setdefault(parent or "", []).append(span.name)
    return {name: sorted(below) for name, below in found.items()}


def trace_ids(spans: Sequence[ReadableSpan]) -> set[str]:
    """Give the traces that spans are in, as hexadecimal digits."""
    return {format(span.context.trace_id, "032x") for span in spans}


def answers(receiver: Receiver) -> None:
    @receiver.fallback()
    def answer(message: InboundMessage) -> str:
        return "Thank you."


def post(app: Flask, provider: str, body: Any, key: str | None = None) -> int:
    headers = {"x-api-key": KEYS[provider] if key is None else key}
    path = f"/webhooks/{provider}"
    return app.test_client().post(path, json=body, headers=headers).status_code


def named(spans: Sequence[ReadableSpan], name: str) -> ReadableSpan:
    (found,) = [span for span in spans if span.name == name]
    return found


def events_of(redis: Any) -> list[str]:
    return [key.removeprefix("receiver:event:") for key in redis.keys("receiver:event:*")]
