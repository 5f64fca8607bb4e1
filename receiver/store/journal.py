"""The events in Redis: what came, what each handler made of it, what was answered.

A record is a hash ``<namespace>:event:<id>``: ``event`` (JSON), ``raw`` (the body as it came and
its headers, see `packing`; on the first event of a callback, ``raw_in`` names it on the others),
``packed_with`` (the event that the body was packed with, if ``event`` was rewritten), ``resends``,
``duplicate_of``, ``stale``, ``replay``, ``routed``, ``handler:<name>`` and ``reply:<name>`` (JSON
each), ``keep`` (seconds, where its account has a retention of its own) and ``forgotten``. It
expires as a whole. What people wrote, and their numbers, are sealed; see `vault`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any, cast

from ..errors import KeyLost
from ..events import AnyEvent, to_json
from ..vault import PLAIN, Vault
from .connection import Connection
from .queue import Job, rq_time
from .record import (
    HANDLER,
    REPLAY,
    REPLY,
    ROUTED,
    Record,
    Stored,
    field_json,
    read_packed,
    read_record,
    read_untouched,
    to_stored,
)

__all__ = ["HANDLER", "REPLAY", "REPLY", "ROUTED", "Record", "field_json"]

Guarded = tuple[str, Stored, Job]  # a field, its value, a job: see `Journal.note`

_PAGE = 200
_LOOKED_AT = 20_000

_log = logging.getLogger(__name__)


class Noted(IntEnum):
    """What became of writing to a record."""

    YES = 1
    GONE = 0  # the record has expired
    OVERTAKEN = -1  # somebody else was there first


@dataclass(frozen=True, slots=True)
class Note:
    """A field of a record, to be written with a job's beginning or end: see `Claims.turn`.

    ``value`` and ``after`` are JSON; ``after`` is what the field must say before, empty where it
    must not be there. ``guarded`` as `Journal.note` has it. ``contacts``: the words of
    `contacts.index_words`, where an event's first job begins; ``name`` is empty where that is all.
    """

    event_id: str
    name: str
    value: str
    after: str = ""
    guarded: Sequence[Guarded] = ()
    contacts: str = ""

    def followed_by(self, value: Stored, guarded: Sequence[Guarded] = ()) -> Note:
        """Make the note that takes the place of this one."""
        return Note(self.event_id, self.name, field_json(value), self.value, guarded)

    def args(self) -> list[Any]:
        """Give the note as the scripts take it."""
        args: list[Any] = [self.name, self.value, self.after]
        for guard, value, job in self.guarded:
            args += [guard, field_json(value), *job.args()]
        return args


@dataclass(frozen=True, slots=True)
class DeadJob:
    """Where a dead letter lies: RQ's failed registry of its queue, and the job's id."""

    registry: str
    job_id: str

    def args(self) -> tuple[str, str]:
        """Give the place as the scripts take it."""
        return self.registry, self.job_id


class Journal:
    """Read and mark the records of one namespace; ``retention`` in seconds."""

    def __init__(
        self, connection: Connection, namespace: str, retention: int, vault: Vault = PLAIN
    ) -> None:
        self._connection = connection
        self._namespace = namespace
        self._retention = retention
        self._vault = vault

    @property
    def index(self) -> str:
        """The key of the index by time: a sorted set of ids, scored in milliseconds."""
        return f"{self._namespace}:events"

    def load(self, event_id: str) -> Record | None:
        """Give one record, or ``None`` where it has expired or never was. Raises `KeyLost`."""
        return read_record(self._client.hgetall(self._key(event_id)), self._vault)

    def stored(self, value: Mapping[str, Any]) -> Stored:
        """Give a field's value as it is to be kept; written again, it is the same."""
        return to_stored(value, self._vault)

    def untouched(self, fields: Sequence[bytes | None]) -> Record:
        """Give the record of an event that no handler has been near, of what `claim` read."""
        return read_untouched(fields, self._vault)

    def load_raw(self, record: Record) -> bytes | None:
        """Give the body that a record came in, wherever it is kept."""
        if record.raw is not None or record.raw_in is None:
            return record.raw
        packed = read_packed(self._client.hgetall(self._key(record.raw_in)), self._vault)
        return None if packed is None else packed.raw

    def note(
        self,
        event_id: str,
        name: str,
        value: Mapping[str, Any],
        *,
        once: bool = False,
        after: Mapping[str, Any] | None = None,
        then: Sequence[Job] = (),
        guarded: Sequence[Guarded] = (),
    ) -> Noted:
        """Write a field of a record and queue what follows from it, in one atomic step.

        ``once``: only if the field is not there yet. ``after``: only if it still says this; an
        empty mapping means that it is not there. ``guarded``: a field, its value and a job that
        is queued only with the writing of that field.
        """
        mode = "once" if once else "always" if after is None else "after"
        text = self.stored(value).kept
        args: list[Any] = [name, text, mode, field_json(after) if after else ""]
        args += [rq_time(), self._retention]
        for job in then:
            args += ["", "", *job.args()]
        for guard, guard_value, job in guarded:
            args += [guard, field_json(guard_value), *job.args()]
        keys = [self._key(event_id), self._ledger]
        return Noted(self._connection.run("note", keys, args))

    def rewrite(self, event: AnyEvent) -> None:
        """Replace what an event says, where more is known of it than when it came."""
        text = self._vault.seal_text(to_json(event))
        self._connection.run("rewrite", [self._key(event.id)], [text])

    def revive(
        self,
        event_id: str,
        fields: Mapping[str, tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]],
        jobs: Sequence[Job],
        dead: DeadJob | None = None,
    ) -> Noted:
        """Queue jobs on an operator's word and change fields with it, in one atomic step.

        ``fields``: for each what it must still say, and what it shall say; ``None`` is its
        absence. ``dead``: the dead letter that this takes off the list.
        """
        args: list[Any] = [rq_time(), self._retention, *(dead.args() if dead else ("", ""))]
        args.append(len(fields))
        for name, (before, later) in fields.items():
            text = self.stored(later).kept if later else ""
            args += [name, field_json(before) if before else "", text]
        for job in jobs:
            args += job.args()
        keys = [self._key(event_id), self._ledger]
        return Noted(self._connection.run("revive", keys, args))

    def ids(
        self, *, since: datetime | None = None, newest_first: bool = True, limit: int | None = None
    ) -> Iterator[str]:
        """Give the ids of the events that came since a time, by pages."""
        low: Any = "-inf" if since is None else since.timestamp() * 1000
        given = 0
        while limit is None or given < limit:
            count = _PAGE if limit is None else min(_PAGE, limit - given)
            page = self._page(low, given, count, newest_first)
            yield from (found.decode("ascii") for found in page)
            given += len(page)
            if len(page) < count:
                return

    def beginning(self, prefix: str) -> Iterator[str]:
        """Give the ids that begin so, of the newest events."""
        return (found for found in self.ids(limit=_LOOKED_AT) if found.startswith(prefix))

    def records(self, ids: Iterable[str], lost: list[str] | None = None) -> Iterator[Record]:
        """Give the records of these ids, leaving out what has expired.

        And what no key of ours opens, whose ids are added to ``lost``: `check` tells of that.
        """
        wanted, closed = list(ids), [] if lost is None else lost
        known = len(closed)
        for start in range(0, len(wanted), _PAGE):
            page = wanted[start : start + _PAGE]
            pipeline = self._client.pipeline(transaction=False)
            for event_id in page:
                pipeline.hgetall(self._key(event_id))
            for event_id, data in zip(page, pipeline.execute(), strict=True):
                try:
                    record = read_record(data, self._vault)
                except KeyLost:
                    closed.append(event_id)
                    continue
                if record is not None:
                    yield record
        if len(closed) > known:
            _log.error("event=key_lost records=%d help='see check'", len(closed) - known)

    @property
    def _ledger(self) -> str:
        return f"{self._namespace}:open"

    @property
    def _client(self) -> Any:
        return self._connection.client

    def _key(self, event_id: str) -> str:
        return f"{self._namespace}:event:{event_id}"

    def _page(self, low: Any, start: int, count: int, newest_first: bool) -> list[bytes]:
        if newest_first:
            found = self._client.zrevrangebyscore(self.index, "+inf", low, start=start, num=count)
        else:
            found = self._client.zrangebyscore(self.index, low, "+inf", start=start, num=count)
        return cast("list[bytes]", found)


def now_iso() -> str:
    """Give the time now as records hold it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
