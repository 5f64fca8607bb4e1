"""Commands over dead letters: what no attempt could handle or send, and what to do with it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, TypeVar

import click
from flask.cli import with_appcontext

from ..store.deadletters import DeadLetter
from ..store.journal import Noted
from ..words import printable
from .context import parts, when
from .manual import Group

F = TypeVar("F", bound=Callable[..., Any])


@click.group(cls=Group, invoke_without_command=True)
@click.pass_context
def failed(context: click.Context) -> None:
    """Show the dead letters, try them again, or drop them."""
    if context.invoked_subcommand is None:
        context.invoke(list_failed)


def _chosen(command: F) -> F:
    """Add the options that choose among dead letters."""
    for option in (
        click.option("--until", metavar="WHEN", callback=when, help="Dead before that."),
        click.option(
            "--since", metavar="WHEN", callback=when, help="Dead since: 2h (ago), or ISO 8601."
        ),
        click.option("--reason", help="Text in the reason, in any case."),
        click.option("--account", help="Of this account."),
        click.option("--provider", help="Of this provider."),
        click.option("--handler", help="Of this handler, as app.balance."),
        click.argument("event_ids", metavar="[ID]...", nargs=-1),
    ):
        command = option(command)
    return command


@failed.command("list")
@_chosen
@click.option("--reveal", is_flag=True, help="Show the whole reason: it may quote anything.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, whole.")
@with_appcontext
def list_failed(reveal: bool = False, as_json: bool = False, **choice: Any) -> None:
    """List dead letters, the newest first; ID is an event's, or its beginning."""
    shown = 0
    for letter in _find(**choice):
        shown += 1
        click.echo(json.dumps(letter.as_dict()) if as_json else _line(letter, reveal))
    if not shown and not as_json:
        there = len(parts().deadletters)
        click.echo(f"No dead letter is like that; there are {there}." if there else _NONE, err=True)


@failed.command("show")
@click.argument("event_id", metavar="ID")
@with_appcontext
def show_failed(event_id: str) -> None:
    """Show the dead letters of one event whole, with the traceback of the last attempt."""
    letters = list(_find(event_ids=(event_id,)))
    if not letters:
        raise click.ClickException(f"there is no dead letter of event {event_id}")
    for letter in letters:
        for name, value in {**letter.as_dict(), **letter.outcome}.items():
            click.echo(f"{name}: " + "\n".join(map(printable, str(value).split("\n"))))


@failed.command("retry")
@_chosen
@click.option("--all", "everything", is_flag=True, help="All of them.")
@click.option("--uncertain", is_flag=True, help="Also replies that may have been sent already.")
@with_appcontext
def retry_failed(everything: bool, uncertain: bool, **choice: Any) -> None:
    """Queue dead letters again, with all their attempts anew."""
    _demand_choice(everything, choice)
    letters = parts().deadletters
    retried = left = 0
    for letter in list(_find(**choice)):
        problem = _problem(letter, uncertain)
        if problem is None:
            problem = _PROBLEMS.get(letters.retry(letter))
        if problem is None:
            retried += 1
            continue
        left += 1
        click.echo(f"left: {_line(letter, reveal=False)}: {problem}", err=True)
    click.echo(f"{retried} queued again" + (f", {left} left as they are." if left else "."))


@failed.command("drop")
@_chosen
@click.option("--all", "everything", is_flag=True, help="All of them.")
@with_appcontext
def drop_failed(everything: bool, **choice: Any) -> None:
    """Forget dead letters; their events still say what happened."""
    _demand_choice(everything, choice)
    found = list(_find(**choice))
    for letter in found:
        parts().deadletters.drop(letter)
    click.echo(f"{len(found)} dropped.")


_NONE = "No dead letters."
_PROBLEMS = {
    Noted.GONE: "its event has expired; drop it",
    Noted.OVERTAKEN: "somebody else has just dealt with it",
}


def _problem(letter: DeadLetter, uncertain: bool) -> str | None:
    if letter.call is None:
        return "it is not ours, and is not run; look who else writes to this Redis, then drop it"
    if letter.uncertain and not uncertain:
        return "it may have been sent: look it up at the provider, then use --uncertain"
    return None


def _demand_choice(everything: bool, choice: dict[str, Any]) -> None:
    if not everything and not any(choice.values()):
        raise click.UsageError("say which: an ID, --handler, --reason, --since …, or --all")


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


def _line(letter: DeadLetter, reveal: bool) -> str:
    when = letter.at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    event = letter.call.event_id[:8] if letter.call else "-"
    what = "reply of " if letter.as_dict()["what"] == "send" else ""
    account = letter.record.event.account if letter.record else "-"
    why = letter.reason if reveal else letter.why
    return f"{when} {event} {account} {what}{letter.handler or '-'}: {printable(why)}"
