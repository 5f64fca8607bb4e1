"""The commands: ``flask receiver …`` in a mounted app, ``sms-receiver …`` standalone."""

from __future__ import annotations

from pkgutil import resolve_name
from typing import Any

import click
from flask.cli import AppGroup
from redis.exceptions import RedisError

from ..errors import StorageUnavailable

# Where each command is: imported when it is asked for. A web process asks for none; the workers and
# RQ would be a tenth of its start. Production never asks for those of `dev`.
_PLACES = {
    "balance": "cli.sending:ask_balance",
    "check": "cli.running:check",
    "events": "cli.events:events",
    "failed": "cli.failed:failed",
    "keys": "cli.keys:keys",
    "optouts": "cli.optouts:optouts",
    "quarantine": "cli.quarantine:quarantine",
    "reconcile": "cli.reconcile:reconcile",
    "send": "cli.sending:send_sms",
    "simulate": "dev.commands:simulate",
    "spool": "cli.spool:spool",
    "status": "cli.sending:ask_status",
    "up": "dev.commands:up",
    "url": "cli.running:url",
    "worker": "cli.running:worker",
}


class _Commands(AppGroup):
    """Our commands, each imported when it is asked for; the help of all of them asks for all."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *_PLACES})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _PLACES:
            return super().get_command(ctx, cmd_name)
        found: click.Command = resolve_name(f"receiver.{_PLACES[cmd_name]}")
        return found

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except RedisError as error:
            raise click.ClickException(
                f"Redis: {type(error).__name__}; run check, and see RECEIVER_REDIS_URL"
            ) from error
        except StorageUnavailable as error:
            raise click.ClickException(f"{error}; see RECEIVER_SPOOL_DIR") from error


receiver_commands = _Commands("receiver", help="Receive SMS webhooks and answer them.")
