"""What workers run: `route` an event to its handlers, `run` one handler, `send` its reply.

Each function takes ids and names only, finds the app it runs in, and gives a `Verdict`: done, try
again later, or dead. All bookkeeping is on the event's record; the queue itself is `worker`'s.
"""

from __future__ import annotations

import logging
import re
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from flask import current_app

from .attempts import DONE, Verdict, call_within, delay_before_next
from .errors import (
    DeliveryError,
    GiveUp,
    RetryLater,
    TemporaryDeliveryError,
    UncertainDeliveryError,
    without_values,
)
from .events import Event, InboundMessage
from .limits import TimeUp, time_limit
from .outbox import Draft, Outbox
from .plugins import Loaded
from .routing import Handler
from .store.journal import HANDLER, REPLY, ROUTED, Journal, Record, now_iso
from .store.queue import Job, JobMaker

_log = logging.getLogger(__name__)

_CLOSED = ("done", "failed")
_CODE = re.compile(r"[A-Z][A-Z_]{1,40}[0-9]{0,4}|[0-9]{1,4}", re.ASCII)
_FREE_CRASHES = 2  # attempts that may follow a dead worker at once


def route(event_id: str) -> Verdict:
    """Find an event's handlers: run the only one here, or queue a job for each of several."""
    return desk().route(event_id)


def run(event_id: str, handler: str) -> Verdict:
    """Run one handler for one event, unless it has finished already."""
    return desk().run(event_id, handler)


