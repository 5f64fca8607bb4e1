"""The commands: ``flask receiver …`` in a mounted app, ``sms-receiver …`` standalone."""

from __future__ import annotations

import importlib
from typing import Any

import click
from flask.cli import AppGroup
from redis.exceptions import RedisError

from ..errors import StorageUnavailable
from .events import events
from .failed import failed
from .keys import keys
from .optouts import optouts
from .quarantine import quarantine
from .reconcile import reconcile
from .running import check, url, worker
from .sending import ask_balance, ask_status, send_sms
from .spool import spool

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
        except StorageUnavailable as error:
            raise click.ClickException(f"{error}; see RECEIVER_SPOOL_DIR") from error

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _DEV_COMMANDS:
            dev = importlib.import_module("..dev.commands", __package__)
            found: click.Command = getattr(dev, cmd_name)
            return found
        return super().get_command(ctx, cmd_name)


receiver_commands = _Commands("receiver", help="Receive SMS webhooks and answer them.")
_COMMANDS: tuple[click.Command, ...] = (
    *(ask_balance, ask_status, check, events, failed, keys, optouts, quarantine, reconcile),
    *(send_sms, spool, url, worker),
)
for _command in _COMMANDS:
    receiver_commands.add_command(_command)
