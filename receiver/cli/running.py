"""Commands that run a deployment: its workers, its URLs, its doctor."""

from __future__ import annotations

import json
import sys
import time

import click
import httpx  # noqa: F401 - for workers: before they are forked, and in no thread
from flask import current_app
from flask.cli import with_appcontext

from .. import doctor
from ..errors import ConfigurationError
from ..supervisor import Supervisor
from ..worker import Worker
from .context import app, log_to_stderr, parts

_MAX_DAYS = 3650


def _public(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    if value is not None and not value.startswith(("https://", "http://")):
        raise click.BadParameter("must begin with https://")
    return value


@click.command()
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
    log_to_stderr()
    if burst:
        try:
            click.echo(f"{Worker(app()).burst()} jobs run.")
        except ConfigurationError as error:
            raise click.ClickException(str(error)) from error
        return
    supervisor = Supervisor(app(), processes)
    supervisor.run()
    if supervisor.refused:
        raise click.ClickException("the handlers are misconfigured: see the log above")


@click.command()
@click.argument("account")
@click.option("--expires-days", type=click.IntRange(1, _MAX_DAYS), help="After that, 401.")
@click.option("--base", callback=_public, help="The public address, as https://sms.example.org.")
@with_appcontext
def url(account: str, expires_days: int | None, base: str | None) -> None:
    """Print the signed URL of ACCOUNT, to paste at the provider: no key has to travel."""
    found = parts()
    if account not in found.providers:
        known = ", ".join(found.providers)
        raise click.ClickException(f"there is no account {account}; there are: {known}")
    if not found.providers[account].pushes:
        name = found.providers[account].name
        raise click.ClickException(f"{account} has no webhook: {name} pushes nothing, and is asked")
    until = None if expires_days is None else time.time() + expires_days * 86_400
    token = found.urls.make(account, until)
    click.echo(f"{_base(base)}{found.settings.url_prefix}/{account}/{token}")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each finding.")
@with_appcontext
def check(as_json: bool) -> None:
    """Look for what would go wrong, and say how to mend it; exit status 1 if anything would."""
    findings = doctor.examine(app())
    for finding in findings:
        if as_json:
            click.echo(json.dumps(finding.as_dict()))
            continue
        click.echo(f"{'ok ' if finding.ok else 'BAD'} {finding.what}")
        if not finding.ok:
            click.echo(f"    {finding.mend}")
    if not all(finding.ok for finding in findings):
        sys.exit(1)


def _base(given: str | None) -> str:
    if given:
        return given.rstrip("/")
    host = current_app.config["SERVER_NAME"]
    if host:
        return f"{current_app.config['PREFERRED_URL_SCHEME']}://{host}"
    click.echo("Put your own host in, or give --base or SERVER_NAME.", err=True)
    return "https://YOUR-HOST"
