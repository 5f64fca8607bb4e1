"""Arguments and options that several commands have: they read and do the same everywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from . import completers
from .context import when

F = TypeVar("F", bound=Callable[..., Any])

json_lines = click.option("--json", "as_json", is_flag=True, help="One JSON object a line, whole.")
json_object = click.option("--json", "as_json", is_flag=True, help="One JSON object, whole.")
reveal = click.option("--reveal", is_flag=True, help="Show numbers and texts whole.")
yes = click.option("--yes", is_flag=True, help="Do not ask: for scripts.")
all_of_them = click.option("--all", "everything", is_flag=True, help="All of them.")

account_argument = click.argument("account", shell_complete=completers.accounts)
key_argument = click.argument("key_id", metavar="KEY_ID", shell_complete=completers.key_ids)
event_argument = click.argument("event_id", metavar="ID", shell_complete=completers.event_ids)

of_account = click.option(
    "--account", metavar="ACCOUNT", help="Only of this account.", shell_complete=completers.accounts
)
of_provider = click.option(
    "--provider", metavar="NAME", help="Of this provider.", shell_complete=completers.providers
)
limit = click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="How many at most, the newest first.",
)


def of_handler(help: str) -> Callable[[F], F]:  # noqa: A002 - click's own word
    """Make ``--handler``, the name of one as lists show it."""
    return click.option("--handler", metavar="NAME", help=help, shell_complete=completers.handlers)


def since(help: str) -> Callable[[F], F]:  # noqa: A002 - click's own word
    """Make ``--since``, a time as `context.when` reads it."""
    return click.option("--since", metavar="WHEN", callback=when, help=help)


def until(help: str) -> Callable[[F], F]:  # noqa: A002 - click's own word
    """Make ``--until``, a time as `context.when` reads it."""
    return click.option("--until", metavar="WHEN", callback=when, help=help)


def several(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Make one decorator of several, in the order in which the help is to show them."""

    def decorate(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate
