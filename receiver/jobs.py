"""What workers run: `route` an event to its handlers, `run` one handler, `send` its reply.

Each function takes ids and names only, finds the app it runs in, and gives a `Verdict`: done, try
again later, or dead. All bookkeeping is on the event's record; the queue itself is `worker`'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from flask import current_app

from .attempts import DONE, HELD, Turn, Verdict, delay_before_next
from .chores import Chores
from .dispatch import Dispatch
from .errors import (
    AnswerLostError,
    DeliveryError,
    TemporaryDeliveryError,
    UncertainDeliveryError,
    code_for_logs,
)
from .events import AnyEvent, InboundMessage
from .handling import Handling, gone
from .limits import TimeUp, time_limit
from .logs import callback, follow, job_logger
from .networks import count_delivery
from .outbox import Draft, Outbox
from .plugins import Loaded
from .routing import Handler
from .store.contacts import index_words
from .store.journal import HANDLER, ROUTED, Journal, Note, Noted, Record, now_iso
from .store.queue import Job, JobMaker
from .table import Match
from .traces import Noting, span

_log = job_logger(__name__)

ROUTING = "(routing)"  # stands where a handler's name stands, before there is one

_MOST_DEATHS = 3  # of workers: after that an event is poison


def route(turn: Turn, event_id: str) -> Verdict:
    """Find an event's handlers: run the only one here, or queue a job for each of several."""
    return desk().route(turn, event_id)


def run(turn: Turn, event_id: str, handler: str) -> Verdict:
    """Run one handler for one event, unless it has finished or another worker has it in hand."""
    return desk().run(turn, event_id, handler)


def send(turn: Turn, event_id: str, handler: str) -> Verdict:
    """Send the reply of one handler to one event, unless it has left already."""
    return desk().send(turn, event_id, handler)


def chore(turn: Turn, name: str) -> Verdict:
    """Do one of the things that are done now and then; see `chores`."""
    if turn.deaths >= _MOST_DEATHS:
        _log.error("event=chore_given_up chore=%s deaths=%d", name, turn.deaths)
        return DONE
    return Verdict(delay=0.0) if desk().chores.do(name) else DONE


