"""Commands over the opt-outs: list and export them, add one on somebody's word, remove one.

What a command prints is for the person who typed it: numbers are masked in the list unless
``--reveal`` says otherwise, and whole in ``--json`` and in the export.
"""

from __future__ import annotations

import csv
import heapq
import sys
from collections.abc import Iterable
from datetime import UTC
from itertools import chain

import click
from flask.cli import with_appcontext

from ..msisdn import is_valid, mask
from ..store.optouts import OptOut, OptOuts
from . import options
from .asking import confirm
from .context import known_account, parts
from .exits import NotFound, UsageFault
from .manual import Group
from .progress import counted
from .tables import Cell, Column, print_json, print_table

_COLUMNS = ("account", "number", "at", "source", "words")
# A spreadsheet takes what begins so for a formula, and these are words of strangers.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


_LISTED = (
    *(Column("WHEN", whole=True), Column("ACCOUNT"), Column("NUMBER", whole=True)),
    *(Column("SOURCE"), Column("WORDS")),
)


@click.group(
    cls=Group,
    invoke_without_command=True,
    examples={
        "optouts list": "who opted out last",
        "optouts add lefoka 0637885448 --words 'by telephone'": "on somebody's word",
    },
)
def optouts() -> None:
    """Show and change who gets no more messages.

    Whoever writes STOP is listed by itself, for the account that was written to, and leaves the
    list with START. Nothing leaves to a number that is on it.
    """


@optouts.command(
    "list",
    examples={
        "optouts list --account lefoka --limit 50": "of one account",
        "optouts list --json": "for another program, numbers whole",
    },
    fields=_COLUMNS,
)
@options.limit
@options.of_account
@click.option("--reveal", is_flag=True, help="Show numbers and words whole.")
@options.json_lines
@with_appcontext
def list_optouts(limit: int, account: str | None, reveal: bool, as_json: bool) -> None:
    """List the newest opt-outs: who, and on whose word.

    The source is `message` for who wrote STOP, `operator` for `optouts add`, and `provider` for its
    block list.
    """
    records = counted(_records(account), "Reading")
    found = heapq.nlargest(limit, records, key=lambda record: record.at)
    if as_json:
        for record in found:
            print_json(_row(record))
    elif not print_table(_LISTED if reveal else _LISTED[:-1], (_cells(r, reveal) for r in found)):
        click.echo("Nobody has opted out.", err=True)


@optouts.command(
    "add", examples={"optouts add lefoka 0637885448 --words 'by telephone'": "on somebody's word"}
)
@options.account_argument
@click.argument("number")
@click.option("--words", default="", help="How it was asked for, to be kept with it.")
@with_appcontext
def add_optout(account: str, number: str, words: str) -> None:
    """Send NUMBER nothing more from ACCOUNT.

    For who asked by another way than by writing STOP.
    """
    e164 = _number(account, number)
    if not is_valid(e164):
        raise UsageFault("that is no number", "give it as +27…, or set the account's region")
    _book().add(account, e164, words=words, source="operator")
    _say(f"{mask(e164)} gets nothing more from {account}. To undo it: optouts remove")


@optouts.command(
    "remove",
    examples={"optouts remove lefoka +27637885449 --yes": "who asked to hear from you again"},
)
@options.account_argument
@click.argument("number")
@click.option("--words", default="", help="How it was asked for, to be kept with it.")
@options.yes
@with_appcontext
def remove_optout(account: str, number: str, words: str, yes: bool) -> None:
    """Let messages to NUMBER leave again.

    Only if its owner asked for it: whoever wrote STOP to ACCOUNT has a right to be left alone. It
    asks first.
    """
    found = _number(account, number)
    if _book().find(account, found) is None:
        raise NotFound(f"{mask(found)} is not opted out of {account}", "optouts list")
    confirm(f"Remove 1 opt-out, of {mask(found)} from {account}?", yes=yes)
    _book().remove(account, found, words=words, source="operator")
    _say(f"Messages from {account} to {mask(found)} leave again.")


@optouts.command(
    "export",
    examples={
        "optouts export > optouts.csv": "all of them, as a file",
        "optouts export --account lefoka": "those of one account",
    },
)
@options.of_account
@with_appcontext
def export_optouts(account: str | None) -> None:
    """Write all opt-outs as CSV, numbers whole.

    To standard output: for another system that sends to the same people.
    """
    records = _records(account)
    table = csv.DictWriter(sys.stdout, _COLUMNS, lineterminator="\n")
    table.writeheader()
    for record in counted(records, "Writing"):
        row = _row(record)
        words = str(row["words"])
        table.writerow({**row, "words": f"'{words}" if words.startswith(_FORMULA) else words})


def _records(account: str | None) -> Iterable[OptOut]:
    accounts = parts().settings.accounts if account is None else (known_account(account).name,)
    return chain.from_iterable(map(_book().records, accounts))


def _book() -> OptOuts:
    book: OptOuts = parts().optouts
    return book


def _number(account: str, number: str) -> str:
    found: str = parts().providers[known_account(account).name].number(number)
    return found


def _row(record: OptOut) -> dict[str, str]:
    at = record.at.astimezone(UTC).isoformat(timespec="seconds")
    return {
        "account": record.account,
        "number": record.number,
        "at": at,
        "source": record.source,
        "words": record.words,
    }


def _cells(record: OptOut, reveal: bool) -> tuple[Cell, ...]:
    number = record.number if reveal else mask(record.number)
    words = (repr(record.words),) if reveal else ()
    return (record.at, record.account, number, record.source, *words)


def _say(text: str) -> None:
    click.echo(text, err=True)
