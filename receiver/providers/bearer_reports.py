"""What became of an SMS, found in a status answer whose shape no document gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from .undocumented import Answer, first, number_of, parts, text_of

_WORDS = ("deliverystatus", "messagestatus", "smsstatus", "status", "state")
_DELIVERED_AT = ("deliveredat", "deliverytime", "deliverydate")
_ENVELOPE = frozenset({"success", "ok", "true", "successful"})

Found = tuple[str, datetime | None]


def is_error(answer: Answer) -> bool:
    """Tell the API's error envelope from a report of an SMS that failed."""
    in_words = str(answer.get("status")).strip().lower() == "error"
    return in_words or any(isinstance(part.get("error"), dict) for part in parts(answer))


def words_of(
    answer: Answer, recipients: Iterable[str], number: Callable[[str], str]
) -> dict[str, Found]:
    """Give the provider's word for each recipient, and when it was delivered.

    ``recipients``: those that were asked for; a word that names no number counts for all of them.
    Without any, the numbers of the answer are taken, as ``number`` reads them.
    """
    wanted = tuple(recipients)
    named: dict[str, Found] = {}
    common: Found | None = None
    for depth, part in enumerate(parts(answer)):
        word = text_of(part, _WORDS)
        if word is None or (depth == 0 and (word.isdecimal() or word.lower() in _ENVELOPE)):
            continue
        common = word, _date(first(part, _DELIVERED_AT))
        to = number_of(part)
        if to is not None and (not wanted or number(to) in wanted):
            named[number(to)] = common
    if named or common is None:
        return named
    return dict.fromkeys(wanted, common)


def _date(value: Any) -> datetime | None:
    """Read ISO 8601 with an offset; a time without one could be anybody's."""
    if not isinstance(value, str):
        return None
    try:
        when = datetime.fromisoformat(value.strip())
        return when.astimezone(UTC) if when.tzinfo else None
    except (ValueError, OverflowError):
        return None
