"""Which handlers of a deployment an event goes to. Nothing here runs a handler."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property

from .consent import Asked
from .events import Alarm, AnyEvent, DeliveryReport, InboundMessage, Status
from .routing import Handler, Kind, Router, two_of_one_name
from .words import first_word


@dataclass(frozen=True, slots=True)
class Match:
    """A handler that takes an event, and the event with the pattern's groups filled in."""

    handler: Handler
    event: AnyEvent


Guard = Callable[[Handler], AbstractContextManager[object]]


class Table:
    """All handlers of a deployment, in order. Two of one name are a `ConfigurationError`."""

    def __init__(self, routers: Iterable[Router] = ()) -> None:
        self._handlers: dict[str, Handler] = {}
        for router in dict.fromkeys(routers):
            for handler in router.handlers:
                if handler.name in self._handlers:
                    raise two_of_one_name(handler.name)
                self._handlers[handler.name] = handler

    def __iter__(self) -> Iterator[Handler]:
        return iter(self._handlers.values())

    @cached_property
    def expects(self) -> bool:
        """Tell whether any handler takes part in conversations."""
        return any(handler.kind == "expects" for handler in self)

    @cached_property
    def runs_patterns(self) -> bool:
        """Tell whether finding an event's handlers runs what users wrote: their patterns."""
        return any(handler.pattern is not None for handler in self)

    def get(self, name: str) -> Handler | None:
        """Give the handler of that name."""
        return self._handlers.get(name)

    def match(
        self,
        event: AnyEvent,
        guard: Guard = lambda _: nullcontext(),
        *,
        asked: Asked | None = None,
        expected: str | None = None,
    ) -> list[Match]:
        """Give the handlers that take an event: one that answers first, then all that watch.

        ``guard`` is entered round each pattern: it limits the time, and may swallow what is
        raised, which makes that pattern one that does not match. ``asked``: the message is an
        opt-out or an opt-in. ``expected``: what its sender's conversation expects.
        """
        if isinstance(event, Alarm):
            return [Match(handler, event) for handler in self._open_to(event, "alarm")]
        if isinstance(event, DeliveryReport):
            reports = self._open_to(event, "report")
            return [Match(h, event) for h in reports if event.status in (h.statuses or Status)]
        watchers = [Match(handler, event) for handler in self._open_to(event, "every")]
        winner = self._named(event, asked, expected) or self._winner(event, guard)
        return [winner, *watchers] if winner else watchers

    def _named(
        self, message: InboundMessage, asked: Asked | None, expected: str | None
    ) -> Match | None:
        """Find who takes the message for what it is, whatever its words."""
        if asked is not None:
            return next((Match(h, message) for h in self._open_to(message, asked)), None)
        if expected is None:
            return None
        waiting = self._open_to(message, "expects")
        return next((Match(h, message) for h in waiting if h.expected == expected), None)

    def _winner(self, message: InboundMessage, guard: Guard) -> Match | None:
        for handler in self._open_to(message, "keyword", "pattern"):
            match = self._try(handler, message, guard)
            if match is not None:
                return match
        return next((Match(h, message) for h in self._open_to(message, "fallback")), None)

    def _try(self, handler: Handler, message: InboundMessage, guard: Guard) -> Match | None:
        if handler.pattern is None:
            found = first_word(message.text) in handler.words
            return Match(handler, message) if found else None
        grouped = None
        with guard(handler):
            grouped = _grouped(handler.pattern, message)
        return Match(handler, grouped) if grouped else None

    def _open_to(self, event: AnyEvent, *kinds: Kind) -> Iterator[Handler]:
        for handler in self:
            if handler.kind in kinds and (
                handler.provider in (None, event.provider)
                and handler.account in (None, event.account)
            ):
                yield handler


def refill(handler: Handler, event: AnyEvent) -> AnyEvent:
    """Give the event as the handler's own pattern sees it, groups and all."""
    if handler.pattern is None or not isinstance(event, InboundMessage):
        return event
    return _grouped(handler.pattern, event) or event


def _grouped(pattern: re.Pattern[str], message: InboundMessage) -> InboundMessage | None:
    match = pattern.match(message.text.strip())
    return replace(message, groups=match.groupdict()) if match else None
