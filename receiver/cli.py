"""The commands: ``flask receiver …`` in a mounted app, ``sms-receiver …`` standalone.

What a command prints is for the person who typed it: numbers are masked in lists unless
``--reveal`` says otherwise, and whole in ``events show`` and in ``--json``.
"""

from __future__ import annotations

import importlib
import json
import logging
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from flask import Flask, current_app
from flask.cli import AppGroup, with_appcontext
from redis.exceptions import RedisError

from . import doctor
from .errors import ConfigurationError
from .events import InboundMessage, to_dict
from .msisdn import mask
from .store.journal import Record
from .words import printable
from .worker import Supervisor, Worker

_TAIL_SECONDS = 0.3
_TAIL_WINDOW = 200
_MAX_DAYS = 3650
_ID_LENGTH = 32

_DEV_COMMANDS = ("simulate", "up")


class _Commands(AppGroup):
    """Our commands; those of `dev` are imported when they are asked for, never in production."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *_DEV_COMMANDS})

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except RedisError as error:
            raise click.ClickException(
                f"Redis: {type(error).__name__}; run check, and see RECEIVER_REDIS_URL"
            ) from error

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _DEV_COMMANDS:
            dev = importlib.import_module(f"{__package__}.dev.commands")
            found: click.Command = getattr(dev, cmd_name)
            return found
        return super().get_command(ctx, cmd_name)


def _public(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    if value is not None and not value.startswith(("https://", "http://")):
        raise click.BadParameter("must begin with https://")
    return value


receiver_commands = _Commands("receiver", help="Receive SMS webhooks and answer them.")


@receiver_commands.command()
@click.option("--burst", is_flag=True, help="Stop when the queues are empty.")
@click.option(
    "--processes",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Worker processes for each queue.",
)
@with_appcontext
def worker(burst: bool, processes: int) -> None:
    """Run the handlers: workers for each queue, retries when they are due.

    Ctrl-C or SIGTERM lets each worker finish its job; a second one does not.
    """
    _log_to_stderr()
    app = _app()
    if burst:
        try:
            click.echo(f"{Worker(app).burst()} jobs run.")
        except ConfigurationError as error:
            raise click.ClickException(str(error)) from error
        return
    supervisor = Supervisor(app, processes)
    supervisor.run()
    if supervisor.refused:
        raise click.ClickException("the handlers are misconfigured: see the log above")


@receiver_commands.command()
@click.argument("account")
@click.option("--expires-days", type=click.IntRange(1, _MAX_DAYS), help="After that, 401.")
@click.option("--base", callback=_public, help="The public address, as https://sms.example.org.")
@with_appcontext
def url(account: str, expires_days: int | None, base: str | None) -> None:
    """Print the signed URL of ACCOUNT, to paste at the provider: no key has to travel."""
    parts = _parts()
    if account not in parts.providers:
        known = ", ".join(parts.providers)
        raise click.ClickException(f"there is no account {account}; there are: {known}")
    until = None if expires_days is None else time.time() + expires_days * 86_400
    token = parts.urls.make(account, until)
    click.echo(f"{_base(base)}{parts.settings.url_prefix}/{account}/{token}")


@receiver_commands.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each finding.")
@with_appcontext
def check(as_json: bool) -> None:
    """Look for what would go wrong, and say how to mend it; exit status 1 if anything would."""
    findings = doctor.examine(_app())
    for finding in findings:
        if as_json:
            click.echo(json.dumps(finding.as_dict()))
            continue
        click.echo(f"{'ok ' if finding.ok else 'BAD'} {finding.what}")
        if not finding.ok:
            click.echo(f"    {finding.mend}")
    if not all(finding.ok for finding in findings):
        sys.exit(1)


@receiver_commands.group(cls=AppGroup, invoke_without_command=True)
@click.pass_context
def events(context: click.Context) -> None:
    """Show what came, and what each handler made of it."""
    if context.invoked_subcommand is None:
        context.invoke(list_events)


@events.command("list")
@click.option("--limit", default=20, show_default=True, help="How many, newest first.")
@click.option("--account", help="Only of this account.")
@click.option("--reveal", is_flag=True, help="Show numbers and texts whole.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, whole.")
@with_appcontext
def list_events(
    limit: int = 20, account: str | None = None, reveal: bool = False, as_json: bool = False
) -> None:
    """List the newest events."""
    journal = _parts().journal
    shown = 0
    for record in journal.records(journal.ids()):
        if account in (None, record.event.account):
            _print(record, reveal, as_json)
            shown += 1
            if shown == limit:
                return
    if not shown and not as_json:
        click.echo("No events yet. Try: simulate smsbox inbound", err=True)


@events.command("show")
@click.argument("event_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@with_appcontext
def show_event(event_id: str, as_json: bool) -> None:
    """Show one event whole: as it came, each handler's outcome, the replies.

    ID is the event's, or its beginning, as `events` lists it.
    """
    journal = _parts().journal
    found = [event_id] if len(event_id) == _ID_LENGTH else list(journal.beginning(event_id))
    if len(found) > 1:
        raise click.ClickException(f"{len(found)} events begin with {event_id}: give more of it")
    record = journal.load(found[0]) if found else None
    if record is None:
        raise click.ClickException(f"there is no event {event_id}; it may have expired")
    whole = _whole(record)
    raw = journal.load_raw(record)
    whole["raw"] = None if raw is None else raw.decode("utf-8", "backslashreplace")
    if as_json:
        click.echo(json.dumps(whole))
        return
    for name, value in whole.items():
        text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
        click.echo(f"{name}: " + "\n".join(map(printable, text.split("\n"))))


@events.command("tail")
@click.option("--since", default=0.0, help="Begin this many seconds ago.")
@click.option("--reveal", is_flag=True, help="Show numbers and texts whole.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, whole.")
@with_appcontext
def tail_events(since: float, reveal: bool, as_json: bool) -> None:
    """Show events as they come, and again whenever something becomes of them; Ctrl-C ends it."""
    for record in follow(datetime.now(UTC) - timedelta(seconds=since)):
        _print(record, reveal, as_json)


def follow(since: datetime) -> Iterable[Record]:
    """Give each record that is new or has changed since a time, without end."""
    journal = _parts().journal
    seen: dict[str, Record] = {}
    while True:
        found = list(journal.records(journal.ids(since=since, limit=_TAIL_WINDOW)))
        for record in reversed(found):
            if seen.get(record.event.id) != record:
                yield record
        seen = {record.event.id: record for record in found}
        time.sleep(_TAIL_SECONDS)


def line(record: Record, *, reveal: bool) -> str:
    """Give one event in one line: when, account, from whom, the outcomes and the replies."""
    event = record.event
    show = _whole_text if reveal else mask
    if isinstance(event, InboundMessage):
        text = repr(event.text) if reveal else f"({len(event.text)} characters)"
        what = f"message {show(event.sender)} → {show(event.recipient)} {text}"
    else:
        what = f"report  {show(event.recipient)} {event.status}"
    outcomes = [f"{name}: {found['state']}" for name, found in record.handlers.items()]
    for name, reply in record.replies.items():
        text = f" {reply['text']!r}" if reveal else ""
        outcomes.append(f"{name} replied{text}: {reply['state']}")
    if record.routed is not None and not record.routed["to"]:
        outcomes.append("no handler takes it")
    when = event.received_at.astimezone().strftime("%H:%M:%S")
    return f"{when} {event.id[:8]} {event.account} {what} | {', '.join(outcomes) or 'waiting'}"


def _print(record: Record, reveal: bool, as_json: bool) -> None:
    click.echo(json.dumps(_whole(record)) if as_json else line(record, reveal=reveal))


def _whole(record: Record) -> dict[str, Any]:
    return {
        **to_dict(record.event),
        "resends": record.resends,
        "handlers": dict(record.handlers),
        "replies": dict(record.replies),
    }


def _whole_text(number: str | None) -> str:
    return printable(number) if number else "-"


def _base(given: str | None) -> str:
    if given:
        return given.rstrip("/")
    host = current_app.config["SERVER_NAME"]
    if host:
        return f"{current_app.config['PREFERRED_URL_SCHEME']}://{host}"
    click.echo("Put your own host in, or give --base or SERVER_NAME.", err=True)
    return "https://YOUR-HOST"


def _parts() -> Any:
    return current_app.extensions["receiver"]


def _app() -> Flask:
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    return app


def _log_to_stderr() -> None:
    """Show our log lines where the app has not set up logging itself."""
    logger = logging.getLogger("receiver")
    if not logger.hasHandlers():
        logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # its lines show whole URLs
