"""How `check` shows what it found: by what it is about, a sign before each, the mend below it.

In a pipe the sign is a word, ``ok`` or ``BAD``, for ``grep``.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import click

from ..vitals import Finding
from ..words import printable
from .consoles import console, sign
from .tables import BAD, GOOD, many

# A finding says in its first word what it is about.
_ABOUT = {
    "Settings": ("RECEIVER_INLINE", "secret", "account", "accounts", "handlers"),
    "This host": ("spool",),
    "Redis": ("Redis",),
    "Workers": ("workers", "jobs"),
    "Set aside": ("dead", "bodies"),
}
_OTHER = "Other"
_INDENT = "    "


def print_findings(findings: Sequence[Finding]) -> None:
    """Print all findings, then how many are wrong."""
    out = console()
    for heading in (*_ABOUT, _OTHER):
        found = [finding for finding in findings if _about(finding) == heading]
        if found and out.is_terminal:
            click.secho(heading, bold=True)
        for finding in found:
            _print_finding(finding, out.width if out.is_terminal else None)
    wrong = sum(not finding.ok for finding in findings)
    checked = many(len(findings), "thing")
    click.echo(
        click.style(f"{wrong} of {checked} to mend.", fg=BAD)
        if wrong
        else click.style(f"All is well: {checked} looked at.", fg=GOOD)
    )


def _print_finding(finding: Finding, width: int | None) -> None:
    colour = GOOD if finding.ok else BAD
    if width is None:
        click.echo(f"{'ok ' if finding.ok else 'BAD'} {_written_out(finding.what)}")
        mend = _INDENT + _written_out(finding.mend)
    else:
        mark = sign(finding.ok)
        what = _wrapped(finding.what, width, " " * (len(mark) + 3))
        click.echo(f"  {click.style(mark, fg=colour)} {what.lstrip()}")
        mend = _wrapped(finding.mend, width, " " * (len(mark) + 3))
    if not finding.ok:
        click.echo(mend)


def _wrapped(text: str, width: int, indent: str) -> str:
    lines = _written_out(text).split("\n")
    return "\n".join(
        textwrap.fill(
            line, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
        )
        for line in lines
    )


def _written_out(text: str) -> str:
    return "\n".join(map(printable, text.split("\n")))


def _about(finding: Finding) -> str:
    first = finding.what.replace(":", " ").split(" ")[0]
    return next((heading for heading, words in _ABOUT.items() if first in words), _OTHER)
