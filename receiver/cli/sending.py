"""Commands of the way out: `send`, `status` and `balance`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import uuid4

import click
from flask.cli import with_appcontext

from ..errors import ReceiverError, TemporaryDeliveryError
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
        return datetime.fromisoformat(value).astimezone()
    except (ValueError, OverflowError) as error:
        raise click.BadParameter("is no time: write 2026-11-21T06:00") from error


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
    key = wish.pop("key") or uuid4().hex
    with _said(f"With --key {key} a second try sends nothing twice."):
        sent = parts().sending.send(account, Sms(recipients=numbers, text=text, key=key, **wish))
    if as_json:
        ids = dict(sent.message_ids)
        found = {"message_id": sent.message_id, "message_ids": ids, "credit": sent.credit}
        click.echo(json.dumps({**found, "refused": sent.refused}))
        return
    if len(sent.message_ids) > 1:
        for number, message_id in sent.message_ids.items():
            click.echo(f"{message_id} {mask(number)}")
    else:
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
def _said(hint: str = "") -> Iterator[None]:
    """Say in a line what failed, with exit status 1; ``hint`` where it may be tried again."""
    try:
        yield
    except TemporaryDeliveryError as error:
        raise click.ClickException(f"{error} {hint}".rstrip()) from error
    except ReceiverError as error:
        raise click.ClickException(str(error)) from error


def _show_cost(account: str, numbers: tuple[str, ...], text: str, as_json: bool) -> None:
    """Say how many SMS it comes to; whether the provider takes them is its own business."""
    with _said():
        provider = parts().sending.provider(account)
    wanted = list(dict.fromkeys(provider.number(number) for number in numbers))
    out = parts().optouts.find_many(account, wanted)
    people = len(wanted) - len(out)
    found, hint = segments(text), advice(text)
    if as_json:
        cost = {"recipients": people, "parts": found.count, "sms": found.count * people}
        rest = {"encoding": found.encoding, "advice": hint, "opted_out": len(out)}
        click.echo(json.dumps({**cost, **rest}))
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
