"""What a job of ours looks like to RQ: its id, its data, its queue.

A job's data holds ids and handler names only: no number and no text reaches RQ's descriptions,
logs and dashboards.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime

QUEUES = ("messages", "reports", "sends")

# The functions that a worker runs, by name: the web side must not import them.
ROUTE = "receiver.jobs.route"
RUN = "receiver.jobs.run"
SEND = "receiver.jobs.send"

# RQ's own limit for a job. Ours are per handler; this one only tells dashboards what to expect.
_JOB_TIMEOUT = 180


@dataclass(frozen=True, slots=True)
class Job:
    """One RQ job: ``data`` is what RQ's JSON serializer would write."""

    id: str
    data: bytes
    queue: str
    timeout: int = _JOB_TIMEOUT

    def args(self) -> list[str | bytes | int]:
        """Give the job as the scripts take it."""
        return [self.id, self.data, self.queue, self.timeout]


class JobMaker:
    """Make the jobs of one namespace, so that several deployments can share a Redis."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace

    def queue(self, name: str) -> str:
        """Give the full name of one of `QUEUES`."""
        return f"{self.namespace}-{name}"

    def route(self, event_id: str, kind: str) -> Job:
        """Give the job that finds an event's handlers; ``kind`` is ``message`` or ``report``."""
        return self._job(f"route-{event_id}", f"{kind}s", ROUTE, event_id)

    def run(self, event_id: str, kind: str, handler: str) -> Job:
        """Give the job that runs one handler for one event."""
        return self._job(f"run-{event_id}-{_plain(handler)}", f"{kind}s", RUN, event_id, handler)

    def send(self, event_id: str, handler: str) -> Job:
        """Give the job that sends the reply of one handler to one event."""
        return self._job(f"send-{event_id}-{_plain(handler)}", "sends", SEND, event_id, handler)

    def _job(self, name: str, queue: str, function: str, *args: str) -> Job:
        data = json.dumps([function, None, list(args), {}]).encode("ascii")
        return Job(f"{self.namespace}-{name}", data, self.queue(queue))


def rq_time(when: datetime | None = None) -> str:
    """Write a time as RQ does."""
    return (when or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _plain(handler: str) -> str:
    """A handler's name without its dot: a function's name holds no dash, so it stays unique."""
    return handler.replace(".", "-")
