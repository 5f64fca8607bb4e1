"""Reading for pages: events by time or by contact, a page at a time, with a bounded look.

Whatever is kept, a request reads so many records and no more, and says how far it got. Nothing here
scans keys, and nothing is written.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from typing import Any, NamedTuple

from ..events import AnyEvent
from .connection import Connection
from .contacts import Contacts, numbers_of
from .deadletters import DeadLetter, DeadLetters
from .journal import DeadJob, Journal, Record
from .queue import Job, JobMaker

MOST_LOOKED = 2_000  # records a request
MOST_SECONDS = 0.4  # that they may take
NEWEST = 300  # events that may wait, and so are in no contact's index yet

_PAGE = 200
_PLACE = re.compile(r"([0-9]{1,15})-([0-9a-f]{32})", re.ASCII)

Contact = tuple[str, str]  # an account and a number


class Place(NamedTuple):
    """Where an event stands in time: milliseconds since the epoch, then its id."""

    at: int
    id: str

    def __str__(self) -> str:
        return f"{self.at}-{self.id}"

    @classmethod
    def read(cls, text: str | None) -> Place | None:
        """Read what `str` gave; ``None`` for anything else."""
        found = _PLACE.fullmatch(text or "")
        return cls(int(found[1]), found[2]) if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From when to when (ms), the newest first; ``before`` a place that a page ended at."""

    since: int | None = None
    until: int | None = None
    before: Place | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look found: ``looked`` counts records, ``end`` is the last place looked at.

    ``more``: something may lie beyond it. ``lost`` counts those that no key of ours opens.
    """

    found: Sequence[tuple[Place, Record]]
    looked: int
    end: Place | None
    more: bool
    lost: int = 0

    @property
    def records(self) -> list[Record]:
        """The records alone."""
        return [record for _, record in self.found]


class Browse:
    """Look through the events of one namespace; all of it may raise `RedisError`."""

    def __init__(
        self, connection: Connection, journal: Journal, jobs: JobMaker, deadletters: DeadLetters
    ) -> None:
        self._connection = connection
        self._journal = journal
        self._jobs = jobs
        self._deadletters = deadletters
        self.contacts = Contacts(connection, jobs.namespace)

    def look(
        self,
        wanted: Callable[[Record], bool],
        span: Span,
        limit: int,
        *,
        contacts: Sequence[Contact] = (),
        most: int = MOST_LOOKED,
    ) -> Look:
        """Give the newest events that are wanted, ``limit`` at most, looking at ``most`` records.

        ``contacts``: only theirs, which their index knows; else of all times.
        """
        places = self._of(contacts, span) if contacts else self.walk(self._journal.index, span)
        return self._look(_once(places), wanted, limit, most)

    def newest(self, since: int, limit: int) -> list[Place]:
        """Give the places of the newest events since a time (ms)."""
        found = self._client.zrevrangebyscore(
            self._journal.index, "+inf", since, start=0, num=limit, withscores=True
        )
        return [_place(one) for one in found]

    def at(self, places: Iterable[Place], lost: list[str] | None = None) -> dict[str, Record]:
        """Give the records that stand there, by id; ``lost`` as `Journal.records` has it."""
        records = self._journal.records([place.id for place in places], lost)
        return {record.event.id: record for record in records}

    def letters_of(self, record: Record) -> list[DeadLetter]:
        """Give the dead letters of one event."""
        event = record.event
        jobs = [self._jobs.route(event.id, event.kind)]
        jobs += [self._jobs.run(event.id, event.kind, name) for name in record.handlers]
        jobs += [self._jobs.send(event.id, name) for name in record.replies]
        places = [DeadJob(_registry(job), job.id) for job in jobs]
        with self._client.pipeline(transaction=False) as pipeline:
            for place in places:
                pipeline.zscore(place.registry, place.job_id)
            scores = pipeline.execute()
        dead = [place for place, score in zip(places, scores, strict=True) if score is not None]
        return list(self._deadletters.read(dead))

    def _look(
        self, places: Iterator[Place], wanted: Callable[[Record], bool], limit: int, most: int
    ) -> Look:
        began, found, looked = time.monotonic(), list[tuple[Place, Record]](), 0
        lost = list[str]()
        end, size = None, limit  # where all are wanted, that is enough
        while page := list(islice(places, min(size, most - looked))):
            size = _PAGE
            records = self.at(page, lost)
            for place in page:
                looked, end = looked + 1, place
                record = records.get(place.id)
                if record is not None and wanted(record):
                    found.append((place, record))
                if len(found) == limit:
                    return Look(found=found, looked=looked, end=end, more=True, lost=len(lost))
            if looked >= most or time.monotonic() - began > MOST_SECONDS:
                return Look(found=found, looked=looked, end=end, more=True, lost=len(lost))
        return Look(found=found, looked=looked, end=end, more=False, lost=len(lost))

    def _of(self, contacts: Sequence[Contact], span: Span) -> Iterator[Place]:
        keys = [self.contacts.key(account, number) for account, number in contacts]
        waiting = [] if span.before else self._waiting(contacts, span)
        return merge(waiting, *(self.walk(key, span) for key in keys), reverse=True)

    def _waiting(self, contacts: Sequence[Contact], span: Span) -> list[Place]:
        """Find what waits: it is among the newest, or the workers are far behind."""
        wanted, newest = set(contacts), self.newest(span.since or 0, NEWEST)
        records = self.at(newest)
        return [
            place
            for place in newest
            if place.id in records
            and _is_within(place, span)
            and not wanted.isdisjoint(contacts_of(records[place.id].event))
        ]

    def walk(self, key: str, span: Span) -> Iterator[Place]:
        """Go through a sorted set of ids by time (ms), from the newest on, by pages."""
        start, last = self._start(key, span), span.before
        while True:
            page = self._client.zrevrange(key, start, start + _PAGE - 1, withscores=True)
            for place in map(_place, page):
                if span.since is not None and place.at < span.since:
                    return
                if last is None or place < last:  # what came meanwhile has moved the others on
                    last = place
                    yield place
            start += len(page)
            if len(page) < _PAGE:
                return

    def _start(self, key: str, span: Span) -> int:
        if span.before is not None:
            rank = self._client.zrevrank(key, span.before.id)
            at = f"({span.before.at}"  # it has expired meanwhile, or stands in another contact's
            return int(self._client.zcount(key, at, "+inf")) if rank is None else int(rank) + 1
        if span.until is not None:
            return int(self._client.zcount(key, span.until, "+inf"))
        return 0

    @property
    def _client(self) -> Any:
        return self._connection.client


def contacts_of(event: AnyEvent) -> list[Contact]:
    """Give the contacts of an event."""
    return [(event.account, number) for number in numbers_of(event)]


def _once(places: Iterator[Place]) -> Iterator[Place]:
    """Leave out what was there before: an event of several contacts, or one just indexed."""
    last = None
    for place in places:
        if place != last:
            yield place
        last = place


def _is_within(place: Place, span: Span) -> bool:
    return span.until is None or place.at < span.until


def _place(found: tuple[bytes, float]) -> Place:
    return Place(int(found[1]), found[0].decode("ascii"))


def _registry(job: Job) -> str:
    return f"rq:failed:{job.queue}"
