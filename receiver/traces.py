"""OpenTelemetry spans from the ack to the reply, where a tracer provider was set up; else nothing.

A callback is one trace, through all processes, and nothing is stored or sent along for it: the
trace's id is the callback's, that is its first event's. Attributes hold names, ids and counts: no
number, no text, no key. Nothing is imported here that the app has not imported itself.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Link, Span, Tracer

T = TypeVar("T")
Attribute = str | int | bool

_API, _SCOPE = "opentelemetry.trace", "sms-receiver"
_ROOT = "receive"
_FLUSH_MILLISECONDS = 2_000
_LOOK_SECONDS = 1.0

Ids = tuple[int, int]  # of a trace, and of a span
_log = logging.getLogger(__name__)

_wished: ContextVar[Ids | None] = ContextVar("wished", default=None)
_at_hand: ContextVar[Receipt | None] = ContextVar("at_hand", default=None)
_known: tuple[object, Tracer | None] = (None, None)
_off_until = 0.0


class Noting(Protocol):
    """A span that takes what is learned on the way."""

    def note(self, **attributes: Attribute) -> None:
        """Add attributes; ``failed``, a word, says that what was done failed."""


class _Off:
    """Takes what is noted where nothing is traced; made once, and cheap to enter."""

    def __enter__(self) -> Noting:
        return self

    def __exit__(self, *_: object) -> None: ...

    def note(self, **attributes: Attribute) -> None: ...


_OFF = _Off()


@dataclass(slots=True)
class _On:
    """A span that has begun."""

    span: Span

    def note(self, **attributes: Attribute) -> None:
        self.span.set_attributes(_named(attributes))
        if "failed" in attributes:
            self.span.set_status(_api().StatusCode.ERROR, str(attributes["failed"]))


@dataclass(slots=True)
class Receipt:
    """What is noted of a callback while it is taken; times in nanoseconds since the epoch.

    Its spans are made at the end: only Redis tells whether the callback is a new one.
    """

    began: int
    attributes: dict[str, Attribute] = field(default_factory=dict)
    step: str = ""
    step_began: int = 0
    step_ended: int = 0
    callback: str | None = None
    is_new: bool = False

    def note(self, **attributes: Attribute) -> None:
        """Add attributes."""
        self.attributes |= attributes


def is_on() -> bool:
    """Tell whether the app has set up a tracer provider; where it had not, asked once a second."""
    return _tracer() is not None


def look_again() -> None:
    """Have the next step see a provider that was set up just now."""
    global _off_until
    _off_until = 0.0


def receiving(name: str = _ROOT) -> AbstractContextManager[Noting]:
    """Trace how a callback is taken, with the step that keeps it; see `keep_begins` and `kept`.

    Whatever traces the server is linked to and not the parent: the callback's trace goes on.
    """
    return _receiving(name) if is_on() else _OFF


@contextmanager
def _receiving(name: str) -> Iterator[Noting]:
    receipt = Receipt(time.time_ns())
    token = _at_hand.set(receipt)
    try:
        yield receipt
    finally:
        _at_hand.reset(token)
        _unharmed(_make_spans, name, receipt)


def keep_begins() -> None:
    """Say that a callback was read and is to be kept now."""
    receipt = _at_hand.get()
    if receipt is not None:
        receipt.step_began = time.time_ns()


def kept(step: str, callback: str | None, events: int, new: int | None) -> None:
    """Say what became of it: ``new`` counts events, and is ``None`` where nobody knows yet."""
    receipt = _at_hand.get()
    if receipt is None:
        return
    receipt.step, receipt.step_ended = step, time.time_ns()
    receipt.callback, receipt.is_new = callback, new != 0
    receipt.note(events=events, **({} if new is None else {"new": new}))


def span(
    name: str, callback: str | None = None, role: str = "CONSUMER", /, **attributes: Attribute
) -> AbstractContextManager[Noting]:
    """Trace a step of a worker: within the step around it, or else right below `receiving`.

    Without a ``callback`` it is within whatever is traced around it. ``role`` is OpenTelemetry's
    kind of a span. What is raised is not noted: it may quote a text.
    """
    tracer = _tracer()
    begun = None if tracer is None else _unharmed(_begin, tracer, name, callback, role, attributes)
    return _OFF if begun is None else _within(begun)


@contextmanager
def _within(begun: Span) -> Iterator[Noting]:
    try:
        with _api().use_span(begun, record_exception=False, set_status_on_exception=False):
            yield _On(begun)
    finally:
        _unharmed(begun.end)


def flush() -> None:
    """Have the app's provider send what it holds back: a worker that was forked ends right away."""
    flush_now = getattr(_known[0], "force_flush", None) if is_on() else None
    if flush_now is not None:
        _unharmed(flush_now, _FLUSH_MILLISECONDS)


