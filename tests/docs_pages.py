"""The pages of the documentation, as blocks: what is between two fences, and what it is.

The language of a fence says what a block is, and a comment before it says more:

| block | is |
|---|---|
| `python`, `toml` whose first line is a comment with a name | a file of the page's folder |
| `sh` | typed into a terminal, in the page's folder; it must end well |
| `console` | lines after `$ ` are typed, the others are what is printed; `…` is any text |
| `text` | what a terminal that stays open shows by then; `…` is any text |
| `json`, `toml`, `yaml`, `nginx` | parsed; accounts in JSON are read as settings |

| comment | says |
|---|---|
| `<!-- docs: stays -->` | it runs until the page ends, or until the same is typed again |
| `<!-- docs: stays "Good to know" -->` | and the reader waits until it prints this |
| `<!-- docs: fails -->` | it must not end well |
| `<!-- docs: either -->` | it ends well or not: it judges the machine that it runs on |
| `<!-- docs: answers "a password" -->` | the reader types this whenever it is asked for |
| `<!-- docs: inbox /failed "hello" -->` | no block: the reader, logged in by that password, sees this there |
| `<!-- docs: syntax, root -->` | it is read and not run, for one of the `REASONS` |
| `<!-- docs: callback lefoka -->` | JSON that is posted to that account, and must be an event |
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]

REASONS = {
    "root": "it changes the machine",
    "systemd": "it needs services that systemd runs",
    "installs": "it fetches packages",
    "bench": "it takes minutes, and has tests of its own",
    "host": "it speaks with a host that is yours",
    "editor": "a person types into what it opens",
}

INBOX = "inbox"

# Pages with a test of their own, which knows more about them.
ELSEWHERE = {
    "docs/scaling.md": "tests/test_docs_scaling.py",
    "docs/how-to/add-a-provider.md": "tests/test_docs_add_a_provider.py",
    "docs/how-to/deploy.md": "tests/test_deploy_readme.py",
    "docs/how-to/forget.md": "tests/test_forget_page.py",
    "docs/how-to/metrics.md": "tests/test_docs_metrics.py",
    "docs/how-to/test-your-handlers.md": "tests/test_docs_test_your_handlers.py",
    "docs/reference/commands.md": "tests/test_cli_examples.py",
    "docs/reference/metrics.md": "tests/test_docs_metrics.py",
}

_OPEN = re.compile(r"^(?P<indent> *)(?P<fence>```+|~~~+) *(?P<language>[^\s`]*)[^`]*$")
_NOTE = re.compile(r"^ *<!-- docs: (?P<note>.*?) -->$")
_FILE = re.compile(r"# (?P<name>[\w./-]+\.(?:py|toml))\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One block: where it begins, what it is, and what is said of it."""

    page: str
    line: int
    language: str
    code: str
    note: str

    @property
    def file(self) -> str | None:
        """The name of the file that it shows, if it shows one."""
        found = _FILE.match(self.code) if self.language in ("python", "toml") else None
        return found and found["name"]

    @property
    def word(self) -> str:
        """The first word of its note."""
        return re.split(r"[ ,]", self.note, maxsplit=1)[0]

    @property
    def where(self) -> str:
        """Say where it is, as editors read it."""
        return f"{self.page}:{self.line}"


def pages() -> list[str]:
    """Give the README and every page of the documentation, by path."""
    found = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [path.relative_to(ROOT).as_posix() for path in found]


def blocks(page: str) -> list[Block]:
    """Give the blocks of a page, in order."""
    return list(blocks_in((ROOT / page).read_text(), page))


def blocks_in(text: str, page: str) -> Iterator[Block]:
    """Find the fences of a text; a fence that nobody closes ends with the text."""
    lines, note = iter(enumerate(text.splitlines(), 1)), ""
    for number, line in lines:
        opened = _OPEN.match(line)
        if opened is None:
            said = _NOTE.match(line)
            note = said["note"] if said else note if not line.strip() else ""
            if note.startswith(f"{INBOX} "):
                yield Block(page=page, line=number, language=INBOX, code="", note=note)
                note = ""
            continue
        inside = []
        for _, inner in lines:
            if inner.strip() == opened["fence"]:
                break
            inside.append(inner)
        code = textwrap.dedent("\n".join(inside) + "\n")
        yield Block(page=page, line=number, language=opened["language"], code=code, note=note)
        note = ""
