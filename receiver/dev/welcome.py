"""The first thing that a new user sees: what to paste, what to try, what to know."""

from __future__ import annotations

import json
import secrets
import shlex
from collections.abc import Iterable, Iterator
from typing import Any

import click
from flask import Flask

from ..accounts import Account
from .provider_api import simulates


class Welcome:
    """``base`` is the address that the app is served at, ``command`` how we are called.

    ``password``: the inbox's, where it is one that we made.
    """

    def __init__(self, app: Flask, base: str, command: str, password: str | None) -> None:
        self._parts = app.extensions["receiver"]
        self._base = base
        self._command = command
        self._password = password
        self._accounts = [p.account for p in self._parts.providers.values() if p.pushes]

    def announcement(self) -> dict[str, Any]:
        """Give what other commands want to know of a running `up`."""
        accounts = {
            account.name: {
                "provider": account.provider,
                "url": self._signed(account),
                "successful": account.options.get("successful", True),
            }
            for account in self._accounts
        }
        return {"base": self._base, "accounts": accounts}

    def show(self, notes: Iterable[str]) -> None:
        """Print the URLs, the lines to copy, and the notes."""
        click.secho("\nsms-receiver is up; Ctrl-C stops it.", bold=True)
        for title, lines in (*self._paragraphs(), ("Good to know:", notes)):
            click.secho(f"\n{title}", dim=True)
            for line in lines:
                click.echo(f"  {line}")
        click.echo()

    def _paragraphs(self) -> Iterator[tuple[str, Iterable[str]]]:
        width = max((len(account.name) for account in self._accounts), default=0)
        urls = [f"{account.name:{width}}  {self._signed(account)}" for account in self._accounts]
        yield "Webhook URLs, to paste at the provider with your public host in place of ours:", urls
        lines = [line for account in self._accounts if (line := self._curl(account))]
        if any(account.provider == "lefoka" for account in self._accounts):
            lines.append(f"{self._command} simulate lefoka report")
        if lines:
            yield "Send it something: copy a line into another terminal.", lines
        settings = self._parts.settings
        if settings.inbox_password or settings.inbox_guard:
            known = "" if self._password is None else f"  password {self._password}"
            yield (
                "See it in a browser: events as they come, conversations, what failed, figures.",
                [f"{self._base}{settings.inbox_url}/{known}"],
            )

    def _curl(self, account: Account) -> str | None:
        """Give a command line that sends one SMS to us; without a key the URL has it in it."""
        body = _body(account.provider)
        if body is None:
            return None
        words = ["curl"]
        if account.api_keys and account.key_in in (None, "basic"):
            words += ["-u", f"{account.api_keys[0]}:", self._url(account)]
        else:
            words.append(self._signed(account))
        return shlex.join([*words, "-d", json.dumps(body)])

    def _url(self, account: Account) -> str:
        return f"{self._base}{self._parts.settings.url_prefix}/{account.name}"

    def _signed(self, account: Account) -> str:
        return f"{self._url(account)}/{self._parts.urls.make(account.name)}"


def of_simulation(accounts: Iterable[Account]) -> Iterator[str]:
    """Say whose SMS a simulated provider takes, and what becomes of those of the others."""
    others = [account for account in accounts if not simulates(account)]
    if not others:
        yield "Replies go to a simulated provider: no SMS leaves this machine."
        return
    named = ", ".join(f"{account.name} ({account.provider})" for account in others)
    yield "Replies go to a simulated provider, but for those of accounts whose API is unknown here:"
    yield f"  {named}. What they send to their base_url is refused"
    yield "  and becomes a dead letter. A provider that heeds no base_url SENDS REAL SMS."


def _body(provider: str) -> dict[str, Any] | None:
    """Give the shortest inbound message of a provider, a new one at every start."""
    unique = secrets.token_hex(4)
    match provider:
        case "lefoka":
            message = {"recipient": ["27637885448"], "message": "hello"}
            return {"id": unique, "type": "sms-reply", **message}
        case "smsbox":
            numbers = {"from": "+255712345678", "to": "15000"}
            return {"transaction_id": unique, **numbers, "message": {"text": "hello"}}
        case _:
            return None
