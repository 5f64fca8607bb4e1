"""The command `reconcile`: ask a provider for what no webhook brought."""

from __future__ import annotations

from datetime import datetime

import click
from flask.cli import with_appcontext

from ..events import DeliveryReport, InboundMessage, to_dict
from ..msisdn import mask
from ..reconcile import Findings
from . import options
from .context import known_account, log_to_stderr, parts, when
from .manual import Command
from .progress import progress
from .tables import Cell, Column, moment, print_json, print_table

_COLUMNS = (
    *(Column("HAPPENED", whole=True), Column("ID", whole=True), Column("KIND", whole=True)),
    *(Column("NUMBER", whole=True), Column("STATUS")),
)
_ID_SHOWN = 8


@click.command(
    "reconcile",
    cls=Command,
    examples={
        "reconcile lefoka --since 24h --dry-run": "what no webhook brought today",
        "reconcile lefoka --since 7d": "and have it handled: after a long outage",
    },
    fields=("account", "since", "dry_run", "seen", "missing", "events"),
)
@options.account_argument
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
    """Ask the provider for what no webhook brought.

    Compares what the provider of ACCOUNT lists with what arrived; workers do the same by
    themselves, now and then. What no webhook brought becomes an event, as if it had come now; what
    did is left alone. Not beyond RECEIVER_RETENTION: what is forgotten cannot be told from what
    never came.
    """
    log_to_stderr()
    known_account(account)
    with progress(f"Asking {account}"):
        findings: Findings = parts().reconciler.reconcile(account, since, dry_run=dry_run)
    if as_json:
        print_json(_as_json(findings, dry_run))
        return
    print_table(_COLUMNS, map(_row, findings.events))
    click.echo(_sum(findings, since, dry_run))


def _row(event: InboundMessage | DeliveryReport) -> tuple[Cell, ...]:
    if isinstance(event, DeliveryReport):
        happened, number = event.delivered_at or event.created_at, event.recipient
        return happened, event.id[:_ID_SHOWN], event.kind, mask(number), event.status
    return event.sent_at, event.id[:_ID_SHOWN], event.kind, mask(event.sender), None


def _sum(findings: Findings, since: datetime, dry_run: bool) -> str:
    count, by_kind = len(findings.events), findings.missing
    kinds = ", ".join(f"{number} {what}" for what, number in sorted(by_kind.items()))
    done = ("would become events" if dry_run else "became events") if count else ""
    missing = f"{count} were missing and {done}: {kinds}." if count else "Nothing was missing."
    clamped = "" if findings.since <= since else f" since {moment(findings.since)} (retention)"
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
