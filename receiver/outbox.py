"""The only way out: a reply is drafted once for each (event, handler), and delivered once.

A draft is a field of the event's record, written in the same step as its `send` job: a handler
that runs again finds it there. Before the provider is called the draft says ``sending``; one that
still says so later was interrupted in the middle: the provider is asked before it is sent again,
or, where it cannot be asked, it is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Literal

from .attempts import Turn
from .delivery import deliver
from .errors import PermanentDeliveryError
from .events import Event, InboundMessage
from .logs import job_logger
from .providers.base import Provider, Sms
from .segmentation import advice
from .store.faults import insist
from .store.journal import REPLY, Journal, Noted, now_iso
from .store.optouts import OptOuts
from .store.sentbox import SentBox
from .store.tally import Tally

State = Literal["queued", "sending", "retrying", "asking", "sent", "failed", "unknown", "refused"]

_OPEN: tuple[State, ...] = ("queued", "sending", "retrying", "asking")
_IN_DOUBT: tuple[State, ...] = ("sending", "asking")

_log = job_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A reply on its way: ``to`` and ``source`` are numbers, ``attempts`` counts calls.

    ``by`` is the worker that is calling the provider, or did last; ``since``: when the attempt
    began whose answer was lost, if one was.
    """

    state: State
    text: str
    to: str | None
    source: str | None
    attempts: int = 0
    message_id: str | None = None
    credit: str | None = None
    code: str | None = None
    reason: str | None = None
    mend: str | None = None
    at: str | None = None
    by: str | None = None
    since: str | None = None

    @property
    def doubt(self) -> datetime | None:
        """When an attempt began of which nobody knows how it ended."""
        begun = self.since or self.at
        return datetime.fromisoformat(begun) if begun and self.state in _IN_DOUBT else None

    @property
    def latest(self) -> datetime | None:
        """When the attempt began that was cut short; a provider may not list it yet."""
        return datetime.fromisoformat(self.at) if self.at and self.state == "sending" else None

    def as_field(self) -> dict[str, Any]:
        """Give what is written on the record: only what says something."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return {name: value for name, value in values.items() if value not in (None, "", 0)}


class Outbox:
    """Draft and deliver the replies of one deployment; ``providers`` by account name."""

    def __init__(
        self,
        journal: Journal,
        providers: Mapping[str, Provider],
        optouts: OptOuts,
        sentbox: SentBox,
        tally: Tally,
    ) -> None:
        self._journal = journal
        self._providers = providers
        self._optouts = optouts
        self._sentbox = sentbox
        self._tally = tally

    def draft(self, event: Event, text: str) -> Draft | None:
        """Make the reply to an event: ``None`` for no text, refused where nobody is to answer."""
        if not isinstance(event, InboundMessage) or not text.strip():
            return None
        draft = Draft(
            state="queued", text=text, to=event.sender, source=event.recipient, at=now_iso()
        )
        if event.sender is not None:
            return draft
        reason = f"the provider does not say which of {len(event.candidates)} numbers wrote"
        return replace(draft, state="refused", reason=reason)

    def deliver(
        self,
        event: InboundMessage,
        handler: str,
        draft: Draft,
        before: Mapping[str, Any],
        turn: Turn,
    ) -> Draft | None:
        """Send a draft and note what became of it; ``before`` is the field that it was read from.

        ``None`` where another worker was there first. Raises `DeliveryError`.
        """
        if draft.state not in _OPEN:
            return draft
        refused = self._opted_out(event, draft)
        if refused is not None:
            return self._note(event, handler, refused)
        provider, sms = self._sms(event, handler, draft)
        doubt, latest = draft.doubt, draft.latest
        draft = replace(
            draft,
            state="sending",
            attempts=draft.attempts + 1,
            by=turn.worker,
            at=now_iso(),
            since=doubt.isoformat(timespec="milliseconds") if doubt else None,
        )
        name, kept = REPLY + handler, self._journal.stored(draft.as_field())
        note = partial(self._journal.note, event.id, name, kept, after=before)
        if insist(note, turn.patience) is not Noted.YES:
            return None
        _warn_of_cost(event, handler, draft)
        sent = deliver(provider, sms, doubt, latest)
        keep = partial(self._sentbox.keep, event.account, sms, sent, poll=provider.is_polled)
        insist(keep, turn.patience)
        message_id = sent.message_ids.get(sms.recipients[0], sent.message_id)
        draft = replace(draft, state="sent", since=None, message_id=message_id, credit=sent.credit)
        return insist(partial(self._note, event, handler, draft), turn.patience)

    def fail(self, event: Event, handler: str, draft: Draft, turn: Turn, **why: Any) -> Draft:
        """Note why a draft did not leave: ``state``, and what the error said."""
        return insist(partial(self._note, event, handler, replace(draft, **why)), turn.patience)

    def _sms(self, event: InboundMessage, handler: str, draft: Draft) -> tuple[Provider, Sms]:
        provider = self._providers.get(event.account)
        if provider is None or draft.to is None:
            raise PermanentDeliveryError(
                f"account {event.account} is not configured here",
                mend="Add it to RECEIVER_ACCOUNTS, or give each app a RECEIVER_NAMESPACE.",
            )
        return provider, Sms(
            recipients=(draft.to,),
            text=draft.text,
            key=f"{event.id}-{handler}",
            source=draft.source,
            client_reference=event.id,
        )

    def _opted_out(self, event: InboundMessage, draft: Draft) -> Draft | None:
        """Hold back what goes to an opted-out number, but for the answer to the very STOP."""
        optout = self._optouts.find(event.account, draft.to or "")
        if optout is None or optout.event == event.id:
            return None
        when = optout.at.isoformat(timespec="seconds")
        return replace(draft, state="refused", reason=f"the number opted out at {when}")

    def _note(self, event: Event, handler: str, draft: Draft) -> Draft:
        draft = replace(draft, at=now_iso())
        self._journal.note(event.id, REPLY + handler, draft.as_field())
        self._tally.count("sends", account=event.account, result=draft.state)
        return draft


def _warn_of_cost(event: Event, handler: str, draft: Draft) -> None:
    """Say, at the first attempt, which character makes an SMS cost more than it need."""
    found = advice(draft.text) if draft.attempts == 1 else None
    if found is not None:
        _log.warning("event=%s handler=%s reply=costs_more why=%r", event.id, handler, found)
