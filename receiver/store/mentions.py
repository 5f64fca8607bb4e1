"""How one number may be written, wherever that was: found in texts and bodies, and taken out.

It finds the number in E.164, without its plus, with 00 or its trunk zero before it, and bare; with
marks between the digits, and as URLs and JSON escape them. It knows nothing of where texts lie.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import phonenumbers

INSTEAD = "(forgotten)"

_MARK = r"(?:%2[089DdEeFf]|[\s().\-+/\u2010-\u2015\u00a0\u200b-\u200f\u202a-\u202e]){0,3}"
# No digit before it, unless that is the end of an escaped character.
_BEGIN = r"(?:(?<!\d)|(?<=%[0-9A-Fa-f]\d)|(?<=\\u[0-9A-Fa-f]{3}\d))"
_PLUS = r"(?:\+|00|%2[Bb]|\\u002[Bb])?"
_PLAIN_MARKS = b"\0 \t\n\r\x0b\x0c\x1c\x1d\x1e\x1f().-+/"
_ZEROS = (0x660, 0x6F0, 0xFF10)  # of the digits of other scripts


class Mentions:
    """The mentions of one number, in E.164.

    >>> mentions = Mentions("+27637885448")
    >>> mentions.without("call 063 788 5448, or 27637885449")
    'call (forgotten), or 27637885449'
    """

    def __init__(self, number: str) -> None:
        self.number = number
        parsed = phonenumbers.parse(number)
        country = _spelled(str(parsed.country_code))
        digits = phonenumbers.national_significant_number(parsed)
        self._digits, national = digits.encode("ascii"), _spelled(digits)
        before = rf"(?:{_PLUS}{_MARK}{country}{_MARK}(?:\(0\)|0)?{_MARK}|[0\u0660\u06f0]{_MARK})?"
        self._pattern = re.compile(rf"{_BEGIN}{before}{national}(?!\d)")

    def in_text(self, text: str) -> bool:
        """Tell whether a text names the number."""
        return self._pattern.search(text) is not None

    def in_bytes(self, body: bytes) -> bool:
        """Tell whether a body does, of whatever encoding it may be."""
        is_plain = body.isascii() and b"%" not in body
        if is_plain and self._digits not in body.translate(None, _PLAIN_MARKS):
            return False  # in a tenth of the time, and nearly all come by
        return self.in_text(body.decode("utf-8", "replace")) or (
            b"\0" in body and self.in_text(body.replace(b"\0", b"").decode("utf-8", "replace"))
        )

    def without(self, text: str) -> str:
        """Give a text with something else in the number's place."""
        return self._pattern.sub(INSTEAD, text)

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


def _spelled(digits: str) -> str:
    return _MARK.join(
        f"[{digit}{''.join(chr(zero + int(digit)) for zero in _ZEROS)}]" for digit in digits
    )
