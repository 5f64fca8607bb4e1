"""Have an event handled once more, on an operator's word: by routing it anew, or by one handler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..events import InboundMessage
from .journal import HANDLER, REPLAY, ROUTED, Journal, Noted, Record, now_iso
from .queue import JobMaker

_AT_WORK = ("queued", "running", "retrying")


def is_at_work(record: Record, handler: str | None) -> bool:
    """Tell whether an event, or one handler with it, still waits or is being tried."""
    if handler is not None:
        return record.handlers.get(handler, {}).get("state") in _AT_WORK
    begun = record.routed is not None or record.handlers
    return not begun or any(found.get("state") in _AT_WORK for found in record.handlers.values())


def replay(journal: Journal, jobs: JobMaker, record: Record, handler: str | None) -> Noted:
    """Queue the event or one handler again; the record says that it is a replay.

    Raises `RedisError`.
    """
    event_id, kind = record.event.id, record.event.kind
    # in order among themselves, and in nobody's way
    lane = None
    if isinstance(record.event, InboundMessage) and record.event.contact:
        lane = jobs.lane(record.event.account, record.event.contact, "(replay)")
    fields: dict[str, tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]]
    if handler is not None:
        later = {"state": "queued", "at": now_iso(), "replay": True}
        fields = {HANDLER + handler: (record.handlers.get(handler), later)}
        job = jobs.run(event_id, kind, handler, lane)
    else:
        fields = {HANDLER + name: (known, None) for name, known in record.handlers.items()}
        fields[ROUTED] = (record.routed, None)
        times = 1 + (record.replay or {}).get("times", 0)
        fields[REPLAY] = (record.replay, {"at": now_iso(), "times": times})
        job = jobs.route(event_id, kind, lane)
    return journal.revive(event_id, fields, [job])
