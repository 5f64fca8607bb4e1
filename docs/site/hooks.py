"""What mkdocs does beyond its own: stars in ``nav``, and tables that are made of the code.

A star stands for all other pages of a folder. ``<!-- table: lefoka errors -->`` becomes the table
of what the provider's own code knows, so that the page cannot say anything else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from receiver.providers.bearer import Bearer
from receiver.providers.bearer_codes import CATALOGUE, Retry
from receiver.providers.keyed import Keyed
from receiver.providers.kobomobile import KoboMobile
from receiver.providers.lefoka import Lefoka
from receiver.providers.lefoka_errors import CATALOGUE as LEFOKA
from receiver.providers.smsbox_errors import CODES

_TABLE = re.compile(r"^<!-- table: ([a-z ]+) -->$", re.M)
_CELL = re.compile(r"<td\b.*?</td>", re.S)
_AGAIN = {
    Retry.NO: "no",
    Retry.YES: "yes",
    Retry.PAUSED: "later",
    Retry.SENT: "no: perhaps it was sent",
}

Rows = Iterable[Sequence[str]]


def on_config(config: Any) -> Any:
    """Put the pages of a folder in the place of its star, by their names."""
    docs = Path(config["docs_dir"])
    named = set(_pages(config["nav"]))
    config["nav"] = [_filled(entry, docs, named) for entry in config["nav"]]
    return config


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Write the tables of a page; a table that nobody knows is an error."""
    return _TABLE.sub(lambda found: _drawn(*TABLES[found[1]]), markdown)


def on_page_content(html: str, **_: Any) -> str:
    """Show a bar that a cell escapes as GitHub does, without its backslash: code keeps it here."""
    return _CELL.sub(lambda found: found[0].replace(r"\|", "|"), html)


def _statuses(provider: Any) -> tuple[str, Callable[[], Rows]]:
    return "its word | `Status`", lambda: [
        (f"`{word}`", f"`{status.name}`") for word, status in provider.STATUSES.items()
    ]


def _lefoka() -> Rows:
    return [(f"`{code}`", known.meaning, known.advice) for code, known in LEFOKA.items()]


def _smsbox() -> Rows:
    for code, known in CODES.items():
        if not known.is_success:
            yield code, known.meaning, known.mend, "yes" if known.is_temporary else "no"


def _kobomobile() -> Rows:
    for code, (meaning, mend) in KoboMobile.ERRORS.items():
        yield f"`{code}`", meaning, mend, "yes" if code in KoboMobile.TEMPORARY else "no"


def _keyed() -> Rows:
    return [(words, str(known.status), known.mend) for words, known in Keyed.ERRORS.items()]


def _bearer() -> Rows:
    for code, known in CATALOGUE.items():
        if code != "200":
            yield code, known.message, known.description, known.solution, _AGAIN[known.retry]


TABLES: dict[str, tuple[str, Callable[[], Rows]]] = {
    "lefoka statuses": _statuses(Lefoka),
    "kobomobile statuses": _statuses(KoboMobile),
    "bearer statuses": _statuses(Bearer),
    "lefoka errors": ("code | what it means | what to do", _lefoka),
    "smsbox errors": ("code | what it means | what to do | tried again", _smsbox),
    "kobomobile errors": ("code | what it means | what to do | tried again", _kobomobile),
    "keyed errors": ("words | HTTP | what to do", _keyed),
    "bearer errors": ("code | message | what it means | what to do | tried again", _bearer),
}


def _drawn(head: str, rows: Callable[[], Rows]) -> str:
    lines = [f"| {head} |", "|" + "---|" * len(head.split(" | "))]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows())])


def _pages(entry: Any) -> list[str]:
    if isinstance(entry, str):
        return [entry]
    inner = entry.values() if isinstance(entry, dict) else entry
    return [page for part in inner for page in _pages(part)]


def _filled(entry: Any, docs: Path, named: set[str]) -> Any:
    if isinstance(entry, dict):
        return {title: _filled(inner, docs, named) for title, inner in entry.items()}
    if not isinstance(entry, list):
        return entry
    found: list[Any] = []
    for inner in entry:
        if isinstance(inner, str) and inner.endswith("/*"):
            pages = sorted((docs / inner.removesuffix("/*")).glob("*.md"))
            names = [page.relative_to(docs).as_posix() for page in pages]
            found += [name for name in names if name not in named]
        else:
            found.append(_filled(inner, docs, named))
    return found
