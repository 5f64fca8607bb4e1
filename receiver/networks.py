"""Which network a number belongs to, for the rate of delivery by network; its first one, if ported.

Only workers ask, and only about reports: the tables of phonenumbers take a while to load.
"""

from __future__ import annotations

from functools import lru_cache

from .events import AnyEvent, DeliveryReport
from .measures import UNKNOWN
from .store.tally import Tally

_PREFIX = 10  # characters of a number in E.164: what tells networks apart lies within them


def count_delivery(tally: Tally, event: AnyEvent) -> None:
    """Count a final delivery report by its recipient's network; no other event."""
    if isinstance(event, DeliveryReport) and event.final and not event.stale:
        network = network_of(event.recipient)
        tally.count("network_reports", network=network, status=event.status)


def network_of(number: str) -> str:
    """Name the network that a number in E.164 was given out by, as ``Vodacom (ZA)``.

    A number that was ported keeps the name; without one the country stands alone, and without that
    ``(unknown)``.

    >>> network_of("+27637885448")
    'Vodacom (ZA)'
    """
    return _named(number[:_PREFIX], len(number)) if number.startswith("+") else UNKNOWN


@lru_cache(maxsize=4096)
def _named(prefix: str, length: int) -> str:
    """Name the network of all numbers of this length that begin so, whatever follows."""
    from phonenumbers import carrier, parse, region_code_for_number
    from phonenumbers.phonenumberutil import NumberParseException

    try:
        number = parse(prefix.ljust(length, "0"))
    except NumberParseException:
        return UNKNOWN
    name, region = carrier.name_for_number(number, "en"), region_code_for_number(number)
    if not region:
        return UNKNOWN
    return f"{name} ({region})" if name else f"({region})"
