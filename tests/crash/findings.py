"""What a run of the matrix comes to: who was handled and how often, and what was left lying about.

It only reads: the handlers' own notes, Redis, and what the provider was asked to send.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from deployed import LEDGER, Deployed
from traffic import Callback, Traffic
from victim import Kill

_ASKED_FOR = ("later", "gave-up")  # how a handler ends that is to be called again
_EVENT = "receiver:event:"

Call = tuple[str, str]  # a handler, and the key of what it was called with


@dataclass(slots=True)
class Run:
    """One run of a handler; ``how`` it ended, or ``None`` where it was cut short."""

    call: Call
    pid: int
    began: int
    how: str | None = None


class Findings:
    """What one run came to; see `faults_in`."""

    def __init__(self, shop: Deployed, traffic: Traffic) -> None:
        self.shop = shop
        self.kills = shop.kills()
        self.acked = list(traffic.acked)
        self._all_runs = _runs(shop)
        self.runs = [run for run in self._all_runs if run.how not in _ASKED_FOR]
        self.records: list[dict[str, Any]] = [
            shop.redis.hgetall(key) for key in shop.redis.keys(f"{_EVENT}*")
        ]

    @cached_property
    def handled(self) -> list[Callback]:
        """The acknowledged callbacks of which every handler ran to its end."""
        ended = {run.call for run in self.runs if run.how == "end"}
        return [callback for callback in self.acked if ended.issuperset(callback.runs)]

    @cached_property
    def extra(self) -> list[Run]:
        """The runs that were followed by another one of the same handler for the same event."""
        by_call: dict[Call, list[Run]] = defaultdict(list)
        for run in sorted(self.runs, key=lambda run: run.began):
            by_call[run.call].append(run)
        return [run for runs in by_call.values() for run in runs[:-1]]

    @cached_property
    def replies(self) -> Counter[str]:
        """How often the provider was asked for each reply."""
        return Counter(self.shop.api.texts())

    @cached_property
    def reply_states(self) -> Counter[str]:
        """How many replies are in which state, by the records of their events."""
        found = [record.get("reply:app.answer") for record in self.records]
        return Counter(json.loads(reply)["state"] for reply in found if reply)

    def was_in_hand(self, run: Run) -> bool:
        """Tell whether a kill came in the middle of a run, or before its outcome was noted.

        That is: it was the last run that a killed process began. Where Redis was killed, or a
        whole group, that may be the last run of each.
        """
        return any(self._last_run_before(kill, run.pid) is run for kill in self.kills)

    def row(self, name: str) -> str:
        """Give the line of the table."""
        cells = [name, len(self.kills), len(self.acked), len(self.handled), len(self.runs)]
        cells += [len(self.extra), sum(self.replies.values()), self.reply_states["unknown"]]
        return "| " + " | ".join(map(str, cells)) + " |"

    def _last_run_before(self, kill: Kill, pid: int) -> Run | None:
        if kill.target == kill.pid != pid:
            return None
        began = [run for run in self._all_runs if run.pid == pid and run.began < kill.at]
        return max(began, key=lambda run: run.began, default=None)


HEAD = """\
| killed | kills | acknowledged | handled | handler runs | extra runs | SMS sent | SMS unknown |
|---|---:|---:|---:|---:|---:|---:|---:|"""


def faults_in(found: Findings) -> Iterator[str]:
    """Name what must never be, wherever the kill came."""
    missing = len(found.acked) - len(found.handled)
    if missing:
        yield f"{missing} acknowledged callbacks were not handled"
    for run in found.extra:
        if not found.was_in_hand(run):
            yield f"{run.call} ran again, though nobody was killed in it"
    most = max(Counter(run.call for run in found.runs).values(), default=0)
    if most > 2:
        yield f"a handler ran {most} times"
    yield from (f"{text} was sent twice" for text, n in found.replies.items() if n > 1)
    yield from _left_over(found.shop)
    for record in found.records:
        yield from _half_written(record)
    yield from _unanswered(found)


def _unanswered(found: Findings) -> Iterator[str]:
    """A reply says that it was sent if it was; if it says that nobody knows, it may have been."""
    ended = {run.call[1] for run in found.runs if run.call[0] == "answer" and run.how == "end"}
    sent = {text.removeprefix("answer to ") for text in found.replies}
    if not sent <= ended:
        yield f"replies without a handler that gave them: {sent - ended}"
    said, unknown = found.reply_states["sent"], found.reply_states["unknown"]
    if set(found.reply_states) > {"sent", "unknown"} or said + unknown != len(ended):
        yield f"replies for {len(ended)} messages: {dict(found.reply_states)}"
    if not said <= len(sent) <= said + unknown:
        yield f"the provider got {len(sent)} replies, the records say {dict(found.reply_states)}"


def _half_written(record: dict[str, Any]) -> Iterator[str]:
    """Name an event that has not all of its outcomes."""
    kind = json.loads(record["event"])["kind"] if "event" in record else "?"
    wanted = {"message": {"app.answer", "app.watch"}, "report": {"app.book"}}.get(kind, set())
    outcomes = {
        name.removeprefix("handler:"): json.loads(value)["state"]
        for name, value in record.items()
        if name.startswith("handler:")
    }
    if not wanted or outcomes != dict.fromkeys(wanted, "done"):
        yield f"an event of kind {kind} says {outcomes}"
    if not {"raw", "raw_in"} & set(record):
        yield "an event without the body that it came in"


def _left_over(shop: Deployed) -> Iterator[str]:
    """Name what lies about: open jobs, claims, jobs in no registry, records in no index."""
    redis = shop.redis
    failed = {job for key in redis.keys("rq:failed:*") for job in redis.zrange(key, 0, -1)}
    jobs = {key.removeprefix("rq:job:") for key in redis.keys("rq:job:*")}
    events = {key.removeprefix(_EVENT) for key in redis.keys(f"{_EVENT}*")}
    yield from _unless_empty("in the ledger", redis.zrange(LEDGER, 0, -1))
    yield from _unless_empty("in queues", redis.keys("rq:queue:*"))
    yield from _unless_empty("claimed", redis.keys("receiver:claims:*"))
    yield from _unless_empty("scheduled", redis.keys("rq:scheduled:*"))
    yield from _unless_empty("a job without a registry, or the reverse", jobs ^ failed)
    indexed = set(redis.zrange("receiver:events", 0, -1))
    yield from _unless_empty("a record without index, or the reverse", events ^ indexed)
    for_ever = [event for event in events if redis.ttl(_EVENT + event) <= 0]
    yield from _unless_empty("a record that never expires", for_ever)
    yield from _unless_empty("quarantined", redis.keys("receiver:quarantine*"))
    yield from _unless_empty("in the spool", range(len(shop.spool)))


def _unless_empty(what: str, found: Iterable[object]) -> Iterator[str]:
    names = list(found)
    if names:
        yield f"{what}: {len(names)}, as {names[0]}"


def _runs(shop: Deployed) -> list[Run]:
    """Read what the handlers noted: a process runs one at a time, so an end is of its last."""
    path = shop.folder / "runs"
    found: list[Run] = []
    last: dict[int, Run] = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        what, handler, key, pid, at = line.split()
        if what == "begin":
            last[int(pid)] = Run((handler, key), int(pid), int(at))
            found.append(last[int(pid)])
        else:
            assert last[int(pid)].call == (handler, key)
            last[int(pid)].how = what
    return found
