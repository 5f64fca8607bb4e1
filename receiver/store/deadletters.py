"""Dead letters: jobs that ended badly, in RQ's failed registries, with what their events say of it.

They are listed, queued again or dropped by an operator; each expires a retention after its death.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf
from typing import Any

from .connection import Connection
from .journal import HANDLER, REPLY, DeadJob, Journal, Noted, Record, now_iso
from .queue import QUEUES, SEND, Call, Job, JobMaker

UNCERTAIN = "unknown"  # the state of a reply that may have been sent

_DEAD = ("failed", UNCERTAIN)
_PAGE = 200
_RQ_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One dead letter. ``call`` and ``record`` are ``None`` where the job was not ours.

    ``why`` names an error class and holds no number and no text; ``reason`` may quote anything.
    """

    job: DeadJob
    at: datetime
    why: str
    call: Call | None = None
    handler: str | None = None
    record: Record | None = None

    @property
    def outcome(self) -> Mapping[str, Any]:
        """What the event's record says of it; empty where routing itself failed."""
        if self.record is None or self.call is None:
            return {}
        named = self.record.replies if self.call.function == SEND else self.record.handlers
        return named.get(self.handler or "", {})

    @property
    def reason(self) -> str:
        """Why, in the words of the error."""
        return str(self.outcome.get("reason") or self.why)

    @property
    def uncertain(self) -> bool:
        """Tell whether it is a reply that the provider may have sent."""
        return self.outcome.get("state") == UNCERTAIN

    def as_dict(self) -> dict[str, Any]:
        """Give it as JSON types, with the whole reason."""
        event = None if self.record is None else self.record.event
        return {
            "event": None if self.call is None else self.call.event_id,
            "handler": self.handler,
            "what": None if self.call is None else self.call.function.rpartition(".")[2],
            "provider": None if event is None else event.provider,
            "account": None if event is None else event.account,
            "at": self.at.isoformat(),
            "why": self.why,
            "reason": self.reason,
            "attempts": self.outcome.get("attempts"),
            "job": self.job.job_id,
        }


class DeadLetters:
    """The dead letters of one namespace."""

    def __init__(self, connection: Connection, maker: JobMaker, journal: Journal) -> None:
        self._connection = connection
        self._maker = maker
        self._journal = journal

    def __len__(self) -> int:
        return sum(self._client.zcard(registry) for registry in self._registries())

    def __iter__(self) -> Iterator[DeadLetter]:
        """Give all of them, the newest first; what is no longer dead is dropped on the way."""
        for registry in self._registries():
            start = 0
            while page := self._client.zrevrange(registry, start, start + _PAGE - 1):
                start += len(page)
                yield from self.read([DeadJob(registry, job_id.decode()) for job_id in page])

    def newest(self, limit: int, before: float = inf) -> list[tuple[DeadJob, float]]:
        """Give where the newest lie, with when each is forgotten (s); ``before`` such a time.

        One round trip, whatever there is.
        """
        high = "+inf" if before == inf else f"({before!r}"
        with self._client.pipeline(transaction=False) as pipeline:
            for registry in self._registries():
                pipeline.zrevrangebyscore(registry, high, "-inf", 0, limit, withscores=True)
            answers = pipeline.execute()
        found = [
            (DeadJob(registry, job_id.decode()), score)
            for registry, page in zip(self._registries(), answers, strict=True)
            for job_id, score in page
        ]
        return sorted(found, key=lambda at: -at[1])[:limit]

    def retry(self, letter: DeadLetter) -> Noted:
        """Queue it again, with all its attempts, in one atomic step."""
        call, record = letter.call, letter.record
        if call is not None and record is None:
            record = self._journal.load(call.event_id)  # which says so where a key is lost
        if call is None or record is None:
            return Noted.GONE
        field, job = self._again(call, letter.handler, record)
        fields = {} if field is None else {field: (letter.outcome or None, _queued(letter))}
        return self._journal.revive(call.event_id, fields, [job], letter.job)

    def drop(self, letter: DeadLetter) -> None:
        """Forget it; its event still says what happened."""
        self._forget(letter.job.registry, letter.job.job_id)

    def _again(self, call: Call, handler: str | None, record: Record) -> tuple[str | None, Job]:
        kind = record.event.kind
        if handler is None or handler.startswith("("):  # routing itself
            field = None if handler is None else HANDLER + handler
            return field, self._maker.route(call.event_id, kind)
        if call.function == SEND:
            return REPLY + handler, self._maker.send(call.event_id, handler)
        return HANDLER + handler, self._maker.run(call.event_id, kind, handler)

    def _registries(self) -> list[str]:
        return [f"rq:failed:{self._maker.queue(queue)}" for queue in QUEUES]

    def read(self, jobs: Sequence[DeadJob]) -> Iterator[DeadLetter]:
        """Give the letters that lie there, in two round trips; drops what is no longer dead."""
        pipeline = self._client.pipeline(transaction=False)
        for job in jobs:
            pipeline.hgetall(f"rq:job:{job.job_id}")
        found = dict(zip(jobs, pipeline.execute(), strict=True))
        calls = {job: self._call(job, data) for job, data in found.items()}
        wanted = {call.event_id for call in calls.values() if call}
        records = {record.event.id: record for record in self._journal.records(wanted)}
        for job, data in found.items():
            call = calls[job]
            record = records.get(call.event_id) if call else None
            letter = _letter(job, data, call, record) if data else None
            if letter is None:
                self._forget(job.registry, job.job_id)
            else:
                yield letter

    def _call(self, job: DeadJob, data: Mapping[bytes, bytes]) -> Call | None:
        return self._maker.read(job.job_id, data.get(b"data", b""), data.get(b"signature"))

    def _forget(self, registry: str, job_id: str) -> None:
        # no transaction: a Redis that is full takes none, and this makes room
        with self._client.pipeline(transaction=False) as pipeline:
            pipeline.zrem(registry, job_id)
            pipeline.delete(f"rq:job:{job_id}")
            pipeline.execute()

    @property
    def _client(self) -> Any:
        return self._connection.client


def _letter(
    job: DeadJob, data: Mapping[bytes, bytes], call: Call | None, record: Record | None
) -> DeadLetter | None:
    handler = data.get(b"handler")
    letter = DeadLetter(
        job=job,
        at=_time(data.get(b"ended_at")),
        why=data.get(b"exc_info", b"").decode("utf-8", "replace"),
        call=call,
        handler=handler.decode() if handler else (call.handler if call else None),
        record=record,
    )
    revived = letter.outcome and letter.outcome.get("state") not in _DEAD
    return None if revived else letter


def _queued(letter: DeadLetter) -> Mapping[str, Any] | None:
    """What the record says of a handler or a reply that is to be tried anew."""
    if letter.call is None or letter.handler is None:
        return None
    if letter.handler.startswith("("):  # its contact has written again since
        return {"state": "queued", "at": now_iso(), "late": True}
    kept = ("text", "to", "source") if letter.call.function == SEND else ("replay",)
    known = {name: letter.outcome[name] for name in kept if name in letter.outcome}
    return {**known, "state": "queued", "at": now_iso()}


def _time(text: bytes | None) -> datetime:
    try:
        return datetime.strptime((text or b"").decode(), _RQ_TIME).replace(tzinfo=UTC)
    except ValueError:
        return datetime.fromtimestamp(0, UTC)
