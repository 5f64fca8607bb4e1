"""Phone numbers: to E.164 where they are numbers, untouched where they are not, masked for logs."""

from __future__ import annotations

import re

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat

_SHORT_CODE_DIGITS = 6
_SEPARATORS = re.compile(r"[\s().\-\u00a0\u2010-\u2015]+")
_NUMBER = re.compile(r"\+?[0-9]+", re.ASCII)


def normalise(raw: str, region: str | None = None) -> str:
    """Give a number as E.164 with ``+``; short codes and alphanumeric senders as they came.

    ``region`` (ISO 3166, two letters) reads national numbers such as ``0637885448``. What is no
    possible number in any reading stands as it came, so that nothing is lost.
    """
    text = raw.strip()
    digits = _SEPARATORS.sub("", text)
    if not _NUMBER.fullmatch(digits):
        return text
    if digits.startswith("00"):
        digits = "+" + digits[2:]
    if len(digits) <= _SHORT_CODE_DIGITS and not digits.startswith("+"):
        return digits
    return _first_number(_readings(digits, region)) or text


def mask(number: str | None) -> str:
    """Hide the middle of a number for a log line: ``+2763***448``."""
    if not number:
        return "-"
    if len(number) < 8:
        return "***"
    return f"{number[:5]}***{number[-3:]}"


def _readings(digits: str, region: str | None) -> list[tuple[str, str | None]]:
    if digits.startswith("+"):
        return [(digits, None)]
    national: list[tuple[str, str | None]] = [(digits, region)] if region else []
    if digits.startswith("0"):
        return national
    return [("+" + digits, None), *national]


def _first_number(readings: list[tuple[str, str | None]]) -> str | None:
    """Take the first reading that is valid, then the first that is possible."""
    parsed = []
    for text, region in readings:
        try:
            parsed.append(phonenumbers.parse(text, region))
        except NumberParseException:
            continue
    for accepts in (phonenumbers.is_valid_number, phonenumbers.is_possible_number):
        for number in parsed:
            if accepts(number):
                return phonenumbers.format_number(number, PhoneNumberFormat.E164)
    return None
