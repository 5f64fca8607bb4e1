"""The command `capture`: a callback that came becomes a case for a test, with nobody in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click
from flask import current_app
from flask.cli import with_appcontext
from marshmallow import ValidationError

from ..accounts import Account
from ..cli import completers
from ..cli.exits import Fault, NotFound
from ..cli.manual import Command
from ..errors import ReceiverError
from ..plugins import provider_classes
from ..providers.base import Provider
from .anonymise import is_secret
from .case import provider_of
from .disguise import Disguise

_ID_LENGTH = 32
_EXAMPLE = "https://api.example.org"


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """One body as it came: to which account, and how it was labelled."""

    account: str
    provider: str
    body: bytes
    content_type: str | None


@click.command(
    cls=Command,
    examples={
        "capture 3f9a1c22 > tests/cases/odd-report.json": "what came, for a test of the provider",
        "capture 3f9a1c22 --keep-texts": "the text is the point, and says nothing of anybody",
    },
)
@click.argument("found_id", metavar="ID", shell_complete=completers.body_ids)
@click.option("--keep-texts", is_flag=True, help="They say nothing of anybody: leave them.")
@click.option("--source", help="What to say of where it comes from.")
@with_appcontext
def capture(found_id: str, keep_texts: bool, source: str | None) -> None:
    """Make a case for a test of what came.

    Of an event's callback, or of a body in quarantine; ID is its own, or its beginning. Numbers and
    ids are replaced by invented ones of the same shape, texts by letters; keys are removed. That
    the case is read as the original was, and that no number is left, is checked before anything is
    written.
    """
    came = _find(found_id)
    try:
        provider, options = _account(came)
        disguise = Disguise(provider, came.body, came.content_type, keep_texts=keep_texts)
        said = source or f"captured from {came.provider}: numbers, ids and texts are invented"
        case = disguise.case(said, options)
    except ReceiverError as error:
        raise Fault(str(error)) from error
    click.echo(json.dumps(case, indent=2))
    kept = ["names of fields", "dates and times", "amounts, such as prices and coordinates"]
    kept += [f"the texts of {', '.join(disguise.kept)}"] if disguise.kept else []
    click.echo(f"Look at it before you share it. As it came: {'; '.join(kept)}.", err=True)


def _find(found_id: str) -> Came:
    """Find the body by the beginning of an id, in the quarantine and among the events."""
    parts: Any = current_app.extensions["receiver"]
    bodies = [found for found in parts.quarantine if found.id.startswith(found_id)]
    whole = len(found_id) == _ID_LENGTH
    events = [found_id] if whole and not bodies else list(parts.journal.beginning(found_id))
    if len(bodies) + len(events) > 1:
        raise Fault(f"several ids begin with {found_id}", "give more of it")
    if bodies:
        (body,) = bodies
        label = body.headers.get("content-type")
        return _whole(body.account, body.provider, body.raw, label, found_id)
    record = parts.journal.load(events[0]) if events else None
    if record is None:
        raise NotFound(
            f"there is no event and no body {found_id}", "events list, or quarantine list"
        )
    event = record.event
    if record.forgotten:
        raise NotFound(f"the event {found_id} was forgotten: nothing of its body is left")
    if event.trust not in ("key", "token"):
        raise Fault(f"the event {found_id} came by no webhook: it has no body")
    holder = record if record.raw_in is None else parts.journal.load(record.raw_in)
    headers = holder.headers if holder is not None else {}
    raw = parts.journal.load_raw(record)
    return _whole(event.account, event.provider, raw, headers.get("content-type"), found_id)


def _whole(
    account: str, provider: str, raw: bytes | None, label: str | None, found_id: str
) -> Came:
    if not raw:
        raise NotFound(
            f"the body of {found_id} was erased: it is kept for RECEIVER_RAW_RETENTION seconds",
            "capture a newer one",
        )
    return Came(account=account, provider=provider, body=raw, content_type=label)


def _account(came: Came) -> tuple[Provider, Mapping[str, Any]]:
    """Give the account that the case is for: its options, and neither its name nor its keys."""
    known = provider_classes().get(came.provider)
    if known is None:
        raise ReceiverError(f"the provider {came.provider} is not installed here")
    account = current_app.extensions["receiver"].settings.accounts.get(came.account)
    options = {} if account is None else _options(account)
    try:
        return provider_of(known, options), options
    except ValidationError as error:
        names = ", ".join(map(str, error.messages_dict))
        raise ReceiverError(f"an account of a case cannot be made without: {names}") from error


def _options(account: Account) -> dict[str, Any]:
    found = {name: value for name, value in account.options.items() if not is_secret(name)}
    if account.region is not None:
        found["region"] = account.region
    if account.base_url is not None and "base_url" in _required(account):
        found["base_url"] = _EXAMPLE
    return found


def _required(account: Account) -> set[str]:
    schema = provider_classes()[account.provider].account_schema
    return {name for name, field in schema._declared_fields.items() if field.required}
