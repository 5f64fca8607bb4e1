"""Docstrings: every public name has one, and every example in them is run."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

import receiver
from receiver import Receiver, Router

ROOT = Path(receiver.__file__).parent
MODULES = sorted(
    ["receiver"]
    + [
        module.name
        for module in pkgutil.walk_packages([str(ROOT)], "receiver.")
        if not module.name.endswith("__main__")
    ]
)
SOURCES = [*ROOT.rglob("*.py"), *(ROOT.parent / "handlers").glob("*.py"), ROOT.parent / "wsgi.py"]
# Private names, marshmallow's own word, and tests, whose names are sentences.
NEEDS_NONE = re.compile(r"_|Meta$|test_").match
DECORATORS = ["keyword", "matching", "expects", "opted_out", "opted_in", "fallback", "every"]
DECORATORS += ["report", "alarm"]


def public_names_in(tree: ast.Module) -> dict[str, str | None]:
    """The docstrings of a module's public functions and classes, and of their methods."""
    found: dict[str, str | None] = {"the module": ast.get_docstring(tree)}
    waiting: list[tuple[str, ast.stmt]] = [("", node) for node in tree.body]
    while waiting:
        prefix, node = waiting.pop()
        if not isinstance(node, ast.FunctionDef | ast.ClassDef) or NEEDS_NONE(node.name):
            continue
        found[prefix + node.name] = ast.get_docstring(node)
        if isinstance(node, ast.ClassDef):
            waiting += [(f"{node.name}.", inner) for inner in node.body]
    return found


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_work(name: str) -> None:
    module = importlib.import_module(name)
    result = doctest.testmod(module, verbose=False, report=True)
    assert result.failed == 0


@pytest.mark.parametrize("decorator", DECORATORS)
def test_every_decorator_carries_an_example(decorator: str) -> None:
    example = inspect.getdoc(getattr(Router, decorator)) or ""
    assert f">>> @router.{decorator}(" in example
    assert inspect.getdoc(getattr(Receiver, decorator)) == f"See `Router.{decorator}`."


def test_the_examples_of_the_decorators_are_among_those_that_are_run() -> None:
    found = doctest.DocTestFinder().find(importlib.import_module("receiver.routing"))
    run = {test.name.rpartition(".")[2] for test in found if test.examples}
    assert {*DECORATORS, "Router"} <= run


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT.parent)))
def test_every_public_name_is_explained(path: Path) -> None:
    names = public_names_in(ast.parse(path.read_text("utf-8")))
    assert [name for name, docstring in names.items() if not docstring] == []
