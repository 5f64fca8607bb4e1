"""Commands over the quarantine: authentic bodies that could not be read."""

from __future__ import annotations

import json
from collections.abc import Iterator

import click
from flask.cli import with_appcontext

from ..errors import Unreadable
from ..store.quarantine import Quarantined
from ..words import printable
from .context import parts
from .manual import Group


@click.group(cls=Group, invoke_without_command=True)
@click.pass_context
def quarantine(context: click.Context) -> None:
    """Show bodies that could not be read, read them again, or drop them."""
    if context.invoked_subcommand is None:
        context.invoke(list_quarantined)


@quarantine.command("list")
@click.option("--account", help="Of this account.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, whole.")
@with_appcontext
def list_quarantined(account: str | None = None, as_json: bool = False) -> None:
    """List them, the newest first, with the reason; bodies are shown by `show` and --json only."""
    shown = 0
    for found in parts().quarantine:
        if account in (None, found.account):
            shown += 1
            click.echo(json.dumps(found.as_dict()) if as_json else _line(found))
    if not shown and not as_json:
        click.echo("The quarantine is empty.", err=True)


@quarantine.command("show")
@click.argument("body_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@with_appcontext
def show_quarantined(body_id: str, as_json: bool) -> None:
    """Show one whole, as it came; ID is as `list` shows it, or its beginning."""
    (found,) = _find((body_id,), everything=False)
    if as_json:
        click.echo(json.dumps(found.as_dict()))
        return
    for name, value in found.as_dict().items():
        text = value if isinstance(value, str) else json.dumps(value)
        click.echo(f"{name}: " + "\n".join(map(printable, text.split("\n"))))


@quarantine.command("replay")
@click.argument("body_ids", metavar="[ID]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All of them.")
@click.option("--account", help="All of this account.")
@with_appcontext
def replay_quarantined(body_ids: tuple[str, ...], everything: bool, account: str | None) -> None:
    """Read them again with today's code; what can be read is queued, and leaves the quarantine."""
    events = kept = 0
    for found in _find(body_ids, everything, account):
        provider = parts().providers.get(found.account)
        if provider is None or provider.name != found.provider:
            kept += 1
            click.echo(f"kept: {_line(found)}: its account is not configured now", err=True)
            continue
        try:
            events += parts().intake.replay(found, provider)
        except Unreadable as error:
            kept += 1
            click.echo(f"kept: {found.id[:8]} {found.account}: {error}", err=True)
            continue
        parts().quarantine.drop(found.id)
    click.echo(f"{events} new events queued" + (f", {kept} bodies kept." if kept else "."))


@quarantine.command("drop")
@click.argument("body_ids", metavar="[ID]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All of them.")
@click.option("--account", help="All of this account.")
@with_appcontext
def drop_quarantined(body_ids: tuple[str, ...], everything: bool, account: str | None) -> None:
    """Forget bodies for good."""
    found = list(_find(body_ids, everything, account))
    for body in found:
        parts().quarantine.drop(body.id)
    click.echo(f"{len(found)} dropped.")


def _find(
    body_ids: tuple[str, ...], everything: bool, account: str | None = None
) -> Iterator[Quarantined]:
    if not (body_ids or everything or account):
        raise click.UsageError("say which: an ID, --account, or --all")
    there = list(parts().quarantine)
    for begin in body_ids:
        matches = [found for found in there if found.id.startswith(begin)]
        if len(matches) != 1:
            problem = "several bodies begin" if matches else "no body begins"
            raise click.ClickException(f"{problem} with {begin}; see quarantine list")
    for found in there:
        if found.id.startswith(body_ids or "") and account in (None, found.account):
            yield found


def _line(found: Quarantined) -> str:
    when = found.received_at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    size, again = len(found.raw), f", resent {found.resends} times" if found.resends else ""
    return f"{when} {found.id[:8]} {found.account} {size} bytes{again}: {printable(found.reason)}"
