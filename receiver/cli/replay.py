"""The command `events replay`: handle again what was handled before, on an operator's word."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import click
from flask.cli import with_appcontext

from ..store.journal import Noted, Record
from ..store.replays import is_at_work, replay
from .context import parts, when


@click.command("replay")
@click.argument("event_ids", metavar="[ID]...", nargs=-1)
@click.option(
    "--since", metavar="WHEN", callback=when, help="Received since: 2h (ago), or ISO 8601."
)
@click.option("--until", metavar="WHEN", callback=when, help="Received before that.")
@click.option("--provider", help="Of this provider.")
@click.option("--account", help="Of this account.")
@click.option("--handler", help="This handler only, as app.balance: what it handled.")
@click.option("--dry-run", is_flag=True, help="Say how many there are, and do nothing.")
@with_appcontext
def replay_events(
    event_ids: tuple[str, ...], handler: str | None, dry_run: bool, **choice: Any
) -> None:
    """Run the handlers of events again; each finds ``event.replay`` true.

    A reply that was sent is not sent again. Without --handler events are routed anew, to the
    handlers of today. With it, those are replayed that it handled before; of an event that is named
    by its ID it is run in any case. What still waits or is being retried is left alone.
    """
    if not event_ids and not any(choice.values()):
        raise click.UsageError("say which: an ID, --since, --until, --provider or --account")
    if handler is not None and parts().loaded.table.get(handler) is None:
        known = ", ".join(sorted(found.name for found in parts().loaded.table))
        raise click.ClickException(f"there is no handler {handler}; there are: {known or 'none'}")
    replayed = left = 0
    for record in _find(event_ids, **choice):
        if handler is not None and not event_ids and handler not in record.handlers:
            continue
        if is_at_work(record, handler):
            left += 1
        elif dry_run or replay(parts().journal, parts().jobs, record, handler) is Noted.YES:
            replayed += 1
        else:
            left += 1
    done = "would be replayed" if dry_run else "replayed"
    rest = f", {left} left alone: they wait, or are at work." if left else "."
    click.echo(f"{replayed} events {done}{rest}")


def _find(
    event_ids: tuple[str, ...],
    since: datetime | None = None,
    until: datetime | None = None,
    provider: str | None = None,
    account: str | None = None,
) -> Iterator[Record]:
    journal = parts().journal
    wanted = [found for begin in event_ids for found in _ids(begin)]
    ids = wanted if event_ids else journal.ids(since=since, newest_first=False)
    for record in journal.records(list(ids)):
        event = record.event
        if (
            (since is None or event.received_at >= since)
            and (until is None or event.received_at < until)
            and provider in (None, event.provider)
            and account in (None, event.account)
        ):
            yield record


def _ids(begin: str) -> list[str]:
    found = [begin] if len(begin) == 32 else list(parts().journal.beginning(begin))
    if len(found) != 1 or parts().journal.load(found[0]) is None:
        problem = f"{len(found)} events begin" if len(found) > 1 else "no event begins"
        raise click.ClickException(f"{problem} with {begin}; see events list")
    return found
