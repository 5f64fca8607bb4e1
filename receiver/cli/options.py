"""Options that several commands have, so that they read and do the same everywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from .context import when

F = TypeVar("F", bound=Callable[..., Any])

json_lines = click.option("--json", "as_json", is_flag=True, help="One JSON object a line, whole.")
json_object = click.option("--json", "as_json", is_flag=True, help="One JSON object, whole.")
reveal = click.option("--reveal", is_flag=True, help="Show numbers and texts whole.")
yes = click.option("--yes", is_flag=True, help="Do not ask: for scripts.")


def limit(default: int = 20) -> Callable[[F], F]:
    """Make ``--limit``, how many at most, the newest first."""
    return click.option(
        "--limit",
        type=click.IntRange(min=1),
        default=default,
        show_default=True,
        help="How many at most, the newest first.",
    )


def since(help: str) -> Callable[[F], F]:  # noqa: A002 - click's own word
    """Make ``--since``, a time as `context.when` reads it."""
    return click.option("--since", metavar="WHEN", callback=when, help=help)


def until(help: str) -> Callable[[F], F]:  # noqa: A002 - click's own word
    """Make ``--until``, a time as `context.when` reads it."""
    return click.option("--until", metavar="WHEN", callback=when, help=help)
