"""Which events somebody asks for: the options, and whether a record is one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

import click

from ..events import Alarm, DeliveryReport, InboundMessage, Status
from ..store.journal import Record
from . import options
from .context import parts
from .progress import counted

F = TypeVar("F", bound=Callable[..., Any])

_PAGE = 200
KINDS = (InboundMessage.kind, DeliveryReport.kind, Alarm.kind)
OUTCOMES = (
    *("waiting", "unhandled", "queued", "running", "retrying", "done", "failed"),
    *("sending", "asking", "sent", "refused", "unknown"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What was asked for; ``None`` is anything. ``numbers``: one, in all ways to write it."""

    account: str | None = None
    kind: str | None = None
    status: str | None = None
    handler: str | None = None
    outcome: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    numbers: frozenset[str] | None = None

    def takes(self, record: Record) -> bool:
        """Tell whether this is asked for."""
        event = record.event
        return (
            self.account in (None, event.account)
            and self.kind in (None, event.kind)
            and (self.status is None or self.status == getattr(event, "status", None))
            and (self.handler is None or self.handler in {*record.handlers, *record.replies})
            and (self.outcome is None or self.outcome in _outcomes(record, self.handler))
            and (self.until is None or event.received_at < self.until)
            and (self.numbers is None or bool(self.numbers & numbers_of(record)))
        )


chosen = options.several(
    options.of_account,
    click.option("--kind", type=click.Choice(KINDS), help="Only of this kind."),
    click.option(
        "--status",
        metavar="STATUS",
        type=click.Choice([status.value for status in Status]),
        help=f"Reports of it: {', '.join(Status)}.",
    ),
    options.of_handler("What this handler took, as app.balance."),
    click.option(
        "--outcome",
        metavar="STATE",
        type=click.Choice(OUTCOMES),
        help=f"Of a handler or a reply: {', '.join(OUTCOMES)}.",
    ),
    options.since("Received since: 2h (ago), or ISO 8601."),
    options.until("Received before that."),
    click.option("--number", metavar="NUMBER", help="From or to this whole number."),
)


def chosen_records(
    number: str | None = None, lost: list[str] | None = None, **asked: Any
) -> Iterator[Record]:
    """Give the records that these options ask for, the newest first.

    The ids of those that no key of ours opens are added to ``lost``.
    """
    choice = Choice(numbers=None if number is None else _readings(number), **asked)
    return filter(choice.takes, counted(_by_pages(choice.since, lost), "Looking through events"))


def numbers_of(record: Record) -> set[str]:
    """Give the numbers of an event: who wrote, who may have, and to whom."""
    event = record.event
    if isinstance(event, InboundMessage):
        return {number for number in (event.sender, event.recipient, *event.candidates) if number}
    return {event.recipient} if isinstance(event, DeliveryReport) and event.recipient else set()


def _by_pages(since: datetime | None, lost: list[str] | None) -> Iterator[Record]:
    journal = parts().journal
    ids = journal.ids(since=since)
    while page := list(islice(ids, _PAGE)):  # and no more of them than are asked for
        yield from journal.records(page, lost)


def _readings(number: str) -> frozenset[str]:
    """Read a number as each account would: a national one is of its region."""
    return frozenset({number, *(found.number(number) for found in parts().providers.values())})


def _outcomes(record: Record, handler: str | None) -> set[str]:
    named = (record.handlers, record.replies)
    found = {
        str(outcome.get("state"))
        for outcomes in named
        for name, outcome in outcomes.items()
        if handler in (None, name)
    }
    if handler is None and not record.handlers:
        found.add("waiting" if record.routed is None or record.routed["to"] else "unhandled")
    return found
