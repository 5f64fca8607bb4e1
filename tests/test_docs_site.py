"""The documentation as a site: built without a warning, and whole without any other host."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from docs_pages import ROOT

CONFIG = ROOT / "docs" / "site" / "mkdocs.yml"
LOADED = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "audio": "src",
    "video": "src",
    "object": "data",
    "embed": "src",
}
FOREIGN = re.compile(r"(?:https?:)?//")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mkdocs",
            "build",
            "--strict",
            "-f",
            str(CONFIG),
            "-d",
            folder,
        ],
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stderr
    return folder


class Loads(HTMLParser):
    """What a browser fetches by itself for a page; where its links lead is another matter."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in LOADED:
            self.found += [given.get(LOADED[tag], ""), given.get("srcset", "")]
        if tag == "link" and given.get("rel") not in ("canonical", "next", "prev"):
            self.found.append(given.get("href", ""))
        self.found += re.findall(r"url\(([^)]*)\)", given.get("style", ""))


def foreign(urls: list[str]) -> Iterator[str]:
    return (url for url in urls if FOREIGN.match(url.strip(" '\"")))


def test_no_page_fetches_anything_from_elsewhere(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 30
    for page in pages:
        assert list(foreign(Loads(page.read_text()).found)) == [], page


def test_no_style_fetches_anything_from_elsewhere(site: Path) -> None:
    styles = sorted(site.rglob("*.css"))
    assert len(styles) > 1
    for style in styles:
        text = style.read_text()
        assert list(foreign(re.findall(r"url\(([^)]*)\)", text))) == [], style
        assert list(foreign(re.findall(r"@import\s+([^;]+);", text))) == [], style


def test_what_would_be_fetched_is_found() -> None:
    html = (
        '<script src="//cdn.example/x.js"></script><link rel="stylesheet" href="https://x/y.css">'
    )
    assert list(foreign(Loads(html).found)) == ["//cdn.example/x.js", "https://x/y.css"]


def test_every_page_is_in_the_navigation(site: Path) -> None:
    index = (site / "index.html").read_text()
    pages = [page.relative_to(site).as_posix() for page in site.rglob("*.html")]
    assert [page for page in pages if page != "404.html" and f'href="{page}"' not in index] == []


def test_a_type_of_a_table_is_shown_as_it_is_written(site: Path) -> None:
    assert "<code>str | None</code>" in (site / "reference" / "events.html").read_text()
    pages = [page.relative_to(site).as_posix() for page in site.rglob("*.html")]
    cells = r"(?s)<td\b(?:(?!</td>).)*\\\|"
    assert [page for page in pages if re.search(cells, (site / page).read_text())] == []


def test_the_search_finds_without_a_server_of_ours(site: Path) -> None:
    found = (site / "search" / "search_index.json").read_text()
    assert "RECEIVER_SPOOL_DIR" in found
    assert "dead letter" in found


def test_ci_builds_it_as_strictly() -> None:
    command = f"mkdocs build --strict -f {CONFIG.relative_to(ROOT)}"
    assert command in (ROOT / ".ci" / "run").read_text()


def test_the_built_site_is_not_in_the_repository() -> None:
    text = re.sub(r"!relative (\S+)", r"\1", CONFIG.read_text())
    built = (CONFIG.parent / yaml.safe_load(text)["site_dir"]).resolve()
    assert f"{built.relative_to(ROOT).parts[0]}/" in (ROOT / ".gitignore").read_text().split()
