"""Dead letters: jobs that ended badly, in RQ's failed registries, with what their events say of it.

They are listed, queued again or dropped by an operator; each expires a retention after its death.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
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
                yield from self._read(registry, [job_id.decode() for job_id in page])

    def retry(self, letter: DeadLetter) -> Noted:
        """Queue it again, with all its attempts, in one atomic step."""
        call, record = letter.call, letter.record
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

    def _read(self, registry: str, job_ids: list[str]) -> Iterator[DeadLetter]:
        pipeline = self._client.pipeline(transaction=False)
        for job_id in job_ids:
            pipeline.hgetall(f"rq:job:{job_id}")
        for job_id, data in zip(job_ids, pipeline.execute(), strict=True):
            letter = self._letter(registry, job_id, data) if data else None
            if letter is None:
                self._forget(registry, job_id)
            else:
                yield letter

    def _letter(self, registry: str, job_id: str, data: Mapping[bytes, bytes]) -> DeadLetter | None:
        call = self._maker.read(job_id, data.get(b"data", b""), data.get(b"signature"))
        handler = data.get(b"handler")
        name = handler.decode() if handler else (call.handler if call else None)
        letter = DeadLetter(
            job=DeadJob(registry, job_id),
            at=_time(data.get(b"ended_at")),
            why=data.get(b"exc_info", b"").decode("utf-8", "replace"),
            call=call,
            handler=name,
            record=self._journal.load(call.event_id) if call else None,
        )
        revived = letter.outcome and letter.outcome.get("state") not in _DEAD
        return None if revived else letter

    def _forget(self, registry: str, job_id: str) -> None:
        # no transaction: a Redis that is full takes none, and this makes room
        with self._client.pipeline(transaction=False) as pipeline:
            pipeline.zrem(registry, job_id)
            pipeline.delete(f"rq:job:{job_id}")
            pipeline.execute()

    @property
    def _client(self) -> Any:
        return self._connection.client


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
