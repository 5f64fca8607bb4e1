"""The words of a text, as people mean them: without case, accents and punctuation."""

from __future__ import annotations

import re
import unicodedata

# ng'ombe is one word, however its apostrophe was typed; 'stop' in quotes is a word as well.
_APOSTROPHE = re.compile(r"(?<=\w)['’‘ʼʻ](?=\w)")
_ASCII_RUN = re.compile(r"[a-z0-9]+")
_ZERO_WIDTH_SPACE = "\u200b"


def first_word(text: str) -> str:
    """Give the first word of a text without case, accents and punctuation: « Stop! » is stop."""
    words = words_in(text)
    return words[0] if words else ""


def words_in(text: str) -> list[str]:
    """Split into runs of letters and digits; a text of symbols alone splits at white space."""
    if text.isascii():  # nothing to take apart; a tenth of the time, and every message comes by
        words = _ASCII_RUN.findall(_APOSTROPHE.sub("", text.lower()))
        if words:
            return words
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    plain = plain.replace(_ZERO_WIDTH_SPACE, " ")
    plain = _APOSTROPHE.sub("", "".join(char for char in plain if not _is_ornament(char)))
    return _runs(plain, "LMN") or _runs(plain, "LMNS") or plain.split()


def printable(text: str) -> str:
    """Write out what could steer a terminal or a log: a sender may be any text."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _runs(text: str, kinds: str) -> list[str]:
    """Split where a character is of another Unicode category than these."""
    return "".join(c if unicodedata.category(c)[0] in kinds else " " for c in text).split()


def _is_ornament(char: str) -> bool:
    """Tell accents, marks of direction, joiners and variants of emoji from what makes a word."""
    return (
        unicodedata.combining(char) > 0
        or unicodedata.category(char) in ("Cf", "Me")
        or "\ufe00" <= char <= "\ufe0f"  # text or emoji
        or "\U0001f3fb" <= char <= "\U0001f3ff"  # skin tones
    )
