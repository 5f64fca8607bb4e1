"""The lists in the documentation are whole: statuses, decorators, providers, steps of a crash."""

from __future__ import annotations

import re

import pytest
from docs_pages import ROOT

from receiver import Router, Status
from receiver.plugins import provider_classes
from receiver.providers.base import Provider

DOCS = ROOT / "docs"
BUNDLED = {
    name: found
    for name, found in provider_classes().items()
    if found.__module__.startswith("receiver.providers.")
}


def first_cells(text: str) -> list[str]:
    return re.findall(r"(?m)^\| ([^|]+?) \|", text)


def test_every_status_is_explained_and_whether_it_is_final() -> None:
    page = (DOCS / "reference" / "statuses.md").read_text()
    rows = re.findall(r"(?m)^\| `(\w+)` \|[^|]+\| (yes|no) \|$", page)
    assert rows == [(status.name, "yes" if status.final else "no") for status in Status]


def test_every_decorator_is_in_the_readmes_table() -> None:
    readme = (ROOT / "README.md").read_text()
    table = readme[readme.index("[start:decorators]") : readme.index("[end:decorators]")]
    known = {name for name in vars(Router) if not name.startswith("_")} - {"name", "handlers"}
    assert set(re.findall(r"@router\.(\w+)\(", table)) == known


def test_each_bundled_provider_has_a_page_and_no_other_has() -> None:
    pages = {page.stem for page in (DOCS / "providers").glob("*.md")} - {"index"}
    assert pages == set(BUNDLED)


@pytest.mark.parametrize(("name", "provider"), BUNDLED.items(), ids=BUNDLED.keys())
def test_a_page_says_how_its_provider_is_heard(name: str, provider: type[Provider]) -> None:
    page = (DOCS / "providers" / f"{name}.md").read_text()
    assert (f"sms-receiver url {name} " in page) is provider.pushes
    assert ("<!-- docs: callback" in page) is provider.pushes
    assert f"<!-- table: {name} errors -->" in page


def test_the_steps_at_which_something_is_killed_are_those_of_the_crash_tests() -> None:
    page = (DOCS / "explanation" / "promises.md").read_text()
    table = page[page.index("| killed |") :].partition("\n\n")[0]
    tests = (ROOT / "tests" / "crash" / "test_crash_matrix.py").read_text()
    named = re.findall(r'(?m)^    "([^"]+)": ', tests)
    assert first_cells(table)[1:] == named
    assert f"{len(named)} kills under load" in (ROOT / "README.md").read_text()
