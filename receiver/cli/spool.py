"""Commands over the spool of this host: callbacks that wait on disk for Redis."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from flask.cli import with_appcontext

from ..errors import StorageUnavailable
from ..store.spool_salvage import salvage
from . import options
from .context import parts
from .exits import Fault
from .manual import Group
from .progress import counted, progress
from .tables import many, print_json


@click.group(
    cls=Group,
    invoke_without_command=True,
    default="status",
    examples={
        "spool": "what waits, as spool status",
        "spool drain": "put it into Redis now, and see whether that works",
    },
)
def spool() -> None:
    """Show what waits on this host's disk for Redis.

    While Redis is away, callbacks are acknowledged and wait here. Web processes and workers of this
    host drain it by themselves, as soon as Redis takes writes. Each web host has its own.
    """


@spool.command(
    "status",
    examples={
        "spool status": "how many wait, and since when",
        "spool status --json": "for another program",
    },
    fields=("folder", "waiting", "oldest", "size", "refused", "set_aside"),
)
@options.json_object
@with_appcontext
def show_status(as_json: bool = False) -> None:
    """Say how many callbacks wait, and since when.

    Also what Redis refused, and damaged files that were set aside.
    """
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
        print_json(shown)
        return
    since = ""
    if status.oldest is not None:
        seconds = (datetime.now(UTC) - status.oldest).total_seconds()
        since = f", the oldest for {seconds:.0f} seconds"
    wait = "waits" if status.waiting == 1 else "wait"
    click.echo(f"{many(status.waiting, 'callback')} {wait} in {shown['folder']}{since}.")
    if status.refused:
        click.echo(f"{status.refused} of them were refused by Redis: see the log.")
    for path in status.set_aside:
        click.echo(f"Set aside, since it was damaged: {path} (spool recover FILE reads it)")


@spool.command("drain", examples={"spool drain": "once Redis is back, if you cannot wait"})
@with_appcontext
def drain_spool() -> None:
    """Put what waits into Redis now.

    Web processes and workers do that by themselves; this one says why, where it does not work.
    """
    with progress("Draining"):
        taken = parts().spool.drain_by_pages(parts().intake.draining.take_page)
    if taken is None:
        click.echo("Another process of this host is draining it.")
    else:
        click.echo(f"{many(taken, 'callback')} put into Redis, {len(parts().spool)} left.")


@spool.command(
    "recover",
    examples={"spool recover spool-corrupt-1.db": "a file that `spool status` names"},
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@with_appcontext
def recover_damaged(file: Path) -> None:
    """Put what can be read of a damaged FILE into Redis.

    By way of the spool; `spool status` names such files. What was handled before is not handled
    again. The file is kept: delete it when you are done.
    """
    read = damaged = 0
    for parcel in counted(_parcels(file), "Reading"):
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
