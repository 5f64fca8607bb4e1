"""Which fields of a callback no document knows: what its provider changed since it was read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from typing import Any

# The names that a document knows, of the callback itself ("") and of what lies in it, by its path.
Documented = Mapping[str, Set[str]]


def unknown_fields(
    payload: Mapping[str, Any], documented: Documented, spelled: Callable[[str], str]
) -> tuple[str, ...]:
    """Name the fields that are not documented, the inner ones as ``message.lang``.

    ``spelled`` gives a name as the document has it. A name without a value is left out: in a form
    it may be a piece of a text.
    """
    found: list[str] = []
    if documented:
        _look(payload, "", documented, spelled, found)
    return tuple(found)


def _look(
    part: Mapping[str, Any],
    path: str,
    documented: Documented,
    spelled: Callable[[str], str],
    found: list[str],
) -> None:
    names = documented[path]
    if not part.keys() <= names:
        odd = (name for name, value in part.items() if name not in names and value != "")
        found += [path + name for name in odd if spelled(name) not in names]
    if len(documented) == 1:
        return
    for name, value in part.items():
        if type(value) is dict:
            inner = f"{path}{name if name in names else spelled(name)}."
            if inner in documented:
                _look(value, inner, documented, spelled, found)
