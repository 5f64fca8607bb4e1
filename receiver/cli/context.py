"""What commands stand on: the parts of the running app, times, and where their log lines go."""

from __future__ import annotations

import logging
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from flask import Flask, current_app

from ..accounts import Account
from ..logs import write_to_stderr
from .exits import Fault, not_found

_AGO = re.compile(r"(\d{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def when(_: click.Context, __: click.Parameter, value: str | None) -> datetime | None:
    """Read a time: ``2h`` (ago; also s, m, d), or ISO 8601, as local as lists show it."""
    if value is None:
        return None
    ago = _AGO.fullmatch(value)
    if ago:
        return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        found = datetime.fromisoformat(value)
        return found if found.tzinfo else found.astimezone()
    except (ValueError, OverflowError) as error:
        raise click.BadParameter("is no time: write 2h (ago), or 2026-11-21T06:00") from error


def parts() -> Any:
    """Give the `Deployment` of the running app."""
    found = current_app.extensions.get("receiver")
    if found is None:
        raise Fault(
            f"the app {current_app.name} has no Receiver", "Receiver(app), where it is made"
        )
    return found


def known_account(name: str) -> Account:
    """Give an account by its name; raises `NotFound` that names those there are."""
    accounts: dict[str, Account] = parts().settings.accounts
    if name not in accounts:
        raise not_found("account", name, accounts)
    return accounts[name]


def app() -> Flask:
    """Give the running app itself."""
    found: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    return found


def log_to_stderr() -> None:
    """Show our log lines where the app has not set up logging itself."""
    logger = logging.getLogger("receiver")
    if not logger.hasHandlers():
        write_to_stderr(parts().settings.log_format)
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # its lines show whole URLs
