"""One entry of the opt-outs, as JSON types: what is sealed of it, and what a forgotten one leaves.

``at`` and ``source`` stay readable, for the script that tells which of two words is the later one.
Where the entries lie is `optouts`' business.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..errors import KeyLost
from ..vault import Vault

_WORDS = ("words", "text")  # text: as releases before wrote it
_SEALED = (*_WORDS, "number")


def closed(entry: Mapping[str, Any], number: str, vault: Vault) -> dict[str, Any]:
    """Give an entry as it is kept: the same, where nothing is encrypted."""
    kept = dict(entry)
    for name in _WORDS:
        if kept.get(name):
            kept[name] = vault.seal_text(kept[name])
    if isinstance(kept.get("ended"), dict):
        kept["ended"] = closed(kept["ended"], "", vault)
    if number and vault.is_on:
        kept["number"] = vault.seal_text(number)
    return kept


def opened(kept: Mapping[str, Any], vault: Vault, *, strictly: bool = False) -> dict[str, Any]:
    """Give an entry as it was written; an opt-out whose words nobody can read is one still.

    ``strictly``: raises `KeyLost` there.
    """
    entry = dict(kept)
    for name in filter(entry.get, _SEALED):
        try:
            entry[name] = vault.open_text(entry[name])
        except KeyLost:
            if strictly:
                raise
            entry[name] = ""
    if isinstance(entry.get("ended"), dict):
        entry["ended"] = opened(entry["ended"], vault, strictly=strictly)
        entry["ended"].pop("number", None)
    return entry


def is_current(kept: Mapping[str, Any], vault: Vault) -> bool:
    """Tell whether all of an entry is sealed as it would be now."""
    ended = kept.get("ended")
    texts = [str(kept[name]).encode() for name in filter(kept.get, _SEALED)]
    return all(map(vault.is_current, texts)) and (
        not isinstance(ended, dict) or is_current(ended, vault)
    )


def suppressed(text: bytes) -> str:
    """Give what is kept of a forgotten number's opt-out: when, and by whose word."""
    entry = json.loads(text)
    source = entry.get("source", "message")
    return json.dumps({"at": entry["at"], "words": "", "source": source, "forgotten": True})
