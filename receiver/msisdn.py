"""Phone numbers: to E.164 where they are numbers, untouched where they are not, masked for logs."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat

from .numbering import in_full
from .words import printable

_SHORT_CODE_DIGITS = 6
_LONGEST = 250  # digits: what is longer, phonenumbers does not look at
_LAST_SHOWN, _LEAST_HIDDEN = 3, 4
# White space, brackets, dots, dashes, and the marks of direction that come with a copied number.
SEPARATORS = r"\s().\-\u200b-\u200f\u2010-\u2015\u202a-\u202e\u2060-\u2069\ufeff"
_SEPARATORS = re.compile(f"[{SEPARATORS}]+")
_NUMBER = re.compile(r"\+?[0-9]+", re.ASCII)


def normalise(raw: str, region: str | None = None) -> str:
    """Give a number as E.164 with ``+``; short codes and alphanumeric senders as they came.

    ``region`` (ISO 3166, two letters) reads national numbers such as ``0637885448``. What is no
    possible number in any reading stands as it came, so that nothing is lost.
    """
    text = raw.strip()
    digits = text if _NUMBER.fullmatch(text) else _without_marks(text)
    if not _NUMBER.fullmatch(digits):
        return text
    if digits.startswith("00"):
        digits = "+" + digits[2:]
    if len(digits) <= _SHORT_CODE_DIGITS and not digits.startswith("+"):
        return digits
    if len(digits) > _LONGEST:
        return text
    return in_full(digits, region) or _as_typed(digits, region) or text


def is_valid(number: str) -> bool:
    """Tell whether a number as `normalise` gives it is one that can be in use; no short code is."""
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(number))
    except NumberParseException:
        return False


def is_possible(number: str) -> bool:
    """Tell whether a number as `normalise` gives it has the length of one, in use or not."""
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(number))
    except NumberParseException:
        return False


def mask(number: str | None) -> str:
    """Hide the middle of a number for a log line, four digits or more: ``+2763***448``."""
    if not number:
        return "-"
    shown = min(5, len(number) - _LAST_SHOWN - _LEAST_HIDDEN)
    if shown < 1:
        return "***"
    return printable(f"{number[:shown]}***{number[-_LAST_SHOWN:]}")


def _without_marks(text: str) -> str:
    digits = _SEPARATORS.sub("", text)
    return digits if digits.isascii() else "".join(map(_ascii_digit, digits))


def _ascii_digit(char: str) -> str:
    """Read the digits of every script, Arabic ones too."""
    return str(unicodedata.decimal(char, char))


@lru_cache(maxsize=1_024)  # the same few again and again, such as the number that is written to
def _as_typed(digits: str, region: str | None) -> str | None:
    """Read what is not written in full: it may hide a trunk zero, or be national."""
    return _first_number(_readings(digits, region))


def _readings(digits: str, region: str | None) -> list[tuple[str, str | None]]:
    if digits.startswith("+"):
        return [(digits, None)]
    national: list[tuple[str, str | None]] = [(digits, region)] if region else []
    if digits.startswith("0"):
        return national
    return [("+" + digits, None), *national]


def _first_number(readings: list[tuple[str, str | None]]) -> str | None:
    """Take the last reading that is valid, then the first that is possible.

    Some national numbers are also a number of a far country, when read with a plus.
    """
    possible = None
    for text, region in reversed(readings):
        try:
            number = phonenumbers.parse(text, region)
        except NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            return phonenumbers.format_number(number, PhoneNumberFormat.E164)
        if phonenumbers.is_possible_number(number):
            possible = number
    if possible is None:
        return None
    found = phonenumbers.format_number(possible, PhoneNumberFormat.E164)
    # read again, until nothing changes: a trunk zero may hide another one
    return found if (found, None) in readings else _first_number([(found, None)]) or found
