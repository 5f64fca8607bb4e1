"""What a job of ours looks like to RQ: its id, its data, its queue; and what stands in the ledger.

A job's data holds ids and handler names only: no number and no text reaches RQ's descriptions,
logs and dashboards. Its signature is a field beside the data, so that RQ's tools can read on.
The ledger is a sorted set of all jobs that are not settled, by the time of their last queueing:
from one of its entries alone the job can be made again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from ..signing import Seal

QUEUES = ("messages", "reports", "sends")

# The queue of each kind of event.
_QUEUE_OF = {"message": "messages", "report": "reports", "alarm": "reports"}

# The functions that a worker runs, by name: the web side must not import them.
ROUTE = "receiver.jobs.route"
RUN = "receiver.jobs.run"
SEND = "receiver.jobs.send"

_ARGUMENTS = {ROUTE: 1, RUN: 2, SEND: 2}

# RQ's own limit for a job. Ours are per handler; this one only tells dashboards what to expect.
_JOB_TIMEOUT = 180


@dataclass(frozen=True, slots=True)
class Job:
    """One RQ job: ``data`` is what RQ's JSON serializer would write, ``entry`` the ledger's."""

    id: str
    data: bytes
    signature: str
    queue: str
    entry: str
    timeout: int = _JOB_TIMEOUT

    def args(self) -> list[str | bytes | int]:
        """Give the job as the scripts take it."""
        return [self.id, self.data, self.signature, self.queue, self.timeout, self.entry]


@dataclass(frozen=True, slots=True)
class Call:
    """What a job does: one of our functions, for an event and, but for routing, a handler."""

    function: str
    event_id: str
    handler: str | None = None

    def entry(self, queue: str) -> str:
        """Give the ledger's entry; ``queue`` tells the kind of event."""
        verb = self.function.rpartition(".")[2]
        kind = "report" if queue.endswith("-reports") else "message"
        return " ".join(filter(None, [verb, self.event_id, kind, self.handler]))


class JobMaker:
    """Make and read the jobs of one namespace, so that several deployments can share a Redis."""

    def __init__(self, namespace: str, seal: Seal) -> None:
        self.namespace = namespace
        self._seal = seal

    @property
    def ledger(self) -> str:
        """The key of the ledger."""
        return f"{self.namespace}:open"

    def queue(self, name: str) -> str:
        """Give the full name of one of `QUEUES`."""
        return f"{self.namespace}-{name}"

    def route(self, event_id: str, kind: str) -> Job:
        """Give the job that finds an event's handlers; ``kind`` is ``message`` or ``report``."""
        return self._job(f"route-{event_id}", _QUEUE_OF[kind], Call(ROUTE, event_id))

    def run(self, event_id: str, kind: str, handler: str) -> Job:
        """Give the job that runs one handler for one event."""
        name = f"run-{event_id}-{_plain(handler)}"
        return self._job(name, _QUEUE_OF[kind], Call(RUN, event_id, handler))

    def send(self, event_id: str, handler: str) -> Job:
        """Give the job that sends the reply of one handler to one event."""
        name = f"send-{event_id}-{_plain(handler)}"
        return self._job(name, "sends", Call(SEND, event_id, handler))

    def again(self, entry: str) -> Job | None:
        """Make the job of a ledger's entry anew; ``None`` for what is no entry of ours."""
        match entry.split(" "):
            case ["route", event_id, ("message" | "report") as kind]:
                return self.route(event_id, kind)
            case ["run", event_id, ("message" | "report") as kind, handler]:
                return self.run(event_id, kind, handler)
            case ["send", event_id, "message", handler]:
                return self.send(event_id, handler)
        return None

    def read(self, job_id: str, data: bytes, signature: bytes | None) -> Call | None:
        """Give what a job does, if it is ours: signed for this very id, and a known function."""
        if not self._seal.holds(job_id, data, signature):
            return None
        name, _, args, _ = json.loads(data)
        return Call(name, *args) if len(args) == _ARGUMENTS.get(name) else None

    def _job(self, name: str, queue: str, call: Call) -> Job:
        args = [call.event_id] if call.handler is None else [call.event_id, call.handler]
        data = json.dumps([call.function, None, args, {}]).encode("ascii")
        job_id, queue = f"{self.namespace}-{name}", self.queue(queue)
        return Job(job_id, data, self._seal.sign(job_id, data), queue, call.entry(queue))


def rq_time(when: datetime | None = None) -> str:
    """Write a time as RQ does."""
    return (when or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _plain(handler: str) -> str:
    """A handler's name without its dot: a function's name holds no dash, so it stays unique."""
    return handler.replace(".", "-")
