"""The command `events replay`: handle again what was handled before, on an operator's word."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import groupby
from typing import Any

import click
from flask.cli import with_appcontext

from ..store.journal import Noted, Record
from ..store.replays import is_at_work, replay
from . import completers, options
from .context import parts
from .exits import Fault, NotFound, UsageFault, not_found
from .manual import Command
from .progress import counted


@click.command(
    "replay",
    cls=Command,
    examples={
        "events replay 3f9a1c22": "one event, to the handlers of today",
        "events replay --since 2h --account lefoka --dry-run": "how many it would be",
        "events replay --since 2h --handler app.balance": "what one handler handled",
    },
)
@click.argument("event_ids", metavar="[ID]...", nargs=-1, shell_complete=completers.event_ids)
@options.since("Received since: 2h (ago), or ISO 8601.")
@options.until("Received before that.")
@options.of_provider
@options.of_account
@options.of_handler("This handler only, as app.balance: what it handled.")
@click.option("--dry-run", is_flag=True, help="Say how many there are, and do nothing.")
@with_appcontext
def replay_events(
    event_ids: tuple[str, ...], handler: str | None, dry_run: bool, **choice: Any
) -> None:
    """Run the handlers of events again.

    Each finds ``event.replay`` true. A reply that was sent is not sent again. Without --handler
    events are routed anew, to the handlers of today. With it, those are replayed that it handled
    before; of an event that is named by its ID it is run in any case. What still waits or is being
    retried is left alone.
    """
    if not event_ids and not any(choice.values()):
        said = "say which: an ID, --since, --until, --provider or --account"
        raise UsageFault(said, "events list")
    if handler is not None and parts().loaded.table.get(handler) is None:
        raise not_found("handler", handler, sorted(found.name for found in parts().loaded.table))
    replayed = left = 0
    for record in counted(_find(event_ids, **choice), "Replaying"):
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
    for record in _as_they_came(journal.records(list(ids))):
        event = record.event
        if (
            (since is None or event.received_at >= since)
            and (until is None or event.received_at < until)
            and provider in (None, event.provider)
            and account in (None, event.account)
        ):
            yield record


def _as_they_came(records: Iterable[Record]) -> Iterator[Record]:
    """Put into order what came within one millisecond: the index tells no more of it."""
    for _, together in groupby(records, lambda found: int(_at(found).timestamp() * 1000)):
        yield from sorted(together, key=_at)


def _at(record: Record) -> datetime:
    return record.event.received_at


def _ids(begin: str) -> list[str]:
    found = [begin] if len(begin) == 32 else list(parts().journal.beginning(begin))
    if len(found) != 1 or parts().journal.load(found[0]) is None:
        if len(found) > 1:
            raise Fault(f"{len(found)} events begin with {begin}: give more of it")
        raise NotFound(f"no event begins with {begin}", "events list")
    return found
