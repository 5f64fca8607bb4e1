"""Other numbers, ids and texts in the place of real ones: of one shape, and always the same ones.

A number keeps its country, its first digits, its length and how it is written, so that it is read
as before. An id keeps its length and kinds of characters, a text its length and its scripts.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime

import phonenumbers

from ..errors import ReceiverError
from ..msisdn import is_valid

REMOVED = "removed"

_SECRET = re.compile(
    r"(?i)(api_?key|secret|token|passw|authori[sz]ation|signature|credential|^key$|^pin$|^auth)"
)
_PARTY = re.compile(
    r"(?i)(^from$|^to$|sender|recipient|msisdn|number|phone|mobile|addr|dest|source|^cell)"
)
_ID = re.compile(r"(?i)(id|uuid|reference|ref)$")
_IDLIKE = re.compile(r"(?=.*\d)[A-Za-z0-9_-]{8,}", re.ASCII)
_DECIMAL = re.compile(r"-?\d{1,6}(\.\d{1,6})?", re.ASCII)
_LISTED = re.compile(r"[^,;|]+")
_IN_TEXT = re.compile(r"\+?\d[\d ().-]{5,}\d")
_URL = re.compile(r"(?i)https?://\S+")
_LEAST_DIGITS, _MOST_DIGITS = 7, 17
_LEAST_INVENTED, _KEPT = 3, 2  # digits
_TRIED = 60
_LETTERS = {"LATIN": "é", "ARABIC": "ع", "ETHIOPIC": "አ", "CYRILLIC": "ж", "HEBREW": "ש"}


class Numbers:
    """Invented numbers; ``read`` gives a number as E.164, as the provider reads it.

    >>> from receiver.msisdn import normalise
    >>> numbers = Numbers(lambda raw: normalise(raw, "ZA"))
    >>> numbers.other("063 788 5448"), numbers.other("+27637885448"), numbers.other("15000")
    ('063 000 0001', '+27630000001', '15002')
    """

    def __init__(self, read: Callable[[str], str]) -> None:
        self._read = read
        self._invented: dict[str, str] = {}
        self._taken: set[str] = set()
        self._count = 0

    @property
    def originals(self) -> list[str]:
        """The digits of the real ones so far, without their country."""
        return [_digits(read[_national_begin(read) :]) for read in self._invented]

    def is_one(self, name: str, value: str) -> bool:
        """Tell whether a value is a number, or several, by how it looks or by its name."""
        parts = [part.strip() for part in _LISTED.findall(value)]
        return bool(parts) and all(self._is_one(name, part) for part in parts)

    def other(self, value: str) -> str:
        """Give a value with its numbers replaced, each written as it was."""
        return _LISTED.sub(lambda part: self._other(part[0]), value)

    def without_exponent(self, number: str) -> str:
        """Give a JSON number that is no whole one: 2.557E+11 is a phone number, 100.00 a price."""
        try:
            found = Decimal(number)
        except InvalidOperation:  # beyond all bounds
            return number
        if found.adjusted() > _MOST_DIGITS or found != found.to_integral_value():
            return number
        digits = str(int(found))
        return self.other(digits) if self.is_one("number", digits) else number

    def for_read(self, number: str) -> str:
        """Give the number that stands for one that was read."""
        return self._invent(number)

    def in_text(self, text: str) -> str:
        """Replace what looks like a number within a text."""
        return _IN_TEXT.sub(lambda found: self._other(found[0]), text)

    def _is_one(self, name: str, part: str) -> bool:
        digits = sum(map(str.isdecimal, part))
        if not 3 <= digits <= _MOST_DIGITS or any(map(str.isalpha, part)) or is_date(part):
            return False
        if _PARTY.search(name):
            return True
        return digits >= _LEAST_DIGITS and is_valid(self._read(part))

    def _other(self, written: str) -> str:
        """Replace as many digits at the end as the number has in common with how it is written."""
        read = self._read(written)
        old, new = _digits(read), _digits(self._invent(read))
        own = _digits(written)
        same = 0
        while same < min(len(old), len(own)) and old[-1 - same] == own[-1 - same]:
            same += 1
        fresh = own[: len(own) - same] + new[len(new) - same :]
        return _spelled_like(written, fresh)

    def _invent(self, read: str) -> str:
        if read not in self._invented:
            self._invented[read] = self._candidate(read)
            self._taken |= {read, self._invented[read]}
        return self._invented[read]

    def _candidate(self, read: str) -> str:
        """Count on, with as few of the first digits kept as make a number of the same kind."""
        kept = min(len(read), _national_begin(read) + _KEPT)
        for begin in range(kept, max(kept, len(read) - _LEAST_INVENTED) + 1):
            for count in range(self._count + 1, self._count + _TRIED):
                found = read[:begin] + str(count).zfill(len(read) - begin)
                fits = len(found) == len(read) and found != read and found not in self._taken
                if fits and is_valid(found) is is_valid(read) and self._read(found) == found:
                    self._count = count
                    return found
        if len(read) <= _LEAST_DIGITS:  # of a short code there are few
            return read[:1] + "0" * (len(read) - 1)
        raise ReceiverError("there is no other number like one of these; take another callback")


class Ids:
    """Invented ids: the characters of each kind stay of that kind, and the end counts.

    >>> ids = Ids()
    >>> ids.other("120a1039103910"), ids.other("f8CF-92"), ids.other("120a1039103910")
    ('000a0000000001', 'a0AA-02', '000a0000000001')
    """

    def __init__(self) -> None:
        self._invented: dict[str, str] = {}

    @property
    def originals(self) -> list[str]:
        """The real ones so far."""
        return list(self._invented)

    def is_one(self, name: str, value: str) -> bool:
        """Tell whether a value is an id, by its field's name or by how it looks."""
        if is_date(value) or not value.strip():
            return False
        return bool(_ID.search(name)) or bool(_IDLIKE.fullmatch(value))

    def other(self, value: str) -> str:
        """Give the id that stands for one."""
        if value not in self._invented:
            self._invented[value] = self._invent(value, len(self._invented) + 1)
        return self._invented[value]

    def _invent(self, value: str, count: int) -> str:
        left = [int(digit) for digit in str(count)]
        made: list[str] = []
        for char in reversed(value):
            if char.isdecimal():
                made.append(str(left.pop()) if left else "0")
            else:
                made.append(_letter_like(char, "a"))
        made.reverse()
        if made and made[0] == "0" and value.isdecimal():  # a JSON number begins with no zero
            made[0] = "1"
        return "".join(made)


