"""Pages of the documentation as the files that they show."""

from __future__ import annotations

import re
from pathlib import Path

_BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.S)
_NAMED = re.compile(r"# (\S+\.\w+)\n(.*)", re.S)


def blocks(page: Path, language: str) -> list[str]:
    """Give the blocks in a language, in order."""
    return [code for found, code in _BLOCK.findall(page.read_text("utf-8")) if found == language]


def python_files(page: Path) -> dict[str, str]:
    """Give the Python files of a page: blocks of one name are one file, one after the other."""
    files: dict[str, str] = {}
    for code in blocks(page, "python"):
        named = _NAMED.fullmatch(code)
        assert named, f"a block without a file's name: {code.splitlines()[0]}"
        name, text = named.groups()
        between = "" if name not in files else "\n" if text.startswith(" ") else "\n\n"
        files[name] = files.get(name, "") + between + text
    return files
