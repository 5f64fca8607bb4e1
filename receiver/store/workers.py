"""The living workers and what waits for them, as RQ's registry and the queues have it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .connection import Connection
from .queue import QUEUES, JobMaker

_MOST_WORKERS = 200
_RQ_TIMES = ("%Y-%m-%dT%H:%M:%S.%fZ", "%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """One queue: how many jobs wait, since when the first, and how many are to be tried again."""

    name: str
    waiting: int
    oldest: datetime | None
    scheduled: int
    workers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSeen:
    """One living worker; ``state`` is RQ's word, ``queues`` are the short names of ours."""

    name: str
    host: str
    state: str
    queues: tuple[str, ...]
    born: datetime | None


class Workforce:
    """Read the workers of one namespace; everything may raise `RedisError`."""

    def __init__(self, connection: Connection, jobs: JobMaker) -> None:
        self._connection = connection
        self._jobs = jobs

    def queues(self) -> list[Queue]:
        """Give the queues, in two round trips."""
        names = [self._jobs.queue(name) for name in QUEUES]
        with self._client.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.llen(f"rq:queue:{name}")
                pipeline.lindex(f"rq:queue:{name}", 0)
                pipeline.zcard(f"rq:scheduled:{name}")
                pipeline.scard(f"rq:workers:{name}")
            answers = pipeline.execute()
        rows = [answers[i : i + 4] for i in range(0, len(answers), 4)]
        with self._client.pipeline(transaction=False) as pipeline:
            for _, first, *_ in rows:
                pipeline.hget(f"rq:job:{(first or b'').decode()}", "created_at")
            times = pipeline.execute()
        return [
            Queue(
                name=name, waiting=row[0], oldest=_time(at), scheduled=row[2], workers=int(row[3])
            )
            for name, row, at in zip(QUEUES, rows, times, strict=True)
        ]

    def alive(self) -> list[WorkerSeen]:
        """Give the living workers, by host and name, 200 at most, in two round trips."""
        found = self._queues_of()
        with self._client.pipeline(transaction=False) as pipeline:
            for key in found:
                pipeline.hgetall(key)
            seen = [
                _worker(key.rpartition(":")[2], queues, data)
                for (key, queues), data in zip(found.items(), pipeline.execute(), strict=True)
                if data
            ]
        return sorted(seen, key=lambda worker: (worker.host, worker.name))

    def _queues_of(self) -> Mapping[str, list[str]]:
        """Give the queues of each worker, by its key."""
        with self._client.pipeline(transaction=False) as pipeline:
            for name in QUEUES:
                pipeline.srandmember(f"rq:workers:{self._jobs.queue(name)}", _MOST_WORKERS)
            answers = pipeline.execute()
        found: dict[str, list[str]] = {}
        for name, key in _pairs(answers):
            found.setdefault(key, []).append(name)
        return found

    @property
    def _client(self) -> Any:
        return self._connection.client


def _pairs(answers: list[list[bytes]]) -> Iterator[tuple[str, str]]:
    for name, keys in zip(QUEUES, answers, strict=True):
        yield from ((name, key.decode("utf-8", "replace")) for key in keys)


def _worker(name: str, queues: list[str], data: Mapping[bytes, bytes]) -> WorkerSeen:
    text = {key.decode(): value.decode("utf-8", "replace") for key, value in data.items()}
    return WorkerSeen(
        name=name,
        host=text.get("hostname", ""),
        state=text.get("state", "?"),
        queues=tuple(queues),
        born=_time(data.get(b"birth")),
    )


def _time(text: bytes | None) -> datetime | None:
    for form in _RQ_TIMES:
        try:
            return datetime.strptime((text or b"").decode("ascii"), form).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None