def is_secret(name: str) -> bool:
    """Tell whether a field of that name holds a key or the like."""
    return bool(_SECRET.search(name))


def is_amount(value: str) -> bool:
    """Tell whether a value is a small number, such as a price or a count."""
    return bool(_DECIMAL.fullmatch(value.strip()))


def is_date(value: str) -> bool:
    """Tell whether a value is a time as people or programs write it."""
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            read(value.strip())
        except (ValueError, TypeError, IndexError):
            continue
        return not value.strip().isdecimal()
    return False


def text_like(text: str) -> str:
    """Give a text of the same length and scripts that says nothing.

    >>> text_like("Où est ma commande 4711 ?")
    'Xé xxx xx xxxxxxxx 0000 ?'
    """
    if _URL.fullmatch(text.strip()):
        return "https://example.org/x"
    return "".join("0" if char.isdecimal() else _letter_like(char, "x") for char in text)


def _letter_like(char: str, letter: str) -> str:
    if char.isascii():
        return letter if char.islower() else letter.upper() if char.isalpha() else char
    if char.isalpha():
        return _LETTERS.get(unicodedata.name(char, "").partition(" ")[0], "文")
    return "😀" if ord(char) > 0xFFFF else char


def _national_begin(read: str) -> int:
    """Give where a number begins behind its country; of a short code that is all of it."""
    try:
        return len(f"+{phonenumbers.parse(read).country_code}")
    except phonenumbers.NumberParseException:
        return 0


def _digits(text: str) -> str:
    return "".join(str(unicodedata.decimal(char)) for char in text if char.isdecimal())


def _spelled_like(written: str, digits: str) -> str:
    """Put digits in the places, and in the script, of others."""
    left = iter(digits)
    return "".join(
        chr(ord(char) - unicodedata.decimal(char) + int(next(left))) if char.isdecimal() else char
        for char in written
    )
