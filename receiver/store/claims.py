"""A worker's claims: jobs that it took out of their queue, begins one by one, and lets go of.

A claim list holds the ids; it is the worker's alone, and is found if the worker dies. Only a job
that was begun says so: the others go back to their queue unharmed. What a job does, and when one is
claimed, is `clerk`'s business.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from .connection import Connection
from .journal import Note, Noted
from .queue import JobMaker, rq_time

_NO_NOTE = ["", "", "", ""]  # of the script's arguments
_NO_JOB = [*_NO_NOTE, ""]

How = Literal["held", "later", "done", "dead"]


@dataclass(frozen=True, slots=True)
class Claimed:
    """A claimed job; ``data`` is ``None`` where the job is gone, ``deaths`` counts workers.

    ``untouched``: what `Journal.untouched` reads, of an event that no handler has been near; empty
    for all others.
    """

    id: str
    data: bytes | None
    signature: bytes | None
    deaths: int
    untouched: Sequence[bytes | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a job ends: ``held`` by another worker, ``later`` at ``due``, ``done`` or ``dead``.

    ``entry`` and ``lane`` are its places in the ledger and in a lane's list; ``due`` and
    ``forgotten`` in seconds since the epoch. ``note`` is written on the record in the same step.
    """

    job_id: str
    how: How
    event_id: str = ""
    entry: str = ""
    lane: str = ""
    due: float = 0.0
    forgotten: float = 0.0
    reason: str = ""
    handler: str = ""
    note: Note | None = None


class Claims:
    """The claims of one worker on one queue; ``retention`` in seconds."""

    def __init__(
        self, connection: Connection, maker: JobMaker, queue: str, worker: str, retention: int
    ) -> None:
        self._connection = connection
        self._worker = worker
        self._retention = retention
        self._namespace = maker.namespace
        self._ledger = maker.ledger
        self._queue = queue
        self._lists = f"{maker.namespace}:claims"
        self._list = self._list_of(worker)
        self._keys = [self._list, self._ledger, f"rq:scheduled:{queue}", f"rq:failed:{queue}"]

    def announce(self) -> None:
        """Have the claim list be found if this worker dies."""
        self._client.sadd(self._lists, self._list)
        self._client.sadd("rq:queues", f"rq:queue:{self._queue}")  # seen by RQ before its first job

    def wait(self, waiting: Connection, seconds: float) -> bool:
        """Wait for a job and claim it; `take` gives it. Tells whether one came."""
        client: Any = waiting.client
        key = f"rq:queue:{self._queue}"
        return client.blmove(key, self._list, seconds, "LEFT", "RIGHT") is not None

    def take(self, most: int) -> list[Claimed]:
        """Claim the oldest jobs, and give all that are claimed."""
        keys = [self._list, f"rq:queue:{self._queue}"]
        found = self._connection.run("claim", keys, [self._namespace, most])
        return [
            Claimed(job_id.decode("utf-8"), data, signature, int(deaths or 0), fields)
            for job_id, data, signature, deaths, fields in found
        ]

    def turn(self, ended: Ending | None, job_id: str = "", note: Note | None = None) -> Noted:
        """End one job and begin the next, with what each writes on its record; either or both.

        This is the one round trip that an event takes where the next job is claimed already.
        Harmless where it was done before. Gives what became of the beginning.
        """
        needs_time = ended is not None and (
            ended.how == "dead" or (ended.note and ended.note.guarded)
        )
        args: list[Any] = [self._worker, self._retention, rq_time() if needs_time else "", job_id]
        args += _NO_JOB if note is None else self._beginning(note)
        if ended is not None:
            args += [ended.job_id, ended.how, ended.entry, ended.lane, ended.due, ended.forgotten]
            args += [ended.reason, ended.handler, self._record(ended.event_id)]
            args += _NO_NOTE[1:] if ended.note is None else ended.note.args()
        return Noted(self._connection.run("turn", self._keys, args))

    def _beginning(self, note: Note) -> list[Any]:
        words = f"{self._namespace}:contact: {note.contacts}" if note.contacts else ""
        return [self._record(note.event_id), *note.args(), words]

    def give_back(self) -> None:
        """Give back what was not begun, ahead of the others; safe from another thread."""
        self._connection.run("give_back", [self._list, self._ledger], [self._queue])

    def give_up(self) -> None:
        """Give back all that is claimed, begun or not, and be no longer announced."""
        self._connection.run("orphans", [self._lists, self._ledger], [self._list])

    def release_orphans(self) -> int:
        """Queue the claims of dead workers again, of all queues; gives how many."""
        return int(self._connection.run("orphans", [self._lists, self._ledger], [""]))

    def is_held_by(self, worker: str, job_id: str) -> bool:
        """Tell whether another worker lives and has a job in hand."""
        with self._client.pipeline(transaction=False) as pipeline:
            pipeline.exists(f"rq:worker:{worker}")
            pipeline.lpos(self._list_of(worker), job_id)
            alive, place = pipeline.execute()
        return bool(alive) and place is not None

    def _list_of(self, worker: str) -> str:
        return f"{self._lists}:{self._queue}:{worker}"

    def _record(self, event_id: str) -> str:
        return f"{self._namespace}:event:{event_id}"

    @property
    def _client(self) -> Any:
        return self._connection.client
