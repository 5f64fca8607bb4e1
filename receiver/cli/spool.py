"""Commands over the spool of this host: callbacks that wait on disk for Redis."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from flask.cli import with_appcontext

from ..errors import StorageUnavailable
from ..store.spool_salvage import salvage
from .context import parts
from .exits import Fault
from .manual import Group


@click.group(cls=Group, invoke_without_command=True)
@click.pass_context
def spool(context: click.Context) -> None:
    """Show what waits on this host's disk for Redis, or put it there now."""
    if context.invoked_subcommand is None:
        context.invoke(show_status)


@spool.command("status")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@with_appcontext
def show_status(as_json: bool = False) -> None:
    """Say how many callbacks wait, since when, and what was set aside."""
    status = parts().spool.status()
    shown: dict[str, Any] = {
        "folder": str(parts().settings.spool_dir),
        "waiting": status.waiting,
        "oldest": None if status.oldest is None else status.oldest.isoformat(),
        "size": status.size,
        "refused": status.refused,
        "set_aside": [str(path) for path in status.set_aside],
    }
    if as_json:
        click.echo(json.dumps(shown))
        return
    since = ""
    if status.oldest is not None:
        seconds = (datetime.now(UTC) - status.oldest).total_seconds()
        since = f", the oldest for {seconds:.0f} seconds"
    click.echo(f"{status.waiting} callbacks wait in {shown['folder']}{since}.")
    if status.refused:
        click.echo(f"{status.refused} of them were refused by Redis: see the log.")
    for path in status.set_aside:
        click.echo(f"Set aside, since it was damaged: {path} (spool recover FILE reads it)")


@spool.command("drain")
@with_appcontext
def drain_spool() -> None:
    """Put what waits into Redis; web processes and workers do that by themselves."""
    taken = parts().spool.drain_by_pages(parts().intake.draining.take_page)
    if taken is None:
        click.echo("Another process of this host is draining it.")
    else:
        click.echo(f"{taken} callbacks put into Redis, {len(parts().spool)} left.")


@spool.command("recover")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@with_appcontext
def recover_damaged(file: Path) -> None:
    """Put what can be read of a damaged FILE, as `status` names it, into Redis by way of the spool.

    What was handled before is not handled again. The file is kept: delete it when you are done.
    """
    read = damaged = 0
    for parcel in _parcels(file):
        if parcel is None:
            damaged += 1
            continue
        parts().spool.put(parcel)
        read += 1
    lost = f"; {damaged} numbers could not be read, each a callback at most" if damaged else ""
    click.echo(f"{read} callbacks read{lost}.")
    parts().spool.drain_by_pages(parts().intake.draining.take_page)
    click.echo(f"{len(parts().spool)} left in the spool.")


def _parcels(file: Path) -> Iterator[bytes | None]:
    try:
        yield from salvage(file)
    except StorageUnavailable as error:
        raise Fault(str(error), "a file that `spool status` names") from error
