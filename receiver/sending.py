"""Sending from anywhere in an app, and asking: `send`, `status` and `balance`.

Replies of handlers go by the outbox, which tries again by itself; here the caller waits for the
provider's answer, and an error is the caller's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TypedDict, Unpack
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
    code_for_logs,
)
from .events import DeliveryReport, event_id
from .logs import callback, job_logger
from .providers.base import Asked, Balance, Provider, Sent, Sms, Stamp
from .segmentation import advice
from .store.faults import insist
from .store.optouts import OptOuts
from .store.sends import Begun, Ended, Sends
from .store.sentbox import SentBox
from .store.tally import Tally
from .traces import Noting, span

OPTED_OUT = "OPTED_OUT"

_OUT = "They said so themselves, or their provider did: see optouts list."
_NO_KEY = "Look it up at the provider before sending it again; with a key, a second try is safe."

_PATIENCE = 5.0  # seconds that a Redis which went away is waited for, to note that an SMS was sent

_log = job_logger(__name__)


class SendOptions(TypedDict, total=False):
    """What `send` takes besides; see `receiver.sms.Sms`."""

    source: str | None
    client_reference: str | None
    schedule: datetime | None
    names: Mapping[str, str]
    flash: bool


def send(
    account: str,
    to: str | Sequence[str],
    text: str,
    *,
    key: str | None = None,
    **options: Unpack[SendOptions],
) -> Sent:
    """Send an SMS through an account, and give what the provider said; needs an app context.

    ``to``: one number or several, each read in the account's region. Whatever is sent with the same
    ``key`` is one SMS, for ``RECEIVER_RETENTION``: a second call gives what the first gave. In a
    handler a key is made, so that one which runs again sends nothing twice. ``source``: the sender
    ID; ``schedule``: an aware time; ``names`` by number and ``flash`` for providers that know them.

    Who opted out is left out, and stands in ``Sent.refused``; where that is everybody, it is a
    `PermanentDeliveryError` with the code ``OPTED_OUT``. Raises `TemporaryDeliveryError`: try again
    with the same key; `PermanentDeliveryError`, of which an `UncertainDeliveryError` may have been
    sent; `ConfigurationError` for an account that is not there, `ValueError` for an empty key.

    >>> from receiver import send
    >>> def remind(booking) -> None:
    ...     send("smsbox", booking.phone, "See you at nine.", key=f"reminder-{booking.id}")
    """
    if key is not None and not key:
        raise ValueError("send(key=''): a key names one SMS; leave it out where there is none")
    numbers = (to,) if isinstance(to, str) else tuple(to)
    wish = Sms(recipients=numbers, text=text, key=key or "", **options)
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
    tally: Tally

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
        can_repeat = bool(wish.key) or at_work.get() is not None
        sms = _with_key(_in_full(provider, wish))
        send_id, fingerprint = event_id(account, "send", sms.key), _fingerprint(sms)
        sms = replace(sms, client_reference=sms.client_reference or send_id)
        try:
            sms, refused = self._without_opted_out(account, sms)
            begun = self.sends.begin(send_id, fingerprint)
        except RedisError as error:
            raise TemporaryDeliveryError(
                f"nothing was sent: Redis is away ({type(error).__name__})",
                mend="Try again with the same key; see check.",
            ) from error
        if begun.standing == "sent":
            return begun.sent
        who = {"account": account, "provider": provider.name}
        try:
            with span(
                "send", callback(), "CLIENT", **who, recipients=len(sms.recipients)
            ) as traced:
                return self._deliver(provider, sms, send_id, _doubt(begun), refused, traced)
        except AnswerLostError as error:
            if can_repeat:
                raise
            raise UncertainDeliveryError(error.reason, code=error.code, mend=_NO_KEY) from error

    def _deliver(
        self,
        provider: Provider,
        sms: Sms,
        send_id: str,
        doubt: datetime | None,
        refused: tuple[str, ...],
        traced: Noting,
    ) -> Sent:
        state: Ended = "failed"
        sent = None
        try:
            if refused and not sms.recipients:
                raise PermanentDeliveryError("all recipients opted out", code=OPTED_OUT, mend=_OUT)
            _warn_of_cost(send_id, sms)
            state = "asking"  # whatever ends it from here on: nobody knows
            sent = replace(deliver(provider, sms, doubt), refused=refused)
            state = "sent"
        except DeliveryError as error:
            state, sent = _state_after(error), error.sent
            traced.note(failed=code_for_logs(error.code) or type(error).__name__)
            if sent is not None:
                sent = error.sent = replace(sent, refused=(*refused, *sent.refused))
            raise
        finally:
            traced.note(result=state)
            if sent is not None:
                polled, name = provider.is_polled, provider.account.name
                self._note(partial(self.sentbox.keep, name, sms, sent, poll=polled), send_id)
            self._note(partial(self.sends.end, send_id, state, sent), send_id)
            self._count(provider.account.name, state, len(sms.recipients), len(refused))
        return sent

    def _count(self, account: str, state: Ended, recipients: int, refused: int) -> None:
        """Count an SMS for each recipient, as reports are."""
        for result, count in ((state, recipients), ("refused", refused)):
            if count:
                self.tally.count("sends", count, account=account, result=result)

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


def _in_full(provider: Provider, wish: Sms) -> Sms:
    """Give an SMS with its numbers as E.164, also those that names belong to."""
    names = {provider.number(number): name for number, name in wish.names.items()}
    return replace(wish, recipients=_numbers(provider, wish.recipients), names=names)


def _with_key(sms: Sms) -> Sms:
    """Give an SMS its key: the caller's, or the handler's that sends it, or one of its own."""
    work = at_work.get()
    if sms.key:
        return sms
    if work is None:
        return replace(sms, key=uuid4().hex)
    return replace(sms, key=event_id("sent by", work, _fingerprint(sms)))


def _fingerprint(sms: Sms) -> str:
    """Tell one SMS from another, however it is written."""
    schedule = sms.schedule.astimezone(UTC).isoformat() if sms.schedule else ""
    names = [f"{number} {name}" for number, name in sorted(sms.names.items())]
    what = (sms.text, sms.source or "", schedule, "flash" if sms.flash else "")
    return event_id(sorted(sms.recipients), names, *what)


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
