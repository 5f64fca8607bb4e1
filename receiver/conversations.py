"""Conversations in handlers: what a contact said before, and what the next message is about.

The state is kept by `store.conversations`, and `Router.expects` takes the message that a
conversation expects. Nothing here waits: where two jobs meet, the later one runs again. A handler
that runs again for the same message finds the state without what it wrote the first time. Blocks
of one contact cannot be nested: the outer one always comes too late.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

from flask import current_app, has_app_context

from .attempts import at_work, run_id
from .errors import ConfigurationError, GiveUp, ReceiverError, RetryLater
from .events import InboundMessage
from .store.conversations import ConversationStore, Opened, Writer, dumped, standing_in

DAY = 86_400
MOST_BYTES = 8192

_MOST_SECONDS = 366 * DAY
_MOST_DEEP = 32
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


class Conversation(MutableMapping[str, Any]):
    """What is known of a conversation: JSON values by name, and what is expected next.

    Values are text, numbers, booleans, ``None``, and lists and dicts of them; any other is a
    `TypeError`. More than 8192 bytes of JSON in all are a `ValueError`, at the end of the block.
    """

    def __init__(self, state: dict[str, Any], expected: str | None = None) -> None:
        self._state = state
        self._expected = expected
        self._ended = False

    @property
    def expected(self) -> str | None:
        """What this handler has said of the contact's next message; ``None`` for nothing."""
        return self._expected

    @property
    def ended(self) -> bool:
        """Tell whether `end` was called."""
        return self._ended

    def expect(self, name: str) -> None:
        """Have the next message of this contact taken by ``@router.expects(name)``.

        That one message, and no other. Raises `ConfigurationError` for what is no name.
        """
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ConfigurationError(
                f"expect({name!r}): a name is of letters, digits, - and _, 64 at most"
            )
        self._expected = name

    def end(self) -> None:
        """Forget the state, and what is expected."""
        self._state.clear()
        self._expected = None
        self._ended = True

    def __getitem__(self, name: str) -> Any:
        return self._state[name]

    def __setitem__(self, name: str, value: Any) -> None:
        if not isinstance(name, str):
            raise TypeError(f"a conversation's names are text, not {type(name).__name__}")
        _check(name, value)
        self._state[name] = value

    def __delitem__(self, name: str) -> None:
        del self._state[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._state)

    def __len__(self) -> int:
        return len(self._state)

    def __repr__(self) -> str:
        return f"<Conversation with {len(self)} values>"


@contextmanager
def conversation(message: InboundMessage, *, ttl: int = DAY) -> Iterator[Conversation]:
    """Open the conversation with a message's sender; what the block changes is kept at its end.

    >>> from receiver import Router
    >>> from receiver.testing import inbound, talking
    >>> router = Router("orders")
    >>> @router.keyword("ORDER")
    ... def order(message: InboundMessage) -> str:
    ...     with conversation(message, ttl=3600) as talk:
    ...         talk["item"] = "shirt"
    ...         talk.expect("size")
    ...     return "Which size?"
    >>> @router.expects("size")
    ... def size(message: InboundMessage) -> str:
    ...     with conversation(message) as talk:
    ...         item = talk["item"]
    ...         talk.end()
    ...     return f"A {item} in {message.text}, then."
    >>> with talking():
    ...     order(inbound(text="ORDER")), size(inbound(text="XL"))
    ('Which size?', 'A shirt in XL, then.')

    There is one for each account and number, for ``ttl`` seconds after its last change. A block
    that raises changes nothing. Where another job was faster, the end of the block raises
    `RetryLater`: do after it what cannot be done twice. Raises `GiveUp` for an unknown sender.
    """
    store, opened = _open(message, ttl)
    talk = Conversation(opened.state, opened.expected)
    yield talk
    _check_all(talk)
    if not store.commit(opened, dict(talk), talk.expected, ended=talk.ended, ttl=ttl):
        seconds = random.uniform(0.2, 2.0)
        raise RetryLater(seconds, "the conversation moved on: another job has changed it")


def _open(message: InboundMessage, ttl: int) -> tuple[ConversationStore, Opened]:
    if not isinstance(ttl, int) or not 1 <= ttl <= _MOST_SECONDS:
        raise ValueError(f"conversation(ttl={ttl!r}): whole seconds, from 1 to {_MOST_SECONDS}")
    if message.sender is None:
        raise GiveUp(
            f"the provider does not say which of {len(message.candidates)} numbers wrote: open a"
            " conversation only where message.sender is not None"
        )
    store = _store()
    _, handler = at_work.get() or ("", "")
    writer = Writer(message.id, handler, run_id.get() or "")
    return store, store.open(message.account, message.sender, writer)


def _store() -> ConversationStore:
    found = standing_in.get()
    if found is not None:
        return found
    if not has_app_context():
        raise ReceiverError(
            "conversation(): there is no app here; a test calls its handlers within"
            " receiver.testing.talking()"
        )
    if "receiver" not in current_app.extensions:
        raise ReceiverError(f"conversation(): the app {current_app.name} has no Receiver")
    store: ConversationStore = current_app.extensions["receiver"].conversations
    return store


def _check_all(talk: Conversation) -> None:
    """Check what was changed inside of lists and dicts, and the size of all."""
    for name, value in talk.items():
        _check(name, value)
    size = len(dumped(dict(talk)))
    if size > MOST_BYTES:
        raise ValueError(
            f"the state of a conversation would be {size} bytes of JSON; {MOST_BYTES} at most: keep"
            " what the next message needs, and the rest in a database"
        )


def _check(name: str, value: object, depth: int = 0) -> None:
    """Refuse what would not be the same value when it is read again."""
    if depth > _MOST_DEEP:
        raise TypeError(f"talk[{name!r}]: nested deeper than {_MOST_DEEP}")
    if isinstance(value, float) and not math.isfinite(value):
        raise TypeError(f"talk[{name!r}]: JSON has no infinite float, and no NaN")
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise TypeError(f"talk[{name!r}]: the keys of a dict in JSON are text")
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            _check(name, item, depth + 1)
    elif value is not None and not isinstance(value, str | int | float):
        raise TypeError(
            f"talk[{name!r}]: {type(value).__name__} is no JSON; keep text, numbers, booleans,"
            " None, and lists and dicts of them"
        )
