"""What the lists of the inbox show of an event, and what a conversation makes of many."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from ..events import Alarm, DeliveryReport, InboundMessage
from ..store.browse import Place
from ..store.contacts import numbers_of
from ..store.journal import Record
from .inbox_outcomes import OUTCOMES, REPLIES, STATUSES, Chip, chip, outcome_of

_SETTLED = ("done", "failed", "unhandled")
_WELL = ("queued", "sending", "retrying", "asking", "sent")  # or on its way: the row says so
_MOST_SHOWN = 4  # names and numbers in a line


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One event in a list. ``who`` and ``to`` are numbers, ``contact`` tells if there is one."""

    id: str
    place: Place
    at: datetime
    account: str
    kind: str
    who: str = field(repr=False)
    to: str = field(repr=False)
    text: str = field(repr=False)
    status: Chip | None
    outcome: str
    chip: Chip
    replies: Sequence[tuple[str, Chip | None]] = field(repr=False)
    notes: Sequence[str]
    contact: bool

    @property
    def mark(self) -> str:
        """What a page says of a row that it shows: short where nothing changes any more."""
        return self.id[:12] if self.outcome in _SETTLED else f"{self.id}.{self.outcome}"


def row(place: Place, record: Record) -> Row:
    """Make the row of an event."""
    event, outcome = record.event, outcome_of(record)
    who, to, text, status = _parties(record)
    return Row(
        id=event.id,
        place=place,
        at=event.received_at,
        account=event.account,
        kind=event.kind,
        who=who,
        to=to,
        text=text,
        status=status,
        outcome=outcome,
        chip=OUTCOMES[outcome],
        replies=[(str(r.get("text", "")), _unless_well(r)) for r in record.replies.values()],
        notes=list(_notes(record)),
        contact=bool(numbers_of(event)),
    )


def _parties(record: Record) -> tuple[str, str, str, Chip | None]:
    event = record.event
    if isinstance(event, InboundMessage):
        who = event.sender or "one of " + _several(event.candidates)
        return who, event.recipient or "", event.text, None
    if isinstance(event, DeliveryReport):
        return "", event.recipient, event.text or "", chip(STATUSES, event.status)
    return "", "", event.text, Chip(event.what, "!", "warn")


def _several(numbers: Sequence[str]) -> str:
    more = len(numbers) - _MOST_SHOWN
    return ", ".join(numbers[:_MOST_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _notes(record: Record) -> Iterator[str]:
    event = record.event
    if record.resends:
        yield f"came {record.resends + 1} times"
    if event.duplicate_of:
        yield "looks like an earlier one"
    if isinstance(event, DeliveryReport) and event.stale:
        yield "late"
    if record.replay:
        yield "replayed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bubble:
    """One line of a conversation: ``side`` is ``in``, ``out`` or ``note``.

    ``ticks`` says how far an SMS of ours got; ``known`` is false where its text is kept nowhere.
    """

    side: str
    at: datetime
    event: str
    text: str = field(repr=False)
    by: str = ""
    known: bool = True
    state: Chip | None = None
    ticks: Chip | None = None
    reason: str = field(default="", repr=False)


def conversation(records: Sequence[Record], number: str) -> list[Bubble]:
    """Lay out the events of one contact as on a phone, the oldest first."""
    told = _reports_by_message(records, number)
    used: set[str] = set()
    bubbles = []
    for record in records:
        event = record.event
        if isinstance(event, InboundMessage):
            bubbles.append(_inbound(record, event))
            bubbles += _replies(record, event, number, told, used)
    for name, reports in told.items():
        if name not in used:
            bubbles.append(_sent(reports))
    return sorted(bubbles, key=lambda bubble: bubble.at)


def _inbound(record: Record, event: InboundMessage) -> Bubble:
    several = f"one of {len(event.candidates)} numbers wrote this" if event.sender is None else ""
    handled = OUTCOMES[outcome_of(replace(record, replies={}))]  # each reply says of itself
    state = None if handled.word == "done" else handled
    return Bubble(
        side="in", at=event.received_at, event=event.id, text=event.text, by=several, state=state
    )


def _unless_well(reply: Mapping[str, Any]) -> Chip | None:
    """Give the chip of a reply that did not leave, or may not have: a list says no more."""
    state = str(reply.get("state"))
    return None if state in _WELL else chip(REPLIES, state)


def _replies(
    record: Record,
    event: InboundMessage,
    number: str,
    told: Mapping[str, list[DeliveryReport]],
    used: set[str],
) -> Iterator[Bubble]:
    for handler, reply in record.replies.items():
        if reply.get("to") not in (None, number):
            continue
        names = [name for name in (reply.get("message_id"), event.id) if name in told]
        used.update(map(str, names))
        word = str(reply.get("state"))
        yield Bubble(
            side="out",
            at=_moment(reply, event.received_at),
            event=event.id,
            text=str(reply.get("text", "")),
            by=handler,
            state=None if word == "sent" else chip(REPLIES, word),
            ticks=_ticks(told[str(names[0])]) if names else _handed_over(word),
            reason=str(reply.get("reason") or ""),
        )


def _reports_by_message(records: Sequence[Record], number: str) -> dict[str, list[DeliveryReport]]:
    """Give the reports about each SMS to a number: by the reference that ours have, or its id."""
    found: dict[str, list[DeliveryReport]] = {}
    ours = {record.event.id for record in records if record.replies}
    ids = {str(r.get("message_id")) for record in records for r in record.replies.values()}
    for record in records:
        event = record.event
        if not isinstance(event, DeliveryReport) or event.recipient != number:
            continue
        reference = event.client_reference or ""
        by_reference = reference in ours and event.message_id not in ids
        name = reference if by_reference else event.message_id or event.id
        found.setdefault(name, []).append(event)
    return found


def _sent(reports: Sequence[DeliveryReport]) -> Bubble:
    """Show an SMS that nothing but its reports tells of."""
    first = min(reports, key=_moment_of)
    text = next((report.text for report in reports if report.text), None)
    return Bubble(
        side="out",
        at=_moment_of(first),
        event=first.id,
        text=text or "",
        by="sent by your app, or at the provider",
        known=text is not None,
        ticks=_ticks(reports),
    )


def _moment_of(report: DeliveryReport) -> datetime:
    """Give when an SMS was sent, as far as a report tells; a provider's clock may be ahead."""
    return min(report.created_at or report.received_at, report.received_at)


def _ticks(reports: Sequence[DeliveryReport]) -> Chip:
    """Say the last word about an SMS: a final one is not undone."""
    latest = max(reports, key=lambda report: (report.final, not report.stale, report.received_at))
    return chip(STATUSES, latest.status)


def _handed_over(word: str) -> Chip | None:
    return Chip("sent, no report yet", "✓", "calm") if word == "sent" else None


def _moment(reply: Mapping[str, Any], default: datetime) -> datetime:
    """Give when a reply was last heard of, never before the message that it answers."""
    try:
        return max(datetime.fromisoformat(str(reply.get("at"))), default)
    except (ValueError, TypeError):
        return default


def title(record: Record) -> str:
    """Name an event in a few words."""
    event = record.event
    if isinstance(event, InboundMessage):
        return "Inbound message"
    return "Alarm" if isinstance(event, Alarm) else "Delivery report"
