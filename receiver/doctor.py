"""What would go wrong, and how to mend it: settings, accounts, handlers, and the `vitals`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

from flask import Flask

from .errors import ConfigurationError
from .vitals import Finding, look_at_redis, look_at_spool

_WEAK_SECRET = 16  # characters


def examine(app: Flask) -> list[Finding]:
    """Look at everything; wrong settings have stopped the app before this."""
    parts = app.extensions["receiver"]
    own = [*_secrets(parts), *_accounts(parts), *_handlers(app, parts)]
    return [*own, *look_at_spool(parts), *look_at_redis(parts)]


def _secrets(parts: Any) -> Iterator[Finding]:
    if parts.settings.inline:
        yield Finding(
            what="RECEIVER_INLINE is set: handlers run before the ack",
            ok=False,
            mend="Take it out: it is for tests.",
        )
    short = any(len(key) < _WEAK_SECRET for key in parts.settings.secret_keys)
    yield Finding(
        what="secret keys: " + ("one is short" if short else "long enough"),
        ok=not short,
        mend=f"Use {_WEAK_SECRET} random characters or more: python -c 'import secrets;"
        " print(secrets.token_hex())'",
    )


def _accounts(parts: Any) -> Iterator[Finding]:
    for provider in parts.providers.values():
        account = provider.account
        ways = "its key or its signed URL" if account.api_keys else "its signed URL"
        receives = f"receives by {ways}" if provider.pushes else "has no webhook"
        given = {"api_key": account.api_keys, "api_secret": account.api_secret}
        given |= {"source_addr": account.source_addr}
        lacks = [name for name in provider.needs if not given[name]]
        sends = f"cannot send: no {', no '.join(lacks)}" if lacks else "has what sending takes"
        yield Finding(
            what=f"account {account.name} ({account.provider}): {receives}, {sends}",
            ok=provider.pushes or not lacks,
            mend="Add it to RECEIVER_ACCOUNTS.",
        )
    for one, other in combinations(parts.settings.accounts.values(), 2):
        if set(one.api_keys) & set(other.api_keys):
            yield Finding(
                what=f"accounts {one.name} and {other.name} have the same api_key",
                ok=False,
                mend="Give each account its own: who has one key may post as both.",
            )


def _handlers(app: Flask, parts: Any) -> Iterator[Finding]:
    try:
        with app.app_context():
            loaded = parts.loaded
    except ConfigurationError as error:
        yield Finding(what=f"handlers: {error}", ok=False, mend="Workers do not start before.")
        return
    count = len(list(loaded.table))
    yield Finding(
        what=f"handlers: {count} loaded",
        ok=count > 0,
        mend="Name a module with a router in RECEIVER_HANDLERS.",
    )
    for failure in loaded.failures:
        yield Finding(
            what=f"handlers: {failure.name} failed to load: {failure.reason}",
            ok=False,
            mend="Mend the module, or take its name out of RECEIVER_HANDLERS.",
        )
