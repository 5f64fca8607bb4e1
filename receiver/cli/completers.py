"""What a shell offers at the TAB key where a value is to be typed: accounts, handlers, ids.

Quick and silent: without settings, without Redis or with a broken handler nothing is offered.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import redirect_stderr, redirect_stdout, suppress
from itertools import islice
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem
from flask.cli import ScriptInfo

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]

_LOOKED_AT = 500
_OFFERED = 20
_SHOWN = 8  # of an id

Found = Iterable[tuple[str, str]]  # what may be typed, and what it is


def _offering(find: Callable[[Any, str], Found]) -> Complete:
    """Make a completer of what finds values in the app's parts, given what was typed so far."""

    def complete(context: click.Context, _: click.Parameter, typed: str) -> list[CompletionItem]:
        offered: list[CompletionItem] = []
        before = logging.root.manager.disable
        logging.disable(logging.CRITICAL)
        # a user's module may print, or be broken in any way: a prompt is no place to say so
        with (
            Path(os.devnull).open("w") as nowhere,
            redirect_stdout(nowhere),
            redirect_stderr(nowhere),
            suppress(Exception, SystemExit),
        ):
            app = context.ensure_object(ScriptInfo).load_app()
            with app.app_context():
                for value, what in find(app.extensions["receiver"], typed):
                    if value.startswith(typed):
                        offered.append(CompletionItem(value, help=what))
        logging.disable(before)
        return offered

    return complete


@_offering
def accounts(parts: Any, _: str) -> Found:
    """Offer the accounts, each with its provider."""
    return [(name, account.provider) for name, account in parts.settings.accounts.items()]


@_offering
def providers(parts: Any, _: str) -> Found:
    """Offer the providers of which there is an account."""
    names = {account.provider for account in parts.settings.accounts.values()}
    return [(name, "") for name in sorted(names)]


@_offering
def handlers(parts: Any, _: str) -> Found:
    """Offer the handlers; this loads them."""
    return [(handler.name, handler.kind) for handler in parts.loaded.table]


@_offering
def event_ids(parts: Any, typed: str) -> Found:
    """Offer the newest events, by the beginning of their ids."""
    journal = parts.journal
    ids = [found for found in journal.ids(limit=_LOOKED_AT) if found.startswith(typed)]
    for record in journal.records(ids[:_OFFERED]):
        event = record.event
        yield _beginning(event.id, typed), f"{event.kind} of {event.account}"


@_offering
def dead_ids(parts: Any, typed: str) -> Found:
    """Offer the events of the newest dead letters."""
    for letter in islice(parts.deadletters, _LOOKED_AT):
        if letter.call is not None and letter.call.event_id.startswith(typed):
            yield _beginning(letter.call.event_id, typed), letter.handler or ""


@_offering
def body_ids(parts: Any, typed: str) -> Found:
    """Offer the newest bodies in quarantine."""
    for body in islice(parts.quarantine, _LOOKED_AT):
        if body.id.startswith(typed):
            yield _beginning(body.id, typed), f"{body.account}: {body.reason}"


@_offering
def key_ids(parts: Any, _: str) -> Iterator[tuple[str, str]]:
    """Offer the keys that we issued."""
    for record in islice(parts.keybook.records(), _LOOKED_AT):
        yield record.id, record.account


def _beginning(whole: str, typed: str) -> str:
    return whole[: max(_SHOWN, len(typed))]
