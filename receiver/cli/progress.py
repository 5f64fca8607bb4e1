"""How far a long command is: on standard error, and only where it takes long.

On a terminal a bar appears after a second and goes away at the end; elsewhere a line is written
every ten seconds.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import TypeVar

import click

from .consoles import console

T = TypeVar("T")

_PATIENCE = 1.0  # seconds until a bar appears
_LOOK = 0.1
_LINE = 10.0

Advance = Callable[[int], None]


@contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Advance]:
    """Show how far a block is; it calls what it is given with how much more is done.

    >>> with progress("Sending", total=2) as advance:
    ...     advance(1)
    ...     advance(1)
    """
    done = [0]

    def advance(more: int = 1) -> None:
        done[0] += more

    ended = threading.Event()
    show = _bar if console(error=True).is_terminal else _lines
    watcher = threading.Thread(target=show, args=(what, total, done, ended), daemon=True)
    watcher.start()
    try:
        yield advance
    finally:
        ended.set()
        watcher.join()


def counted(things: Iterable[T], what: str) -> Iterator[T]:
    """Give each of these things, and show how many were dealt with.

    >>> list(counted([1, 2], "Reading"))
    [1, 2]
    """
    with progress(what, len(things) if isinstance(things, Sized) else None) as advance:
        for thing in things:
            yield thing
            advance(1)


def _bar(what: str, total: int | None, done: list[int], ended: threading.Event) -> None:
    if ended.wait(_PATIENCE):
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    counts = [MofNCompleteColumn()] if total is not None else []
    columns = [TextColumn("{task.description}"), BarColumn(), *counts, TimeElapsedColumn()]
    with Progress(*columns, console=console(error=True), transient=True) as bar:
        task = bar.add_task(what, total=total, completed=done[0])
        while not ended.wait(_LOOK):
            bar.update(task, completed=done[0])


def _lines(what: str, total: int | None, done: list[int], ended: threading.Event) -> None:
    while not ended.wait(_LINE):
        far = f"{done[0]} of {total}" if total is not None else f"{done[0]}" if done[0] else "…"
        click.echo(f"{what}: {far}", err=True)
