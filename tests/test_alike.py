"""Messages that nothing tells apart: alike within two minutes of their receipt, whenever stored."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from receiver import InboundMessage
from receiver.events import unique_id
from receiver.parcel import Parcel

MakeApp = Callable[..., Flask]

EARLIER = datetime.now(UTC) - timedelta(hours=1)


def spooled(intake: Any, at: datetime) -> Parcel:
    """A message as it lies in the spool: of no identity, but like another."""
    common = {"provider": "smsbox", "account": "smsbox", "trust": "key", "received_at": at}
    event = InboundMessage(id=unique_id(), text="hello", sender="+15551234567", **common)
    alike = {event.id: "what-it-looks-like"}
    return Parcel(home=intake.home, body=b"{}", events=(event,), alike=alike, **common)


@pytest.mark.parametrize(("minutes", "alike"), [(1, True), (5, False)])
def test_a_spool_that_is_drained_at_once_makes_nothing_alike(
    make_app: MakeApp, minutes: int, alike: bool
) -> None:
    parts = make_app().extensions["receiver"]
    for at in (EARLIER, EARLIER + timedelta(minutes=minutes)):
        assert parts.intake.store(spooled(parts.intake, at)) == 1
    later, first = parts.journal.records(parts.journal.ids())
    assert later.event.duplicate_of == (first.event.id if alike else None)
