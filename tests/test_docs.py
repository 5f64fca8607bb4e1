"""The documentation is true: every block is run, type-checked or parsed, as `docs_pages` says.

A page is one story: its files are written and its commands are typed in the order in which they
stand, in one folder, as a reader would.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import _DATABASES
from docs_doing import kind, read
from docs_pages import ELSEWHERE, ROOT, blocks, blocks_in, pages
from docs_terminal import matches, python

PAGES = [page for page in pages() if page not in ELSEWHERE and blocks(page)]
READERS = 3


@pytest.fixture(scope="module")
def told(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, valkey_socket: str
) -> Iterator[Callable[[str], None]]:
    """Have all pages that are asked for read at once, by a few readers; a call waits for its page.

    Each has a folder, a database and ports of its own, and nothing of ours runs in this process.
    """
    asked = [item.callspec.params["page"] for item in request.session.items if is_story(item)]
    with ThreadPoolExecutor(READERS) as readers:
        ends = {
            page: readers.submit(read, page, tmp_path_factory.mktemp("page"), url_in(valkey_socket))
            for page in asked
        }
        yield lambda page: ends[page].result()


def is_story(item: pytest.Item) -> bool:
    return getattr(item, "originalname", "") == test_what_a_page_tells_to_do_works.__name__


def url_in(valkey_socket: str) -> str:
    return f"unix://{valkey_socket}?db={next(_DATABASES)}"


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_tells_to_do_works(page: str, told: Callable[[str], None]) -> None:
    told(page)


def test_the_types_of_what_is_shown_are_right(tmp_path: Path) -> None:
    """As strict as our own: what a reader copies must not teach him carelessness."""
    for group in alike_in_no_name():
        folder = tmp_path / f"{len(list(tmp_path.iterdir()))}"
        for name, code in group.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(code)
        done = subprocess.run(
            [python(), "-m", "mypy", "--strict", "--explicit-package-bases", "."],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout


def alike_in_no_name() -> list[dict[str, str]]:
    """Put the files of all pages into as few folders as possible: mypy is slow to start."""
    groups: list[dict[str, str]] = []
    for page in PAGES:
        shown = {b.file: b.code for b in blocks(page) if b.file and b.language == "python"}
        files = {name: code for name, code in shown.items() if name}
        group = next((group for group in groups if not group.keys() & files.keys()), None)
        if group is None:
            group = {}
            groups.append(group)
        group.update(files)
    return groups


def test_pages_with_a_test_of_their_own_have_it() -> None:
    for page, test in ELSEWHERE.items():
        assert page in pages()
        about = Path(page).stem.replace("deploy", "README")
        assert re.search(rf"{about}\b|{about}_page", (ROOT / test).read_text()), page


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("```rust\nx\n```", "a block of rust is none that is tested", id="a language"),
        pytest.param("```\nx\n```", "a block of no language", id="no language"),
        pytest.param("```python\nx = 1\n```", "begins with # and the file's name", id="no name"),
    ],
)
def test_a_block_that_nobody_could_test_fails(text: str, message: str) -> None:
    (block,) = blocks_in(text, "page.md")
    with pytest.raises(AssertionError, match=message):
        kind(block)


def test_fences_are_found_where_they_are_indented_and_with_what_is_said_of_them() -> None:
    text = (
        "1. do\n\n    <!-- docs: stays -->\n    ```sh\n    a\n      b\n    ```\n\n```sh\nc\n```\n"
    )
    first, second = blocks_in(text, "page.md")
    assert (first.code, first.note, first.line) == ("a\n  b\n", "stays", 4)
    assert (second.code, second.note) == ("c\n", "")


@pytest.mark.parametrize(
    ("expected", "output", "good"),
    [
        (["a … c"], "a b  c\n", True),
        (["a"], "a\nb\n", False),
        (["a", "…"], "a\nb\nc\n", True),
        (["…", "c"], "a\nb\nc\n", True),
        (["a", "b"], "a\n", False),
        (["b"], "a\n", False),
    ],
)
def test_what_is_printed_is_compared(expected: list[str], output: str, good: bool) -> None:
    assert matches(expected, output) is good
