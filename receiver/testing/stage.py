"""An app on a stage: Redis, spool and network are others, all else is the user's own."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask import Flask

from ..accounts import Account
from ..deployment import Deployment
from ..events import AnyEvent
from .callbacks import Callback
from .door import Answered, post
from .outside import Outside, SentSms

_MISSING = object()


class Stage:
    """One app while it is tested; see `staged`. Nothing is run here."""

    def __init__(self, app: Flask, parts: Deployment, outside: Outside, folder: Path) -> None:
        self.app = app
        self.parts = parts
        self.outside = outside
        self.folder = folder

    @property
    def sent(self) -> list[SentSms]:
        """What was sent, the oldest first: one entry for each number."""
        return self.outside.sent

    def knock(self, callback: Callback, *, account: str | None = None) -> Answered:
        """Post a callback, and run nothing yet."""
        chosen = self.choose(account, {callback.provider})
        return post(self.app, self.parts, chosen, callback)

    def put(self, event: AnyEvent) -> None:
        """Put an event in behind the webhooks, and run nothing yet."""
        accounts = self.parts.settings.accounts
        account = accounts.get(event.account) or next(iter(accounts.values()))
        self.parts.intake.take(account, [event])

    @contextmanager
    def afresh(self) -> Iterator[None]:
        """Forget all that came and was sent, for the length of the block and after it."""
        for wanted in (True, False):
            _clear(self.parts)
            self.outside.forget()
            if wanted:
                yield

    def choose(self, name: str | None, providers: set[str]) -> Account:
        """Give the account of that name, or the only one that can be meant."""
        accounts = self.parts.settings.accounts
        if name is not None:
            assert name in accounts, f"there is no account {name}; there are: {', '.join(accounts)}"
            return accounts[name]
        fitting = [one for one in accounts.values() if one.provider in providers]
        exact = [one for one in fitting if one.name == one.provider]
        for found in (fitting, exact):
            if len(found) == 1:
                return found[0]
        there_are = ", ".join(one.name for one in fitting or accounts.values())
        raise AssertionError(f"say which account=; there are: {there_are}")


@contextmanager
def staged(app: Flask, redis_url: str, folder: Path) -> Iterator[Stage]:
    """Move an app to this Redis and this folder for the length of the block, and put it on a stage.

    Each has a namespace of its own, and leaves nothing behind.
    """
    before = app.extensions.get("receiver")
    assert before is not None, f"the app {app.name} has no Receiver: call Receiver(app) first"
    namespace = f"test-{secrets.token_hex(8)}"
    wanted = _settings(redis_url, namespace, folder / "spool")
    kept = {name: app.config.get(name, _MISSING) for name in wanted}
    app.config.update(wanted)
    parts = Deployment(app, before.own)
    outside = Outside(parts.settings, folder / "sent.jsonl")
    for provider in parts.providers.values():
        outside.watch(provider)
    app.extensions["receiver"] = parts
    before.webhooks.take_over(parts.providers, parts.intake, parts.tally)
    try:
        with outside.standing_in():
            yield Stage(app, parts, outside, folder)
    finally:
        before.webhooks.take_over(before.providers, before.intake, before.tally)
        app.extensions["receiver"] = before
        _restore(app, kept)
        parts.tally.close()
        _clear(parts)
        parts.spool.close()
        parts.connection.close()


def _settings(redis_url: str, namespace: str, spool: Path) -> dict[str, Any]:
    return {
        "RECEIVER_REDIS_URL": redis_url,
        "RECEIVER_NAMESPACE": namespace,
        "RECEIVER_SPOOL_DIR": str(spool),
        "RECEIVER_INLINE": False,
        "RECEIVER_RECONCILE": 0,
    }


def _restore(app: Flask, kept: Mapping[str, Any]) -> None:
    for name, value in kept.items():
        if value is _MISSING:
            del app.config[name]
        else:
            app.config[name] = value


def _clear(parts: Deployment) -> None:
    """Delete what has our namespace in its name, and take it off RQ's lists."""
    client: Any = parts.connection.client
    namespace = parts.settings.namespace
    keys: Sequence[bytes] = list(client.scan_iter(f"*{namespace}*", count=1_000))
    if keys:
        client.delete(*keys)
    for names in ("rq:queues", "rq:workers"):
        ours = [name for name in client.smembers(names) if namespace.encode() in name]
        if ours:
            client.srem(names, *ours)
