"""What a job of ours looks like to RQ: its id, its data, its queue; and what stands in the ledger.

A job's data holds ids and handler names only: no number and no text reaches RQ's descriptions,
logs and dashboards. Its signature is a field beside the data, so that RQ's tools can read on; it
begins with the job's lane, if it is in one. Redis keeps a hash small as long as no value of it is
longer than 64 bytes: hence a lane that is not in the data, and data that spell as they do.
The ledger is a sorted set of all jobs that are not settled, by the time of their last queueing:
from one of its entries alone the job can be made again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from .. import events
from ..signing import Seal

QUEUES = ("messages", "reports", "sends")

# The queue of each kind of event.
_QUEUE_OF = {"message": "messages", "report": "reports", "alarm": "reports"}

# What a worker does, by name: the web side must not import it.
ROUTE = "receiver.jobs.route"
RUN = "receiver.jobs.run"
SEND = "receiver.jobs.send"
CHORE = "receiver.jobs.chore"

# What a job's data may say: a name, how many arguments, and what it stands for.
_FUNCTIONS = {
    (RUN, 1): ROUTE,  # two letters less: see above
    (ROUTE, 1): ROUTE,  # as an older version spelled it
    (RUN, 2): RUN,
    (SEND, 2): SEND,
    (CHORE, 1): CHORE,
}
_SPELLED = {function: name for (name, _), function in _FUNCTIONS.items() if name != ROUTE}

_NO_OPTIONS = b"{}]"  # how the data of a job end

_json = json.JSONEncoder(separators=(",", ":")).encode

# RQ's own limit for a job. Ours are per handler; this one only tells dashboards what to expect.
_JOB_TIMEOUT = 180


class Job(NamedTuple):
    """One RQ job: ``data`` is what RQ's JSON serializer would write, ``entry`` the ledger's."""

    id: str
    data: bytes
    signature: str
    queue: str
    entry: str
    timeout: int = _JOB_TIMEOUT
    lane: str = ""

    def args(self) -> list[str | bytes | int]:
        """Give the job as the scripts take it."""
        head = (self.id, self.data, self.signature, self.queue, self.timeout)
        return [*head, self.entry, self.lane]


class Call(NamedTuple):
    """What a job does: one of our functions, for an event and, but for routing, a handler.

    A chore has a name instead of an event, and no entry in the ledger.
    Jobs of one ``lane`` are run one after the other, in the order in which they were queued.
    """

    function: str
    event_id: str
    handler: str | None = None
    lane: str | None = None

    def entry(self, queue: str) -> str:
        """Give the ledger's entry; ``queue`` tells the kind of event."""
        if self.function == CHORE:
            return ""
        verb = self.function.rpartition(".")[2]
        kind = "report" if queue.endswith("-reports") else "message"
        lane = self.lane and f"lane={self.lane}"
        return " ".join(filter(None, [verb, self.event_id, kind, self.handler, lane]))


_PROOF = "deployment"  # the id of no job


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

    @property
    def proof(self) -> str:
        """Give what shows others in this namespace that we have their secret keys; no secret."""
        return self._seal.sign(_PROOF, self.namespace.encode())

    def shares_keys(self, proof: bytes) -> bool:
        """Tell whether whoever gave this `proof` signs with one of our secret keys."""
        return self._seal.holds(_PROOF, self.namespace.encode(), proof)

    def lane(self, account: str, contact: Sequence[str], handler: str = "") -> str:
        """Name the lane of a contact: what one person writes is handled in the order it came.

        ``contact`` is the sender, or all who may be. ``handler``: a lane beside it, of one handler.
        """
        return events.event_id(account, "lane", contact, handler)[:16]

    def route(self, event_id: str, kind: str, lane: str | None = None) -> Job:
        """Give the job that finds an event's handlers; ``kind`` as `events` names it."""
        return self._job(f"route-{event_id}", _QUEUE_OF[kind], Call(ROUTE, event_id, None, lane))

    def run(self, event_id: str, kind: str, handler: str, lane: str | None = None) -> Job:
        """Give the job that runs one handler for one event."""
        name = f"run-{event_id}-{_plain(handler)}"
        return self._job(name, _QUEUE_OF[kind], Call(RUN, event_id, handler, lane))

    def send(self, event_id: str, handler: str) -> Job:
        """Give the job that sends the reply of one handler to one event."""
        name = f"send-{event_id}-{_plain(handler)}"
        return self._job(name, "sends", Call(SEND, event_id, handler))

    def chore(self, name: str) -> Job:
        """Give the job that does a chore; see `chores`."""
        plain = name.replace(":", "-").replace(".", "_")  # what RQ takes for the id of a job
        return self._job(f"chore-{plain}", "reports", Call(CHORE, name))

    def again(self, entry: str) -> Job | None:
        """Make the job of a ledger's entry anew; ``None`` for what is no entry of ours."""
        words = entry.split(" ")
        lane = words.pop().removeprefix("lane=") if words[-1].startswith("lane=") else None
        match words:
            case ["route", event_id, ("message" | "report") as kind]:
                return self.route(event_id, kind, lane)
            case ["run", event_id, ("message" | "report") as kind, handler]:
                return self.run(event_id, kind, handler, lane)
            case ["send", event_id, "message", handler]:
                return self.send(event_id, handler)
        return None

    def read(self, job_id: str, data: bytes, signature: bytes | None) -> Call | None:
        """Give what a job does, if it is ours: signed for this very id, and a known function."""
        lane, _, proof = (signature or b"").rpartition(b".")
        whole = _with_lane(data, lane)
        if not self._seal.holds(job_id, whole, proof):
            return None
        name, _, args, options = json.loads(whole)
        function = _FUNCTIONS.get((name, len(args)))
        if function is None:
            return None
        return Call(function, args[0], args[1] if len(args) > 1 else None, options.get("lane"))

    def lane_key(self, call: Call) -> str:
        """Give the key of the lane that a call is in; empty where it is in none."""
        return f"{self.namespace}:lane:{call.lane}" if call.lane else ""

    def _job(self, name: str, queue: str, call: Call) -> Job:
        args = [call.event_id] if call.handler is None else [call.event_id, call.handler]
        spelled = ",".join(map(_json, args))  # strings have a quick way through the encoder
        data = f'["{_SPELLED[call.function]}",0,[{spelled}],{{}}]'.encode("ascii")
        job_id, queue, lane = f"{self.namespace}-{name}", f"{self.namespace}-{queue}", call.lane
        if lane:
            proof = self._seal.sign(job_id, _with_lane(data, lane.encode("ascii")))
            signature = f"{lane}.{proof}"
        else:
            signature = self._seal.sign(job_id, data)
        return Job(job_id, data, signature, queue, call.entry(queue), lane=self.lane_key(call))


def rq_time(when: datetime | None = None) -> str:
    """Write a time as RQ does."""
    utc = datetime.now(UTC) if when is None else when
    return utc.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _plain(handler: str) -> str:
    """A handler's name without its dot: a function's name holds no dash, so it stays unique."""
    return handler.replace(".", "-")


def _with_lane(data: bytes, lane: bytes) -> bytes:
    """Give the data of a job as they are signed: its lane is an option of the call."""
    if not lane:
        return data
    return b'%b{"lane":"%b"}]' % (data.removesuffix(_NO_OPTIONS), lane)
