"""How an event stands, in one word for people, out of what its handlers and replies say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..events import Status
from ..store.journal import Record


@dataclass(frozen=True, slots=True)
class Chip:
    """A word with a sign and a tone: no meaning stands in a colour alone."""

    word: str
    sign: str
    tone: str


OUTCOMES: Mapping[str, Chip] = {
    "waiting": Chip("waiting", "…", "calm"),
    "retrying": Chip("retrying", "↻", "warn"),
    "failed": Chip("failed", "✕", "bad"),
    "done": Chip("done", "✓", "good"),
    "unhandled": Chip("no handler", "∅", "calm"),
}

# Of several words the first in this order tells what an operator has to know.
_ORDER = ("failed", "retrying", "waiting", "done")

_OF_A_HANDLER = {"queued": "waiting", "running": "waiting", "retrying": "retrying"}
_OF_A_REPLY = {
    "queued": "waiting",
    "sending": "waiting",
    "retrying": "retrying",
    "asking": "retrying",
    "failed": "failed",
    "unknown": "failed",
}

REPLIES: Mapping[str, Chip] = {
    "queued": Chip("queued", "…", "calm"),
    "sending": Chip("sending", "…", "calm"),
    "retrying": Chip("retrying", "↻", "warn"),
    "asking": Chip("asking the provider", "?", "warn"),
    "sent": Chip("sent", "✓", "good"),
    "failed": Chip("not sent", "✕", "bad"),
    "unknown": Chip("may have been sent", "?", "bad"),
    "refused": Chip("held back", "∅", "calm"),
}

STATUSES: Mapping[str, Chip] = {
    Status.PENDING: Chip("pending", "…", "calm"),
    Status.SCHEDULED: Chip("scheduled", "…", "calm"),
    Status.SUBMITTED: Chip("submitted", "✓", "calm"),
    Status.DELIVERED: Chip("delivered", "✓✓", "good"),
    Status.UNDELIVERED: Chip("undelivered", "✕", "bad"),
    Status.EXPIRED: Chip("expired", "✕", "bad"),
    Status.BLOCKED: Chip("blocked", "✕", "bad"),
    Status.NO_ROUTE: Chip("no route", "✕", "bad"),
    Status.FAILED: Chip("failed", "✕", "bad"),
    Status.CANCELLED: Chip("cancelled", "∅", "calm"),
    Status.UNKNOWN: Chip("unknown", "?", "warn"),
}


def outcome_of(record: Record) -> str:
    """Give one of `OUTCOMES`."""
    words = set(_words(record))
    found = next((word for word in _ORDER if word in words), None)
    if found is not None:
        return found
    return "waiting" if record.routed is None or record.routed.get("to") else "unhandled"


def chip(known: Mapping[str, Chip], word: str) -> Chip:
    """Give the chip of a word; of one that a later release wrote, the word itself."""
    return known.get(word) or Chip(word, "?", "calm")


def of_handler(found: Mapping[str, Any]) -> Chip:
    """Give the chip of what a handler made of an event."""
    state = str(found.get("state", "?"))
    known = OUTCOMES.get(_OF_A_HANDLER.get(state, state))
    return Chip(state, known.sign, known.tone) if known else Chip(state, "?", "calm")


def _words(record: Record) -> Iterator[str]:
    for found in record.handlers.values():
        state = str(found.get("state"))
        yield _OF_A_HANDLER.get(state, state)
    for reply in record.replies.values():
        yield _OF_A_REPLY.get(str(reply.get("state")), "done")
    for name in (record.routed or {}).get("to", ()):
        if name not in record.handlers:
            yield "waiting"
