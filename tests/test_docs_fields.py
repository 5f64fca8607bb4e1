"""The fields that docs/reference shows are those of the classes: names, types and defaults."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator

import pytest
from docs_pages import ROOT

from receiver import Alarm, Billing, DeliveryReport, InboundMessage
from receiver.events import Event
from receiver.providers.base import Ack, Asked, Balance, Provider, Received, Sent, Sms
from receiver.security import WebhookRequest

SHOWN: dict[str, tuple[type, ...]] = {
    "events": (Event, InboundMessage, DeliveryReport, Alarm, Billing),
    "provider": (Provider, Ack, Received, WebhookRequest, Sms, Sent, Balance, Asked),
}
CASES = [pytest.param(page, one, id=one.__name__) for page in SHOWN for one in SHOWN[page]]
FACTORIES = {"dict": "{}", "tuple": "()"}
ROW = re.compile(r"^\| `(\w+)` \| `((?:[^`])+)` \| (.+?) \| .+ \|$", re.M)


@pytest.mark.parametrize(("page", "shown"), CASES)
def test_a_table_shows_the_fields_of_its_class(page: str, shown: type) -> None:
    text = (ROOT / "docs" / "reference" / f"{page}.md").read_text()
    path = re.escape(shown.__name__)
    (section,) = re.findall(rf"(?m)^::: [\w.]+\.{path}$((?:.|\n)*?)(?=^::: |\Z)", text)
    rows = [
        (name, kind.replace("\\|", "|"), default) for name, kind, default in ROW.findall(section)
    ]
    assert rows == list(fields_of(shown))


def fields_of(shown: type) -> Iterator[tuple[str, str, str]]:
    """Read them in the source, which has what a reader would write; properties are computed."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(shown))).body
    assert isinstance(tree, ast.ClassDef)
    for node in tree.body:
        if isinstance(node, ast.AnnAssign):
            assert isinstance(node.target, ast.Name)
            kind = re.sub(r"^ClassVar\[(.*)\]$", r"\1", ast.unparse(node.annotation))
            inherited = shown is not Event and node.target.id == "kind" and issubclass(shown, Event)
            if not inherited:
                yield node.target.id, kind, default_of(shown, node.target.id, node.value)
        elif isinstance(node, ast.FunctionDef) and any(
            isinstance(found, ast.Name) and found.id == "property" for found in node.decorator_list
        ):
            assert node.returns is not None
            yield node.name, ast.unparse(node.returns), "computed"


def default_of(shown: type, name: str, value: ast.expr | None) -> str:
    """Give a default as the pages write it."""
    if isinstance(value, ast.Call):
        given = {word.arg: ast.unparse(word.value) for word in value.keywords}
        factory = given.get("default_factory")
        found = given.get("default") if factory is None else FACTORIES[factory]
    else:
        found = None if value is None else ast.unparse(value).replace("'", '"')
    if found is None:
        return "of the class" if (shown, name) == (Event, "kind") else "required"
    return f"`{found}`"
