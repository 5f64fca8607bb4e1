"""What commands print: tables, single records, JSON lines.

On a terminal a table fits it, with headings and colours. In a pipe a row is one line without any of
that, its cells whole and two spaces or more apart: for ``grep`` and ``wc -l``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from ..words import printable
from .consoles import console

if TYPE_CHECKING:
    from rich.table import Table

_NOTHING = "-"
_GAP = 2
_STEP = "  "

GOOD, BAD, DOUBTFUL, DIM = "green", "red", "yellow", "dim"


class Marked(NamedTuple):
    """A cell with a colour, such as `GOOD`; it must be understood without it."""

    text: str
    style: str


Cell = str | int | datetime | Marked | None


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; ``whole``: never broken into lines, as ids and numbers must not be."""

    heading: str
    whole: bool = False
    right: bool = False


def print_table(columns: Sequence[Column], rows: Iterable[Sequence[Cell]]) -> int:
    """Print rows, and give their number; without any row nothing is printed.

    A `datetime` is shown in local time: on a terminal in short (today's without the date). What
    could steer a terminal is written out.
    """
    found = list(rows)
    out = console()
    if found and out.is_terminal:
        out.print(_for_terminal(columns, found, out.width))
    elif found:
        _print_plain(found)
    return len(found)


def print_json(value: Any) -> None:
    """Print a JSON object in one line."""
    click.echo(json.dumps(value))


def print_record(record: Mapping[str, Any]) -> None:
    """Print one thing whole, ``name: value`` a line; what is within it is indented below its name.

    What could steer a terminal is written out.
    """
    for text in _lines(record, ""):
        click.echo(text)


def moment(at: datetime, *, short: bool = False) -> str:
    """Give a time as local; ``short``: to the second if it is of today, else to the minute."""
    local = at.astimezone()
    if not short:
        return local.strftime("%Y-%m-%d %H:%M:%S")
    now = datetime.now().astimezone()
    if local.date() == now.date():
        return local.strftime("%H:%M:%S")
    return local.strftime("%m-%d %H:%M" if local.year == now.year else "%Y-%m-%d")


def many(number: int, one: str, several: str | None = None) -> str:
    """Say how many there are.

    >>> many(1, "body", "bodies"), many(2, "key")
    ('1 body', '2 keys')
    """
    return f"{number} {one if number == 1 else several or f'{one}s'}"


def _lines(record: Mapping[str, Any], indent: str) -> Iterator[str]:
    for name, value in record.items():
        head = indent + click.style(f"{printable(str(name))}:", bold=True)
        if isinstance(value, Mapping) and value:
            yield head
            yield from _lines(value, indent + _STEP)
            continue
        if value is None or value in ("", {}, [], ()):
            yield f"{head} {_NOTHING}"
            continue
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        first, *rest = map(printable, text.rstrip("\n").split("\n"))
        yield f"{head} {first}"
        yield from (f"{indent}{_STEP}{line}" for line in rest)


def _print_plain(rows: Sequence[Sequence[Cell]]) -> None:
    texts = [[_text(cell, short=False) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    for row in texts:
        cells = (text.ljust(width) for text, width in zip(row, widths, strict=True))
        click.echo((" " * _GAP).join(cells).rstrip())


def _for_terminal(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], width: int) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(
            column.heading,
            no_wrap=column.whole,
            min_width=_longest(column, columns, rows) if column.whole else None,
            overflow="fold",
            justify="right" if column.right else "left",
        )
    for row in rows:
        styles = [cell.style if isinstance(cell, Marked) else "" for cell in row]
        texts = [_text(cell, short=True) for cell in row]
        table.add_row(*(Text(text, style) for text, style in zip(texts, styles, strict=True)))
    return table


def _longest(column: Column, columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> int:
    place = columns.index(column)
    return max(len(_text(row[place], short=True)) for row in rows)


def _text(cell: Cell, *, short: bool) -> str:
    if isinstance(cell, datetime):
        return moment(cell, short=short)
    text = cell.text if isinstance(cell, Marked) else cell
    return _NOTHING if text is None or text == "" else printable(str(text))
