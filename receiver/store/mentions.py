"""How one number may be written, wherever that was: found in texts and bodies, and taken out.

It finds the number in E.164, without its plus, with 00 or its trunk zero before it, and bare; in
the digits of any script, with marks between them, and as URLs, JSON and HTML escape them. It knows
nothing of where texts lie.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any
from urllib.parse import unquote_to_bytes

import phonenumbers

from ..msisdn import SEPARATORS

INSTEAD = "(forgotten)"

_MARK = rf"(?:%2[089DdEeFf]|&nbsp;|&#(?:160|[xX][aA]0);|[{SEPARATORS}/+_]){{0,12}}"
# No digit before it, unless that is the end of an escaped character.
_BEGIN = r"(?:(?<!\d)|(?<=%[0-9A-Fa-f]\d)|(?<=\\u[0-9A-Fa-f]{3}\d))"
_PLUS = r"(?:\+|00|%2[Bb]|\\u002[Bb])?"
_PLAIN_MARKS = b"\0 \t\n\r\x0b\x0c\x1c\x1d\x1e\x1f().-+/_"
_ESCAPES = (b"%", b"\\u", b"&nbsp;", b"&#")  # a digit or a mark may be behind one
_JSON_ESCAPE = re.compile(r"\\u([0-9A-Fa-f]{4})")


class Mentions:
    """The mentions of one number, in E.164.

    >>> mentions = Mentions("+27637885448")
    >>> mentions.without("call 063 788 5448, or 27637885449")
    'call (forgotten), or 27637885449'
    """

    is_exact = False  # a value is it, or is not: it is not looked for within what people wrote

    def __init__(self, number: str) -> None:
        self.number = number
        parsed = phonenumbers.parse(number)
        digits = phonenumbers.national_significant_number(parsed)
        self._digits = digits.encode("ascii")
        self._pattern = _pattern(str(parsed.country_code), digits)
        bare = number.removeprefix("+")
        self.spellings: tuple[str, ...] = (number, bare, f"00{bare}", f"0{digits}", digits)

    def in_text(self, text: str) -> bool:
        """Tell whether a text names the number."""
        if self._pattern.search(text) is not None:
            return True
        is_escaped = "%" in text or "\\u" in text
        return is_escaped and any(
            map(self._pattern.search, _readings(text.encode("utf-8", "replace")))
        )

    def in_bytes(self, body: bytes) -> bool:
        """Tell whether a body does, of whatever encoding it may be."""
        is_plain = body.isascii() and not any(escape in body for escape in _ESCAPES)
        if is_plain and self._digits not in body.translate(None, _PLAIN_MARKS):
            return False  # in a tenth of the time, and nearly all come by
        return any(map(self._pattern.search, _readings(body)))

    def without(self, text: str) -> str:
        """Give a text with something else in the number's place."""
        left = self._pattern.sub(INSTEAD, text)
        return INSTEAD if self.in_text(left) else left  # where its digits are escaped

    def cleaned(self, value: Any) -> Any:
        """Do as `without` does with all texts and numbers in JSON types, names as well."""
        if isinstance(value, str):
            return self.without(value)
        if isinstance(value, Mapping):
            return {self.without(name): self.cleaned(inner) for name, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.cleaned(inner) for inner in value]
        if isinstance(value, int | float) and self.in_text(str(value)):
            return INSTEAD
        return value


class Exactly(Mentions):
    """The mentions of a sender that is no number, such as a short code, as a whole value only.

    >>> Exactly("INFO").in_text("INFO"), Exactly("INFO").in_text("INFO, please")
    (True, False)
    """

    is_exact = True

    def __init__(self, name: str) -> None:
        self.number = name
        self.spellings = (name,)
        quoted = re.escape(name)
        self._pattern = re.compile(
            rf"""["'=>]\s*{quoted}\s*(?:["'&<]|\Z)|[:\[,]\s*{quoted}\s*[,\]}}]"""
        )

    def in_text(self, text: str) -> bool:
        """Tell whether a text is this, and nothing else."""
        return text.strip() == self.number

    def in_bytes(self, body: bytes) -> bool:
        """Tell whether it is a value in JSON or in a form."""
        return any(map(self._pattern.search, _readings(body)))

    def without(self, text: str) -> str:
        """Give something else where the text is this."""
        return INSTEAD if self.in_text(text) else text


def _readings(body: bytes) -> Iterator[str]:
    """Give what a body may say, in each way in which it may be meant."""
    bodies = [body, unquote_to_bytes(body)] if b"%" in body else [body]
    if b"\0" in body:
        bodies.append(body.replace(b"\0", b""))
    for form in bodies:
        try:
            text = form.decode("utf-8")
        except UnicodeDecodeError:
            yield form.decode("utf-8", "replace")
            text = form.decode("latin-1")
        yield text
        if "\\u" in text:
            yield _JSON_ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)


def _pattern(country: str, national: str) -> re.Pattern[str]:
    zero, code = _spelled("0"), _spelled(country)
    international = rf"{_PLUS}{_MARK}{code}{_MARK}(?:\({zero}\)|{zero})?{_MARK}"
    return re.compile(rf"{_BEGIN}(?:{international}|{zero}{_MARK})?{_spelled(national)}(?!\d)")


def _spelled(digits: str) -> str:
    return _MARK.join(
        f"[{digit}{''.join(chr(zero + int(digit)) for zero in _zeros())}]" for digit in digits
    )


@cache
def _zeros() -> tuple[int, ...]:
    """Give the zeros of all other scripts: their digits follow each in order."""
    others = range(0x80, sys.maxunicode + 1)
    return tuple(char for char in others if unicodedata.decimal(chr(char), None) == 0)
