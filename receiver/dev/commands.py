"""The commands `up` and `simulate`; `cli` fetches them from here when they are called."""

from __future__ import annotations

import json
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
from click.shell_completion import CompletionItem
from flask import Flask
from flask.cli import NoAppException, ScriptInfo

from ..cli import completers
from ..cli.consoles import write_any_text
from ..cli.exits import Fault, UsageFault, close_to, not_found
from ..cli.manual import Command
from ..errors import ConfigurationError, ReceiverError
from ..words import printable
from . import simulator
from .callbacks import SHAPES, Shape, Wish
from .case import callback_of
from .folder import DEFAULT, Folder
from .up import Options, Up

_LIST = "; ".join(f"{provider}: {', '.join(shapes)}" for provider, shapes in SHAPES.items())
_DEFAULT_PORT = 8000
_MOST_PORTS = 65_535


@click.command(
    cls=Command,
    examples={
        "up": "on port 8000, or another one where that is taken",
        "up --port 0 --folder /tmp/first-look": "anywhere, leaving nothing here",
    },
)
@click.option("--port", type=click.IntRange(0, _MOST_PORTS), help="0 for any.  [default: 8000]")
@click.option("--folder", default=DEFAULT, show_default=True, help="Where keys and data are kept.")
@click.option(
    "--processes", type=click.IntRange(1), default=1, show_default=True, help="For each queue."
)
@click.option("--simulate", is_flag=True, help="Send to a simulated provider, and no real SMS.")
@click.pass_context
def up(
    context: click.Context, port: int | None, folder: str, processes: int, simulate: bool
) -> None:
    """Start everything for a first look.

    Web server, workers, and events as they come; Ctrl-C stops all of it. Without any configuration:
    with a Redis of its own, demo accounts and a simulated provider. Settings that are there are
    used as they are, but for RECEIVER_LOG_FORMAT: `up` reads the log lines of its processes itself.
    Not for production: that is a web server of yours, and `worker`.
    """
    write_any_text()
    options = Options(port=port, usual_port=_DEFAULT_PORT, processes=processes, simulate=simulate)
    try:
        Up(Folder(folder), options, context.ensure_object(ScriptInfo)).run()
    except ReceiverError as error:
        raise Fault(str(error)) from error


def _providers(_: click.Context, __: click.Parameter, typed: str) -> list[str]:
    return [name for name in SHAPES if name.startswith(typed)]


def _cases(context: click.Context, _: click.Parameter, typed: str) -> list[CompletionItem]:
    named = SHAPES.get(context.params["provider"], {})
    found = [CompletionItem(name) for name in named if name.startswith(typed)]
    return found or [CompletionItem(typed, type="file")]


@click.command(
    cls=Command,
    epilog=f"Cases: {_LIST}.",
    examples={
        "simulate smsbox inbound --text 'BALANCE'": "somebody writes to you",
        "simulate lefoka report --status failed": "an SMS of yours did not arrive",
        "simulate smsbox tests/cases/odd-report.json": "a case in a file, of any provider",
        "simulate smsbox inbound --id t1 --times 2": "a resend: acknowledged again, handled once",
    },
    fields=("call", *(field.name for field in fields(simulator.Answer))),
)
@click.argument("provider", shell_complete=_providers)
@click.argument("case", shell_complete=_cases)
@click.option(
    "--account",
    metavar="ACCOUNT",
    help="By default the one named as the provider is, or its only one.",
    shell_complete=completers.accounts,
)
@click.option("--to", metavar="URL", help="By default the running `up`, or the app on port 8000.")
@click.option("--times", type=click.IntRange(1), default=1, help="Send the same callback N times.")
@click.option("--text", help="The message's text.")
@click.option("--from", "sender", metavar="NUMBER", help="Who wrote it.")
@click.option("--recipient", "recipients", metavar="NUMBER", multiple=True, help="May be repeated.")
@click.option("--status", help="Of a Lefoka report.")
@click.option("--id", "id_", metavar="ID", help="Of the message; by default a new one.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each answer.")
@click.option("--folder", default=DEFAULT, show_default=True, help="Of the running `up`.")
@click.pass_context
def simulate(
    context: click.Context,
    /,
    provider: str,
    case: str,
    account: str | None,
    to: str | None,
    times: int,
    as_json: bool,
    folder: str,
    **wanted: Any,
) -> None:
    """Send what PROVIDER would send, as it does.

    To a running `up`, or to your app: with the provider's key or signed URL, its body, and its
    retries. Exit status 1 unless it is acknowledged exactly. Lefoka sends again at once, three
    times, on anything but 200; SMSBox sends once.
    """
    write_any_text()
    shape = _shape(provider, case, [name for name, value in wanted.items() if value])
    wish = Wish(id=wanted.pop("id_"), **wanted)
    target = _target(context, Folder(folder), provider, account, to)
    callback = shape(wish)
    good = True
    for number in range(1, times + 1):
        answer = None
        for answer in simulator.send(provider, callback, target):
            _print(answer, number, as_json)
        good = good and answer is not None and answer.acknowledged
    if not good:
        if not as_json:
            click.echo(f"Not acknowledged: {provider} would give this event up.", err=True)
        sys.exit(1)


