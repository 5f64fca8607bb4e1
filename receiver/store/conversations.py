"""Conversations: a small JSON state for each account and number, and what its next message is.

A conversation is a hash ``<namespace>:talk:<hash of account and number>``: ``version`` (another one
after each commit), ``base`` and ``writes`` (JSON), ``until`` (ms), ``expected`` with the event that
set it (``expected_by``) and the one that took it (``taken``), ``was_expected`` and ``was_taken``
(the last one that was taken and replaced). The state is ``base`` with the last ``writes`` upon it,
one for each handler of each message: so a handler that runs again for the same message starts
without what it wrote the first time, and with what all others did.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypedDict, cast

from ..events import event_id, unique_id
from ..vault import PLAIN, Vault
from .connection import Connection

KEPT_SECONDS = 7200  # at least, whatever the time to live: longer than a message's retries take

SEALED = ("base", "writes")  # of the fields, where encryption is on

_MOST_WRITES = 8


class Write(TypedDict):
    """What one handler changed for one message; ``expect``: what it then expected."""

    event: str
    handler: str
    run: str
    set: dict[str, Any]
    drop: list[str]
    expect: str | None


@dataclass(frozen=True, slots=True)
class Writer:
    """Who has a conversation open: a handler, in one attempt (``run``) at one message."""

    event: str
    handler: str = ""
    run: str = ""

    def wrote(self, write: Write) -> bool:
        """Tell whether a write is this handler's for this message, in whatever attempt."""
        return (write["event"], write["handler"]) == (self.event, self.handler)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A conversation as a writer finds it: ``state`` may be changed, all else is for `commit`."""

    key: str
    writer: Writer
    version: str = ""
    alive: bool = False
    base: Mapping[str, Any] = field(default_factory=dict, repr=False)
    writes: tuple[Write, ...] = field(default=(), repr=False)
    expected_by: str = ""
    state: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def mine(self) -> Write | None:
        """What this handler wrote for this message before, in this attempt or an earlier one."""
        return next(filter(self.writer.wrote, self.writes), None)

    @property
    def others(self) -> list[Write]:
        """What all others wrote."""
        return [write for write in self.writes if not self.writer.wrote(write)]

    @property
    def expected(self) -> str | None:
        """What this very attempt has said so far about the next message."""
        mine = self.mine
        return mine["expect"] if mine and mine["run"] == self.writer.run else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """What is to be written of a conversation; see ``scripts/talk_commit.lua``."""

    version: str
    event: str
    base: str = field(repr=False)
    writes: str = field(repr=False)
    sets_expected: bool
    expected: str
    is_empty: bool
    ttl: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A conversation as it stands; ``expected``: what its next message is taken for."""

    state: Mapping[str, Any] = field(repr=False)
    expected: str | None
    expires_at: datetime


class ConversationStore(ABC):
    """What conversations are, wherever they are kept: in Redis, or in a test's memory."""

    def open(self, account: str, number: str, writer: Writer) -> Opened:
        """Read a conversation as a writer is to see it; ``number`` in E.164."""
        key = conversation_name(account, number)
        fields, now = self._read(key)
        opened = _opened(key, writer, fields, now)
        mine = opened.mine
        seen = opened.writes if mine and mine["run"] == writer.run else opened.others
        state = json.loads(dumped(_applied(opened.base, seen)))  # nothing of it is shared
        opened.state.update(state)
        return opened

    def commit(
        self,
        opened: Opened,
        state: Mapping[str, Any],
        expected: str | None,
        *,
        ended: bool = False,
        ttl: int,
    ) -> bool:
        """Write what became of an open conversation; ``ttl`` in seconds from now.

        False where somebody else has written since: nothing is changed then.
        """
        mine = opened.mine
        before = mine["expect"] if mine else None
        stored = _applied(opened.base, opened.writes)
        if _same(state, stored) and expected == before and not (ended and opened.version):
            return True
        # an expectation of somebody else's stays, unless this one says something about it
        is_own = expected is not None or opened.expected_by == opened.writer.event
        writes = [*opened.others, _write(opened, state, expected)]
        folded, kept = writes[:-_MOST_WRITES], writes[-_MOST_WRITES:]
        commit = Commit(
            version=unique_id(),
            event=opened.writer.event,
            base=dumped(_applied(opened.base, folded)),
            writes=dumped(kept),
            sets_expected=ended or not opened.alive or (expected != before and is_own),
            expected=expected or "",
            is_empty=not state,
            ttl=ttl,
        )
        return self._write(opened.key, opened.version, commit)

    def take_expected(self, account: str, number: str, event: str) -> str | None:
        """Give what a message is expected to be, and let no other message take that.

        The one that took it is told the same again; the one that set it never takes it.
        """
        return self._take(conversation_name(account, number), event)

    def show(self, account: str, number: str) -> Shown | None:
        """Give a conversation as it stands; ``None`` where there is none."""
        fields, now = self._read(conversation_name(account, number))
        if not fields or int(fields["until"]) <= now:
            return None
        state = _applied(json.loads(fields["base"]), json.loads(fields["writes"]))
        expected = fields.get("expected") if not fields.get("taken") else None
        expires_at = datetime.fromtimestamp(int(fields["until"]) / 1000, UTC)
        return Shown(state=state, expected=expected or None, expires_at=expires_at)

    def forget(self, account: str, number: str) -> bool:
        """Forget a conversation and all that was in it; tell whether there was one."""
        return self._drop(conversation_name(account, number))

    @abstractmethod
    def _read(self, key: str) -> tuple[Mapping[str, str], int]:
        """Give the fields, and the time in milliseconds."""

    @abstractmethod
    def _write(self, key: str, version: str, commit: Commit) -> bool: ...

    @abstractmethod
    def _take(self, key: str, event: str) -> str | None: ...

    @abstractmethod
    def _drop(self, key: str) -> bool: ...


