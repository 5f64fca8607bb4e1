"""A place for conversations, and handlers that change them as a worker would let them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from receiver.store.connection import Connection
from receiver.store.conversations import Conversations, ConversationStore, Writer
from receiver.testing.talking import Memory

ACCOUNT, NUMBER = "smsbox", "+255712345678"
CONTACT = (ACCOUNT, NUMBER)


PLACES = ("redis", "memory")


def place(request: pytest.FixtureRequest) -> ConversationStore:
    """A place for conversations: a real Valkey, or what `testing.talking` has."""
    if request.param == "memory":
        return Memory()
    request.getfixturevalue("redis")  # looks for numbers in the names of keys at the end
    return Conversations(Connection(request.getfixturevalue("redis_url")), "receiver")


Change = Callable[[dict[str, Any]], object]


def write(
    store: ConversationStore,
    event: str,
    change: Change = lambda state: None,
    *,
    expect: str | None = None,
    handler: str = "shop.order",
    run: str = "1",
    ttl: int = 3600,
    ended: bool = False,
) -> dict[str, Any]:
    """Let a handler change the state; gives the state that it saw."""
    opened = store.open(*CONTACT, Writer(event, handler, run))
    seen = dict(opened.state)
    change(opened.state)
    expected = expect if expect is not None else opened.expected
    assert store.commit(opened, opened.state, expected, ended=ended, ttl=ttl)
    return seen


def setting(**values: Any) -> Change:
    return lambda state: state.update(values)


def adding(name: str) -> Change:
    return lambda state: state.update({name: state.get(name, 0) + 1})


def state_of(store: ConversationStore) -> dict[str, Any]:
    shown = store.show(*CONTACT)
    return dict(shown.state) if shown else {}


def expected_in(store: ConversationStore) -> str | None:
    shown = store.show(*CONTACT)
    return shown.expected if shown else None


def expire(store: ConversationStore) -> None:
    """Let a conversation's time be up, without waiting for it."""
    if isinstance(store, Memory):
        (fields,) = store._kept.values()
        fields["until"] = "1"
        return
    assert isinstance(store, Conversations)
    (key,) = store._client.keys("*:talk:*")
    store._client.hset(key, "until", 1)