def _shape(provider: str, case: str, wishes: list[str]) -> Shape:
    """Find what to send, in a case's file or by its name, or say which may have been meant."""
    if case.endswith(".json"):
        _refuse_wishes(case, wishes)
        return _of_file(Path(case))
    known = {
        f"{provider} {case}": shape
        for provider, cases in SHAPES.items()
        for case, shape in cases.items()
    }
    wanted = f"{provider} {case}"
    if wanted not in known:
        close = " or ".join(f"simulate {found}" for found in close_to(wanted, known))
        raise UsageFault(f"there is no {wanted}; there are {_LIST}", close)
    return known[wanted]


def _refuse_wishes(case: str, wishes: list[str]) -> None:
    named = {"id_": "--id", "sender": "--from", "recipients": "--recipient"}
    given = ", ".join(named.get(name, f"--{name}") for name in wishes)
    if given:
        raise UsageFault(
            f"{case} is sent as it stands, and takes no {given}",
            "change the file, or a copy of it; --account, --to and --times are taken",
        )


def _of_file(path: Path) -> Shape:
    """Read a case: what it says of texts and numbers stands."""
    try:
        callback = callback_of(json.loads(path.read_text("utf-8")))
    except FileNotFoundError as error:
        raise UsageFault(f"there is no case {path}", "give the path of a case's file") from error
    except (ValueError, LookupError, TypeError) as error:
        raise UsageFault(f"{path} is no case: {error}", "see capture, which writes one") from error
    return lambda wish: callback


def _target(
    context: click.Context, folder: Folder, provider: str, account: str | None, to: str | None
) -> simulator.Target:
    """Find where to send: the URL given, else the `up` that runs in the folder, else the app's."""
    if to is not None:
        parts = urlsplit(to)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise click.UsageError(f"--to {to}: must begin with http:// or https://", context)
        if parts.path in ("", "/"):
            return _apps_target(_app(context), provider, account, to.rstrip("/"))
        return _given_target(context, provider, to, parts.path.rstrip("/").rpartition("/")[2])
    running = folder.running()
    if running is not None:
        known = {name: entry["provider"] for name, entry in running["accounts"].items()}
        entry = running["accounts"][_choose(known, provider, account)]
        return simulator.Target(url=entry["url"], successful=entry["successful"])
    return _apps_target(_app(context), provider, account, f"http://127.0.0.1:{_DEFAULT_PORT}")


def _given_target(context: click.Context, provider: str, url: str, last: str) -> simulator.Target:
    """Take a URL as it is: a signed one needs no key, one that ends in an account has its key."""
    try:
        accounts = _app(context).extensions["receiver"].settings.accounts
    except Fault:
        return simulator.Target(url=url)
    account = accounts.get(last)
    if account is None or account.provider != provider or not account.api_keys:
        return simulator.Target(url=url)
    successful = account.options.get("successful", True)
    return simulator.Target(url=url, key=account.api_keys[0], successful=successful)


def _apps_target(app: Flask, provider: str, account: str | None, base: str) -> simulator.Target:
    parts = app.extensions["receiver"]
    accounts = parts.settings.accounts
    known = {name: found.provider for name, found in accounts.items()}
    chosen = accounts[_choose(known, provider, account)]
    url = f"{base}{parts.settings.url_prefix}/{chosen.name}"
    successful = chosen.options.get("successful", True)
    if chosen.api_keys and chosen.key_in in (None, "basic"):
        return simulator.Target(url=url, key=chosen.api_keys[0], successful=successful)
    token = parts.urls.make(chosen.name)
    return simulator.Target(url=f"{url}/{token}", successful=successful)


def _app(context: click.Context) -> Flask:
    try:
        return context.ensure_object(ScriptInfo).load_app()
    except (ConfigurationError, NoAppException) as error:
        raise Fault(
            f"no `up` runs in this folder, and there is no app to send to: {error}",
            "Start `up` first, or give --to URL.",
        ) from error


def _choose(known: dict[str, str], provider: str, account: str | None) -> str:
    names = [name for name, its_provider in known.items() if its_provider == provider]
    if account is None and provider in names:
        return provider
    if account is None and len(names) == 1:
        return names[0]
    if account in names:
        return account
    there_are = ", ".join(names) or "none"
    if account is None:
        raise Fault(f"give --account; there are: {there_are}")
    raise not_found(f"account of {provider}", account, names)


def _print(answer: simulator.Answer, number: int, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"call": number, **answer.as_dict()}))
        return
    status = answer.status or "---"
    verdict = "exactly the ack" if answer.acknowledged else "not the ack"
    verdict = click.style(f"{verdict:15}", fg="green" if answer.acknowledged else "red")
    body = printable(answer.body) or "(no body)"
    which = f"{number}" if answer.attempt == 1 else f"{number}, attempt {answer.attempt}"
    click.echo(f"{which}: {status} {verdict} {answer.milliseconds:7.1f} ms  {body}")
    if answer.quarantined:
        click.echo(f"   kept in quarantine: {printable(answer.quarantined)}")
