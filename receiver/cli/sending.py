"""Commands of the way out: `send`, `status` and `balance`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import click
from flask.cli import with_appcontext

from ..errors import ReceiverError
from ..events import to_dict
from ..msisdn import mask
from ..segmentation import advice, segments
from ..sms import Sms
from .context import log_to_stderr, parts


def _later(_: click.Context, __: click.Parameter, value: str | None) -> datetime | None:
    """Read the time of a scheduled SMS; local, where it has no offset."""
    if value is None:
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError as error:
        raise click.BadParameter("is no time: write 2026-11-21T06:00") from error
    return found.astimezone()


@click.command("send")
@click.argument("account")
@click.argument("numbers", metavar="NUMBER...", nargs=-1, required=True)
@click.option("--text", required=True, help="The text; - reads it from standard input.")
@click.option("--key", help="The same key sends the same SMS once, however often it is tried.")
@click.option("--source", help="The sender ID or number that it comes from.")
@click.option("--at", "schedule", metavar="TIME", callback=_later, help="ISO 8601, to send later.")
@click.option("--flash", is_flag=True, help="Shown at once, and not kept by the phone.")
@click.option("--dry-run", is_flag=True, help="Say what it would cost, and send nothing.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@with_appcontext
def send_sms(
    account: str, numbers: tuple[str, ...], text: str, dry_run: bool, as_json: bool, **wish: Any
) -> None:
    """Send an SMS to each NUMBER through ACCOUNT, and show the provider's id for it.

    Who opted out is left out. A key makes it safe to try again after an error.
    """
    log_to_stderr()
    if text == "-":
        text = sys.stdin.read().strip()
    if dry_run:
        _show_cost(account, numbers, text, as_json)
        return
    key = wish.pop("key") or ""
    with _said():
        sent = parts().sending.send(account, Sms(recipients=numbers, text=text, key=key, **wish))
    if as_json:
        ids = dict(sent.message_ids)
        found = {"message_id": sent.message_id, "message_ids": ids, "credit": sent.credit}
        click.echo(json.dumps({**found, "refused": sent.refused}))
        return
    click.echo(sent.message_id or "(sent; the provider gave no id)")
    for number in sent.refused:
        click.echo(f"left out, as it opted out: {mask(number)}", err=True)


@click.command("status")
@click.argument("account")
@click.argument("message_id")
@click.argument("numbers", metavar="[NUMBER]...", nargs=-1)
@click.option("--reveal", is_flag=True, help="Show whole numbers.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@with_appcontext
def ask_status(
    account: str, message_id: str, numbers: tuple[str, ...], reveal: bool, as_json: bool
) -> None:
    """Ask the provider of ACCOUNT what became of MESSAGE_ID, which was sent to each NUMBER."""
    log_to_stderr()
    with _said():
        reports = parts().sending.status(account, message_id, numbers)
    for report in reports:
        number = report.recipient if reveal else mask(report.recipient)
        word = f"{report.status} ({report.provider_status})"
        click.echo(json.dumps(to_dict(report)) if as_json else f"{number} {word}")
    if not reports:
        click.echo("The provider knows nothing of it yet.", err=True)


@click.command("balance")
@click.argument("accounts", metavar="[ACCOUNT]...", nargs=-1)
@with_appcontext
def ask_balance(accounts: tuple[str, ...]) -> None:
    """Ask what is left on each ACCOUNT, or on all of them."""
    log_to_stderr()
    failed = False
    for account in accounts or sorted(parts().sending.providers):
        try:
            found = parts().sending.provider(account).balance()
        except ReceiverError as error:
            failed = True
            click.echo(f"{account}: {error}", err=True)
        else:
            click.echo(f"{account}: {found.amount} {found.unit}")
    if failed:
        raise click.exceptions.Exit(1)


@contextmanager
def _said() -> Iterator[None]:
    """Say in a line what could not be done, with exit status 1."""
    try:
        yield
    except ReceiverError as error:
        raise click.ClickException(str(error)) from error


def _show_cost(account: str, numbers: tuple[str, ...], text: str, as_json: bool) -> None:
    with _said():
        provider = parts().sending.provider(account)
    people = len({provider.number(number) for number in numbers})
    found, hint = segments(text), advice(text)
    if as_json:
        cost = {"recipients": people, "parts": found.count, "sms": found.count * people}
        click.echo(json.dumps({**cost, "encoding": found.encoding, "advice": hint}))
        return
    click.echo(
        f"{people} recipients x {found.count} parts = {found.count * people} SMS"
        f" ({found.encoding}, room for {found.left} more in the last part)"
    )
    if hint:
        click.echo(hint, err=True)
