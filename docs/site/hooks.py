"""What mkdocs does beyond its own: a star in ``nav`` is all other pages of a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def on_config(config: Any) -> Any:
    """Put the pages of a folder in the place of its star, by their names."""
    docs = Path(config["docs_dir"])
    named = set(_pages(config["nav"]))
    config["nav"] = [_filled(entry, docs, named) for entry in config["nav"]]
    return config


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
