"""Numbers in full, as machines write them: told at a glance, by the metadata of phonenumbers.

phonenumbers reads whatever a person may have typed, and takes 30 to 60 µs for it; a report to 500
recipients is 500 numbers. What is certain here is read in 1 or 2 µs: a valid number of a calling
code that one region has to itself, with nothing in it that could be a prefix. All else is left to
phonenumbers; which of both reads a number never makes a difference.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata
from phonenumbers.phonemetadata import PhoneNumberDesc

_LONGEST_CODE = 3  # digits

# Some regions share a code, such as +1: which of them a number belongs to is a longer story.
_REGION_OF = {
    str(code): regions[0]
    for code, regions in COUNTRY_CODE_TO_REGION_CODE.items()
    if len(regions) == 1
}
_CODE_OF = {region: code for code, region in _REGION_OF.items()}

_NOTHING = r"(?!)"

# What phonenumbers calls valid is of one of these types.
_TYPES = (
    "premium_rate",
    "toll_free",
    "shared_cost",
    "voip",
    "personal_number",
    "pager",
    "uan",
    "voicemail",
    "mobile",
    "fixed_line",
)


@dataclass(frozen=True, slots=True)
class _Plan:
    """The numbering plan of a region: ``number`` is a valid one, ``like`` what has its form.

    ``prefixed``: it begins as if something had to be taken off first.
    """

    code: str
    number: re.Pattern[str]
    like: re.Pattern[str]
    prefixed: re.Pattern[str]

    def has(self, national: str) -> bool:
        """Tell whether this is certainly a valid number of the region, just as it stands."""
        return bool(self.number.fullmatch(national)) and not self.prefixed.match(national)


def in_full(digits: str, region: str | None = None) -> str | None:
    """Give ASCII digits, with or without ``+``, as E.164 where that is certain; else ``None``.

    ``region`` reads national numbers, and goes before the reading as an international one.
    """
    if digits.startswith("+"):
        return digits if _is_international(digits[1:]) else None
    if region is not None:
        home = _plan_of(region)
        if home is None or home.prefixed.match(digits):
            return None
        if digits.startswith(home.code):
            own = not home.like.fullmatch(digits) and home.has(digits[len(home.code) :])
            return "+" + digits if own else None
        if home.number.fullmatch(digits):
            return f"+{home.code}{digits}"
    return "+" + digits if _is_international(digits) else None


def _is_international(digits: str) -> bool:
    for length in range(1, _LONGEST_CODE + 1):
        region = _REGION_OF.get(digits[:length])
        if region is not None:
            plan = _plan_of(region)
            return plan is not None and plan.has(digits[length:])
    return False


@cache
def _plan_of(region: str) -> _Plan | None:
    """Make a region's plan once; ``None`` for one that shares its code, or is no region."""
    found = PhoneMetadata.metadata_for_region(region, None) if region in _CODE_OF else None
    if found is None or found.general_desc is None:
        return None
    prefixes = filter(None, (found.national_prefix_for_parsing, found.international_prefix))
    types = [_whole(getattr(found, name)) for name in _TYPES]
    return _Plan(
        code=_CODE_OF[region],
        number=re.compile(f"(?={_whole(found.general_desc)})(?:{'|'.join(types)})"),
        like=re.compile(found.general_desc.national_number_pattern or _NOTHING),
        prefixed=re.compile("|".join(f"(?:{prefix})" for prefix in prefixes) or _NOTHING),
    )


def _whole(kind: PhoneNumberDesc | None) -> str:
    """Write a kind of number as a pattern: one of its lengths, and its form."""
    if kind is None or not kind.national_number_pattern:
        return _NOTHING
    lengths = "|".join(rf"\d{{{length}}}" for length in kind.possible_length) or r"\d+"
    return rf"(?=(?:{lengths})\Z)(?:{kind.national_number_pattern})\Z"
