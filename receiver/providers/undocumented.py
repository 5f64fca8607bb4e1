"""Answers whose shape no document gives: what is looked for in them, and under which names.

For the two APIs whose texts name no host and show no success: keyed and bearer. Nothing here says
what an answer means; a provider's own file does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ..errors import Unreadable
from ..words import printable
from .base import Balance
from .payload import amount, parse_sloppy_json

if TYPE_CHECKING:
    import httpx

Answer = Mapping[str, Any]

_DEEPEST = 3  # of wrappings such as {"data": {"messages": [{"id": …}]}}
_WRAPPERS = ("data", "result", "results", "response", "message", "messages", "sms", "recipients")
_IDS = ("messageid", "msgid", "smsid", "id", "uuid")
_NUMBERS = ("to", "number", "phone", "phonenumber", "msisdn", "mobile", "recipient")
_CREDITS = ("credits", "credit", "smscredits", "smsbalance", "units", "smsunits")
_MONEY = ("balance", "accountbalance", "currentbalance", "availablebalance", "amount")
_NO = frozenset({"error", "errors", "failed", "failure", "fail", "false", "unsuccessful"})
_LEAST_ERROR = 400
_LONGEST_QUOTE = 200
_SHORT = 4  # characters: a shorter text would be found inside of other words
_DIGITS = re.compile(r"\+?[0-9](?:[ ().-]?[0-9]){5,}")


def answer_of(response: httpx.Response) -> Answer | None:
    """Give the JSON object of an answer, or ``None``; a list of objects stands in ``data``."""
    try:
        found = parse_sloppy_json(response.text)
    except Unreadable:
        return None
    if isinstance(found, list):
        return {"data": found} if found else {}
    return found if isinstance(found, dict) else None


def says_no(answer: Answer) -> bool:
    """Tell whether an answer, or what it wraps, calls itself a failure, whatever HTTP says."""
    return any(map(_fails, parts(answer)))


def taken_in_part(response: httpx.Response, answer: Answer, recipients: Sequence[str]) -> bool:
    """Tell whether a success of several recipients holds both an id and a failure."""
    several = response.is_success and len(recipients) > 1 and not _fails(answer)
    return several and says_no(answer) and message_id(answer) is not None


def error_in(answer: Answer) -> Answer:
    """Give the object that holds ``code`` and ``message``: the error, or what it stands in.

    An error that is text alone is its ``message``.
    """
    for part in parts(answer):
        error = part.get("error")
        if isinstance(error, list) and error:
            error = error[0]
        if isinstance(error, dict):
            return error
        if isinstance(error, str) and error:
            return {**part, "message": error}
    for name in ("code", "message"):
        for part in parts(answer):
            if isinstance(part.get(name), str | int):
                return part
    return answer


def message_id(answer: Answer) -> str | None:
    """Give the first id of a message in an answer."""
    return _text(first(answer, _IDS))


def message_ids(answer: Answer, recipients: Iterable[str]) -> dict[str, str]:
    """Give the id of each recipient, where an answer lists numbers with theirs."""
    wanted = {_digits(number): number for number in recipients}
    found = {}
    for part in parts(answer):
        number, id_ = number_of(part), _text(field(part, _IDS))
        if number is not None and id_ is not None and _digits(number) in wanted:
            found[wanted[_digits(number)]] = id_
    return found


def number_of(part: Answer) -> str | None:
    """Give the phone number that stands in an object itself."""
    return _text(field(part, _NUMBERS))


def text_of(part: Answer, names: Iterable[str]) -> str | None:
    """Give what `field` gives as text."""
    return _text(field(part, names))


def balance_of(answer: Answer) -> Balance | None:
    """Give the balance: in money where a currency is named or a price is written, or credits."""
    credit = _amount(first(answer, _CREDITS))
    if credit is not None:
        return Balance(amount=credit, unit="credits")
    found = _amount(first(answer, _MONEY))
    if found is None:
        return None
    return Balance(amount=found, unit="money" if first(answer, ("currency",)) else "credits")


def first(answer: Answer, names: Iterable[str]) -> Any:
    """Give the first value of one of the names, written in any way, from the outside inwards."""
    names = tuple(names)
    values = (field(part, names) for part in parts(answer))
    return next((value for value in values if value is not None), None)


def field(part: Answer, names: Iterable[str]) -> Any:
    """Read text or a number of an object itself; names without case, underscores and dashes."""
    folded = {name.lower().replace("_", "").replace("-", ""): part[name] for name in part}
    values = [folded.get(name) for name in names]
    usable = (v for v in values if isinstance(v, str | int | Decimal) and not isinstance(v, bool))
    return next((value for value in usable if value != ""), None)


def parts(answer: Answer) -> Iterator[Answer]:
    """Give the answer, then the objects that it wraps, from the outside inwards."""
    level = [answer]
    for _ in range(_DEEPEST):
        yield from level
        level = [
            inner
            for part in level
            for name in _WRAPPERS
            for inner in _listed(part.get(name))
            if isinstance(inner, dict)
        ]


def quoted(words: Any, hidden: Iterable[str | None]) -> str:
    """Give a provider's words as one short line, without what was sent and without numbers."""
    if not isinstance(words, str):
        return ""
    line = _line(words)
    for value in sorted({_line(value) for value in hidden if value}, key=len, reverse=True):
        edge = r"\b" if len(value) < _SHORT else ""
        line = re.sub(f"{edge}{re.escape(value)}{edge}", "***", line, flags=re.IGNORECASE)
    return _DIGITS.sub("***", line)[:_LONGEST_QUOTE]


def _fails(part: Answer) -> bool:
    if part.get("error") or part.get("errors"):
        return True
    codes = [amount(part.get(name)) for name in ("code", "status", "status_code")]
    if any(code is not None and code >= _LEAST_ERROR for code in codes):
        return True
    return any(str(part.get(name)).strip().lower() in _NO for name in ("status", "success"))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _text(value: Any) -> str | None:
    return None if value is None else str(value).strip() or None


def _amount(value: Any) -> Decimal | None:
    """Read a number, or text such as ``1,234.50``."""
    return amount(value.strip().replace(",", "") if isinstance(value, str) else value)


def _digits(number: str) -> str:
    return "".join(char for char in number if char.isdecimal())


def _line(text: str) -> str:
    return printable(" ".join(text.split()))
