"""What arrives, counted once it is kept: messages, reports by their words, what was known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from .events import DeliveryReport, InboundMessage
from .measures import ODD, REASONS, word
from .parcel import Parcel
from .providers.base import Received
from .store.tally import Tally


def count_kept(tally: Tally, parcel: Parcel, told: Sequence[Any]) -> None:
    """Count the events of a callback; ``told``: what `accept` says of each, 1 where it is new."""
    account, reports = parcel.account, Counter[tuple[str, str]]()
    for event, new in zip(parcel.events, told, strict=True):
        if new and isinstance(event, DeliveryReport):
            reports[event.status, event.provider_status] += 1
        elif new and isinstance(event, InboundMessage):
            tally.count("messages", account=account)
    for (status, theirs), count in reports.items():
        tally.count("reports", count, account=account, status=status)
        tally.count("provider_statuses", count, provider=parcel.provider, status=word(theirs))
    known = sum(not new for new in told)
    if known and parcel.trust != "asked":  # who asks again gets what is known
        tally.count("duplicates", known, account=account)


def count_shape(tally: Tally, provider: str, received: Received) -> None:
    """Count of what type a callback is, and which fields it has that nobody knows."""
    if received.kind is not None:
        tally.count("provider_types", provider=provider, type=word(received.kind))
    for name in received.unknown:
        shown = ODD if " " in name else word(name)
        tally.count("unknown_fields", provider=provider, field=shown)


def count_refusal(tally: Tally, account: str, reason: str) -> None:
    """Count a caller that was turned away; a reason that a plugin gave may say anything."""
    tally.count("refusals", account=account, reason=REASONS.get(reason, "other"))
