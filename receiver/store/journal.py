"""The events in Redis: what came, what each handler made of it, what was answered.

A record is a hash ``<namespace>:event:<id>``: ``event`` (JSON), ``raw`` (the body as it came and
its headers, see `packing`; on the first event of a callback, ``raw_in`` names it on the others),
``packed_with`` (the event that the body was packed with, if ``event`` was rewritten), ``resends``,
``duplicate_of``, ``stale``, ``replay``, ``routed``, ``handler:<name>`` and ``reply:<name>`` (JSON
each). It expires as a whole.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any, cast

from ..events import AnyEvent, DeliveryReport, from_json, to_json
from .connection import Connection
from .packing import Packed
from .queue import Job, rq_time

HANDLER = "handler:"
REPLY = "reply:"
ROUTED = "routed"
REPLAY = "replay"

Guarded = tuple[str, Mapping[str, Any], Job]  # a field, its value, a job: see `Journal.note`

_json = json.JSONEncoder(separators=(",", ":")).encode

_PAGE = 200
_LOOKED_AT = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """All that is known of one event; ``raw`` and texts are for people who may see them."""

    event: AnyEvent
    packed: Packed | None = field(default=None, repr=False)
    raw_in: str | None = None
    resends: int = 0
    routed: Mapping[str, Any] | None = None
    replay: Mapping[str, Any] | None = None
    handlers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    replies: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)

    @property
    def raw(self) -> bytes | None:
        """The body as it came, if it is kept here."""
        return None if self.packed is None else self.packed.raw

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers that were kept with the body, if it is kept here."""
        return {} if self.packed is None else self.packed.headers


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

    def followed_by(self, value: Mapping[str, Any], guarded: Sequence[Guarded] = ()) -> Note:
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

    def __init__(self, connection: Connection, namespace: str, retention: int) -> None:
        self._connection = connection
        self._namespace = namespace
        self._retention = retention

    @property
    def index(self) -> str:
        """The key of the index by time: a sorted set of ids, scored in milliseconds."""
        return f"{self._namespace}:events"

    def load(self, event_id: str) -> Record | None:
        """Give one record, or ``None`` where it has expired or never was."""
        return _record(self._client.hgetall(self._key(event_id)))

    def untouched(self, fields: Sequence[bytes | None]) -> Record:
        """Give the record of an event that no handler has been near, of what `claim` read."""
        names = (b"event", b"duplicate_of", b"stale")
        found = {name: value for name, value in zip(names, fields, strict=True) if value}
        return Record(event=_marked(from_json(found[b"event"]), found))

    def load_raw(self, record: Record) -> bytes | None:
        """Give the body that a record came in, wherever it is kept."""
        if record.raw is not None or record.raw_in is None:
            return record.raw
        packed = _packed(self._client.hgetall(self._key(record.raw_in)))
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
        args: list[Any] = [name, field_json(value), mode, field_json(after) if after else ""]
        args += [rq_time(), self._retention]
        for job in then:
            args += ["", "", *job.args()]
        for guard, guard_value, job in guarded:
            args += [guard, field_json(guard_value), *job.args()]
        keys = [self._key(event_id), self._ledger]
        return Noted(self._connection.run("note", keys, args))

    def rewrite(self, event: AnyEvent) -> None:
        """Replace what an event says, where more is known of it than when it came."""
        self._connection.run("rewrite", [self._key(event.id)], [to_json(event)])

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
            args += [name, field_json(before) if before else "", field_json(later) if later else ""]
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

    def records(self, ids: Iterable[str]) -> Iterator[Record]:
        """Give the records of these ids, leaving out what has expired."""
        wanted = list(ids)
        for start in range(0, len(wanted), _PAGE):
            pipeline = self._client.pipeline(transaction=False)
            for event_id in wanted[start : start + _PAGE]:
                pipeline.hgetall(self._key(event_id))
            for data in pipeline.execute():
                record = _record(data)
                if record is not None:
                    yield record

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


def _record(data: Mapping[bytes, bytes]) -> Record | None:
    if b"event" not in data:
        return None
    event = _marked(from_json(data[b"event"]), data)
    raw_in = data.get(b"raw_in")
    return Record(
        event=event,
        packed=_packed(data),
        raw_in=raw_in.decode("ascii") if raw_in else None,
        resends=int(data.get(b"resends", 0)),
        routed=_load(data.get(ROUTED.encode())),
        replay=_load(data.get(REPLAY.encode())),
        handlers=_named(data, HANDLER, _load),
        replies=_named(data, REPLY, _load),
    )


def _packed(data: Mapping[bytes, bytes]) -> Packed | None:
    """Give the body of a record: none where it lies with another record."""
    if b"raw" not in data:
        return None
    event = data.get(b"packed_with") or data[b"event"]
    return Packed(data[b"raw"], event, data.get(b"headers"))


def _marked(event: AnyEvent, data: Mapping[bytes, bytes]) -> AnyEvent:
    """Say of an event what only its place among the others tells."""
    duplicate_of = data.get(b"duplicate_of")
    if duplicate_of is not None:
        event = replace(event, duplicate_of=duplicate_of.decode("ascii"))
    if isinstance(event, DeliveryReport) and b"stale" in data:
        event = replace(event, stale=True)
    return event


def _named(
    data: Mapping[bytes, bytes], prefix: str, load: Callable[[bytes], Any]
) -> dict[str, Any]:
    names = ((name.decode("utf-8"), value) for name, value in data.items())
    return {n.removeprefix(prefix): load(v) for n, v in names if n.startswith(prefix)}


def _load(text: bytes | None) -> Any:
    return None if text is None else json.loads(text)


def field_json(value: Mapping[str, Any]) -> str:
    """Give a field's value as it is written."""
    return _json(value)
