"""Cases of a provider: JSON files, each one callback and what must come of it; see `dev.case`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..dev.case import NAMES, ack_of, body_of, provider_of, receive, result_of, unfold
from ..events import from_json, to_json
from ..plugins import provider_classes
from ..providers.base import Provider


def cases(folder: str | Path) -> list[Path]:
    """List the cases in a folder and below it, in order; an empty folder is an error.

    ::

        @pytest.mark.parametrize("path", cases("tests/cases"), ids=lambda path: path.stem)
        def test_case(path):
            assert_case(path, Acme)
    """
    found = sorted(Path(folder).rglob("*.json"))
    assert found, f"there is no case in {folder}: sms-receiver capture ID > {folder}/name.json"
    return found


def assert_case(path: str | Path, provider: type[Provider] | None = None) -> None:
    """Fail unless a provider makes of a callback what its case says; the ack to the byte.

    ``provider`` may be left out where the case lies in a folder of its name.
    """
    path = Path(path)
    case: dict[str, Any] = unfold(json.loads(path.read_text("utf-8")))
    assert case.get("source"), f"{path}: the source is missing: where does this body come from?"
    unknown = set(case) - NAMES
    assert not unknown, f"{path}: unknown: {', '.join(sorted(unknown))}"
    account = provider_of(provider or _named(path), case.get("account", {}))
    request = case["request"]
    received = receive(account, body_of(request), request.get("content_type"))
    result = result_of(received)
    assert result.get("quarantine") == case.get("quarantine")
    assert result["events"] == case["events"]
    assert len({event.id for event in received.events}) == len(received.events)
    assert result.get("alike", False) is case.get("alike", False)
    assert _spelled(ack_of(received)) == _spelled(case["ack"])
    for event in received.events:
        assert from_json(to_json(event)) == event, "what Redis keeps is the event itself"


def _named(path: Path) -> type[Provider]:
    known = provider_classes()
    name = path.parent.name
    assert name in known, f"{path}: no provider is named {name}: give it to assert_case"
    return known[name]


def _spelled(ack: dict[str, Any]) -> tuple[int, str]:
    """Give the ack with its JSON as it is written: 1 is not true."""
    body = ack["body"] if "body" in ack else json.dumps(ack["json"])
    return ack["status"], body
