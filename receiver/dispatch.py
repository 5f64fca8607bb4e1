"""What an event is, before anything runs: who wrote it, what it asks for, which handlers take it.

Opting out and in happens here, whatever the handlers are: it must not depend on one of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .answerers import Answerers
from .consent import Asked, Consent
from .events import AnyEvent, DeliveryReport, InboundMessage, Status
from .logs import job_logger
from .store.conversations import Conversations
from .store.journal import Journal
from .store.optouts import OptOuts
from .table import Guard, Match, Table

_log = job_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """Find the handlers of one deployment's events; ``heard`` is told of each of them."""

    table: Table
    consent: Consent
    optouts: OptOuts
    conversations: Conversations
    answerers: Answerers
    journal: Journal
    heard: Callable[[AnyEvent], None]

    def plain_matches(self, event: AnyEvent) -> list[Match]:
        """Give what `matches` would where that writes nothing and tries no user's pattern.

        None are given for all other events: their job has to begin first.
        """
        if isinstance(event, DeliveryReport) and event.status is Status.BLOCKED:
            return []
        if isinstance(event, InboundMessage) and (
            event.sender is None
            or self.table.runs_patterns
            or self.table.expects
            or self.consent.asked(event.text) is not None
        ):
            return []
        self.heard(event)
        return self.table.match(event)

    def matches(self, event: AnyEvent, guard: Guard, *, late: bool = False) -> list[Match]:
        """Give the handlers that take an event, the one that answers first; see `Table.match`.

        ``late``: handled again, or after others of its contact: no conversation waits for it.
        """
        self.heard(event)
        if isinstance(event, DeliveryReport) and event.status is Status.BLOCKED:
            self.optouts.note(event, None)
        if not isinstance(event, InboundMessage):
            return self.table.match(event, guard)
        event = self._with_sender(event)
        asked = self.consent.asked(event.text)
        if asked is not None:
            self._note(event, asked)
            if not late:
                self._end_conversation(event)
            return self.table.match(event, guard, asked=asked)
        expected = None if late else self._expected(event)
        return self.table.match(event, guard, expected=expected)

    def _with_sender(self, message: InboundMessage) -> InboundMessage:
        """Find out who wrote, where the provider does not say; all later steps see it too."""
        if message.sender is not None or len(message.candidates) < 2:
            return message
        found = self.answerers.narrow(message)
        if found != message:
            self.journal.rewrite(found)
        return found

    def _note(self, message: InboundMessage, asked: Asked) -> None:
        self.optouts.note(message, asked)
        if message.sender is None:
            _log.warning(
                "event=%s account=%s optout=unknown_sender candidates=%d help='optouts add'",
                message.id,
                message.account,
                len(message.candidates),
            )

    def _end_conversation(self, message: InboundMessage) -> None:
        if message.sender is not None and self.table.expects:
            self.conversations.forget(message.account, message.sender)

    def _expected(self, message: InboundMessage) -> str | None:
        if message.sender is None or not self.table.expects:
            return None
        return self.conversations.take_expected(message.account, message.sender, message.id)
