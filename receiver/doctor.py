"""What would go wrong, and how to mend it: settings, Redis, workers, handlers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from flask import Flask
from redis.exceptions import AuthenticationError, RedisError, ResponseError

from .errors import ConfigurationError
from .store.queue import QUEUES

_OLDEST_REDIS = (6, 2)
_WEAK_SECRET = 16  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at; ``mend`` says what to do where it is not ok."""

    what: str
    ok: bool
    mend: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Give the finding as JSON types."""
        return asdict(self)


def examine(app: Flask) -> list[Finding]:
    """Look at everything; wrong settings have stopped the app before this."""
    parts = app.extensions["receiver"]
    return [*_secrets(parts), *_accounts(parts), *_handlers(app, parts), *_redis(parts)]


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
    for account in parts.settings.accounts.values():
        ways = "its key or its signed URL" if account.api_keys else "its signed URL"
        sends = bool(account.api_keys and account.api_secret)
        yield Finding(
            what=f"account {account.name} ({account.provider}): receives by {ways}, "
            + ("has what sending takes" if sends else "cannot send: no api_key or api_secret"),
            ok=True,
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


def _redis(parts: Any) -> Iterator[Finding]:
    client = parts.connection.client
    try:
        info = client.info()
        workers = _workers(client, parts)
    except (AuthenticationError, ResponseError) as error:
        yield Finding(
            what=f"Redis: refuses us ({type(error).__name__})",
            ok=False,
            mend="Check user, password and database in RECEIVER_REDIS_URL.",
        )
        return
    except RedisError as error:
        yield Finding(
            what=f"Redis: does not answer ({type(error).__name__})",
            ok=False,
            mend="Start Redis, or set RECEIVER_REDIS_URL to where it is.",
        )
        return
    yield from _server(info)
    for queue, count in workers.items():
        yield Finding(
            what=f"workers for {queue}: {count}",
            ok=count > 0,
            mend="Run the worker command, under a supervisor such as systemd.",
        )


def _server(info: Mapping[str, Any]) -> Iterator[Finding]:
    version = str(info.get("redis_version", "0"))
    policy = info.get("maxmemory_policy", "noeviction")
    yield Finding(
        what=f"Redis: version {version}",
        ok=tuple(int(part) for part in version.split(".")[:2]) >= _OLDEST_REDIS,
        mend="Use Redis 6.2 or newer, or Valkey.",
    )
    yield Finding(
        what="Redis: append-only file " + ("on" if info.get("aof_enabled") else "off"),
        ok=bool(info.get("aof_enabled")),
        mend="Set appendonly yes: without it a crash of Redis loses acknowledged events.",
    )
    yield Finding(
        what=f"Redis: maxmemory-policy {policy}",
        ok=policy == "noeviction",
        mend="Set maxmemory-policy noeviction: anything else throws events away.",
    )


def _workers(client: Any, parts: Any) -> dict[str, int]:
    """Count the living workers of each queue, as RQ's registry has them."""
    counts = {}
    for queue in QUEUES:
        keys = client.smembers(f"rq:workers:{parts.jobs.queue(queue)}")
        counts[queue] = sum(client.exists(key) for key in keys)
    return counts
