"""`forget`: a number that was everywhere is nowhere afterwards, and stays away."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import planting
import pytest
from cryptography.fernet import Fernet
from flask import Flask
from planting import DIGITS, NUMBER, WORDS
from test_cli import invoke
from wire import FakeApi

MakeApp = Callable[..., Flask]
RunJobs = Callable[[Flask], int]

KEYS = {"in clear": [], "encrypted": [Fernet.generate_key().decode()]}


@pytest.fixture(params=KEYS.values(), ids=KEYS)
def keys(request: pytest.FixtureRequest) -> list[str]:
    """The encryption keys of a deployment: none, or one."""
    found: list[str] = request.param
    return found


@pytest.fixture
def app(
    make_app: MakeApp, api: FakeApi, tmp_path: Path, run_jobs: RunJobs, keys: list[str]
) -> Flask:
    """An app in which the number is everywhere."""
    settings = planting.settings(api, tmp_path / "spool", ENCRYPTION_KEYS=keys)
    app = make_app(handlers=planting.handlers, **settings)
    planting.let_all_happen(app, run_jobs)
    return app


def forget(app: Flask, *args: str, status: int = 0) -> Any:
    """Forget the number; gives what was found, by place."""
    result = invoke(app, "forget", NUMBER, "--yes", "--json", *args)
    assert result.exit_code == status, result.output
    return json.loads(result.stdout.splitlines()[0])["found"]


def everywhere(redis_url: str, tmp_path: Path) -> list[str]:
    """Name each place in which the number or the words still are."""
    marks = (DIGITS, WORDS)
    return [
        *planting.found(marks, planting.in_redis(redis_url)),
        *planting.found(marks, planting.on_disk(tmp_path / "spool")),
    ]


def test_a_number_that_was_everywhere_is_nowhere_afterwards(
    app: Flask, redis_url: str, tmp_path: Path, keys: list[str]
) -> None:
    assert bool(everywhere(redis_url, tmp_path)) is not bool(keys)
    before = forget(app)
    assert set(before) >= {
        *("events", "events with others", "other people's events", "raw bodies"),
        *("handler outcomes", "replies", "dead letters", "quarantined bodies", "conversations"),
        *("opt-outs", "sent to", "sends", "polls", "contact index"),
    }
    assert everywhere(redis_url, tmp_path) == []
    assert forget(app) == {"opt-outs kept as a hash": 1}
    document = json.loads(invoke(app, "export", NUMBER, "--json").stdout)
    left = [part for part, told in document.items() if isinstance(told, list) and told]
    assert left == ["opt_outs"]
    assert forget(app, "--also-optouts") == {"opt-outs kept as a hash": 1}
    assert forget(app) == {}
