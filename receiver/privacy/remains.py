"""What stays of an event that is forgotten, or that named somebody who is.

How a record is written is `forgetting`'s business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..events import AnyEvent, DeliveryReport, InboundMessage, from_dict, to_dict
from ..store.mentions import INSTEAD, Mentions
from .places import said

_KEPT = ("state", "attempts", "at", "crashes", "replay")  # of an outcome or a reply


def tombstone(event: AnyEvent) -> AnyEvent:
    """Give what stays of an event: that there was one, and what became of the SMS."""
    common: dict[str, Any] = {
        name: getattr(event, name)
        for name in ("id", "provider", "account", "received_at", "trust", "duplicate_of")
    }
    if isinstance(event, DeliveryReport):
        return DeliveryReport(**common, recipient="", status=event.status)
    return InboundMessage(**common)


def without(event: AnyEvent, mentions: Mentions) -> AnyEvent:
    """Take a number out of an event that is somebody else's, too."""
    if isinstance(event, InboundMessage):
        left = tuple(other for other in event.candidates if not mentions.in_text(other))
        event = replace(event, candidates=left)
    cleaned = mentions.cleaned(said(event))
    cleaned |= {name: _money(cleaned[name]) for name in ("billing", "credit") if name in cleaned}
    return from_dict({**to_dict(event), **cleaned})


def _money(value: Any) -> Any:
    """Leave out an amount that was no amount: what stands in its place is none either."""
    if isinstance(value, Mapping):
        return {
            **{name: _money(inner) for name, inner in value.items()},
            "currency": value["currency"],
        }
    return None if value == INSTEAD else value


def bare(value: Mapping[str, Any], *, is_reply: bool) -> dict[str, Any]:
    """Give what stays of an outcome or a reply: how it ended, without any words."""
    kept = {name: value[name] for name in _KEPT if name in value}
    return kept | ({"text": ""} if is_reply else {})
