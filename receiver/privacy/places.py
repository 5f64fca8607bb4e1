"""The places in which a number may be, what is found there, and whose it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ..answerers import Answerers
from ..consent import Consent
from ..events import AnyEvent, DeliveryReport, InboundMessage, to_dict
from ..intake import Intake
from ..store.census import Census
from ..store.connection import Connection
from ..store.conversations import Conversations
from ..store.deadletters import DeadLetters
from ..store.mentions import Mentions
from ..store.optouts import OptOuts
from ..store.pseudonyms import Pseudonyms
from ..store.record import Record
from ..store.spool import Spool
from ..vault import Vault

# What of an event people did not write: all else may name somebody.
_UNSAID = {
    "kind",
    "id",
    "provider",
    "account",
    "trust",
    "duplicate_of",
    "replay",
    "status",
    "stale",
}
_UNSAID |= {"received_at", "sent_at", "created_at", "delivered_at", "since", "what"}

# The same of an outcome or a reply, whose other fields are times, ids and counts.
_TOLD = ("text", "reason", "traceback", "to", "source", "mend", "code", "message_id")

_CLOSED = ("done", "failed", "sent", "unknown", "refused")


class Place(StrEnum):
    """The places in which a number may be, in the words of whoever reads the table."""

    EVENT = "events"
    CANDIDATE = "events with others"
    MENTION = "other people's events"
    RAW = "raw bodies"
    OUTCOME = "handler outcomes"
    REPLY = "replies"
    DEAD_LETTER = "dead letters"
    QUARANTINE = "quarantined bodies"
    CONVERSATION = "conversations"
    OPT_OUT = "opt-outs"
    SUPPRESSED = "opt-outs kept as a hash"
    SENT = "sent to"
    SEND = "sends"
    POLL = "polls"
    CONTACT = "contact index"
    SPOOL = "spool of this host"
    DAMAGED = "damaged spool files"
    UNREADABLE = "not readable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One thing that was found: ``name`` is its key's, ``content`` what it says.

    ``fields`` are those of a record as they were read. ``spelled``: the number as it stands in the
    key, where that is made of account and number.
    """

    place: Place
    name: str
    content: Any = field(default=None, repr=False)
    fields: Mapping[bytes, bytes] = field(default_factory=dict, repr=False)
    spelled: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The parts of one deployment in which numbers may be."""

    connection: Connection
    namespace: str
    vault: Vault
    accounts: frozenset[str]
    intake: Intake
    spool: Spool
    deadletters: DeadLetters
    conversations: Conversations
    optouts: OptOuts
    consent: Consent
    answerers: Answerers

    @property
    def census(self) -> Census:
        """All keys."""
        return Census(self.connection, self.namespace)

    @property
    def pseudonyms(self) -> Pseudonyms:
        """What stands for numbers."""
        return Pseudonyms(self.connection, self.namespace, self.vault)


def whose(event: AnyEvent, mentions: Mentions) -> Place | None:
    """Tell whether an event is this number's, or that of several among whom it is.

    However it was written: what `normalise` cannot read stands in an event as it came.
    """
    if isinstance(event, DeliveryReport):
        return Place.EVENT if mentions.in_text(event.recipient) else None
    if not isinstance(event, InboundMessage):
        return None
    among = [mentions.in_text(candidate) for candidate in event.candidates]
    if mentions.in_text(event.sender or "") or (among and all(among)):
        return Place.EVENT
    return Place.CANDIDATE if any(among) else None


def said(event: AnyEvent) -> dict[str, Any]:
    """Give what of an event people wrote, or providers: all but ids and times, as JSON types."""
    return {name: value for name, value in to_dict(event).items() if name not in _UNSAID}


def told(outcome: Mapping[str, Any]) -> dict[str, Any]:
    """Give what of an outcome or a reply may quote people."""
    return {name: outcome[name] for name in _TOLD if name in outcome}


def waits(record: Record) -> bool:
    """Tell whether anything is still to be done about an event."""
    if record.forgotten:
        return False
    outcomes = [*record.handlers.values(), *record.replies.values()]
    routed = record.routed.get("to", ()) if record.routed is not None else ()
    untold = record.routed is None and not record.handlers
    return (
        untold
        or any(found.get("state") not in _CLOSED for found in outcomes)
        or any(name not in record.handlers for name in routed)
    )
