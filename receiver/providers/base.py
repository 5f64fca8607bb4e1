"""What every provider shares: authenticate ▸ parse ▸ ack in one call, and sending.

A provider's file subclasses `Provider` and says only what is its own: its words, its statuses,
its answer, its API. It sees a `WebhookRequest` and gives events; HTTP frameworks, queues and
Redis are somebody else's.
"""

from __future__ import annotations

import json
import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from marshmallow import Schema, ValidationError

from ..accounts import Account, AccountSchema
from ..errors import PermanentDeliveryError, Unreadable, without_values
from ..events import DeliveryReport, InboundMessage, Trust, event_id, unique_id
from ..msisdn import normalise
from ..security import Door, WebhookRequest
from ..sms import Asked, Balance, Sent, Sms
from .documented import Documented, unknown_fields
from .payload import Payload, decode, number

__all__ = [
    "Ack",
    "Asked",
    "Balance",
    "Provider",
    "Received",
    "Sent",
    "Sms",
    "Stamp",
    "WebhookRequest",
]


_SILENT = "This API tells nothing of what became of an SMS."

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ack:
    """The HTTP answer that the provider wants: nothing more, since some gateways text it on."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What one callback gave: its events, or why it could not be read; and the answer to it.

    ``alike`` names, for an event that nothing identifies, what its content is: a second one of
    the same name within two minutes is marked ``duplicate_of``. ``kind`` is the type that the
    callback names, and ``unknown`` its fields that no document knows: names, and no values.
    """

    events: tuple[InboundMessage | DeliveryReport, ...]
    ack: Ack
    trust: Trust = "key"
    alike: Mapping[str, str] = field(default_factory=dict)
    unreadable: str | None = None
    kind: str | None = None
    unknown: tuple[str, ...] = ()


class Stamp:
    """What all events of one callback have in common, and the maker of their ids.

    ``kept_as`` names a body that is read out of the quarantine.
    """

    def __init__(
        self, account: Account, trust: Trust, received_at: datetime, kept_as: str | None = None
    ) -> None:
        self._account = account
        self._kept_as = kept_as
        self._made = 0
        self.trust = trust
        self._common: dict[str, Any] = {
            "provider": account.provider,
            "account": account.name,
            "received_at": received_at,
            "trust": trust,
        }
        self.alike: dict[str, str] = {}

    def __call__(
        self, kind: str, identity: Sequence[str] | None, alike: Sequence[str] = ()
    ) -> dict[str, Any]:
        """Give the common fields; ``identity`` is what a resend never changes, or ``None``.

        Without identity the event is always a new one, and ``alike`` tells what it looks like.
        """
        who = (self._account.provider, self._account.name, kind)
        if identity is not None:
            return {"id": event_id(*who, *identity), **self._common}
        made = self._unique()
        if alike:
            self.alike[made] = event_id(*who, "alike", *alike)
        return {"id": made, **self._common}

    def _unique(self) -> str:
        """A body that is read a second time gives the same events again."""
        if self._kept_as is None:
            return unique_id()
        self._made += 1
        return event_id("kept", self._kept_as, str(self._made))


