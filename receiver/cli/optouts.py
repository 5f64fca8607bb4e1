"""Commands over the opt-outs: list and export them, add one on somebody's word, remove one.

What a command prints is for the person who typed it: numbers are masked in the list unless
``--reveal`` says otherwise, and whole in ``--json`` and in the export.
"""

from __future__ import annotations

import csv
import heapq
import json
import sys
from collections.abc import Iterable
from datetime import UTC
from itertools import chain

import click
from flask.cli import with_appcontext

from ..errors import ReceiverError
from ..msisdn import is_valid, mask
from ..store.optouts import OptOut, OptOuts
from ..words import printable
from .context import parts
from .manual import Group

_COLUMNS = ("account", "number", "at", "source", "words")
# A spreadsheet takes what begins so for a formula, and these are words of strangers.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@click.group(cls=Group)
def optouts() -> None:
    """Show and change who gets no more messages."""


@optouts.command("list")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="How many, newest first.",
)
@click.option("--account", help="Only of this account.")
@click.option("--reveal", is_flag=True, help="Show numbers and words whole.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, whole.")
@with_appcontext
def list_optouts(limit: int, account: str | None, reveal: bool, as_json: bool) -> None:
    """List the newest opt-outs: when, from which account, who, on whose word."""
    found = heapq.nlargest(limit, _records(account), key=lambda record: record.at)
    for record in found:
        click.echo(json.dumps(_row(record)) if as_json else _line(record, reveal))
    if not found and not as_json:
        click.echo("Nobody has opted out.", err=True)


@optouts.command("add")
@click.argument("account")
@click.argument("number")
@click.option("--words", default="", help="How it was asked for, to be kept with it.")
@with_appcontext
def add_optout(account: str, number: str, words: str) -> None:
    """Send NUMBER nothing more from ACCOUNT."""
    e164 = _number(account, number)
    if not is_valid(e164):
        raise ReceiverError("that is no number: give it as +27…, or set the account's region")
    _book().add(account, e164, words=words, source="operator")
    _say(f"{mask(e164)} gets nothing more from {account}. To undo it: optouts remove")


@optouts.command("remove")
@click.argument("account")
@click.argument("number")
@click.option("--words", default="", help="How it was asked for, to be kept with it.")
@with_appcontext
def remove_optout(account: str, number: str, words: str) -> None:
    """Let messages from ACCOUNT to NUMBER leave again: only if its owner asked for it."""
    found = _number(account, number)
    if _book().find(account, found) is None:
        raise ReceiverError(f"{mask(found)} is not opted out of {account}")
    _book().remove(account, found, words=words, source="operator")
    _say(f"Messages from {account} to {mask(found)} leave again.")


@optouts.command("export")
@click.option("--account", help="Only of this account.")
@with_appcontext
def export_optouts(account: str | None) -> None:
    """Write all opt-outs to standard output as CSV, numbers whole."""
    records = _records(account)
    table = csv.DictWriter(sys.stdout, _COLUMNS, lineterminator="\n")
    table.writeheader()
    for record in records:
        row = _row(record)
        words = str(row["words"])
        table.writerow({**row, "words": f"'{words}" if words.startswith(_FORMULA) else words})


def _records(account: str | None) -> Iterable[OptOut]:
    accounts = parts().settings.accounts if account is None else (_known(account),)
    return chain.from_iterable(map(_book().records, accounts))


def _book() -> OptOuts:
    book: OptOuts = parts().optouts
    return book


def _known(account: str) -> str:
    known = parts().settings.accounts
    if account not in known:
        raise ReceiverError(f"there is no account {account}; there are: {', '.join(known)}")
    return account


def _number(account: str, number: str) -> str:
    found: str = parts().providers[_known(account)].number(number)
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


def _line(record: OptOut, reveal: bool) -> str:
    when = record.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    number = printable(record.number) if reveal else mask(record.number)
    words = f"  {record.words!r}" if reveal else ""
    return f"{when}  {record.account}  {number}  {record.source}{words}"


def _say(text: str) -> None:
    click.echo(text, err=True)
