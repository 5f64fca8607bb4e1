"""What SMSBox answers, read out of every wrapping that its text shows; errors are made elsewhere.

Source: the sample responses of the SMS API documentation at https://smsbox.devotek.africa: flat,
wrapped in ``data``, with trailing commas, a failure with HTTP 200 and ``"status": true``, the id
as ``"message_id:sms-2025…"``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ..errors import Unreadable
from .payload import amount
from .smsbox_errors import CODES
from .smsbox_xml import parse_xml
from .wire import answer_in

if TYPE_CHECKING:
    import httpx

_ID = re.compile(r"[\w.-]+")
_MADE = re.compile(r"SenderID\s+(\S+)\s+created", re.I)


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderName:
    """A sender name on the account; ``status`` is ``approved``, ``rejected`` or ``pending``.

    ``created``: in UTC, as all times of this API; ``None`` where it cannot be read.
    """

    id: str
    name: str
    status: str
    created: datetime | None = None


def read_answer(response: httpx.Response) -> Mapping[str, Any]:
    """Read an answer in JSON or XML, out of ``data`` or ``error`` where its code is in there.

    What cannot be read is an empty mapping.
    """
    answer = _parsed(response)
    for name in ("data", "error"):
        inner = answer.get(name)
        if isinstance(inner, dict) and "code" in inner:
            return {**answer, **inner}
    return answer


def says_yes(response: httpx.Response, answer: Mapping[str, Any]) -> bool:
    """Tell whether HTTP status, ``code``, ``status`` and ``error`` all say yes: they disagree."""
    said_no = bool(answer.get("error")) or str(answer.get("status", True)).lower() == "false"
    known = CODES.get(str(answer.get("code", "200")))
    return response.is_success and not said_no and known is not None and known.is_success


def message_id_in(answer: Mapping[str, Any]) -> str | None:
    """Give the id in ``"message_id:sms-2025…"``, behind the colon; ``None`` without one."""
    data = answer.get("data", answer)
    data = data.get("message_id") if isinstance(data, Mapping) else data
    found = data.rpartition(":")[2].strip() if isinstance(data, str) else ""
    return found if _ID.fullmatch(found) else None  # "[]" stands there as well


def money_in(answer: Mapping[str, Any]) -> Decimal | None:
    """Give the ``balance_money`` of an answer, however deep it is wrapped."""
    found = (amount(each["balance_money"]) for each in _objects(answer) if "balance_money" in each)
    return next(found, None)


def sender_names_in(answer: Mapping[str, Any]) -> tuple[SenderName, ...]:
    """Give the sender names of an answer, however deep they are wrapped."""
    return tuple(
        SenderName(
            id=_text(each.get("id")),
            name=_text(each["sending_name"]),
            status=_text(each.get("status")).lower(),
            created=_date(each.get("created")),
        )
        for each in _objects(answer)
        if "sending_name" in each
    )


def made_id_in(answer: Mapping[str, Any]) -> str | None:
    """Give the id in ``"SenderID 299 created Successfully"``; nothing else of the answer has it."""
    match = _MADE.search(_text(answer.get("message")))
    return match[1] if match else None


def _parsed(response: httpx.Response) -> Mapping[str, Any]:
    text = response.text.lstrip("\ufeff \t\r\n")
    if not text.startswith("<"):
        return answer_in(response)
    try:
        return parse_xml(text)
    except Unreadable:
        return {}


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    """Give every object in parsed JSON or XML, in the order it stands there."""
    if isinstance(value, Mapping):
        yield value
    inner = value.values() if isinstance(value, Mapping) else value
    if isinstance(value, Mapping | list):
        for each in inner:
            yield from _objects(each)


def _text(value: Any) -> str:
    return str(value).strip() if isinstance(value, str | int | Decimal) else ""


def _date(value: Any) -> datetime | None:
    """Read ``2025-04-09 15:33:29``: without an offset it is GMT, as section "Parameters" has it."""
    try:
        when = datetime.fromisoformat(_text(value))
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
