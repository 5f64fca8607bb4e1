"""Commands over the API keys that we issue: create, list, rotate, revoke.

The key itself is all that ``create`` and ``rotate`` write to standard output, this once; what was
done, and what to do next, goes to standard error.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Any

import click
from flask.cli import with_appcontext

from ..accounts import KEY_PLACES
from ..errors import ReceiverError
from ..store.keybook import KeyBook, KeyRecord, KeyState
from ..store.keyring import DAY, days
from . import options
from .asking import confirm
from .context import known_account, parts
from .exits import NotFound
from .manual import Group
from .tables import BAD, DIM, DOUBTFUL, Cell, Column, Marked, many, print_json, print_table

_LIFE = click.IntRange(1, 365)
_OVERLAP = click.IntRange(0, 365)
_OVERLAP_DAYS = 7
_HOUR = 60  # minutes
_COLUMNS = (
    *(Column("KEY", whole=True), Column("ACCOUNT"), Column("CREATED", whole=True)),
    *(Column("GOOD UNTIL", whole=True), Column("LAST USED"), Column("STATE")),
)


@click.group(
    cls=Group,
    invoke_without_command=True,
    examples={
        "keys create smsbox --expires-days 90": "a key for one caller, shown once",
        "keys list": "which end soon, and which are still used",
    },
)
def keys() -> None:
    """Issue API keys that end by themselves, or earlier.

    For a caller whose key you choose yourself. A key is signed and kept nowhere: it is shown once,
    when it is made, and sent wherever the account's own key may be.
    """


@keys.command(
    "create",
    examples={
        "keys create smsbox --expires-days 90": "a key that is good for 90 days",
        "keys create smsbox --expires-days 90 2> /dev/null": "the key alone, for a secret store",
    },
)
@options.account_argument
@click.option("--expires-days", type=_LIFE, required=True, help="How long the key is good.")
@with_appcontext
def create_key(account: str, expires_days: int) -> None:
    """Issue a key for ACCOUNT and show it, this once.

    The key alone goes to standard output, so that it can be piped into a secret store.
    """
    known_account(account)
    record, text = _book().create(account, expires_days)
    _show_once(record, text)


@keys.command(
    "list",
    examples={
        "keys list --account smsbox": "of one account",
        "keys list --json": "for another program",
    },
    fields=(*(field.name for field in fields(KeyRecord)), "state"),
)
@options.of_account
@options.json_lines
@with_appcontext
def list_keys(account: str | None, as_json: bool) -> None:
    """List the keys, how long each is good, and its use.

    Marked are those that are in use though they end soon, or were replaced.
    """
    if account is not None:
        known_account(account)
    now, every = time.time(), {record.id: record for record in _book().records()}
    chosen = [record for record in every.values() if account in (None, record.account)]
    if as_json:
        for record in chosen:
            print_json(_as_json(record, now))
    elif not print_table(_COLUMNS, (_row(record, every, now) for record in chosen)):
        click.echo("No keys yet. Try: keys create ACCOUNT --expires-days 90", err=True)


@keys.command(
    "rotate",
    examples={
        "keys rotate 7hKq2mWx9a": "one key; the old one stays good for a week",
        "keys rotate smsbox --overlap-days 30": "the only key of an account, with more time",
    },
)
@options.key_argument
@click.option("--expires-days", type=_LIFE, help="For the new key; else as long as the old one.")
@click.option(
    "--overlap-days",
    type=_OVERLAP,
    default=_OVERLAP_DAYS,
    show_default=True,
    help="How long the old key stays good; 0 ends it at once.",
)
@with_appcontext
def rotate_key(key_id: str, expires_days: int | None, overlap_days: int) -> None:
    """Issue a new key in place of KEY_ID.

    Both are good until the overlap ends, so that its holder can change over in between. KEY_ID may
    be an account's name, where that has one such key only.
    """
    key_id = _only_key(key_id, KeyState.LIVE, KeyState.NEAR_END)
    known_account(_known_key(key_id).account)
    old, new, text = _book().rotate(key_id, expires_days, overlap_days)
    _show_once(new, text)
    if old.state(time.time()) is KeyState.REPLACED:
        _say(f"The old key {old.id} stays good until {_when(old.good_until)}: change it by then,")
        _say("and see in keys list whether it is still used.")
    else:
        _say(f"The old key {old.id} is refused from now on.")


@keys.command(
    "revoke",
    examples={
        "keys revoke 7hKq2mWx9a --yes": "one key, unasked",
        "keys revoke 7hKq2mWx9a --unrecorded --yes": "after Redis has lost its list of keys",
    },
)
@options.key_argument
@click.option("--unrecorded", is_flag=True, help="Of a key that `list` does not show any more.")
@options.yes
@with_appcontext
def revoke_key(key_id: str, unrecorded: bool, yes: bool) -> None:
    """End KEY_ID at once.

    Its holder is turned away within a second. KEY_ID may be an account's name, where that has one
    such key only. It asks first.
    """
    if unrecorded:
        confirm(f"End 1 key, {key_id}?", yes=yes)
        _book().revoke_unrecorded(key_id)
        _say(f"A key {key_id}, if there is one, lets nobody in within a second.")
        return
    key_id = _only_key(key_id, KeyState.LIVE, KeyState.NEAR_END, KeyState.REPLACED)
    _ask_before_end(_known_key(key_id), yes=yes)
    record = _book().revoke(key_id)
    _say(f"The key {record.id} of {record.account} is revoked. Each web process refuses it within")
    _say("a second; one that cannot reach Redis, as soon as it can.")
    if record.replaced_by is None:
        _say(f"If its holder is to come in again: keys create {record.account} --expires-days N")


def _book() -> KeyBook:
    book: KeyBook = parts().keybook
    return book


def _only_key(given: str, *states: KeyState) -> str:
    """Give the one key of an account in such a state; what is no account is an id."""
    if given not in parts().settings.accounts:
        return given
    now = time.time()
    found = [
        key.id for key in _book().records() if key.account == given and key.state(now) in states
    ]
    if len(found) != 1:
        there = f"has {len(found)} keys, name one: {', '.join(found)}" if found else "has no key"
        raise ReceiverError(f"the account {given} {there}")
    return found[0]


def _known_key(key_id: str) -> KeyRecord:
    try:
        return _book().find(key_id)
    except ReceiverError as error:
        raise NotFound(str(error)) from error


def _ask_before_end(record: KeyRecord, *, yes: bool) -> None:
    if record.revoked_at is not None:
        return  # nothing to lose: the key book says so
    used = record.last_used_at
    last = "never used" if used is None else f"last used {_ago(time.time() - used)}"
    confirm(f"End 1 key, {record.id} of {record.account}, {last}?", yes=yes)


def _show_once(record: KeyRecord, text: str) -> None:
    place = parts().settings.accounts[record.account].key_in
    span = many(days(record.expires_at - record.created_at), "day")
    _say(f"Key {record.id} of {record.account}, good for {span}, until {_when(record.expires_at)}.")
    _say("Copy it now: it is kept nowhere.")
    click.echo(text)
    _say(f"Its holder sends it as {place or ', '.join(KEY_PLACES)}.")
    _say(f"Before it ends: keys rotate {record.id}")


def _row(record: KeyRecord, every: Mapping[str, KeyRecord], now: float) -> tuple[Cell, ...]:
    used = record.last_used_at
    return (
        record.id,
        record.account,
        datetime.fromtimestamp(record.created_at, UTC),
        datetime.fromtimestamp(record.good_until, UTC),
        "never" if used is None else _ago(now - used),
        _state(record, every, now),
    )


def _state(record: KeyRecord, every: Mapping[str, KeyRecord], now: float) -> Marked:
    text = _state_words(record, every, now)
    if text.endswith("!)"):  # in use, and to end
        return Marked(text, BAD)
    style = {KeyState.LIVE: "", KeyState.NEAR_END: DOUBTFUL, KeyState.REPLACED: DOUBTFUL}
    return Marked(text, style.get(record.state(now), DIM))


def _state_words(record: KeyRecord, every: Mapping[str, KeyRecord], now: float) -> str:
    left = f"ends in {many(days(record.good_until - now), 'day')}"
    state, used = record.state(now), record.last_used_at
    alarm = "" if used is None else f" (used {_ago(now - used)}!)"
    if state is KeyState.LIVE:
        return f"live, {left}"
    if state is KeyState.NEAR_END:
        return f"near its end, {left}{alarm}"
    if state is KeyState.REPLACED:
        new = every.get(record.replaced_by or "")
        since = 0 if new is None else new.created_at
        return f"replaced by {record.replaced_by}, {left}{alarm if (used or 0) > since else ''}"
    if state is KeyState.ENDED:
        return f"replaced by {record.replaced_by}, ended"
    return state.value


def _as_json(record: KeyRecord, now: float) -> dict[str, Any]:
    known = {
        name: _iso(value) if name.endswith("_at") and value is not None else value
        for name, value in asdict(record).items()
    }
    return {**known, "state": record.state(now).value}


def _ago(seconds: float) -> str:
    """Say how long ago, in minutes: more exactly nobody notes it."""
    minutes = max(0, int(seconds // 60))
    if minutes < 2 * _HOUR:
        return f"{many(minutes, 'minute')} ago"
    if seconds < 2 * DAY:
        return f"{minutes // _HOUR} hours ago"
    return f"{int(seconds // DAY)} days ago"


def _iso(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).isoformat()


def _when(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _say(text: str) -> None:
    click.echo(text, err=True)
