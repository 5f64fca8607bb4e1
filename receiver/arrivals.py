"""What arrives, counted once it is kept: messages, reports by their words, what was known."""

from __future__ import annotations

from collections.abc import Sequence

from .events import DeliveryReport, InboundMessage
from .measures import ODD, REASONS, word
from .parcel import Parcel
from .providers.base import Received
from .store.tally import Tally


def count_kept(tally: Tally, parcel: Parcel, told: Sequence[int]) -> None:
    """Count the events of a callback; ``told``: what `accept` says of each, 1 where it is new."""
    account, fresh = parcel.account, sum(told)
    reports: dict[tuple[str, str], int] = {}
    if fresh:
        for event, new in zip(parcel.events, told, strict=True):
            if new and isinstance(event, InboundMessage):
                tally.count("messages", account=account)
            elif new and isinstance(event, DeliveryReport):
                what = event.status, event.provider_status
                reports[what] = reports.get(what, 0) + 1
    for (status, theirs), count in reports.items():
        tally.count("reports", count, account=account, status=status)
        tally.count("provider_statuses", count, provider=parcel.provider, status=word(theirs))
    if fresh < len(told) and parcel.trust != "asked":  # who asks again gets what is known
        tally.count("duplicates", len(told) - fresh, account=account)


def count_unknown(tally: Tally, provider: str, received: Received) -> None:
    """Count the fields of a callback that nobody knows."""
    for name in received.unknown:
        shown = ODD if " " in name else word(name)
        tally.count("unknown_fields", provider=provider, field=shown)


def count_refusal(tally: Tally, account: str, reason: str) -> None:
    """Count a caller that was turned away; a reason that a plugin gave may say anything."""
    tally.count("refusals", account=account, reason=REASONS.get(reason, "other"))
