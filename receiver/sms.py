"""What is asked of a provider's API, and what it answers, in one vocabulary for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Sms:
    """An SMS to send: numbers in E.164, ``source`` the sender ID or number it comes from.

    ``key`` is the same for every attempt at this SMS and for no other. ``schedule``: an aware time
    to send it at, instead of now. ``names`` by recipient, for providers that write them into the
    text. ``flash``: shown at once, and not kept by the phone.
    """

    recipients: tuple[str, ...]
    text: str = field(repr=False)
    key: str
    source: str | None = None
    client_reference: str | None = None
    schedule: datetime | None = None
    names: Mapping[str, str] = field(default_factory=dict, hash=False, repr=False)
    flash: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """The provider took the SMS: its id for it, if it gave one, and the credits it cost.

    ``message_ids``: by recipient, where the provider has an id for each. ``refused``: recipients
    that were left out, since they opted out; in the ``sent`` of an error, also those that were not
    surely sent to.
    """

    message_id: str | None
    credit: str | None = None
    message_ids: Mapping[str, str] = field(default_factory=dict, hash=False)
    refused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What is left on an account; ``unit`` is ``credits``, or ``money`` of a currency not named."""

    amount: Decimal
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One SMS whose status is asked for: the provider's id, and the numbers that it went to."""

    message_id: str
    recipients: tuple[str, ...] = ()
    client_reference: str | None = None
