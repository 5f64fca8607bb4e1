"""How many parts an SMS is charged as: septets of GSM 03.38, or code units of UCS-2.

Counted as networks do: one part of 160 septets or 70 code units, or several of 153 or 67, whose
headers take the rest; what is two units long is never cut. The national tables of 3GPP TS 23.038
are not counted on, since no provider says that it uses them. Nothing here refuses a text.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Encoding = Literal["gsm7", "ucs2"]

# 3GPP TS 23.038, 6.2.1 and 6.2.1.1, in the order of their codes; the escape is no character.
_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = "\f^{}\\[~]|€"
_SEPTETS = {**dict.fromkeys(_BASIC, 1), **dict.fromkeys(_EXTENSION, 2)}

# Units of a message of one part, and of each of several.
_ROOM: dict[Encoding, tuple[int, int]] = {"gsm7": (160, 153), "ucs2": (70, 67)}
_NAMED = 3  # characters that `advice` names


@dataclass(frozen=True, slots=True, kw_only=True)
class Segments:
    """What a text comes to: ``units`` in all, ``count`` parts, ``left`` units free in the last.

    ``spoilers``: the distinct characters that GSM 03.38 does not have, as they first appear.
    ``without_spoilers``: the parts, if each of them were a plain character.
    """

    encoding: Encoding
    units: int
    count: int
    per_part: int
    left: int
    spoilers: tuple[str, ...] = ()
    without_spoilers: int

    @property
    def saves(self) -> int:
        """How many parts plain characters would save."""
        return self.count - self.without_spoilers


def segments(text: str) -> Segments:
    """Count the parts of a text; no text is one part, as it is charged.

    >>> segments("Your balance is 5 €").units
    20
    >>> segments("x" * 160).count, segments("x" * 159 + "😀").count
    (1, 3)
    """
    unknown = set(text) - _SEPTETS.keys()
    encoding: Encoding = "ucs2" if unknown else "gsm7"
    plain = [_SEPTETS.get(char, 1) for char in text]
    widths = [_code_units(char) for char in text] if unknown else plain
    count, per_part, left = _fill(widths, encoding)
    return Segments(
        encoding=encoding,
        units=sum(widths),
        count=count,
        per_part=per_part,
        left=left,
        spoilers=tuple(sorted(unknown, key=text.index)),
        without_spoilers=_fill(plain, "gsm7")[0] if unknown else count,
    )


def advice(text: str) -> str | None:
    """Say in one sentence which characters make a text cost more, and how much; without the text.

    ``None`` where none does, and where a text is simply not in Latin letters.

    >>> advice("x" * 159 + "😀")
    '1 character (GRINNING FACE) makes this 3 parts instead of 1'
    """
    found = segments(text)
    if not found.saves or sum(char in found.spoilers for char in text) * 4 > len(text):
        return None
    names = [unicodedata.name(char, f"U+{ord(char):04X}") for char in found.spoilers]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    what = "1 character" if len(names) == 1 else f"{len(names)} characters"
    make = "makes" if len(names) == 1 else "make"
    parts = f"{found.count} parts instead of {found.without_spoilers}"
    return f"{what} ({', '.join(names[:_NAMED])}{more}) {make} this {parts}"


def _code_units(char: str) -> int:
    return 2 if char > "\uffff" else 1


def _fill(widths: Iterable[int], encoding: Encoding) -> tuple[int, int, int]:
    """Give parts, units in each, and units left in the last one."""
    widths = list(widths)
    single, per_part = _ROOM[encoding]
    if sum(widths) <= single:
        return 1, single, single - sum(widths)
    count, left = 1, per_part
    for width in widths:
        if width > left:
            count, left = count + 1, per_part
        left -= width
    return count, per_part, left
