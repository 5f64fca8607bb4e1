"""Everything that is known of a number, as one document: for whoever asks what we have of them.

What others wrote stays theirs: of an event that only names the number, its id and time are told,
and of a body that came for several people nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from ..events import InboundMessage
from ..store.record import Record
from .places import Hit, Place


def export(number: str, hits: Iterable[Hit]) -> dict[str, Any]:
    """Give the document, as JSON types; times in ISO 8601, UTC.

    ``number`` in E.164; ``hits`` as `Search.hits` gives them.
    """
    document: dict[str, Any] = {
        "number": number,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        **{part: [] for part in dict.fromkeys(_PARTS.values())},
        "unreadable": 0,
    }
    for hit in hits:
        document["unreadable"] += hit.place is Place.UNREADABLE
        if hit.place in _PARTS:
            document[_PARTS[hit.place]].append(_told(hit, number))
    document["events"].sort(key=lambda event: event["received_at"])
    return document


_PARTS = {
    Place.EVENT: "events",
    Place.CANDIDATE: "events_with_others",
    Place.MENTION: "named_in",
    Place.CONVERSATION: "conversations",
    Place.OPT_OUT: "opt_outs",
    Place.SUPPRESSED: "opt_outs",
    Place.SENT: "sent",
    Place.SEND: "sends",
    Place.POLL: "polls",
    Place.QUARANTINE: "quarantined",
    Place.SPOOL: "spooled",
}


def _told(hit: Hit, number: str) -> dict[str, Any]:
    content = hit.content
    match hit.place:
        case Place.EVENT:
            return _whole(content)
        case Place.CANDIDATE:
            event: InboundMessage = content.event
            others = len(event.candidates) - 1
            return {**event.as_dict(), "candidates": [number], "other_candidates": others}
        case Place.MENTION:
            event = content.event
            return {"id": event.id, "received_at": event.received_at.isoformat()}
        case Place.CONVERSATION if hit.fields:
            return {"of_another_number": True}
        case Place.CONVERSATION:
            return {"account": hit.name, **_state(content)}
        case Place.OPT_OUT | Place.SUPPRESSED:
            return {"account": hit.name, **content}
        case Place.SENT:
            at = datetime.fromtimestamp(content, UTC).isoformat(timespec="seconds")
            return {"message": hit.name, "at": at}
        case Place.POLL:
            return {"account": content.account, "message_id": content.message_id}
        case Place.QUARANTINE:
            return {"id": hit.name, "raw": content.decode("utf-8", "backslashreplace")}
    return {"id": hit.name}


def _whole(record: Record) -> dict[str, Any]:
    """Give an event with what came of it; the body as it came, where nobody else is in it."""
    told: dict[str, Any] = {
        **record.event.as_dict(),
        "resends": record.resends,
        "handlers": {name: dict(found) for name, found in record.handlers.items()},
        "replies": {name: dict(found) for name, found in record.replies.items()},
    }
    event, raw = record.event, record.raw
    alone = isinstance(event, InboundMessage) and len(event.candidates) <= 1
    if raw is not None and alone:
        told["raw"] = raw.decode("utf-8", "backslashreplace")
    return told


def _state(shown: Any) -> dict[str, Any]:
    if shown is None:  # it is over, and not expired yet
        return {"state": {}}
    return {
        "state": dict(shown.state),
        "expected": shown.expected,
        "expires_at": shown.expires_at.isoformat(),
    }
