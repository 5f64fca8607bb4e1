"""Commands over the events: list them, show one, watch them come.

What a command prints is for the person who typed it: numbers are masked in lists unless
``--reveal`` says otherwise, and whole in ``events show`` and in ``--json``.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import fields
from datetime import UTC, datetime
from itertools import islice
from typing import Any, NamedTuple

import click
from flask.cli import with_appcontext

from ..events import Alarm, DeliveryReport, InboundMessage, to_dict
from ..msisdn import mask
from ..store.journal import Record
from ..words import printable
from . import options
from .choice import chosen, chosen_records
from .context import known_account, parts
from .exits import Fault, NotFound
from .manual import Group
from .replay import replay_events
from .tables import (
    BAD,
    DOUBTFUL,
    Column,
    Marked,
    many,
    moment,
    print_json,
    print_record,
    print_table,
)

_TAIL_SECONDS = 0.3
_TAIL_WINDOW = 200
_ID_LENGTH = 32
_ID_SHOWN = 8
_COLUMNS = (
    *(Column("WHEN", whole=True), Column("ID", whole=True), Column("ACCOUNT")),
    *(Column("KIND", whole=True), Column("NUMBER", whole=True), Column("WHAT")),
    Column("HANDLERS"),
)
_EVENTS = (InboundMessage, DeliveryReport, Alarm)
# of all kinds; an event has those of its own, and of them what is not empty
FIELDS = (
    "kind",
    *dict.fromkeys(
        field.name for kind in (InboundMessage, DeliveryReport, Alarm) for field in fields(kind)
    ),
    *("resends", "handlers", "replies"),
)
_WRONG = ("failed", "unknown")
_ENDED = ("done", "sent", "refused")


@click.group(
    cls=Group,
    invoke_without_command=True,
    examples={
        "events": "the newest events, as events list",
        "events show 3f9a1c22": "all that is known of one, by the beginning of its id",
    },
)
def events() -> None:
    """Show what came, and what each handler made of it.

    An event is a message that somebody wrote, a delivery report, or an alarm. It is kept for
    RECEIVER_RETENTION. Numbers are masked in lists, and whole in `show` and `--json`.
    """


@events.command(
    "list",
    examples={
        "events list --since 1h --outcome failed": "which handlers failed in the last hour",
        "events list --number 0637885448 --reveal": "what came from or to one number",
        "events list --kind report --status failed --json": "for another program",
    },
    fields=FIELDS,
)
@chosen
@options.limit
@options.reveal
@options.json_lines
@with_appcontext
def list_events(limit: int = 20, reveal: bool = False, as_json: bool = False, **asked: Any) -> None:
    """List the newest events, and what became of each.

    For a first look at anything: has it come, who took it, was it answered? Options narrow the
    list; all that are given must hold. With --handler, --outcome is of that handler.
    """
    lost: list[str] = []
    found = list(islice(chosen_records(lost=lost, **asked), limit))
    if asked.get("account") is not None and not found and not lost:
        known_account(asked["account"])
    if as_json:
        for record in found:
            print_json(_whole(record))
    elif not print_table(_COLUMNS, (_row(record, reveal) for record in found)) and not lost:
        click.echo(_none(asked), err=True)
    if lost:
        there = f"{many(len(lost), 'event')} cannot be decrypted"
        mend = "put back the key they had in RECEIVER_ENCRYPTION_KEYS; check says more"
        click.echo(f"{there}: {mend}", err=True)


@events.command(
    "show",
    examples={
        "events show 3f9a1c22": "one event, by the beginning of its id",
        "events show 3f9a1c22 --json": "the same for another program",
    },
    fields=(*FIELDS, "raw"),
)
@options.event_argument
@options.json_object
@with_appcontext
def show_event(event_id: str, as_json: bool) -> None:
    """Show one event whole: as it came, outcomes, replies.

    ID is the event's, or its beginning, as `events list` shows it. This is where a handler's
    traceback and a provider's own body are to be read; numbers and texts are whole.
    """
    record = _load(event_id)
    whole = _whole(record)
    raw = parts().journal.load_raw(record)
    whole["raw"] = None if raw is None else raw.decode("utf-8", "backslashreplace")
    if as_json:
        print_json(whole)
    else:
        print_record(whole)


@events.command(
    "tail",
    examples={
        "events tail": "from now on",
        "events tail --since 10m --account lefoka": "what came lately, and comes, of one account",
    },
    fields=FIELDS,
)
@options.since("Begin then: 2h (ago), or ISO 8601.")
@options.of_account
@options.reveal
@options.json_lines
@with_appcontext
def tail_events(since: datetime | None, account: str | None, reveal: bool, as_json: bool) -> None:
    """Watch events come, and what becomes of them.

    A line for each new event, and again whenever something becomes of it; Ctrl-C ends it. Several
    may watch at once: it changes nothing.
    """
    if account is not None:
        known_account(account)
    for record in follow(since or datetime.now(UTC)):
        if account not in (None, record.event.account):
            continue
        if as_json:
            print_json(_whole(record))
        else:
            click.echo(line(record, reveal=reveal))


events.add_command(replay_events)


def follow(since: datetime) -> Iterable[Record]:
    """Give each record that is new or has changed since a time, without end."""
    journal = parts().journal
    seen: dict[str, Record] = {}
    while True:
        found = list(journal.records(journal.ids(since=since, limit=_TAIL_WINDOW)))
        for record in reversed(found):
            if seen.get(record.event.id) != record:
                yield record
        seen = {record.event.id: record for record in found}
        time.sleep(_TAIL_SECONDS)


class _Row(NamedTuple):
    """What a list shows of an event, column by column."""

    when: datetime
    event_id: str
    account: str
    kind: str
    number: str | None
    what: str
    handlers: Marked


def line(record: Record, *, reveal: bool) -> str:
    """Give one event in one line: when, account, from whom, the outcomes and the replies."""
    row = _row(record, reveal)
    begin = f"{moment(row.when)} {row.event_id} {row.account} {row.kind:7} {row.number or '-'}"
    said = click.style(printable(row.handlers.text), fg=row.handlers.style or None)
    return f"{printable(f'{begin} {row.what}')} | {said}"


def _row(record: Record, reveal: bool) -> _Row:
    event = record.event
    number: str | None = None
    if isinstance(event, InboundMessage):
        number = event.sender or ", ".join(event.candidates)
        what = repr(event.text) if reveal else f"{len(event.text)} chars"
    elif isinstance(event, Alarm):
        what = event.what
    else:
        number, what = event.recipient, f"{event.status}{' (late)' if event.stale else ''}"
    return _Row(
        when=event.received_at,
        event_id=event.id[:_ID_SHOWN],
        account=event.account,
        kind=event.kind,
        number=(number or None) if reveal else mask(number),
        what=what,
        handlers=_outcome(record, reveal),
    )


def _outcome(record: Record, reveal: bool) -> Marked:
    """Say what each handler made of it, in the colour of the worst."""
    said, states = [], set()
    for name in dict.fromkeys((*record.handlers, *record.replies)):
        handled, reply = record.handlers.get(name), record.replies.get(name)
        words = f"{name}: {handled['state']}" if handled else f"{name}:"
        if reply:
            text = f" {reply['text']!r}" if reveal else ""
            words += f"{',' if handled else ''} reply{text}: {reply['state']}"
        said.append(words)
        states |= {found["state"] for found in (handled, reply) if found}
    if not said:
        nobody = record.routed is not None and not record.routed["to"]
        return Marked("no handler takes it" if nobody else "waiting", DOUBTFUL)
    if states & {*_WRONG}:
        return Marked("; ".join(said), BAD)
    return Marked("; ".join(said), "" if states <= {*_ENDED} else DOUBTFUL)


def _load(event_id: str) -> Record:
    journal = parts().journal
    found = [event_id] if len(event_id) == _ID_LENGTH else list(journal.beginning(event_id))
    if len(found) > 1:
        raise Fault(f"{len(found)} events begin with {event_id}: give more of it")
    record: Record | None = journal.load(found[0]) if found else None
    if record is None:
        mend = "events list, which shows the newest"
        raise NotFound(f"there is no event {event_id}; it may have expired", mend)
    return record


def _none(asked: dict[str, Any]) -> str:
    """Say why nothing is listed."""
    if any(value is not None for value in asked.values()):
        return "No event is like that."
    return "No events yet. Try: simulate smsbox inbound"


def _whole(record: Record) -> dict[str, Any]:
    return {
        **to_dict(record.event),
        "resends": record.resends,
        "handlers": dict(record.handlers),
        "replies": dict(record.replies),
    }
