"""The words of a text, as people mean them: without case, accents and punctuation."""

from __future__ import annotations

import unicodedata


def first_word(text: str) -> str:
    """Give the first word of a text without case, accents and punctuation: « Stop! » is stop."""
    words = words_in(text)
    return words[0] if words else ""


def words_in(text: str) -> list[str]:
    """Split into runs of letters and digits; a text of symbols alone splits at white space."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(char for char in plain if not unicodedata.combining(char))
    words = "".join(c if unicodedata.category(c)[0] in "LMN" else " " for c in plain).split()
    return words or plain.split()
