"""The commands: ``flask receiver …`` in a mounted app, ``sms-receiver …`` standalone."""

from __future__ import annotations

from pkgutil import resolve_name

import click

from .manual import Manual

# Where each command is: imported when it is asked for. A web process asks for none; the workers and
# RQ would be a tenth of its start. Production never asks for those of `dev`.
_PLACES = {
    "See": {
        "events": "cli.events:events",
        "failed": "cli.failed:failed",
        "quarantine": "cli.quarantine:quarantine",
        "spool": "cli.spool:spool",
        "check": "cli.running:check",
    },
    "Operate": {
        "worker": "cli.running:worker",
        "reconcile": "cli.reconcile:reconcile",
        "optouts": "cli.optouts:optouts",
    },
    "Protect": {
        "forget": "cli.privacy:forget",
        "export": "cli.privacy:export",
        "privacy": "cli.privacy:privacy",
    },
    "Send": {
        "send": "cli.sending:send_sms",
        "status": "cli.sending:ask_status",
        "balance": "cli.sending:ask_balance",
    },
    "Set up": {
        "url": "cli.running:url",
        "keys": "cli.keys:keys",
        "password": "cli.password:password",
        "completion": "cli.completion:completion",
    },
    "Develop": {
        "up": "dev.commands:up",
        "simulate": "dev.commands:simulate",
        "new": "dev.new:new",
        "capture": "dev.capture:capture",
    },
}
_PLACE_OF = {name: place for names in _PLACES.values() for name, place in names.items()}


def _find(name: str) -> click.Command:
    found: click.Command = resolve_name(f"receiver.{_PLACE_OF[name]}")
    return found


@click.group(
    "receiver",
    cls=Manual,
    sections=_PLACES,
    find=_find,
    examples={
        "up": "a first look: everything at once, on this machine",
        "check": "what would go wrong, and how to mend it",
        "events": "what came last, and what each handler made of it",
    },
)
@click.version_option(package_name="sms-receiver", message="sms-receiver %(version)s")
def receiver_commands() -> None:
    """Turn the webhooks of SMS providers into events, and answers into SMS.

    `up` is for a first look, and needs no settings. In production a web server takes the webhooks,
    `worker` handles them, and `check` says what would go wrong.
    """
