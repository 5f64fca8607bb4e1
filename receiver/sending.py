"""Sending from anywhere in an app, and asking: `send`, `status` and `balance`.

Replies of handlers go by the outbox, which tries again by itself; here the caller waits for the
provider's answer, and an error is the caller's.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from uuid import uuid4

from flask import current_app
from redis.exceptions import RedisError

from .attempts import at_work
from .delivery import deliver
from .errors import (
    AnswerLostError,
    ConfigurationError,
    DeliveryError,
    PermanentDeliveryError,
    TemporaryDeliveryError,
    UncertainDeliveryError,
)
from .events import DeliveryReport, event_id
from .providers.base import Asked, Balance, Provider, Sent, Sms, Stamp
from .segmentation import advice
from .store.faults import insist
from .store.optouts import OptOuts
from .store.sends import Begun, Ended, Sends
from .store.sentbox import SentBox

OPTED_OUT = "OPTED_OUT"

_PATIENCE = 5.0  # seconds that a Redis which went away is waited for, to note that an SMS was sent

_log = logging.getLogger(__name__)


def send(
    account: str,
    to: str | Sequence[str],
    text: str,
    *,
    key: str | None = None,
    source: str | None = None,
    client_reference: str | None = None,
    schedule: datetime | None = None,
    names: Mapping[str, str] | None = None,
    flash: bool = False,
) -> Sent:
    """Send an SMS through an account, and give what the provider said.

    ``to``: one number or several, each read in the account's region. ``key``: whatever is sent with
    the same key is one SMS, for as long as events are kept (``RECEIVER_RETENTION``): a second call
    gives what the first one gave. In a handler the key is made of the event, the handler and the
    SMS, so that a handler which runs again sends nothing twice. ``source``: the sender ID;
    ``schedule``: an aware time; ``names`` by number and ``flash`` for providers that know them.

    Who opted out is left out, and stands in ``Sent.refused``. Raises `TemporaryDeliveryError` (try
    again, with the same key), `PermanentDeliveryError`, and `ConfigurationError` for an account
    that is not there. Needs an app context.

    >>> from receiver import send
    >>> def remind(booking) -> None:
    ...     send("smsbox", booking.phone, "See you at nine.", key=f"reminder-{booking.id}")
    """
    numbers = (to,) if isinstance(to, str) else tuple(to)
    wish = Sms(
        recipients=numbers,
        text=text,
        key=key or "",
        source=source,
        client_reference=client_reference,
        schedule=schedule,
        names=names or {},
        flash=flash,
    )
    return _sending().send(account, wish)


def status(
    account: str, message_id: str, to: str | Sequence[str] = ()
) -> tuple[DeliveryReport, ...]:
    """Ask a provider what became of an SMS: a report for each recipient that it knows of.

    The reports go to no handler. Raises `DeliveryError`, a permanent one where the provider cannot
    be asked. Needs an app context.
    """
    return _sending().status(account, message_id, (to,) if isinstance(to, str) else tuple(to))


def balance(account: str) -> Balance:
    """Ask a provider what is left on an account. Raises `DeliveryError`. Needs an app context."""
    return _sending().provider(account).balance()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """Send and ask for one deployment; ``providers`` by account name."""

    providers: Mapping[str, Provider]
    sends: Sends
    optouts: OptOuts
    sentbox: SentBox

    def provider(self, account: str) -> Provider:
        """Give the provider of an account; raises `ConfigurationError`."""
        found = self.providers.get(account)
        if found is None:
            known = ", ".join(sorted(self.providers))
            raise ConfigurationError(f"there is no account {account!r}; there are: {known}")
        return found

    def status(
        self, account: str, message_id: str, numbers: Sequence[str]
    ) -> tuple[DeliveryReport, ...]:
        """See `receiver.sending.status`."""
        provider = self.provider(account)
        asked = Asked(message_id=message_id, recipients=_numbers(provider, numbers))
        return provider.status(asked, Stamp(provider.account, "asked", datetime.now(UTC)))

    def send(self, account: str, wish: Sms) -> Sent:
        """See `receiver.sending.send`."""
        provider = self.provider(account)
        sms = _with_key(replace(wish, recipients=_numbers(provider, wish.recipients)))
        send_id = event_id(account, "send", sms.key)
        sms = replace(sms, client_reference=sms.client_reference or send_id)
        try:
            begun = self.sends.begin(send_id, _fingerprint(sms))
            if begun.standing == "sent":
                return begun.sent
            sms, refused = self._without_opted_out(account, sms)
        except RedisError as error:
            raise TemporaryDeliveryError(
                f"nothing was sent: Redis is away ({type(error).__name__})",
                mend="Try again with the same key; see check.",
            ) from error
        return self._deliver(provider, sms, send_id, begun, refused)

    def _deliver(
        self, provider: Provider, sms: Sms, send_id: str, begun: Begun, refused: tuple[str, ...]
    ) -> Sent:
        doubt = _doubt(begun)
        state: Ended = "asking"  # whatever else ends this: nobody knows
        try:
            if not sms.recipients:
                raise PermanentDeliveryError("all recipients opted out", code=OPTED_OUT)
            _warn_of_cost(send_id, sms)
            sent = replace(deliver(provider, sms, doubt), refused=refused)
            state = "sent"
        except DeliveryError as error:
            state = _state_after(error)
            raise
        finally:
            if state != "sent":
                self._note(partial(self.sends.end, send_id, state), send_id)
        keep = partial(self.sentbox.keep, provider.account.name, sms, sent, poll=provider.is_polled)
        self._note(keep, send_id)
        self._note(partial(self.sends.end, send_id, "sent", sent), send_id)
        return sent

    def _without_opted_out(self, account: str, sms: Sms) -> tuple[Sms, tuple[str, ...]]:
        found = self.optouts.find_many(account, sms.recipients)
        left = tuple(number for number in sms.recipients if number not in found)
        return replace(sms, recipients=left), tuple(n for n in sms.recipients if n in found)

    def _note(self, what: partial[None], send_id: str) -> None:
        """Write down what happened; the SMS is on its way, whatever becomes of the note."""
        try:
            insist(what, _PATIENCE)
        except RedisError as error:
            _log.error("event=send_not_noted send=%s error=%s", send_id, type(error).__name__)


def _sending() -> Sending:
    found: Sending = current_app.extensions["receiver"].sending
    return found


def _numbers(provider: Provider, numbers: Sequence[str]) -> tuple[str, ...]:
    """Give the numbers as E.164, each once."""
    return tuple(dict.fromkeys(provider.number(number) for number in numbers))


def _with_key(sms: Sms) -> Sms:
    """Give an SMS its key: the caller's, or the handler's that sends it, or one of its own."""
    work = at_work.get()
    if sms.key:
        return sms
    if work is None:
        return replace(sms, key=uuid4().hex)
    return replace(sms, key=event_id("sent by", work, _fingerprint(sms)))


def _fingerprint(sms: Sms) -> str:
    schedule = sms.schedule.isoformat() if sms.schedule else ""
    return event_id(sms.recipients, sms.text, sms.source or "", schedule)


def _doubt(begun: Begun) -> datetime | None:
    """Say since when nobody knows how a send ended; raises where it is not to begin."""
    match begun.standing:
        case "doubt":
            return datetime.fromisoformat(begun.detail)
        case "busy":
            raise TemporaryDeliveryError(
                "an SMS of this key is being sent right now", retry_after=float(begun.detail) / 1000
            )
        case "unknown":
            raise UncertainDeliveryError(
                "an SMS of this key may have been sent, and the provider cannot be asked",
                mend="Look it up at the provider; send it again with another key.",
            )
        case "other":
            raise PermanentDeliveryError(
                "another SMS was sent with this key", mend="Use a key of its own for each SMS."
            )
    return None


def _state_after(error: DeliveryError) -> Ended:
    if isinstance(error, AnswerLostError):
        return "asking"
    return "unknown" if isinstance(error, UncertainDeliveryError) else "failed"


def _warn_of_cost(send_id: str, sms: Sms) -> None:
    found = advice(sms.text)
    if found is not None:
        _log.warning("event=sms_costs_more send=%s why=%r", send_id, found)
