"""What became of one step of a trial: the ack, events, outcomes, what was sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..events import AnyEvent
from ..store.journal import Record
from .door import Answered
from .outside import SentSms


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """``status`` and ``body`` are the ack's; 0 and empty where nothing was posted.

    ``events`` are those that were new: a duplicate has none. ``outcomes`` gives by handler
    ``done``, ``retrying`` or ``failed``, ``replies`` by handler ``sent``, ``refused``, ``failed`` …
    ``why``: what a handler, or else its reply, came to grief of, and what to do about it.
    """

    status: int = 0
    body: str = ""
    quarantined: str | None = None
    events: tuple[AnyEvent, ...] = ()
    outcomes: Mapping[str, str] = field(default_factory=dict)
    why: Mapping[str, str] = field(default_factory=dict)
    replies: Mapping[str, str] = field(default_factory=dict)
    sent: tuple[SentSms, ...] = ()

    @property
    def reply(self) -> str | None:
        """The text of the one SMS that was sent, or ``None``; several are an error."""
        assert len(self.sent) < 2, f"{len(self.sent)} SMS were sent; see sent"
        return self.sent[0].text if self.sent else None

    @classmethod
    def made_of(
        cls, answered: Answered | None, records: Sequence[Record], sent: Sequence[SentSms]
    ) -> Happened:
        """Put together what the journal knows."""
        found = [pair for record in records for pair in record.handlers.items()]
        replies = [pair for record in records for pair in record.replies.items()]
        return cls(
            status=answered.status if answered else 0,
            body=answered.body if answered else "",
            quarantined=answered.quarantined if answered else None,
            events=tuple(record.event for record in records),
            outcomes={name: str(outcome["state"]) for name, outcome in found},
            why={name: _why(told) for name, told in (*replies, *found) if "reason" in told},
            replies={name: str(reply["state"]) for name, reply in replies},
            sent=tuple(sent),
        )


def _why(told: Mapping[str, Any]) -> str:
    """Say what went wrong as the journal has it: a provider's code, the reason, the mend."""
    code = f"{told['code']}: " if told.get("code") else ""
    mend = f"; {told['mend']}" if told.get("mend") else ""
    return f"{code}{told['reason']}{mend}"