# What a test of handlers puts in the place of an app's conversations.
standing_in: ContextVar[ConversationStore | None] = ContextVar("standing_in", default=None)


class Conversations(ConversationStore):
    """The conversations of one namespace."""

    def __init__(self, connection: Connection, namespace: str, vault: Vault = PLAIN) -> None:
        self._connection = connection
        self._namespace = namespace
        self._vault = vault

    def _read(self, key: str) -> tuple[Mapping[str, str], int]:
        with self._client.pipeline(transaction=False) as pipeline:
            pipeline.hgetall(self._key(key))
            pipeline.time()
            fields, (seconds, microseconds) = pipeline.execute()
        found = {name.decode(): value.decode() for name, value in fields.items()}
        found |= {name: self._vault.open_text(found[name]) for name in SEALED if name in found}
        return found, seconds * 1000 + microseconds // 1000

    def _write(self, key: str, version: str, commit: Commit) -> bool:
        base, writes = map(self._vault.seal_text, (commit.base, commit.writes))
        args = [version, commit.version, commit.event, base, writes]
        args += ["set" if commit.sets_expected else "keep", commit.expected]
        more = [int(commit.is_empty), commit.ttl, KEPT_SECONDS]
        return bool(self._connection.run("talk_commit", [self._key(key)], [*args, *more]))

    def _take(self, key: str, event: str) -> str | None:
        found = self._connection.run("talk_take", [self._key(key)], [event, KEPT_SECONDS])
        return None if found is None else cast("bytes", found).decode()

    def _drop(self, key: str) -> bool:
        return bool(self._client.delete(self._key(key)))

    @property
    def _client(self) -> Any:
        return self._connection.client

    def _key(self, name: str) -> str:
        return f"{self._namespace}:talk:{name}"


def dumped(value: object) -> str:
    """Give JSON types as they are kept."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def _same(one: object, other: object) -> bool:
    """Compare as JSON: for Python, 1 and True are the same."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def conversation_name(account: str, number: str) -> str:
    """Name a conversation in its key, which shows no number."""
    return event_id("talk", account, number)


def _opened(key: str, writer: Writer, fields: Mapping[str, str], now: int) -> Opened:
    """Read the fields; what has expired is there only for a message that was in it before."""
    if not fields:
        return Opened(key=key, writer=writer)
    base: Mapping[str, Any] = json.loads(fields["base"])
    writes: list[Write] = json.loads(fields["writes"])
    alive = int(fields["until"]) > now
    known = {fields.get("taken"), *(write["event"] for write in writes)}
    if not alive and writer.event not in known:
        base, writes = {}, []
    return Opened(
        key=key,
        writer=writer,
        version=fields["version"],
        alive=alive,
        base=base,
        writes=tuple(writes),
        expected_by=fields.get("expected_by", ""),
    )


def _applied(base: Mapping[str, Any], writes: Iterable[Write]) -> dict[str, Any]:
    state = dict(base)
    for write in writes:
        state = {name: value for name, value in state.items() if name not in write["drop"]}
        state.update(write["set"])
    return state


def _write(opened: Opened, state: Mapping[str, Any], expected: str | None) -> Write:
    """Give what a handler makes of what all others have left."""
    base = _applied(opened.base, opened.others)
    return Write(
        event=opened.writer.event,
        handler=opened.writer.handler,
        run=opened.writer.run,
        set={
            name: value
            for name, value in state.items()
            if name not in base or not _same(value, base[name])
        },
        drop=[name for name in base if name not in state],
        expect=expected,
    )