class Provider(ABC):
    """One account at a provider. Subclasses set ``name``, and give `parse`, `ack` and `send`.

    ``pushes``: it calls back at all. ``is_polled``: what became of an SMS is learned by `status`
    alone. ``has_history``: it lists what was sent, see `history`. ``is_idempotent``: two requests
    of one `Sms.key` are one SMS. ``needs``: the settings of an account without which nothing can be
    sent. ``can_find``: it can be asked whether it got an SMS, see `find`. ``documented``: the names
    of a callback's fields, and of those in them: ``{"": {"id", "data"}, "data.": {"text"}}``; any
    other is counted, so that a change of the provider is seen. ``type_field`` names a callback's
    type. ``callback_schema`` and ``ack_schema``: what its callbacks and its JSON acks look like,
    for openapi.json alone; ``None`` for any object, and for an ack that is text.
    """

    name: ClassVar[str]
    region: ClassVar[str | None] = None
    pushes: ClassVar[bool] = True
    is_polled: bool = False
    needs: ClassVar[tuple[str, ...]] = ("api_key", "api_secret")
    has_history: ClassVar[bool] = False
    is_idempotent: ClassVar[bool] = False
    can_find: ClassVar[bool] = False
    documented: ClassVar[Documented] = {}
    type_field: ClassVar[str | None] = None
    account_schema: ClassVar[type[AccountSchema]] = AccountSchema
    callback_schema: ClassVar[type[Schema] | None] = None
    ack_schema: ClassVar[type[Schema] | None] = None

    def __init__(self, account: Account, door: Door) -> None:
        self.account = account
        self._door = door

    def receive(self, request: WebhookRequest) -> Received:
        """Authenticate, parse, and say what to answer; raises `Refused` before looking inside."""
        trust = self._door.authenticate(request)
        return self._read(request.body, Stamp(self.account, trust, request.received_at))

    def reread(self, body: bytes, trust: Trust, received_at: datetime, kept_as: str) -> Received:
        """Parse a body of the quarantine with today's code; ``kept_as`` is its id there."""
        return self._read(body, Stamp(self.account, trust, received_at, kept_as))

    def _read(self, body: bytes, stamp: Stamp) -> Received:
        payload: Payload = {}
        try:
            payload = decode(body)
            events = tuple(self.parse(payload, stamp))
        except Exception as error:  # noqa: BLE001 - a fault of ours must not cost the event
            problem = _sentence(error)
            ack = self.ack(payload or self.salvage(body), problem)
            return Received(events=(), ack=ack, trust=stamp.trust, unreadable=problem)
        kind = payload.get(self.type_field) if self.type_field else None
        return Received(
            events=events,
            ack=self.ack(payload, None),
            trust=stamp.trust,
            alike=stamp.alike,
            kind=kind if isinstance(kind, str) else None,
            unknown=unknown_fields(payload, self.documented, self.spelled),
        )

    @abstractmethod
    def parse(self, payload: Payload, stamp: Stamp) -> Iterable[InboundMessage | DeliveryReport]:
        """Give the events in a decoded body; raise `Unreadable` where it is not one of ours."""

    @abstractmethod
    def ack(self, payload: Payload, problem: str | None) -> Ack:
        """Give the exact answer; ``problem`` says why the body went to quarantine, if it did."""

    def send(self, sms: Sms) -> Sent:
        """Send an SMS through the provider's API; raises `DeliveryError`."""
        raise PermanentDeliveryError(
            f"{self.name} does not send", mend="Return None from handlers of this account."
        )

    def balance(self) -> Balance:
        """Ask what is left on the account; raises `DeliveryError`."""
        raise PermanentDeliveryError(f"{self.name} tells no balance")

    def status(self, asked: Asked, stamp: Stamp) -> tuple[DeliveryReport, ...]:
        """Ask what became of an SMS: a report for each recipient that something is known of.

        Raises `DeliveryError`.
        """
        mend = "Its delivery reports tell, if any." if self.pushes else _SILENT
        raise PermanentDeliveryError(f"{self.name} cannot be asked for a status", mend=mend)

    def find(self, sms: Sms, since: datetime) -> Sent | None:
        """Ask whether an SMS arrived whose answer was lost; ``since``: when it was sent, or before.

        ``None`` where the provider does not have it. Raises `DeliveryError`.
        """
        raise PermanentDeliveryError(f"{self.name} cannot be asked what it got")

    def history(self, since: datetime, stamp: Stamp) -> Iterator[InboundMessage | DeliveryReport]:
        """List what the provider knows of since a time, as the events that webhooks would bring.

        Raises `DeliveryError`.
        """
        raise PermanentDeliveryError(f"{self.name} does not list what was sent")

    def salvage(self, body: bytes) -> Payload:
        """Give what the ack needs out of a body that could not be decoded."""
        return {}

    def spelled(self, name: str) -> str:
        """Give a field's name as `documented` has it; callbacks may spell it in other ways."""
        return name

    def number(self, raw: str) -> str:
        """Give a number as E.164, read in the account's region, or else in the provider's."""
        return normalise(raw, self.account.region or self.region)


def json_ack(content: Mapping[str, Any]) -> Ack:
    """Give an ack whose body is JSON, in ASCII, so that every string survives."""
    return Ack(body=_encoded(content).encode("ascii"), content_type="application/json")


def _writable(value: object) -> float | str:
    return number(value) if isinstance(value, Decimal) else str(value)


_encoded = json.JSONEncoder(separators=(", ", ": "), default=_writable).encode


def _sentence(error: Exception) -> str:
    """Name the fields that are wrong, and never their values."""
    if isinstance(error, ValidationError):
        named = error.messages if isinstance(error.messages, dict) else {}
        names = ", ".join(sorted(str(name) for name in named))
        return f"wrong type in: {names or 'some field'}"
    if isinstance(error, Unreadable):
        return str(error)
    _log.error("event=parser_failed", exc_info=without_values(error))
    return f"our parser failed ({type(error).__name__})"
