"""`docs/how-to/test-your-handlers.md`: its tests pass, and each finds what it is there for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pages import python_files
from upping import clean_environment

PAGE = Path(__file__).parents[1] / "docs" / "how-to" / "test-your-handlers.md"
MOST_LINES = 80


def run(folder: Path, **changes: str) -> tuple[int, str]:
    """Write the page's files, with changes to the shop, and run its tests."""
    for name, code in python_files(PAGE).items():
        (folder / name).write_text(code)
    shop = (folder / "shop.py").read_text()
    for before, after in changes.items():
        assert before in shop
        shop = shop.replace(before, after)
    (folder / "shop.py").write_text(shop)
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=folder,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.returncode, ended.stdout + ended.stderr


def test_the_tests_of_the_page_pass(tmp_path: Path) -> None:
    status, said = run(tmp_path)
    assert (status, "3 passed" in said) == (0, True), said
    assert len(PAGE.read_text().splitlines()) <= MOST_LINES


@pytest.mark.parametrize(
    ("before", "after", "found_by"),
    [
        ("Thank you", "Thanks", "test_a_payment_is_booked_and_confirmed"),
        ("or ignore into paid values (?, ?)", "into paid values (?, ?)", "killed_worker"),
        ("message.id,", "None,", "killed_worker"),
    ],
    ids=["the-text", "a-second-run-fails", "a-second-run-books"],
)
def test_a_mistake_is_found_by_them(tmp_path: Path, before: str, after: str, found_by: str) -> None:
    status, said = run(tmp_path, **{before: after})
    assert status == 1
    assert found_by in said.partition("short test summary")[2]
