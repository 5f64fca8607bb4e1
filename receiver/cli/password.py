"""The command `password`: makes the hash that RECEIVER_INBOX_PASSWORD is set to."""

from __future__ import annotations

import sys

import click
from werkzeug.security import generate_password_hash

from .exits import UsageFault
from .manual import Command

_LEAST = 10  # characters


@click.command(
    "password",
    cls=Command,
    examples={
        "password": "asks twice, and prints the hash for RECEIVER_INBOX_PASSWORD",
        "password > inbox.hash": "the hash alone, in a file",
    },
)
def password() -> None:
    """Make the hash of the inbox's password.

    It goes into RECEIVER_INBOX_PASSWORD, and turns the inbox on. The hash alone is written to
    standard output; the password is kept nowhere.
    """
    given = click.prompt("Password", hide_input=True, confirmation_prompt="Once more", err=True)
    if len(given) < _LEAST:
        raise UsageFault(f"a password has {_LEAST} characters or more", "password")
    click.echo(generate_password_hash(given))
    if sys.stdout.isatty():
        click.echo("Set RECEIVER_INBOX_PASSWORD to it, in single quotes: it has $ in it.", err=True)