def _unharmed(what: Callable[..., T], *args: Any) -> T | None:
    """Do something of OpenTelemetry's: whatever the app put into it, no ack and no job fails."""
    try:
        return what(*args)
    except Exception as error:  # noqa: BLE001 - processors, samplers and exporters are others' code
        _log.error("event=span_failed error=%s", type(error).__name__)
        return None


def _api() -> Any:
    return sys.modules[_API]


def _tracer() -> Tracer | None:
    """Give our tracer; ``None`` while the app has set up no provider.

    OpenTelemetry takes 1 µs to say that there is none, which is 1 % of an ack: hence once a second.
    """
    global _off_until
    if _API not in sys.modules or time.monotonic() < _off_until:
        return None
    found = _unharmed(_provided)
    if found is None:
        _off_until = time.monotonic() + _LOOK_SECONDS
    return found


def _provided() -> Tracer | None:
    global _known
    provider = _api().get_tracer_provider()
    if provider is not _known[0]:
        _known = (provider, _tracer_of(provider))
    return _known[1]


def _tracer_of(provider: Any) -> Tracer | None:
    api = _api()
    if isinstance(provider, api.ProxyTracerProvider | api.NoOpTracerProvider):
        return None
    tracer: Any = provider.get_tracer(_SCOPE)
    if isinstance(tracer, api.NoOpTracer):
        return None
    # The API has no word for a span's own id; without this, spans are in one trace all the same.
    ids = getattr(tracer, "id_generator", None)
    if ids is not None and not isinstance(ids, _Ids):
        tracer.id_generator = _Ids(ids)
    return cast("Tracer", tracer)


class _Ids:
    """Make the ids of our spans: those that a callback gives, or else as the provider does."""

    def __init__(self, others: Any) -> None:
        self._others = others

    def generate_trace_id(self) -> int:
        wished = _wished.get()
        return int(self._others.generate_trace_id()) if wished is None else wished[0]

    def generate_span_id(self) -> int:
        wished = _wished.get()
        return int(self._others.generate_span_id()) if wished is None else wished[1]

    def is_trace_id_random(self) -> bool:
        found = getattr(self._others, "is_trace_id_random", None)
        return bool(found and found())


def _ids(callback: str) -> Ids:
    """Give the ids of a callback's trace and of its first span; zero would be no id."""
    return int(callback, 16) or 1, int(callback[16:], 16) or 1


def _begin(
    tracer: Tracer, name: str, callback: str | None, role: str, attributes: dict[str, Attribute]
) -> Span:
    api = _api()
    context: Context | None = None
    links: Sequence[Link] = ()
    around = api.get_current_span().get_span_context().trace_id
    if callback is not None and around != _ids(callback)[0]:
        context, links = _below(tracer, callback), _links()
    kind, named = api.SpanKind[role], _named(attributes)
    return tracer.start_span(name, context, kind=kind, attributes=named, links=links)


def _below(tracer: Tracer, callback: str) -> Context:
    """Give the context of what follows from a callback: sampled where its first span was."""
    api = _api()
    trace_id, span_id = _ids(callback)
    sampler = getattr(tracer, "sampler", None)
    flags = api.TraceFlags.SAMPLED
    if sampler is not None:
        alone = api.set_span_in_context(api.INVALID_SPAN)
        chosen = sampler.should_sample(alone, trace_id, _ROOT, api.SpanKind.SERVER)
        flags = flags if chosen.decision.is_sampled() else api.TraceFlags.DEFAULT
    first = api.SpanContext(trace_id, span_id, is_remote=True, trace_flags=api.TraceFlags(flags))
    return cast("Context", api.set_span_in_context(api.NonRecordingSpan(first)))


def _make_spans(name: str, receipt: Receipt) -> None:
    api, tracer = _api(), _tracer()
    if tracer is None:
        return
    callback = receipt.callback
    context, wished = api.set_span_in_context(api.INVALID_SPAN), None
    if callback is not None and receipt.is_new:
        wished = _ids(callback)
    elif callback is not None:
        context = _below(tracer, callback)
    about: dict[str, Any] = {"kind": api.SpanKind.SERVER, "links": _links()}
    about |= {"attributes": _named(receipt.attributes), "start_time": receipt.began}
    token = _wished.set(wished)
    try:
        whole = tracer.start_span(name, context, **about)
    finally:
        _wished.reset(token)
    if receipt.step:
        began, within = receipt.step_began or receipt.began, api.set_span_in_context(whole)
        tracer.start_span(receipt.step, within, start_time=began).end(receipt.step_ended)
    whole.end()


def _links() -> Sequence[Link]:
    """Link to what is traced around us, such as the server's own span."""
    api = _api()
    around = api.get_current_span().get_span_context()
    return [api.Link(around)] if around.is_valid else []


def _named(attributes: dict[str, Attribute]) -> dict[str, Attribute]:
    return {f"receiver.{name}": value for name, value in attributes.items()}