def desk() -> Desk:
    """Give the desk of the app that is running."""
    found: Desk = current_app.extensions["receiver"].desk
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """All that the jobs of one deployment need."""

    journal: Journal
    outbox: Outbox
    jobs: JobMaker
    loaded: Loaded
    dispatch: Dispatch
    chores: Chores
    handling: Handling

    def route(self, turn: Turn, event_id: str) -> Verdict:
        """See `jobs.route`.

        The usual event was read as its job was claimed, and the job begins as its handler does:
        that saves three round trips of four.
        """
        note = None
        if turn.untouched:
            record = self.journal.untouched(turn.untouched)
            count_delivery(self.handling.tally, record.event)
            alone = self._alone(record.event, self.dispatch.plain_matches(record.event))
            if alone is not None:
                with _routing(record):
                    return self.handling.attempt(record, alone.handler, turn)
            note = Note(event_id, "", "", contacts=index_words(record.event))
        if turn.begin(note) is not Noted.YES:
            return HELD
        loaded = self.journal.load(event_id)
        if loaded is None:
            return gone(event_id)
        with _routing(loaded):
            return self._route_begun(loaded, turn)

    def _route_begun(self, record: Record, turn: Turn) -> Verdict:
        """Go on with an event where an earlier job left off, or find its handlers."""
        if record.forgotten:
            return DONE
        begun = _begun(record)
        if turn.deaths >= _MOST_DEATHS and _open(record, begun):
            return self.handling.poison(record, begun or ROUTING, turn.deaths)
        if begun is not None:
            return self._attempt(record, begun, turn)
        return DONE if record.routed is not None else self._route(record, turn)

    def _route(self, record: Record, turn: Turn) -> Verdict:
        """Run the one handler that answers here, within its contact's lane; queue the others."""
        event, stuck = record.event, list[str]()
        late = record.replay is not None or "late" in record.handlers.get(ROUTING, {})
        matches = self.dispatch.matches(event, self._pattern_guard(event.id, stuck), late=late)
        watching = [match for match in matches if not match.handler.replies]
        if self.loaded.failures and len(watching) == len(matches):
            return self._wait_for_plugin(record, [match.handler.name for match in watching])
        # after a pattern that took too long, a retry must not come by here again
        if self._alone(event, matches) and not stuck and not record.handlers:
            return self.handling.attempt(self._fresh(record, matches), matches[0].handler, turn)
        names = [match.handler.name for match in matches]
        winner = next((match.handler.name for match in matches if match.handler.replies), None)
        fresh = [name for name in names if name != winner and name not in record.handlers]
        jobs = [self._watch(event, name) for name in fresh]
        routed = {"to": names, "at": now_iso()} | ({"winner": winner} if winner else {})
        self.journal.note(event.id, ROUTED, routed, once=True, then=jobs)
        if not names:
            _log.info("event=%s kind=%s outcome=unhandled", event.id, event.kind)
        if winner is None:
            return DONE
        return self._attempt(self._fresh(record, matches), winner, turn)

    def _alone(self, event: AnyEvent, matches: Sequence[Match]) -> Match | None:
        """Give the one handler that a routing job runs itself, where there is but one."""
        if len(matches) != 1:
            return None
        watches = not matches[0].handler.replies
        is_for_later = watches and (event.kind == "message" or self.loaded.failures)
        return None if is_for_later else matches[0]

    def _fresh(self, record: Record, matches: Sequence[Match]) -> Record:
        """Give the record with what was learned of its event on the way."""
        return replace(record, event=matches[0].event)

    def _watch(self, event: AnyEvent, name: str) -> Job:
        """Make the job of a handler that nobody waits for: a contact's messages stay in order."""
        lane = None
        if isinstance(event, InboundMessage) and event.contact:
            lane = self.jobs.lane(event.account, event.contact, name)
        return self.jobs.run(event.id, event.kind, name, lane)

    def run(self, turn: Turn, event_id: str, name: str) -> Verdict:
        """See `jobs.run`."""
        record = self.journal.load(event_id)
        if record is None:
            return gone(event_id)
        if record.forgotten:
            return DONE
        _follow(record)
        if turn.deaths >= _MOST_DEATHS:
            return self.handling.poison(record, name, turn.deaths)
        return self._attempt(record, name, turn)

    def _attempt(self, record: Record, name: str, turn: Turn) -> Verdict:
        handler = self.loaded.table.get(name)
        if handler is None:
            return self.handling.postpone(record, name, "there is no handler of this name now")
        return self.handling.attempt(record, handler, turn)

    def send(self, turn: Turn, event_id: str, name: str) -> Verdict:
        """See `jobs.send`."""
        record = self.journal.load(event_id)
        if record is None or name not in record.replies:
            return gone(event_id)
        _follow(record)
        before = record.replies[name]
        event, draft = record.event, Draft(**{"to": None, "source": None, **before})
        if not isinstance(event, InboundMessage) or record.forgotten:
            return DONE
        if draft.state == "sending" and turn.elsewhere(str(draft.by)):
            return HELD
        with _sending(event, name) as traced:
            try:
                sent = self.outbox.deliver(event, name, draft, before, turn)
            except DeliveryError as error:
                return self._undelivered(event, name, draft, error, turn, traced)
            if sent is None:
                return HELD
            traced.note(result=sent.state)
        _log.info("event=%s handler=%s reply=%s", event_id, name, sent.state)
        return DONE

    def _undelivered(
        self,
        event: InboundMessage,
        name: str,
        draft: Draft,
        error: DeliveryError,
        turn: Turn,
        traced: Noting,
    ) -> Verdict:
        attempt = draft.attempts + (draft.state != "sending")
        why: dict[str, Any] = {"code": error.code, "reason": error.reason, "mend": error.mend}
        again = isinstance(error, TemporaryDeliveryError) and attempt <= self.handling.retries
        state = "retrying" if again else "failed"
        if isinstance(error, AnswerLostError):
            state = "asking" if again else "unknown"
            why["since"] = draft.since or draft.at  # no later than the attempt
        if isinstance(error, UncertainDeliveryError):
            state = "unknown"
        self.outbox.fail(event, name, draft, turn, state=state, attempts=attempt, **why)
        _log.warning(
            "event=%s handler=%s reply=%s attempt=%d code=%s",
            event.id,
            name,
            state,
            attempt,
            code_for_logs(error.code),
        )
        code = code_for_logs(error.code) or type(error).__name__
        traced.note(result=state, failed=code)
        reason = f"{name}: reply {state} ({code})"
        delay = delay_before_next(attempt, self.handling.retries, error) if again else None
        return Verdict(delay, reason, name)

    def _wait_for_plugin(self, record: Record, watchers: Sequence[str]) -> Verdict:
        """Nothing loaded answers the event, but something is not loaded: keep it for that.

        Watchers do not wait.
        """
        fresh = [name for name in watchers if name not in record.handlers]
        jobs = [self._watch(record.event, name) for name in fresh]
        names = ", ".join(failure.name for failure in self.loaded.failures)
        return self.handling.postpone(record, ROUTING, f"handlers failed to load: {names}", jobs)

    def _pattern_guard(self, event_id: str, stuck: list[str]) -> Any:
        @contextmanager
        def guard(handler: Handler) -> Iterator[None]:
            try:
                with time_limit(handler.timeout):
                    yield
            except TimeUp as error:
                stuck.append(handler.name)
                why = f"its pattern {error}"
                outcome = {"state": "failed", "at": now_iso(), "reason": why, "pattern": True}
                self.journal.note(event_id, HANDLER + handler.name, outcome)
                _log.error("event=%s handler=%s outcome=pattern_timeout", event_id, handler.name)

        return guard


def _follow(record: Record) -> None:
    follow(record.raw_in or record.event.id, record.event.id)


def _routing(record: Record) -> AbstractContextManager[Noting]:
    _follow(record)
    return span("route", callback(), event=record.event.id, kind=record.event.kind)


def _sending(event: InboundMessage, handler: str) -> AbstractContextManager[Noting]:
    who = {"account": event.account, "provider": event.provider, "handler": handler}
    return span("send", callback(), "CLIENT", event=event.id, **who)


def _begun(record: Record) -> str | None:
    """Name the handler that a routing job runs itself, once that was decided."""
    if record.routed is not None:
        return record.routed.get("winner")
    if ROUTING in record.handlers:
        return None
    return next((n for n, found in record.handlers.items() if not found.get("pattern")), None)


def _open(record: Record, name: str | None) -> bool:
    """Tell whether a routing job that cost workers their lives has anything left to do."""
    if name is None:
        return record.routed is None
    return record.handlers.get(name, {}).get("state") not in ("done", "failed")
