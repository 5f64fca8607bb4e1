"""One handler and one event: the attempt, and its outcome on the event's record.

Which handlers an event goes to is `jobs`' business; what a reply becomes, `outbox`'s. A handler
that has begun says ``running`` on the record, by whom: that is the claim of (event, handler).
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from .attempts import DONE, HELD, Turn, Verdict, call_within, delay_before_next
from .errors import GiveUp, PermanentDeliveryError, RetryLater, without_values
from .events import AnyEvent
from .limits import TimeUp
from .logs import callback, job_logger
from .outbox import Outbox
from .routing import Handler
from .store.contacts import index_words
from .store.faults import insist
from .store.journal import (
    HANDLER,
    REPLY,
    Guarded,
    Journal,
    Note,
    Noted,
    Record,
    field_json,
    now_iso,
)
from .store.queue import Job, JobMaker
from .store.tally import Tally
from .traces import span

_log = job_logger(__name__)

_CLOSED = ("done", "failed")
_RUNNING = "running"


def gone(event_id: str) -> Verdict:
    """End a job whose event has expired: nothing is left to handle."""
    _log.error("event=%s outcome=expired", event_id)
    return DONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Handling:
    """Run handlers for one deployment; ``retries`` where a handler names none itself."""

    journal: Journal
    outbox: Outbox
    jobs: JobMaker
    tally: Tally
    retries: int

    def attempt(self, record: Record, handler: Handler, turn: Turn) -> Verdict:
        """Run a handler once, and say how it went; its reply is drafted in the step that notes it.

        Whether the record still says what was read of it shows in the step that begins the job.
        """
        event, name = record.event, handler.name
        known = record.handlers.get(name, {})
        if known.get("state") in _CLOSED:
            return DONE
        interrupted = known.get("state") == _RUNNING
        if interrupted and turn.elsewhere(str(known.get("by"))):
            return HELD
        # an attempt that a dying worker cut short is made again, and is no failure of the handler
        attempts = int(known.get("attempts", 0)) + (not interrupted)
        running = {"state": _RUNNING, "attempts": attempts, "at": now_iso(), "by": turn.worker}
        running |= _kept(known, turn)
        before = field_json(known) if known else ""
        contacts = "" if record.handlers or record.routed else index_words(event)
        begun = Note(event.id, HANDLER + name, field_json(running), before, contacts=contacts)
        noted = turn.begin(begun)
        if noted is not Noted.YES:
            return gone(event.id) if noted is Noted.GONE else HELD
        if record.replay or known.get("replay"):
            event = replace(event, replay=True)
        elif attempts == 1 and not interrupted:
            waited = (datetime.now(UTC) - event.received_at).total_seconds()
            self.tally.observe("handling_delay_seconds", max(waited, 0.0), kind=event.kind)
        about = {"event": event.id, "handler": name}
        with span(f"handle {name}", callback(), **about, attempt=attempts) as traced:
            verdict = self._call(event, handler, running, begun, turn)
            traced.note(**_told(verdict))
        return verdict

    def _call(
        self,
        event: AnyEvent,
        handler: Handler,
        running: dict[str, Any],
        begun: Note,
        turn: Turn,
    ) -> Verdict:
        started = time.monotonic()
        try:
            answer = self._timed(handler, event)
        except (Exception, SystemExit, TimeUp) as error:  # noqa: BLE001 - a handler raises anything
            return self._failed(event, handler, running, error, begun)
        running["seconds"] = round(time.monotonic() - started, 3)
        replies = self._replies(event, handler, answer, turn)
        verdict = self._returned(handler, running, answer, begun, replies)
        self._count(handler.name, "done" if verdict.reason is None else "failed")
        return verdict

    def _timed(self, handler: Handler, event: AnyEvent) -> object:
        began = time.monotonic()
        try:
            return call_within(handler, event)
        finally:
            seconds = time.monotonic() - began
            self.tally.observe("handler_seconds", seconds, handler=handler.name)

    def _count(self, handler: str, outcome: str) -> None:
        self.tally.count("handlers", handler=handler, outcome=outcome)

    def poison(self, record: Record, name: str, deaths: int) -> Verdict:
        """End an event that kills one worker after another: a dead letter, to be looked at."""
        known = record.handlers.get(name, {})
        if known.get("state") in _CLOSED:
            return DONE
        attempts = int(known.get("attempts", 0))
        reason = f"poison: {deaths} workers died while running it"
        outcome = {"state": "failed", "attempts": attempts, "at": now_iso(), "reason": reason}
        self.journal.note(record.event.id, HANDLER + name, {**outcome, "crashes": deaths})
        self._count(name, "failed")
        _log.error("event=%s handler=%s outcome=poison deaths=%d", record.event.id, name, deaths)
        return Verdict(reason=f"{name}: {reason}", handler=name)

    def postpone(self, record: Record, name: str, reason: str, then: Sequence[Job] = ()) -> Verdict:
        """Note that what is to handle an event is not there now: it is tried as a failure is."""
        attempt = int(record.handlers.get(name, {}).get("attempts", 0)) + 1
        delay = delay_before_next(attempt, self.retries, None) if attempt <= self.retries else None
        state = "failed" if delay is None else "retrying"
        outcome = {"state": state, "attempts": attempt, "at": now_iso(), "reason": reason}
        self.journal.note(record.event.id, HANDLER + name, outcome, then=then)
        self._count(name, state)
        _log.error("event=%s handler=%s outcome=%s reason=%r", record.event.id, name, state, reason)
        return Verdict(delay, reason, name)

    def _most_attempts(self, handler: Handler) -> int:
        return 1 + (self.retries if handler.retries is None else handler.retries)

    def _replies(
        self, event: AnyEvent, handler: Handler, answer: object, turn: Turn
    ) -> Sequence[Guarded]:
        """Draft the reply to an event, with the job that sends it."""
        if not handler.replies or not isinstance(answer, str):
            return ()
        draft = self.outbox.draft(event, answer)
        if draft is None:
            return ()
        name = REPLY + handler.name
        if draft.state != "queued":
            note = partial(self.journal.note, event.id, name, draft.as_field(), once=True)
            insist(note, turn.patience)
            return ()
        kept = self.journal.stored(draft.as_field())
        return [(name, kept, self.jobs.send(event.id, handler.name))]

    def _returned(
        self,
        handler: Handler,
        running: Mapping[str, Any],
        answer: object,
        begun: Note,
        replies: Sequence[Guarded],
    ) -> Verdict:
        """Judge an attempt by what the handler returned."""
        outcome = {**running, "state": "done", "at": now_iso()}
        if answer is not None and handler.replies and not isinstance(answer, str):
            kind = type(answer).__name__
            outcome |= {"state": "failed", "reason": f"returned {kind}: must be text or None"}
        _log.info("event=%s handler=%s outcome=%s", begun.event_id, handler.name, outcome["state"])
        note = begun.followed_by(self.journal.stored(outcome), replies)
        if outcome["state"] == "done":
            return Verdict(note=note)
        return Verdict(reason=str(outcome["reason"]), handler=handler.name, note=note)

    def _failed(
        self,
        event: AnyEvent,
        handler: Handler,
        running: Mapping[str, Any],
        error: BaseException,
        begun: Note,
    ) -> Verdict:
        """Judge a failed attempt: retried alone, or dead when given up or out of retries."""
        attempt, most = int(running["attempts"]), self._most_attempts(handler)
        dead = isinstance(error, GiveUp | PermanentDeliveryError) or attempt >= most
        delay = None if dead else delay_before_next(attempt, most - 1, error)
        outcome: dict[str, Any] = {
            **running,
            "state": "failed" if dead else "retrying",
            "at": now_iso(),
            "reason": str(error) or type(error).__name__,
            "error": type(error).__name__,
            "traceback": "".join(traceback.format_exception(error)),
        }
        self._count(handler.name, outcome["state"])
        if delay is not None:
            outcome["next_in"] = round(delay, 1)
        _log.warning(
            "event=%s handler=%s outcome=%s attempt=%d error=%s",
            event.id,
            handler.name,
            outcome["state"],
            attempt,
            type(error).__name__,
            exc_info=None if isinstance(error, GiveUp | RetryLater) else without_values(error),
        )
        reason = f"{handler.name}: {type(error).__name__}"
        kept = self.journal.stored(outcome)
        return Verdict(delay, reason, handler.name, begun.followed_by(kept))


def _told(verdict: Verdict) -> dict[str, str]:
    """Say for a trace how an attempt went: a reason of ours names a class, and quotes nothing."""
    if verdict.reason is None:
        return {"outcome": "done"}
    outcome = "failed" if verdict.delay is None else "retrying"
    return {"outcome": outcome, "failed": verdict.reason}


def _kept(known: Mapping[str, Any], turn: Turn) -> dict[str, Any]:
    """What stays on the record from one attempt to the next."""
    kept = {"replay": True} if known.get("replay") else {}
    return {**kept, "crashes": turn.deaths} if turn.deaths else kept
