"""Commands over dead letters: what no attempt could handle or send, and what to do with it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import click
from flask.cli import with_appcontext

from ..errors import KeyLost
from ..store.deadletters import DeadLetter
from ..store.journal import Noted
from ..words import printable
from . import completers, options
from .asking import confirm
from .context import parts
from .exits import Fault, NotFound, UsageFault
from .manual import Group
from .progress import counted
from .tables import Cell, Column, many, print_json, print_record, print_table

_COLUMNS = (
    *(Column("WHEN", whole=True), Column("EVENT", whole=True), Column("ACCOUNT")),
    *(Column("HANDLER"), Column("WHY")),
)
_FIELDS = (
    *("event", "handler", "what", "provider", "account"),
    *("at", "why", "reason", "attempts", "job"),
)
_ID_SHOWN = 8
_NONE = "No dead letters."
_LOST = "it cannot be decrypted: put back the key it had in RECEIVER_ENCRYPTION_KEYS"
_PROBLEMS = {
    Noted.GONE: "its event has expired; drop it",
    Noted.OVERTAKEN: "somebody else has just dealt with it",
}


@click.group(
    cls=Group,
    invoke_without_command=True,
    examples={
        "failed": "all of them, as failed list",
        "failed retry --handler app.balance": "once the handler is mended",
    },
)
def failed() -> None:
    """Show dead letters, try them again, or drop them.

    A dead letter is what no attempt could handle or send. Mend the cause, then `retry`; it stays
    for RECEIVER_RETENTION.
    """


_chosen = options.several(
    click.argument("event_ids", metavar="[ID]...", nargs=-1, shell_complete=completers.dead_ids),
    options.of_handler("Of this handler, as app.balance."),
    options.of_provider,
    options.of_account,
    click.option("--reason", metavar="TEXT", help="With this in the reason, in any case."),
    options.since("Dead since: 2h (ago), or ISO 8601."),
    options.until("Dead before that."),
)


@failed.command(
    "list",
    examples={
        "failed list --since 24h": "what died today",
        "failed list --reason customer --json": "for another program",
    },
    fields=_FIELDS,
)
@_chosen
@click.option("--reveal", is_flag=True, help="Show the whole reason: it may quote anything.")
@options.json_lines
@with_appcontext
def list_failed(reveal: bool = False, as_json: bool = False, **choice: Any) -> None:
    """List dead letters, the newest first.

    ID is an event's, or its beginning. The reason is in short, without what an error may quote of
    a text; `show` has it whole, with the traceback.
    """
    found = list(_find(**choice))
    if as_json:
        for letter in found:
            print_json(letter.as_dict())
    elif not print_table(_COLUMNS, (_row(letter, reveal) for letter in found)):
        there = len(parts().deadletters)
        click.echo(f"No dead letter is like that; there are {there}." if there else _NONE, err=True)


@failed.command(
    "show",
    examples={
        "failed show 3f9a1c22": "why, with the traceback",
        "failed show 3f9a1c22 --json": "for another program",
    },
    fields=(*_FIELDS, "outcome"),
)
@click.argument("event_id", metavar="ID", shell_complete=completers.dead_ids)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, whole.")
@with_appcontext
def show_failed(event_id: str, as_json: bool) -> None:
    """Show the dead letters of one event whole.

    With the traceback of the last attempt. It may quote numbers and texts.
    """
    letters = list(_find(event_ids=(event_id,)))
    if not letters:
        raise NotFound(f"there is no dead letter of event {event_id}", "failed list")
    for letter in letters:
        whole = {**letter.as_dict(), "outcome": dict(letter.outcome)}
        if as_json:
            print_json(whole)
        else:
            print_record(whole)


@failed.command(
    "retry",
    examples={
        "failed retry 3f9a1c22": "those of one event",
        "failed retry --handler app.balance --since 24h": "those of one handler, of today",
    },
)
@_chosen
@options.all_of_them
@click.option("--uncertain", is_flag=True, help="Also replies that may have been sent already.")
@with_appcontext
def retry_failed(everything: bool, uncertain: bool, **choice: Any) -> None:
    """Queue dead letters again, with all attempts anew.

    Once what they died of is mended; the workers do the rest. A reply that may have been sent is
    left, unless --uncertain says that you looked it up at the provider.
    """
    _demand_choice(everything, choice)
    retried = left = lost = 0
    for letter in counted(list(_find(**choice)), "Queueing"):
        problem = _problem(letter, uncertain) or _retry(letter)
        if problem is None:
            retried += 1
            continue
        left += 1
        lost += problem == _LOST
        click.echo(f"left: {_line(letter)}: {problem}", err=True)
    click.echo(f"{retried} queued again" + (f", {left} left as they are." if left else "."))
    if lost:
        mend = "put back the key they had in RECEIVER_ENCRYPTION_KEYS; check says more"
        raise Fault(f"{many(lost, 'dead letter')} cannot be decrypted", mend)


@failed.command(
    "drop",
    examples={
        "failed drop 3f9a1c22 --yes": "those of one event, unasked",
        "failed drop --reason 'no such customer' --yes": "those that nobody can mend",
    },
)
@_chosen
@options.all_of_them
@options.yes
@with_appcontext
def drop_failed(everything: bool, yes: bool, **choice: Any) -> None:
    """Forget dead letters; their events say what happened.

    What was dropped is not handled any more. It asks first, with their number.
    """
    _demand_choice(everything, choice)
    found = list(_find(**choice))
    if found:
        confirm(f"Drop {many(len(found), 'dead letter')}?", yes=yes)
    for letter in counted(found, "Dropping"):
        parts().deadletters.drop(letter)
    click.echo(f"{len(found)} dropped.")


def _problem(letter: DeadLetter, uncertain: bool) -> str | None:
    if letter.call is None:
        return "it is not ours, and is not run; look who else writes to this Redis, then drop it"
    if letter.uncertain and not uncertain:
        return "it may have been sent: look it up at the provider, then use --uncertain"
    return None


def _retry(letter: DeadLetter) -> str | None:
    """Queue one again, or say why not: one that nobody can read keeps no other from it."""
    try:
        return _PROBLEMS.get(parts().deadletters.retry(letter))
    except KeyLost:
        return _LOST


def _demand_choice(everything: bool, choice: dict[str, Any]) -> None:
    if not everything and not any(choice.values()):
        raise UsageFault(
            "say which: an ID, --handler, --reason, --since …, or --all", "failed list"
        )


def _find(
    event_ids: tuple[str, ...] = (),
    handler: str | None = None,
    provider: str | None = None,
    account: str | None = None,
    reason: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Iterator[DeadLetter]:
    for letter in parts().deadletters:
        event = letter.record.event if letter.record else None
        event_id = letter.call.event_id if letter.call else ""
        said = f"{letter.why}\n{letter.reason}".casefold()
        if (
            (not event_ids or event_id.startswith(event_ids))
            and handler in (None, letter.handler)
            and provider in (None, event and event.provider)
            and account in (None, event and event.account)
            and (reason is None or reason.casefold() in said)
            and (since is None or letter.at >= since)
            and (until is None or letter.at < until)
        ):
            yield letter


def _row(letter: DeadLetter, reveal: bool) -> tuple[Cell, ...]:
    what = " (reply)" if letter.as_dict()["what"] == "send" else ""
    # why begins with the handler, as RQ's own lists show nothing else of it
    why = letter.reason if reveal else letter.why.removeprefix(f"{letter.handler}: ")
    return (
        letter.at,
        letter.call.event_id[:_ID_SHOWN] if letter.call else None,
        letter.record.event.account if letter.record else None,
        f"{letter.handler or '-'}{what}",
        why,
    )


def _line(letter: DeadLetter) -> str:
    _, event, account, handler, why = _row(letter, reveal=False)
    return printable(f"{event or '-'} {account or '-'} {handler}: {why}")
