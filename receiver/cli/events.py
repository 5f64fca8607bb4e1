"""Commands over the events: list them, show one, watch them come.

What a command prints is for the person who typed it: numbers are masked in lists unless
``--reveal`` says otherwise, and whole in ``events show`` and in ``--json``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import click
from flask.cli import with_appcontext

from ..events import Alarm, InboundMessage, to_dict
from ..msisdn import mask
from ..store.journal import Record
from ..words import printable
from .context import parts, when
from .manual import Group
from .replay import replay_events

_TAIL_SECONDS = 0.3
_TAIL_WINDOW = 200
_ID_LENGTH = 32


@click.group(cls=Group, invoke_without_command=True)
@click.pass_context
def events(context: click.Context) -> None:
    """Show what came, and what each handler made of it."""
    if context.invoked_subcommand is None:
        context.invoke(list_events)


events.add_command(replay_events)


@events.command("list")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="How many, newest first.",
)
@click.option("--account", help="Only of this account.")
@click.option("--reveal", is_flag=True, help="Show numbers and texts whole.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, whole.")
@with_appcontext
def list_events(
    limit: int = 20, account: str | None = None, reveal: bool = False, as_json: bool = False
) -> None:
    """List the newest events."""
    journal = parts().journal
    shown = 0
    for record in journal.records(journal.ids()):
        if account in (None, record.event.account):
            _print(record, reveal, as_json)
            shown += 1
            if shown == limit:
                return
    if not shown and not as_json:
        click.echo("No events yet. Try: simulate smsbox inbound", err=True)


@events.command("show")
@click.argument("event_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@with_appcontext
def show_event(event_id: str, as_json: bool) -> None:
    """Show one event whole: as it came, each handler's outcome, the replies.

    ID is the event's, or its beginning, as `events` lists it.
    """
    journal = parts().journal
    found = [event_id] if len(event_id) == _ID_LENGTH else list(journal.beginning(event_id))
    if len(found) > 1:
        raise click.ClickException(f"{len(found)} events begin with {event_id}: give more of it")
    record = journal.load(found[0]) if found else None
    if record is None:
        raise click.ClickException(f"there is no event {event_id}; it may have expired")
    whole = _whole(record)
    raw = journal.load_raw(record)
    whole["raw"] = None if raw is None else raw.decode("utf-8", "backslashreplace")
    if as_json:
        click.echo(json.dumps(whole))
        return
    for name, value in whole.items():
        text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
        click.echo(f"{name}: " + "\n".join(map(printable, text.split("\n"))))


@events.command("tail")
@click.option("--since", metavar="WHEN", callback=when, help="Begin then: 2h (ago), or ISO 8601.")
@click.option("--reveal", is_flag=True, help="Show numbers and texts whole.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, whole.")
@with_appcontext
def tail_events(since: datetime | None, reveal: bool, as_json: bool) -> None:
    """Show events as they come, and again whenever something becomes of them; Ctrl-C ends it."""
    for record in follow(since or datetime.now(UTC)):
        _print(record, reveal, as_json)


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


def line(record: Record, *, reveal: bool) -> str:
    """Give one event in one line: when, account, from whom, the outcomes and the replies."""
    event = record.event
    show = _whole_text if reveal else mask
    if isinstance(event, InboundMessage):
        text = repr(event.text) if reveal else f"({len(event.text)} characters)"
        what = f"message {show(event.sender)} → {show(event.recipient)} {text}"
    elif isinstance(event, Alarm):
        what = f"alarm   {event.what}"
    else:
        late = " (late)" if event.stale else ""
        what = f"report  {show(event.recipient)} {event.status}{late}"
    outcomes = [f"{name}: {found['state']}" for name, found in record.handlers.items()]
    for name, reply in record.replies.items():
        text = f" {reply['text']!r}" if reveal else ""
        outcomes.append(f"{name} replied{text}: {reply['state']}")
    if record.routed is not None and not record.routed["to"]:
        outcomes.append("no handler takes it")
    when = event.received_at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    return f"{when} {event.id[:8]} {event.account} {what} | {', '.join(outcomes) or 'waiting'}"


def _print(record: Record, reveal: bool, as_json: bool) -> None:
    click.echo(json.dumps(_whole(record)) if as_json else line(record, reveal=reveal))


def _whole(record: Record) -> dict[str, Any]:
    return {
        **to_dict(record.event),
        "resends": record.resends,
        "handlers": dict(record.handlers),
        "replies": dict(record.replies),
    }


def _whole_text(number: str | None) -> str:
    return printable(number) if number else "-"
