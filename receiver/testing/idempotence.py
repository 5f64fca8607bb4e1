"""Is a handler idempotent? It is run as the worst day would run it, and compared with a clean run.

A clean run handles each event once. Then the same begins anew, once for each of these:

- each event is delivered twice, in another order;
- the worker that runs the handler is killed, for each event once: before the handler's first line,
  between two of its lines (at most `MOST_LINES` places), when it has returned and that is not noted
  yet, and right after it was noted. The worker is a real process, and the kill a SIGKILL; another
  one takes over, as in production.

After each, ``snapshot()`` and the SMS sent must be those of the clean run. ``reset()`` takes the
user's own state back to the beginning. Both run in the test's process, the handler in another: what
it changes must lie where both see it, as in a file or a database. ``in_worker`` is called first in
each worker, such as ``engine.dispose(close=False)``, since connections do not survive a fork.

What this proves: for these events, killed at these places, nothing is left over and nothing lost.
It says nothing of other texts, of two events at the same moment, of a kill within one line, and of
what the snapshot does not see, such as a call of somebody else's API. A time, or a number made at
random, differs in each run: leave it out of the snapshot.
"""

from __future__ import annotations

import difflib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pprint import pformat
from typing import Any

from ..events import Alarm, AnyEvent, DeliveryReport, InboundMessage
from .callbacks import Callback
from .stage import Stage
from .victim import AFTER_NOTED, AFTER_RETURN, BEFORE, Place, Victim

Snapshot = Callable[[], Any]

MOST_LINES = 8

_EVENTS = (InboundMessage, DeliveryReport, Alarm)
_SEED = 7  # the other order is the same in each run


@dataclass(frozen=True, slots=True)
class Seen:
    """What one run left."""

    state: Any
    sent: Sequence[tuple[str | None, ...]]

    def as_lines(self) -> list[str]:
        """Give it as lines to compare."""
        state = [] if self.state is None else ["snapshot:", *pformat(self.state).splitlines()]
        return [*state, "sent:", *(pformat(sms) for sms in self.sent)]


class Claim:
    """That a handler is idempotent for these events, to be checked in one trial."""

    def __init__(
        self,
        stage: Stage,
        handler: Callable[..., object] | str,
        events: Sequence[Callback | AnyEvent],
        snapshot: Snapshot | None,
        reset: Callable[[], object] | None,
        in_worker: Callable[[], object] | None,
    ) -> None:
        assert events, "give at least one event or callback for the handler"
        if snapshot is not None and reset is None:
            raise TypeError("snapshot= needs reset=: each run has to begin with the same state")
        self._stage = stage
        self._events = events
        self._name = handler if isinstance(handler, str) else self._name_of(handler)
        self._snapshot = snapshot
        self._reset = reset
        self._victim = Victim(stage, self._name, in_worker)

    def check(self) -> None:
        """Raise AssertionError with what differs, and where the worker was killed."""
        clean = self._run(None, self._events)
        self._judge_clean_run(clean)
        twice = [*self._events, *self._events]
        random.Random(_SEED).shuffle(twice)
        self._compare("each event came twice, in another order", clean, self._run(None, twice))
        for place in self._places():
            seen = self._run(place, self._events)
            self._compare(f"the worker was killed {place.words}", clean, seen)

    def _run(self, place: Place | None, events: Sequence[Callback | AnyEvent]) -> Seen:
        with self._stage.afresh():
            if self._reset is not None:
                self._reset()
            self._before = self._snapshot() if self._snapshot else None
            for event in events:
                self._deliver(event)
            self._victim.work(place)
            self._outcomes = self._victim.outcomes()
            state = self._snapshot() if self._snapshot else None
            sent = sorted((s.account, s.to, s.text, s.source) for s in self._stage.sent)
        return Seen(state, sent)

    def _deliver(self, event: Callback | AnyEvent) -> None:
        if isinstance(event, _EVENTS):
            self._stage.put(event)
        else:
            answered = self._stage.knock(event)
            assert answered.status < 400, f"the callback was refused: {answered.body}"
            assert answered.quarantined is None, f"unreadable: {answered.quarantined}"

    def _judge_clean_run(self, clean: Seen) -> None:
        mine = [found for name, found in self._outcomes if name == self._name]
        assert mine, f"no event went to {self._name}; it went to {self._went_to() or 'nobody'}"
        bad = [found for _, found in self._outcomes if found["state"] != "done"]
        assert not bad, f"the clean run itself failed:\n{bad[0].get('traceback', bad[0])}"
        assert self._sees_anything(clean), (
            "the clean run left nothing to compare: no SMS was sent, and the snapshot is as before."
            " The handler runs in a process of its own: what it changes has to lie in a"
            " file or a database, not in memory."
        )

    def _sees_anything(self, clean: Seen) -> bool:
        return bool(clean.sent) or clean.state != self._before

    def _went_to(self) -> str:
        return ", ".join(sorted({name for name, _ in self._outcomes}))

    def _places(self) -> list[Place]:
        lines = self._victim.lines
        wanted = sorted({round(i * lines / (MOST_LINES + 1)) for i in range(1, MOST_LINES + 1)})
        between = [Place(line) for line in wanted if 1 <= line < lines]
        return [BEFORE, *between, AFTER_RETURN, AFTER_NOTED]

    def _compare(self, what: str, clean: Seen, seen: Seen) -> None:
        if clean == seen:
            return
        names = ("one clean run", what)
        diff = difflib.unified_diff(clean.as_lines(), seen.as_lines(), *names, lineterm="", n=2)
        raise AssertionError(f"{self._name} is not idempotent: {what}\n" + "\n".join(diff))

    def _name_of(self, function: Callable[..., object]) -> str:
        found = [
            handler.name
            for handler in self._stage.parts.loaded.table
            if getattr(handler.function, "__wrapped__", handler.function) is function
        ]
        assert len(found) == 1, f"{function!r} is {len(found)} handlers of this app; give its name"
        return found[0]
