"""What KoboMobile answers: "text inside JSON", read liberally, since no whole answer is documented.

Section "API Response" of https://kobomobile.net/developer lists numbers with words, and ids as
``number,message_id`` joined by ``~``. Whether they come as a JSON string, in an object and under
which name, or bare, it does not say: all of these are read. No HTTP here, and no error is raised.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ..errors import Unreadable
from .payload import parse_sloppy_json

SENT = "sent"
EITHER = "3"  # error_credit or error_billing: the document gives both the same number

_NUMBERED = {
    "1": SENT,
    "2": "error_param",
    "3": EITHER,
    "4": "error_gw",
    "5": "error_user",
    "6": "error_limit",
}
# Names of fields, in lower case; "" stands for an answer that is no object.
_ASKED_FOR = frozenset({"", "response", "result", "data"})
_VERDICTS = frozenset({"status", "code", "error", "error_code", "status_code"})
_STATUSES = frozenset({"status", "report", "dlr", "state", "delivery_status", "dlr_status"})
_AMOUNTS = ("balance", "credit", "credits", "units", "amount")
_IDS = frozenset({"message_id", "msg_id", "msgid"})
_ECHOES = frozenset({"user", "pass", "from", "to", "msg", "text", "type", "message_uuid"})

_FAULT = "error"  # an error without a documented word
_NO_FAULT = ("", "0", "none", "no")
_WRAPPED = 3  # times that JSON may be inside a JSON string
_LEAST_DIGITS = 7  # of a number that is written without its country
_BETWEEN = re.compile(r"[~|;\s]+")
_AROUND_COMMA = re.compile(r"(?<!\s)\s*,\s*")
_PAIR = re.compile(r"\+?([0-9]{7,15}),([\w.:-]{1,100})", re.ASCII)
_NUMBER = re.compile(r"\+?([0-9]{7,15})", re.ASCII)
_ID = re.compile(r"[\w.:-]{1,100}", re.ASCII)
_NO_LETTER = re.compile(r"\W+", re.ASCII)
_ERROR = re.compile(r"error_[a-z_]{1,40}")
_STATUS = re.compile(r"[a-z][a-z _-]{0,39}", re.I | re.ASCII)
_AMOUNT = re.compile(
    r"(\D{0,20}?)(-?(?:\d{1,3}(?:,\d{3})+|\d{1,15})(?:\.\d{1,10})?)([^\d.,]{0,20})", re.ASCII
)
_MONEY = re.compile(r"[₦$€£]|\b(?:NGN|naira|N)\b", re.I)


@dataclass(frozen=True, slots=True)
class Answer:
    """The values of an answer in its order, each with the name of the field that holds it."""

    values: tuple[tuple[str, str], ...]

    @property
    def verdict(self) -> str | None:
        """`SENT`, the word of an error, or `EITHER`; ``None`` where the answer says none of them.

        Any error counts for more than "sent", and a word for more than a number.
        """
        return self._verdict(_VERDICTS | _ASKED_FOR)

    @property
    def refusal(self) -> str | None:
        """The error of an answer whose content may itself be a small number."""
        found = self._verdict(_VERDICTS)
        return None if found == SENT else found

    def ids(self, numbers: Collection[str]) -> list[tuple[str, str]]:
        """Give pairs of a number and the id of its message, of ``numbers`` (digits) alone.

        The number is ``""`` where an id stands by itself, and was not the only one sent to.
        """
        found = []
        taken = self.verdict in (None, SENT)
        for name, text in self.values:
            if name in _IDS and taken and _ID.fullmatch(text):
                found.append((next(iter(numbers)) if len(numbers) == 1 else "", text))
            if name in _ECHOES:
                continue
            for piece in _BETWEEN.split(_AROUND_COMMA.sub(",", text)):
                pair = _PAIR.fullmatch(piece)
                number = _one_of(numbers, pair[1]) if pair else None
                if pair and number and pair[2] not in numbers and not _ERROR.match(pair[2]):
                    found.append((number, pair[2]))
        return found

    def amount(self) -> tuple[Decimal, str] | None:
        """Give the credit left and its unit: ``credits``, or ``money`` where a currency stands."""
        by_name = dict(reversed(self.values))
        given = [by_name[name] for name in (*_AMOUNTS, *sorted(_ASKED_FOR)) if name in by_name]
        for match in filter(None, map(_AMOUNT.fullmatch, given)):
            money = "currency" in by_name or _MONEY.search(f"{match[1]} {match[3]}")
            return Decimal(match[2].replace(",", "")), "money" if money else "credits"
        return None

    def statuses(self, known: Collection[str], message_id: str) -> list[tuple[str | None, str]]:
        """Give the words that tell a status, each with the number that stands beside it, if any.

        Of several kinds the most telling one: a ``known`` word (in lower case); "sent", which may
        be the verdict on our request; and any other word in a place for a status.
        """
        ranked: dict[int, list[tuple[str | None, str]]] = {}
        for name, text in self.values:
            for piece in re.split(r"[~;\n]", text) if name not in _ECHOES else ():
                fields = [field.strip() for field in re.split(r"[,|]", piece)]
                words = [w for w in fields if _STATUS.fullmatch(w) and w != message_id]
                words = [w for w in words if w.lower() in known] or words[-1:]
                number = next((m[1] for m in map(_NUMBER.fullmatch, fields) if m), None)
                for word in words[:1]:
                    rank = _rank(word.lower(), name, known)
                    if rank is not None:
                        ranked.setdefault(rank, []).append((number, word))
        if not ranked:
            return [(None, SENT)] if self.verdict == SENT else []
        return ranked[min(ranked)]

    def _verdict(self, numbered: Collection[str]) -> str | None:
        """Look for words everywhere, and for numbers in the fields of these names."""
        found: list[str] = []
        faults: list[str] = []
        for name, text in self.values:
            words = [word for word in _NO_LETTER.split(text.lower()) if word]
            if name in _ECHOES and len(words) > 2:
                continue
            found += filter(_ERROR.fullmatch, words)
            if SENT in words and {*words} <= {SENT, "1"}:
                found.append(SENT)
            if words == [_FAULT] or (name == _FAULT and text.lower() not in _NO_FAULT):
                faults.append(_FAULT)
        said = (text for name, text in self.values if name in numbered)
        found += [_NUMBERED[text] for text in said if text in _NUMBERED]
        errors = [word for word in (*found, *faults) if word != SENT]
        return next(iter(errors or found), None)


def read(text: str) -> Answer:
    """Read the body of an answer: JSON, trailing commas and all, JSON inside JSON, or bare text."""
    return Answer(tuple(_values(text.strip().removeprefix("\ufeff"), "", _WRAPPED)))


def _values(value: Any, name: str, wrapped: int) -> Iterator[tuple[str, str]]:
    """Walk through an answer; ``wrapped``: how many times more a text may hold JSON."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _values(inner, key.lower(), wrapped)
    elif isinstance(value, list):
        for inner in value:
            yield from _values(inner, name, wrapped)
    elif isinstance(value, str) and wrapped:
        yield from _values(_json_in(value), name, wrapped - 1)
    elif value is not None and not isinstance(value, bool):
        yield name, str(value).strip()


def _json_in(text: str) -> Any:
    """Give what a text holds as JSON; itself, if it holds none."""
    try:
        return parse_sloppy_json(text)
    except Unreadable:
        return text


def _one_of(numbers: Collection[str], given: str) -> str | None:
    """Find a number that may be written without its country: 08030000000 is 2348030000000."""
    if given in numbers:
        return given
    rest = given.lstrip("0")
    whole = len(rest) >= _LEAST_DIGITS
    return next((number for number in numbers if whole and number.endswith(rest)), None)


def _rank(word: str, name: str, known: Collection[str]) -> int | None:
    """Tell how much a word tells, 0 the most; ``None``: it stands where no status is expected."""
    if word in known and word not in (SENT, "unknown"):
        return 0
    if word == SENT:
        return 1
    return 2 if name in _ASKED_FOR | _STATUSES else None
