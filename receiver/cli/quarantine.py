"""Commands over the quarantine: authentic bodies that could not be read."""

from __future__ import annotations

from collections.abc import Iterator

import click
from flask.cli import with_appcontext

from ..errors import Unreadable
from ..store.quarantine import Quarantined
from ..words import printable
from . import completers, options
from .asking import confirm
from .context import known_account, parts
from .exits import Fault, NotFound, UsageFault
from .manual import Group
from .progress import counted
from .tables import Cell, Column, many, print_json, print_record, print_table

_COLUMNS = (
    *(Column("WHEN", whole=True), Column("ID", whole=True), Column("ACCOUNT")),
    *(Column("SIZE"), Column("REASON")),
)
_FIELDS = (
    *("id", "account", "provider", "reason", "received_at", "trust", "resends", "headers", "raw"),
)
_ID_SHOWN = 8


@click.group(
    cls=Group,
    invoke_without_command=True,
    examples={
        "quarantine": "all of them, as quarantine list",
        "quarantine replay --all": "after an update that can read them",
    },
)
def quarantine() -> None:
    """Show bodies that could not be read, and read them again.

    An authentic callback that nobody could read is acknowledged and kept here, for
    RECEIVER_RETENTION: a provider sends something new, and the code for it comes later.
    """


_chosen = options.several(
    click.argument("body_ids", metavar="[ID]...", nargs=-1, shell_complete=completers.body_ids),
    options.all_of_them,
    click.option(
        "--account",
        metavar="ACCOUNT",
        help="All of this account.",
        shell_complete=completers.accounts,
    ),
)


@quarantine.command(
    "list",
    examples={
        "quarantine list --account smsbox": "of one account",
        "quarantine list --json": "for another program, with the bodies",
    },
    fields=_FIELDS,
)
@options.of_account
@options.json_lines
@with_appcontext
def list_quarantined(account: str | None = None, as_json: bool = False) -> None:
    """List them, the newest first, with the reason.

    Bodies may hold numbers and texts: they are shown by `show` and --json only.
    """
    lost: list[str] = []
    found = list(parts().quarantine.records(account, lost))
    if account is not None and not found and not lost:
        known_account(account)
    if as_json:
        for body in found:
            print_json(body.as_dict())
    elif not print_table(_COLUMNS, map(_row, found)) and not lost:
        there = len(parts().quarantine)
        said = f"No body of {account}; there are {there}." if there else "The quarantine is empty."
        click.echo(said, err=True)
    _tell(lost)


@quarantine.command(
    "show",
    examples={
        "quarantine show 5b0e77d1": "the body as it came",
        "quarantine show 5b0e77d1 --json": "for another program",
    },
    fields=_FIELDS,
)
@click.argument("body_id", metavar="ID", shell_complete=completers.body_ids)
@options.json_object
@with_appcontext
def show_quarantined(body_id: str, as_json: bool) -> None:
    """Show one whole, as it came.

    ID is as `list` shows it, or its beginning. This is what to send to whoever mends the parser.
    """
    (found,) = _find((body_id,), everything=False, lost=[])
    if as_json:
        print_json(found.as_dict())
    else:
        print_record(found.as_dict())


@quarantine.command(
    "replay",
    examples={
        "quarantine replay 5b0e77d1": "one of them",
        "quarantine replay --account smsbox": "all of one account",
    },
)
@_chosen
@with_appcontext
def replay_quarantined(body_ids: tuple[str, ...], everything: bool, account: str | None) -> None:
    """Read bodies again, with today's code.

    What can be read now is queued, and leaves the quarantine; the others are kept.
    """
    events = kept = 0
    lost: list[str] = []
    for found in counted(list(_find(body_ids, everything, account, lost=lost)), "Reading"):
        provider = parts().providers.get(found.account)
        if provider is None or provider.name != found.provider:
            kept += 1
            click.echo(f"kept: {_line(found)}: its account is not configured now", err=True)
            continue
        try:
            events += parts().intake.replay(found, provider)
        except Unreadable as error:
            kept += 1
            click.echo(f"kept: {found.id[:_ID_SHOWN]} {found.account}: {error}", err=True)
            continue
        parts().quarantine.drop(found.id)
    click.echo(f"{events} new events queued" + (f", {kept} bodies kept." if kept else "."))
    _tell(lost)


@quarantine.command(
    "drop",
    examples={
        "quarantine drop 5b0e77d1 --yes": "one of them, unasked",
        "quarantine drop --account smsbox --yes": "all of one account",
    },
)
@_chosen
@options.yes
@with_appcontext
def drop_quarantined(
    body_ids: tuple[str, ...], everything: bool, account: str | None, yes: bool
) -> None:
    """Forget bodies for good.

    Their senders had their ack, and do not send them again. It asks first, with their number.
    """
    lost: list[str] = []
    found = list(_find(body_ids, everything, account, lost=lost))
    if found:
        confirm(f"Forget {many(len(found), 'body', 'bodies')} for good?", yes=yes)
    for body in counted(found, "Dropping"):
        parts().quarantine.drop(body.id)
    click.echo(f"{len(found)} dropped.")
    _tell(lost)


def _find(
    body_ids: tuple[str, ...], everything: bool, account: str | None = None, *, lost: list[str]
) -> Iterator[Quarantined]:
    if not (body_ids or everything or account):
        raise UsageFault("say which: an ID, --account, or --all", "quarantine list")
    there = list(parts().quarantine.records(account, lost))
    for begin in body_ids:
        _tell([body_id for body_id in lost if body_id.startswith(begin)])
        matches = [found for found in there if found.id.startswith(begin)]
        if len(matches) != 1:
            if matches:
                raise Fault(f"several bodies begin with {begin}: give more of it")
            raise NotFound(f"no body begins with {begin}", "quarantine list")
    for found in there:
        if found.id.startswith(body_ids or ""):
            yield found


def _tell(lost: list[str]) -> None:
    """End with what nobody can read, where there is any."""
    if lost:
        mend = "put back the key they had in RECEIVER_ENCRYPTION_KEYS; check says more"
        raise Fault(f"{many(len(lost), 'body', 'bodies')} cannot be decrypted", mend)


def _row(found: Quarantined) -> tuple[Cell, ...]:
    size = many(len(found.raw), "byte")
    if found.resends:
        size += f", resent {many(found.resends, 'time')}"
    return found.received_at, found.id[:_ID_SHOWN], found.account, size, found.reason


def _line(found: Quarantined) -> str:
    return printable(f"{found.id[:_ID_SHOWN]} {found.account}: {found.reason}")
