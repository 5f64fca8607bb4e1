"""Commands of the way out: `send`, `status` and `balance`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import uuid4

import click
from flask.cli import with_appcontext

from ..errors import ReceiverError, TemporaryDeliveryError
from ..events import DeliveryReport, to_dict
from ..msisdn import mask
from ..segmentation import advice, segments
from ..sms import Sms
from . import completers, options
from .context import known_account, log_to_stderr, parts
from .exits import WRONG, NotNow
from .manual import Command
from .progress import counted, progress
from .tables import Cell, Column, print_json, print_table

_SENT = (Column("MESSAGE ID", whole=True), Column("NUMBER", whole=True))
_STATUS = (Column("NUMBER", whole=True), Column("STATUS"), Column("PROVIDER'S WORD"))
_BALANCE_FIELDS = ("account", "amount", "unit")
_BALANCE = (Column("ACCOUNT"), Column("LEFT", whole=True, right=True), Column("UNIT"))


def _later(_: click.Context, __: click.Parameter, value: str | None) -> datetime | None:
    """Read the time of a scheduled SMS; local, where it has no offset."""
    if value is None:
        return None
    try:
        return datetime.fromisoformat(value).astimezone()
    except (ValueError, OverflowError) as error:
        raise click.BadParameter("is no time: write 2026-11-21T06:00") from error


@click.command(
    "send",
    cls=Command,
    examples={
        "send lefoka 0637885448 --text 'See you at nine' --dry-run": "parts and cost; nothing sent",
        "send lefoka 0637885448 --text 'See you at nine' --key booking-77": "once, however often",
        "send smsbox +255712345678 --text - < note.txt": "the text of a file",
    },
    fields=(
        *("message_id", "message_ids", "credit", "refused"),
        *("recipients", "parts", "sms", "encoding", "advice", "opted_out"),
    ),
)
@options.account_argument
@click.argument("numbers", metavar="NUMBER...", nargs=-1, required=True)
@click.option("--text", required=True, help="The text; - reads it from standard input.")
@click.option("--key", help="The same key sends the same SMS once, however often it is tried.")
@click.option("--source", help="The sender ID or number that it comes from.")
@click.option("--at", "schedule", metavar="TIME", callback=_later, help="ISO 8601, to send later.")
@click.option("--flash", is_flag=True, help="Shown at once, and not kept by the phone.")
@click.option("--dry-run", is_flag=True, help="Say what it would cost, and send nothing.")
@options.json_object
@with_appcontext
def send_sms(
    account: str, numbers: tuple[str, ...], text: str, dry_run: bool, as_json: bool, **wish: Any
) -> None:
    """Send an SMS to each NUMBER through ACCOUNT.

    Shows the provider's id for it, which `status` takes. Who opted out is left out. With a key it
    is safe to try again after an error: what has the same key is one SMS.
    """
    log_to_stderr()
    known_account(account)
    if text == "-":
        text = sys.stdin.read().strip()
    if dry_run:
        _show_cost(account, numbers, text, as_json)
        return
    key = wish.pop("key") or uuid4().hex
    with _trying_again(f"the same with --key {key}: it sends nothing twice"):
        sent = parts().sending.send(account, Sms(recipients=numbers, text=text, key=key, **wish))
    if as_json:
        found = {"message_id": sent.message_id, "message_ids": dict(sent.message_ids)}
        print_json({**found, "credit": sent.credit, "refused": list(sent.refused)})
        return
    if len(sent.message_ids) > 1:
        ids = sent.message_ids.items()
        print_table(_SENT, ((message_id, mask(number)) for number, message_id in ids))
    else:
        click.echo(sent.message_id or "(sent; the provider gave no id)")
    for number in sent.refused:
        click.echo(f"left out, as it opted out: {mask(number)}", err=True)


@click.command(
    "status",
    cls=Command,
    examples={
        "status lefoka b7e1f0a2": "by the id that `send` showed",
        "status lefoka b7e1f0a2 0637885448 --reveal": "of one recipient, with its number",
    },
    fields=("kind", *(field.name for field in fields(DeliveryReport))),
)
@options.account_argument
@click.argument("message_id")
@click.argument("numbers", metavar="[NUMBER]...", nargs=-1)
@click.option("--reveal", is_flag=True, help="Show whole numbers.")
@options.json_lines
@with_appcontext
def ask_status(
    account: str, message_id: str, numbers: tuple[str, ...], reveal: bool, as_json: bool
) -> None:
    """Ask the provider what became of an SMS.

    MESSAGE_ID is the provider's, as `send` shows it; some providers want each NUMBER as well. The
    answer goes to no handler. What webhooks said is in `events list --number`.
    """
    log_to_stderr()
    known_account(account)
    with progress(f"Asking {account}"):
        reports = parts().sending.status(account, message_id, numbers)
    if as_json:
        for report in reports:
            print_json(to_dict(report))
    elif not print_table(_STATUS, (_status(report, reveal) for report in reports)):
        click.echo("The provider knows nothing of it yet.", err=True)


@click.command(
    "balance",
    cls=Command,
    examples={
        "balance": "of all accounts",
        "balance lefoka --json": "for another program",
    },
    fields=_BALANCE_FIELDS,
)
@click.argument("accounts", metavar="[ACCOUNT]...", nargs=-1, shell_complete=completers.accounts)
@options.json_lines
@with_appcontext
def ask_balance(accounts: tuple[str, ...], as_json: bool) -> None:
    """Ask what is left on each ACCOUNT, or on all.

    Each provider is asked now. What could not be asked is said on standard error; exit status 1 if
    there was any such account.
    """
    log_to_stderr()
    for account in accounts:
        known_account(account)
    failed, rows = False, []
    for account in counted(accounts or sorted(parts().sending.providers), "Asking"):
        try:
            found = parts().sending.provider(account).balance()
        except ReceiverError as error:
            failed = True
            click.echo(f"{account}: {error}", err=True)
            continue
        rows.append((account, str(found.amount), found.unit))
    if as_json:
        for row in rows:
            print_json(dict(zip(_BALANCE_FIELDS, row, strict=True)))
    else:
        print_table(_BALANCE, rows)
    if failed:
        raise click.exceptions.Exit(WRONG)


@contextmanager
def _trying_again(mend: str) -> Iterator[None]:
    """Say how to try again what a provider could not take now."""
    try:
        yield
    except TemporaryDeliveryError as error:
        raise NotNow(str(error), mend) from error


def _status(report: DeliveryReport, reveal: bool) -> tuple[Cell, ...]:
    number = report.recipient if reveal else mask(report.recipient)
    return number, report.status, f"({report.provider_status})"


def _show_cost(account: str, numbers: tuple[str, ...], text: str, as_json: bool) -> None:
    """Say how many SMS it comes to; whether the provider takes them is its own business."""
    provider = parts().sending.provider(account)
    wanted = list(dict.fromkeys(provider.number(number) for number in numbers))
    out = parts().optouts.find_many(account, wanted)
    people = len(wanted) - len(out)
    found, hint = segments(text), advice(text)
    if as_json:
        cost = {"recipients": people, "parts": found.count, "sms": found.count * people}
        print_json({**cost, "encoding": found.encoding, "advice": hint, "opted_out": len(out)})
        return
    click.echo(
        f"{people} x {found.count} = {found.count * people} SMS"
        f" (recipients x parts; {found.encoding}, room for {found.left} more in the last part)"
    )
    for line in filter(None, [hint, f"{len(out)} opted out and are left out" if out else None]):
        click.echo(line, err=True)
    for number in wanted:
        if not number.startswith("+"):
            click.echo(f"is no number: {mask(number)}", err=True)
