"""Issued keys in tests: the commands, and the door of a process over a clock."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Flask
from processes import until
from support import account, post

from receiver.signing import IssuedKeys
from receiver.store.connection import Connection
from receiver.store.keybook import KeyBook
from receiver.store.keyring import Keyring

SECRET = "a-secret-key-of-some-length"
KEYS = IssuedKeys([SECRET])
TWO = {**account(), "other": {"provider": "smsbox", "api_key": "k"}}


def run(app: Flask, *args: str) -> Any:
    """One of the commands of keys."""
    return app.test_cli_runner().invoke(args=["receiver", "keys", *args])


def create(app: Flask, *args: str) -> tuple[str, str]:
    """Issue a key on the command line; gives its id and its text."""
    text = run(app, "create", *(args or ("smsbox", "--expires-days", "90"))).stdout.strip()
    key = KEYS.read(text.encode())
    assert key is not None
    return key.id, text


def listed(app: Flask) -> dict[str, dict[str, Any]]:
    """What `keys list` says, by id."""
    found = [json.loads(line) for line in run(app, "list", "--json").stdout.splitlines()]
    return {record["id"]: record for record in found}


def knock(app: Flask, key: str) -> int:
    """The status of an answer to a key."""
    return post(app, headers={"X-API-Key": key}).status_code


def wait_until_refused(app: Flask, key: str) -> None:
    """Wait for a process to have learnt that a key has ended."""
    until(lambda: knock(app, key) == 401, "the key to be refused")


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = float(int(time.time()))

    def __call__(self) -> float:
        return self.now


class Watch:
    """A guard that opens when Redis fails, if it is told to."""

    def __init__(self, opens: bool = False) -> None:
        self.opens = opens
        self.open = False
        self.trips = 0

    def trip(self) -> None:
        self.trips += 1
        self.open = self.opens


class Desk:
    """The life of keys and their door, over a clock."""

    def __init__(self, redis_url: str, folder: Path, clock: Clock, guard: Watch) -> None:
        connection = Connection(redis_url)
        self.clock, self.guard = clock, guard
        self.book = KeyBook(connection, "receiver", KEYS, clock)
        self.ring = Keyring(connection, "receiver", KEYS, guard, folder, clock)

    def takes(self, text: str) -> bool:
        return self.ring.takes("smsbox", text.encode())

    @classmethod
    def maker(cls, redis_url: str, folder: Path) -> MakeDesk:
        """Make the doors of processes that share a clock, a folder and a Redis."""
        clock = Clock()

        def make(url: str = redis_url, guard: Watch | None = None) -> Desk:
            return cls(url, folder, clock, guard or Watch())

        return make


MakeDesk = Callable[..., Desk]
