"""What events that nobody has handled yet say of opting out: noted before they are erased.

Routing notes it for all others. Which events are erased is `forgetting`'s business.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from operator import attrgetter

from ..errors import KeyLost
from ..events import AnyEvent, DeliveryReport, InboundMessage, Status
from ..store.record import Record
from .places import Hit, Place, Places


def wishes(hits: Iterable[Hit], parts: Places) -> list[AnyEvent]:
    """Give the events among these that no worker has routed, and that opt out or in; oldest first.

    Of a callback in the spool all of them, whoever they are about: it is erased as a whole.
    Raises `RedisError`, and `KeyLost` where nobody can tell whose they are.
    """
    found = {event.id: event for hit in hits for event in _unrouted(hit, parts)}
    known = (_with_sender(event, parts) for event in found.values() if _asks(event, parts))
    return sorted(known, key=attrgetter("received_at"))


def note_wish(event: AnyEvent, parts: Places) -> str | None:
    """Note one; gives whose it is, if anybody knows. Raises `RedisError`, and `KeyLost`."""
    asked = parts.consent.asked(event.text) if isinstance(event, InboundMessage) else None
    if not parts.optouts.note(event, asked):
        return None
    return event.recipient if isinstance(event, DeliveryReport) else _sender(event)


def suppress_as(
    spelled: str, number: str, account: str, parts: Places, *, drop: bool = False
) -> None:
    """Forget a number but for its opt-out, which then holds in E.164 too, however it was spelled.

    ``drop``: that as well. Raises `RedisError`, and `KeyLost`.
    """
    out = parts.optouts.history(account, spelled).get("out")
    if out is not None and spelled != number and not drop and not out.get("forgotten"):
        at, source = datetime.fromisoformat(out["at"]), out.get("source", "message")
        parts.optouts.add(account, number, source=source, at=at)
        parts.optouts.suppress(account, number)
    parts.optouts.suppress(account, spelled, drop=drop)


def _unrouted(hit: Hit, parts: Places) -> Iterator[AnyEvent]:
    record = hit.content
    if hit.place in (Place.EVENT, Place.CANDIDATE) and isinstance(record, Record):
        if record.routed is None and not record.handlers and not record.forgotten:
            yield record.event
    elif hit.place is Place.SPOOL:
        with suppress(KeyLost, ValueError, LookupError, TypeError):
            parcel = parts.intake.draining.open(record)
            if parcel.home == parts.intake.home:
                yield from parcel.events


def _asks(event: AnyEvent, parts: Places) -> bool:
    if isinstance(event, InboundMessage):
        return parts.consent.asked(event.text) is not None
    return isinstance(event, DeliveryReport) and event.status is Status.BLOCKED


def _with_sender(event: AnyEvent, parts: Places) -> AnyEvent:
    """Find out who wrote: once what was sent to them is erased nobody can."""
    if not isinstance(event, InboundMessage) or event.sender is not None:
        return event
    if len(event.candidates) == 1:
        return replace(event, sender=event.candidates[0])
    return parts.answerers.narrow(event)


def _sender(event: AnyEvent) -> str | None:
    return event.sender if isinstance(event, InboundMessage) else None
