"""`talking`: conversations in a test's memory, so that handlers that use them are just called."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import Any, TypeVar

from ..attempts import run_id
from ..events import InboundMessage, unique_id
from ..store.conversations import Commit, ConversationStore, Opened, Shown, Writer, standing_in

T = TypeVar("T")


class Talks:
    """The conversations of one test. Each takes a message of the contact, or its number.

    ``account`` goes with a number: ``test``, as `inbound` has it, unless it is given.
    """

    def __init__(self, store: ConversationStore) -> None:
        self._store = store

    def expected(self, contact: InboundMessage | str, account: str = "test") -> str | None:
        """Give what the next message of a contact is expected to be."""
        shown = self._shown(contact, account)
        return shown.expected if shown else None

    def state(self, contact: InboundMessage | str, account: str = "test") -> Mapping[str, Any]:
        """Give what is kept of the conversation with a contact; empty where nothing is."""
        shown = self._shown(contact, account)
        return shown.state if shown else {}

    def again(self, handler: Callable[[InboundMessage], T], message: InboundMessage) -> T:
        """Call a handler as a worker does whose first attempt at this message was cut short."""
        token = run_id.set(unique_id())
        try:
            return handler(message)
        finally:
            run_id.reset(token)

    def _shown(self, contact: InboundMessage | str, account: str) -> Shown | None:
        if isinstance(contact, InboundMessage):
            return self._store.show(contact.account, contact.sender or "")
        return self._store.show(account, contact)


@contextmanager
def talking() -> Iterator[Talks]:
    """Keep conversations in memory within this block, where handlers are called without an app.

    >>> from receiver.conversations import conversation
    >>> from receiver.testing import inbound
    >>> def order(message: InboundMessage) -> str:
    ...     with conversation(message) as talk:
    ...         talk["item"] = message.text
    ...         talk.expect("size")
    ...     return "Which size?"
    >>> with talking() as talks:
    ...     order(inbound(sender="+255712345678", text="shirt"))
    ...     talks.state("+255712345678"), talks.expected("+255712345678")
    'Which size?'
    ({'item': 'shirt'}, 'size')
    """
    store = _Routed()
    token = standing_in.set(store)
    try:
        yield Talks(store)
    finally:
        standing_in.reset(token)


class Memory(ConversationStore):
    """Does in Python what the scripts do in Redis."""

    def __init__(self) -> None:
        self._kept: dict[str, dict[str, str]] = {}
        self._lock = Lock()

    def _read(self, key: str) -> tuple[Mapping[str, str], int]:
        with self._lock:
            return dict(self._kept.get(key, {})), _now()

    def _write(self, key: str, version: str, commit: Commit) -> bool:
        with self._lock:
            fields = self._kept.get(key, {})
            if fields.get("version", "") != version:
                return False
            expected, taken = fields.get("expected", ""), fields.get("taken", "")
            if commit.sets_expected:
                if taken:
                    fields |= {"was_expected": expected, "was_taken": taken}
                expected, taken = commit.expected, ""
                fields |= {"expected": expected, "expected_by": commit.event, "taken": ""}
            is_over = commit.is_empty and (not expected or bool(taken))
            until = _now() + (0 if is_over else commit.ttl * 1000)
            written = {"version": commit.version, "base": commit.base, "writes": commit.writes}
            self._kept[key] = {**fields, **written, "until": str(until)}
            return True

    def _take(self, key: str, event: str) -> str | None:
        with self._lock:
            fields = self._kept.get(key, {})
            if fields.get("taken") == event:
                return fields["expected"]
            if fields.get("was_taken") == event:
                return fields["was_expected"]
            if not fields.get("expected") or fields["taken"] or fields["expected_by"] == event:
                return None
            if int(fields["until"]) <= _now():
                return None
            fields["taken"] = event
            return fields["expected"]

    def _drop(self, key: str) -> bool:
        with self._lock:
            return self._kept.pop(key, None) is not None


class _Routed(Memory):
    """A message that a test hands over was routed before, and took what was expected."""

    def open(self, account: str, number: str, writer: Writer) -> Opened:
        """See `ConversationStore.open`."""
        self.take_expected(account, number, writer.event)
        return super().open(account, number, writer)


def _now() -> int:
    return time.time_ns() // 1_000_000