def send(event_id: str, handler: str) -> Verdict:
    """Send the reply of one handler to one event, unless it has left already."""
    return desk().send(event_id, handler)


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
    retries: int

    def route(self, event_id: str) -> Verdict:
        """See `jobs.route`."""
        record = self.journal.load(event_id)
        if record is None:
            return _gone(event_id)
        if record.routed is not None:
            return DONE
        stuck: list[str] = []
        matches = self.loaded.table.match(record.event, self._pattern_guard(event_id, stuck))
        if self.loaded.failures and all(match.handler.kind == "every" for match in matches):
            return self._wait_for_plugin(record, [match.handler.name for match in matches])
        # after a pattern that took too long, a retry must not come by here again
        if len(matches) == 1 and not stuck:
            return self._attempt(record, matches[0].handler)
        names = [match.handler.name for match in matches]
        jobs = [self.jobs.run(event_id, record.event.kind, name) for name in names]
        self.journal.note(event_id, ROUTED, {"to": names, "at": now_iso()}, once=True, then=jobs)
        if not names:
            _log.info("event=%s kind=%s outcome=unhandled", event_id, record.event.kind)
        return DONE

    def run(self, event_id: str, name: str) -> Verdict:
        """See `jobs.run`."""
        record = self.journal.load(event_id)
        if record is None:
            return _gone(event_id)
        handler = self.loaded.table.get(name)
        if handler is None:
            return self._missing(record, name)
        return self._attempt(record, handler)

    def send(self, event_id: str, name: str) -> Verdict:
        """See `jobs.send`."""
        record = self.journal.load(event_id)
        if record is None or name not in record.replies:
            return _gone(event_id)
        event, draft = record.event, Draft(**{"to": None, "source": None, **record.replies[name]})
        if not isinstance(event, InboundMessage):
            return DONE
        try:
            sent = self.outbox.deliver(event, name, draft)
        except DeliveryError as error:
            return self._undelivered(event, name, draft, error)
        _log.info("event=%s handler=%s reply=%s", event_id, name, sent.state)
        return DONE

    def _attempt(self, record: Record, handler: Handler) -> Verdict:
        """Run a handler once, and note how it went; its reply is drafted in the same step."""
        event_id = record.event.id
        known = record.handlers.get(handler.name, {})
        if known.get("state") in _CLOSED:
            return DONE
        attempt = int(known.get("attempts", 0)) + 1
        if attempt > self._most_attempts(handler):
            return self._poison(event_id, handler, attempt - 1)
        if known.get("state") == "running" and attempt > _FREE_CRASHES:
            return self._after_crashes(record, handler.name, attempt - 1)
        running = {"state": "running", "attempts": attempt, "at": now_iso()}
        if not self.journal.note(event_id, HANDLER + handler.name, running):
            return _gone(event_id)
        started = time.monotonic()
        try:
            answer = call_within(handler, record.event)
        except (Exception, SystemExit, TimeUp) as error:  # noqa: BLE001 - a handler raises anything
            return self._failed(record.event, handler, attempt, error)
        seconds = round(time.monotonic() - started, 3)
        return self._succeeded(record.event, handler, {**running, "seconds": seconds}, answer)

    def _poison(self, event_id: str, handler: Handler, attempts: int) -> Verdict:
        """End an event that kills its worker again and again: all its attempts are used up."""
        reason = f"the worker died while running it; {attempts} attempts"
        outcome = {"state": "failed", "attempts": attempts, "at": now_iso(), "reason": reason}
        self.journal.note(event_id, HANDLER + handler.name, outcome)
        _log.error("event=%s handler=%s outcome=poison", event_id, handler.name)
        return Verdict(reason=f"{handler.name}: poison")

    def _after_crashes(self, record: Record, name: str, attempts: int) -> Verdict:
        """Let others pass an event whose handler killed its worker twice: it is tried later."""
        delay = delay_before_next(attempts, self.retries, None)
        reason = f"the worker died while running it; {attempts} attempts"
        outcome = {"state": "retrying", "attempts": attempts, "at": now_iso(), "reason": reason}
        outcome["next_in"] = round(delay, 1)
        self.journal.note(record.event.id, HANDLER + name, outcome)
        return Verdict(delay, f"{name}: {reason}")

    def _most_attempts(self, handler: Handler) -> int:
        return 1 + (self.retries if handler.retries is None else handler.retries)

    def _succeeded(
        self, event: Event, handler: Handler, running: Mapping[str, Any], answer: object
    ) -> Verdict:
        outcome = {**running, "state": "done", "at": now_iso()}
        if answer is not None and handler.replies and not isinstance(answer, str):
            kind = type(answer).__name__
            outcome |= {"state": "failed", "reason": f"returned {kind}: must be text or None"}
        guarded: list[tuple[str, Mapping[str, Any], Job]] = []
        if handler.replies and isinstance(answer, str):
            draft = self.outbox.draft(event, answer)
            if draft is not None and draft.state == "queued":
                job = self.jobs.send(event.id, handler.name)
                guarded.append((REPLY + handler.name, draft.as_field(), job))
            elif draft is not None:
                self.journal.note(event.id, REPLY + handler.name, draft.as_field(), once=True)
        self.journal.note(event.id, HANDLER + handler.name, outcome, guarded=guarded)
        _log.info("event=%s handler=%s outcome=%s", event.id, handler.name, outcome["state"])
        return DONE if outcome["state"] == "done" else Verdict(reason=str(outcome["reason"]))

    def _failed(
        self, event: Event, handler: Handler, attempt: int, error: BaseException
    ) -> Verdict:
        """Note a failed attempt: retried alone, or dead when given up or out of retries."""
        most = self._most_attempts(handler)
        dead = isinstance(error, GiveUp) or attempt >= most
        delay = None if dead else delay_before_next(attempt, most - 1, error)
        outcome: dict[str, Any] = {
            "state": "failed" if dead else "retrying",
            "attempts": attempt,
            "at": now_iso(),
            "reason": str(error) or type(error).__name__,
            "error": type(error).__name__,
            "traceback": "".join(traceback.format_exception(error)),
        }
        if delay is not None:
            outcome["next_in"] = round(delay, 1)
        self.journal.note(event.id, HANDLER + handler.name, outcome)
        _log.warning(
            "event=%s handler=%s outcome=%s attempt=%d error=%s",
            event.id,
            handler.name,
            outcome["state"],
            attempt,
            type(error).__name__,
            exc_info=None if isinstance(error, GiveUp | RetryLater) else without_values(error),
        )
        return Verdict(delay=delay, reason=f"{handler.name}: {type(error).__name__}")

    def _undelivered(
        self, event: InboundMessage, name: str, draft: Draft, error: DeliveryError
    ) -> Verdict:
        attempt = draft.attempts + (draft.state != "sending")
        why: dict[str, Any] = {"code": error.code, "reason": error.reason, "mend": error.mend}
        again = isinstance(error, TemporaryDeliveryError) and attempt <= self.retries
        state = "retrying" if again else "failed"
        if isinstance(error, UncertainDeliveryError):
            state = "unknown"
        self.outbox.fail(event, name, draft, state=state, attempts=attempt, **why)
        _log.warning(
            "event=%s handler=%s reply=%s attempt=%d code=%s",
            event.id,
            name,
            state,
            attempt,
            _for_logs(error.code),
        )
        reason = f"{name}: reply {state} ({_for_logs(error.code) or type(error).__name__})"
        return Verdict(delay_before_next(attempt, self.retries, error) if again else None, reason)

    def _wait_for_plugin(self, record: Record, watchers: Sequence[str]) -> Verdict:
        """Nothing loaded answers the event, but something is not loaded: keep it for that.

        Watchers do not wait.
        """
        fresh = [name for name in watchers if name not in record.handlers]
        jobs = [self.jobs.run(record.event.id, record.event.kind, name) for name in fresh]
        names = ", ".join(failure.name for failure in self.loaded.failures)
        return self._postpone(record, "(routing)", f"handlers failed to load: {names}", jobs)

    def _missing(self, record: Record, name: str) -> Verdict:
        return self._postpone(record, name, "there is no handler of this name now")

    def _postpone(
        self, record: Record, name: str, reason: str, then: Sequence[Job] = ()
    ) -> Verdict:
        attempt = int(record.handlers.get(name, {}).get("attempts", 0)) + 1
        delay = delay_before_next(attempt, self.retries, None) if attempt <= self.retries else None
        state = "failed" if delay is None else "retrying"
        outcome = {"state": state, "attempts": attempt, "at": now_iso(), "reason": reason}
        self.journal.note(record.event.id, HANDLER + name, outcome, then=then)
        _log.error("event=%s handler=%s outcome=%s reason=%r", record.event.id, name, state, reason)
        return Verdict(delay, reason)

    def _pattern_guard(self, event_id: str, stuck: list[str]) -> Any:
        @contextmanager
        def guard(handler: Handler) -> Iterator[None]:
            try:
                with time_limit(handler.timeout):
                    yield
            except TimeUp as error:
                stuck.append(handler.name)
                outcome = {"state": "failed", "at": now_iso(), "reason": f"its pattern {error}"}
                self.journal.note(event_id, HANDLER + handler.name, outcome)
                _log.error("event=%s handler=%s outcome=pattern_timeout", event_id, handler.name)

        return guard


def _for_logs(code: str | None) -> str | None:
    """Show a provider's code where it is one: a sloppy provider may quote a number or a text."""
    return code if code is None or _CODE.fullmatch(code) else "(not a code)"


def _gone(event_id: str) -> Verdict:
    _log.error("event=%s outcome=expired", event_id)
    return DONE
