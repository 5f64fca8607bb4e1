"""Where commands print: whether that is a terminal, how wide it is, what it has letters for.

FORCE_COLOR makes anything a terminal, NO_COLOR takes the colours, COLUMNS says the width.
"""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

_UNKNOWN_WIDTH = 80


def console(*, error: bool = False) -> Console:
    """Give the console of standard output, or of standard error, as it is now."""
    from rich.console import Console  # a tenth of a start: only for who prints with it

    found = Console(stderr=error, highlight=False, markup=False, emoji=False)
    if found.is_terminal and not (sys.stderr if error else sys.stdout).isatty():
        found.width = int(os.environ.get("COLUMNS") or _UNKNOWN_WIDTH)
    return found


def colours() -> bool | None:
    """Tell click whether to colour: as NO_COLOR and FORCE_COLOR say, else where a terminal is."""
    if os.environ.get("NO_COLOR"):
        return False
    return True if os.environ.get("FORCE_COLOR") else None


def sign(good: bool | None) -> str:
    """Give ✓, ✗, or ! for neither; letters where standard output has no such signs."""
    signs = {True: ("✓", "ok"), False: ("✗", "BAD"), None: ("!", "!")}[good]
    try:
        signs[0].encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return signs[1]
    return signs[0]


def write_any_text() -> None:
    """Show a text that the terminal has no letters for in escapes: it is no error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
