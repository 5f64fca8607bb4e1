"""The command `reconcile`: ask a provider for what no webhook brought."""

from __future__ import annotations

import json
from datetime import datetime

import click
from flask.cli import with_appcontext

from ..errors import ReceiverError
from ..events import DeliveryReport, InboundMessage, to_dict
from ..msisdn import mask
from ..reconcile import Findings
from .context import log_to_stderr, parts, when


@click.command("reconcile")
@click.argument("account")
@click.option(
    "--since",
    metavar="WHEN",
    default="24h",
    show_default=True,
    callback=when,
    help="What happened since: 24h (ago), or ISO 8601.",
)
@click.option("--dry-run", is_flag=True, help="Say what is missing, and do nothing.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, with the events whole.")
@with_appcontext
def reconcile(account: str, since: datetime, dry_run: bool, as_json: bool) -> None:
    """Compare what the provider of ACCOUNT lists with what arrived.

    What no webhook brought becomes an event, as if it had come now; what did is left alone. Not
    beyond RECEIVER_RETENTION: what is forgotten cannot be told from what never came.
    """
    log_to_stderr()
    try:
        findings: Findings = parts().reconciler.reconcile(account, since, dry_run=dry_run)
    except ReceiverError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(json.dumps(_as_json(findings, dry_run)))
        return
    for event in findings.events:
        click.echo(_line(event))
    click.echo(_sum(findings, since, dry_run))


def _line(event: InboundMessage | DeliveryReport) -> str:
    if isinstance(event, DeliveryReport):
        happened, what = event.delivered_at or event.created_at, f"report  {mask(event.recipient)}"
        what = f"{what} {event.status}"
    else:
        happened, what = event.sent_at, f"message {mask(event.sender)}"
    return f"{_time(happened)} {event.id[:8]} {what}"


def _time(happened: datetime | None) -> str:
    return happened.astimezone().strftime("%Y-%m-%d %H:%M:%S") if happened else " " * 19


def _sum(findings: Findings, since: datetime, dry_run: bool) -> str:
    count, by_kind = len(findings.events), findings.missing
    kinds = ", ".join(f"{number} {what}" for what, number in sorted(by_kind.items()))
    done = ("would become events" if dry_run else "became events") if count else ""
    missing = f"{count} were missing and {done}: {kinds}." if count else "Nothing was missing."
    clamped = "" if findings.since <= since else f" since {_time(findings.since)} (retention)"
    return f"{findings.seen} listed{clamped}. {missing}"


def _as_json(findings: Findings, dry_run: bool) -> dict[str, object]:
    return {
        "account": findings.account,
        "since": findings.since.isoformat(),
        "dry_run": dry_run,
        "seen": findings.seen,
        "missing": dict(findings.missing),
        "events": [to_dict(event) for event in findings.events],
    }
