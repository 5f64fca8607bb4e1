"""What an action is about: the events, dead letters or bodies that a form names, one by one.

Each comes with what does it. Whoever goes through them may stop anywhere, and go on from there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf, isfinite

from ..errors import KeyLost, Unreadable
from ..store.browse import Place, Span
from ..store.deadletters import DeadLetter
from ..store.journal import Noted, Record
from ..store.quarantine import Quarantined
from ..store.replays import is_at_work, replay
from .inbox_desk import Desk
from .inbox_events import EventPages
from .inbox_filter import Filter
from .inbox_pages import is_asked

AT_WORK = "it waits, or is at work"
EXPIRED = "its event has expired: drop it"
OVERTAKEN = "somebody else has just dealt with it"
NOT_OURS = "it is not ours, and is not run"
UNCERTAIN = "it may have been sent: look it up at the provider"
UNREADABLE = "it still cannot be read"
LOST = "it cannot be decrypted: put back its key in RECEIVER_ENCRYPTION_KEYS"
NO_ACCOUNT = "its account is not configured now"

_NOTED = {Noted.GONE: EXPIRED, Noted.OVERTAKEN: OVERTAKEN}
_PAGE = 100
_FIRST = "0" * 32  # no id is before it

State = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Step:
    """How far a selection got; ``act``, if anything is to be done there, gives why it was not."""

    cursor: str
    act: Callable[[], str | None] | None = None


class Selection:
    """The selections of one app; a state is what `inbox_batches` keeps in its forms."""

    def __init__(self, desk: Desk, pages: EventPages) -> None:
        self._desk = desk
        self._pages = pages

    def beginning(self, state: State) -> str:
        """Give the cursor behind which all lies that is there now: what comes later is left out."""
        if state["what"] == "failed":
            newest = self._desk.parts.deadletters.newest(1)
            return repr(newest[0][1] + 0.001) if newest else "0.0"
        until = Filter.read(state).span(datetime.now(UTC)).until
        now = int(time.time() * 1000) + 1
        return str(Place(now if until is None else min(now, until), _FIRST))

    def steps(self, state: State) -> Iterator[Step]:
        """Go on from the state's cursor."""
        finders = {"events": self._events, "failed": self._letters, "quarantine": self._bodies}
        return finders[state["what"]](state)

    def _events(self, state: State) -> Iterator[Step]:
        if state["id"]:
            record = self._desk.parts.journal.load(state["id"])
            if record is not None:
                yield self._event(state["cursor"], record, state)
            return
        wish, before = self._pages.wish(Filter.read(state)), Place.read(state["cursor"])
        if wish.is_lost or (wish.filter.find and wish.text is None):
            return
        since = wish.filter.span(datetime.now(UTC)).since
        while before is not None:
            span = Span(since=since, before=before)
            look = self._desk.browse.look(wish, span, _PAGE, contacts=wish.contacts)
            for place, record in look.found:
                yield self._event(str(place), record, state)
            if look.end is not None:
                yield Step(str(look.end))
            before = look.end if look.more else None

    def _event(self, cursor: str, record: Record, state: State) -> Step:
        parts, handler = self._desk.parts, state["only"] or None

        def act() -> str | None:
            if is_at_work(record, handler):
                return AT_WORK
            return _NOTED.get(replay(parts.journal, parts.jobs, record, handler))

        return Step(cursor, act)

    def _letters(self, state: State) -> Iterator[Step]:
        letters, before = self._desk.parts.deadletters, _score(state["cursor"])
        while page := letters.newest(_PAGE, before):
            scores = dict(page)
            for letter in letters.read([place for place, _ in page]):
                if is_asked(letter, state):
                    yield self._letter(repr(scores[letter.job]), letter, state)
            before = page[-1][1]
            yield Step(repr(before))

    def _letter(self, cursor: str, letter: DeadLetter, state: State) -> Step:
        letters = self._desk.parts.deadletters

        def act() -> str | None:
            if state["action"] == "drop":
                letters.drop(letter)
                return None
            if letter.call is None:
                return NOT_OURS
            if letter.uncertain and not state["uncertain"]:
                return UNCERTAIN
            try:
                return _NOTED.get(letters.retry(letter))
            except KeyLost:
                return LOST

        return Step(cursor, act)

    def _bodies(self, state: State) -> Iterator[Step]:
        index, span = self._desk.parts.quarantine.index, Span(before=Place.read(state["cursor"]))
        for place in self._desk.browse.walk(index, span):
            body = self._open(place.id)
            wanted = body is not None and (
                state["account"] in ("", body.account) and state["body"] in ("", body.id)
            )
            yield self._body(str(place), body, state) if body and wanted else Step(str(place))

    def _open(self, body_id: str) -> Quarantined | None:
        with suppress(KeyLost):
            return self._desk.parts.quarantine.load(body_id)
        return None

    def _body(self, cursor: str, body: Quarantined, state: State) -> Step:
        parts = self._desk.parts

        def act() -> str | None:
            if state["action"] == "replay":
                provider = parts.providers.get(body.account)
                if provider is None or provider.name != body.provider:
                    return NO_ACCOUNT
                try:
                    parts.intake.replay(body, provider)
                except Unreadable:
                    return UNREADABLE
            parts.quarantine.drop(body.id)
            return None

        return Step(cursor, act)


def _score(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        return inf
    return found if isfinite(found) else inf
