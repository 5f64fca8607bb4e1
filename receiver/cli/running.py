"""Commands that run a deployment: its workers, its URLs, its doctor."""

from __future__ import annotations

import sys
import time

import click
import httpx  # noqa: F401 - for workers: before they are forked, and in no thread
from flask import current_app
from flask.cli import with_appcontext

from .. import doctor
from ..store.queue import QUEUES
from ..supervisor import Supervisor
from ..worker import Worker
from . import options
from .context import app, known_account, log_to_stderr, parts
from .exits import WRONG, Fault
from .findings import print_findings
from .manual import Command
from .progress import progress
from .tables import many, print_json

_MAX_DAYS = 3650


def _public(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    if value is not None and not value.startswith(("https://", "http://")):
        raise click.BadParameter("must begin with https://")
    return value


@click.command(
    cls=Command,
    examples={
        "worker --processes 4": "four for each queue, until Ctrl-C",
        "worker --burst": "handle what waits, then stop: for tests and scripts",
    },
)
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
    """Run the handlers, send replies, retry what is due.

    Something must run this all the time, such as systemd, beside the web server: without it events
    wait. There is a queue for messages, for reports and for sends, so that none waits behind
    another. Ctrl-C or SIGTERM lets each worker finish its job; a second one does not.
    """
    log_to_stderr()
    if burst:
        click.echo(f"{Worker(app()).burst()} jobs run.")
        return
    if sys.stderr.isatty():  # else somebody keeps log lines there, and nothing but those
        _announce(processes)
    supervisor = Supervisor(app(), processes)
    supervisor.run()
    if supervisor.refused:
        raise Fault("the handlers are misconfigured: see the log above", "check")


def _announce(processes: int) -> None:
    queues = ", ".join(parts().jobs.queue(name) for name in QUEUES)
    each = many(processes, "worker process", "worker processes")
    click.echo(f"{each} for each of the queues {queues}.", err=True)
    click.echo("Log lines follow, on standard error. Ctrl-C lets each finish its job.", err=True)


@click.command(
    cls=Command,
    examples={
        "url lefoka --base https://sms.example.org": "what to paste at the provider",
        "url lefoka --base https://sms.example.org --expires-days 365": "one that ends",
    },
)
@options.account_argument
@click.option("--expires-days", type=click.IntRange(1, _MAX_DAYS), help="After that, 401.")
@click.option(
    "--base", metavar="URL", callback=_public, help="The public address: https://sms.example.org."
)
@with_appcontext
def url(account: str, expires_days: int | None, base: str | None) -> None:
    """Print the signed URL of ACCOUNT, to paste at the provider.

    Whoever has it may post to it, and nobody else: no key has to travel. It is the same each time,
    until the secret key changes.
    """
    known_account(account)
    found = parts()
    if not found.providers[account].pushes:
        name = found.providers[account].name
        raise Fault(f"{account} has no webhook: {name} pushes nothing, and is asked")
    until = None if expires_days is None else time.time() + expires_days * 86_400
    token = found.urls.make(account, until)
    click.echo(f"{_base(base)}{found.settings.url_prefix}/{account}/{token}")


@click.command(
    cls=Command,
    examples={
        "check": "after each change of settings",
        "check --json": "for a deployment script: a finding a line, exit status 1 on any fault",
    },
    fields=("what", "ok", "mend"),
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line for each finding.")
@with_appcontext
def check(as_json: bool) -> None:
    """Look for what would go wrong, and say the mend.

    Settings, accounts, handlers, this host's disk, Redis, workers. Exit status 1 if anything is
    wrong: run it after a change, and in what deploys.
    """
    parts()  # or there is nothing to look at
    with progress("Looking"):
        findings = doctor.examine(app())
    if as_json:
        for finding in findings:
            print_json(finding.as_dict())
    else:
        print_findings(findings)
    if not all(finding.ok for finding in findings):
        sys.exit(WRONG)


def _base(given: str | None) -> str:
    if given:
        return given.rstrip("/")
    host = current_app.config["SERVER_NAME"]
    if host:
        return f"{current_app.config['PREFERRED_URL_SCHEME']}://{host}"
    click.echo("Put your own host in, or give --base or SERVER_NAME.", err=True)
    return "https://YOUR-HOST"
