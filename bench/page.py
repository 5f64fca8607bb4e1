"""The figures in our pages: blocks between two marks, which are written from a report alone.

Nothing there is typed by hand. The text around the blocks is ours to write, and is left as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .programs import BenchError
from .table import cells_of, read

_BLOCK = re.compile(r"(<!-- figures: ([a-z-]+) -->\n).*?(<!-- end -->)", re.S)
_WORDS = ("command", "beside it", "reached")  # columns that hold no figures


def rewrite(page: Path, blocks: Mapping[str, str]) -> None:
    """Write each block of a page anew; raises `BenchError` where they are not those it has."""
    page.write_text(filled(page.read_text(), blocks))


def read_json(path: Path) -> Any:
    """Read a report; raises `BenchError` where there is none."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise BenchError(f"{path}: no report can be read there ({error})") from error


def filled(text: str, blocks: Mapping[str, str]) -> str:
    """Give a page's text with these blocks, which must be those that it has."""
    named = [found[2] for found in _BLOCK.finditer(text)]
    if sorted(named) != sorted(blocks):
        there, wanted = ", ".join(sorted(named)) or "none", ", ".join(sorted(blocks))
        raise BenchError(
            f"the page has these blocks: {there}; and these are to be written: {wanted}"
        )
    return _BLOCK.sub(lambda found: f"{found[1]}{blocks[found[2]].strip()}\n{found[3]}", text)


def blocks_of(report: Mapping[str, Any]) -> dict[str, str]:
    """Give the block of a page: all rows of a report, and what they were measured on."""
    rows, measured, facts = read(report)
    table = markdown(cells_of(rows, measured, wanted=True))
    return {"how-fast": f"{table}\n\n{told(facts)}"}


def markdown(table: Sequence[Sequence[str]]) -> str:
    """Give cells as a table of Markdown, the first row as its head; figures stand to the right."""
    drawn = ["|" + "".join(f" {cell} |" if cell else " |" for cell in cells) for cells in table]
    rules = ("---|" if name in _WORDS else "---:|" for name in table[0][1:])
    return "\n".join([drawn[0], f"|---|{''.join(rules)}", *drawn[1:]])


def told(facts: Mapping[str, str]) -> str:
    """Give what was measured on, a line each."""
    return "\n".join(f"- {name}: {_said(name, value)}" for name, value in facts.items())


def _said(name: str, value: str) -> str:
    return f"`{value}`" if name == "command" else value
