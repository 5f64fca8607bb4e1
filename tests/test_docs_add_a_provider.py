"""`docs/how-to/add-a-provider.md`, followed to the letter: its files, its tests, its commands.

They are those of `docs/examples/acme-sms`, a package that is built, installed and found here.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pages import blocks, python_files
from upping import Running, clean_environment, eventually, running
from wire import FakeApi

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "how-to" / "add-a-provider.md"
EXAMPLE = ROOT / "docs" / "examples" / "acme-sms"
KEY = "acme-key-0001"
SENDER = "+254711000099"


def files_of_the_page() -> dict[str, str]:
    """Give all files that somebody has who followed the page."""
    (toml,) = blocks(PAGE, "toml")
    (case,) = blocks(PAGE, "json")
    more = {"pyproject.toml": toml, "tests/cases/state-not-listed.json": case}
    return python_files(PAGE) | more


def test_the_example_is_what_the_page_shows() -> None:
    there = {
        str(path.relative_to(EXAMPLE)): path.read_text("utf-8")
        for path in EXAMPLE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert there == files_of_the_page()


def test_a_provider_is_one_file_and_its_cases() -> None:
    code = files_of_the_page()["acme_sms.py"]
    assert len(code.splitlines()) < 130
    assert set(re.findall(r"^from (\S+) import", code, re.M)) <= {
        *("collections.abc", "typing", "marshmallow", "receiver", "receiver.accounts"),
        *("receiver.errors", "receiver.security"),
        *(f"receiver.providers.{name}" for name in ("base", "payload", "wire")),
    }


def test_its_types_are_right() -> None:
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", os.devnull]
    code = [EXAMPLE / "acme_sms.py", EXAMPLE / "acme_handlers.py"]
    done = subprocess.run([*command, *code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, built and installed by pip into a folder of its own, without a network."""
    source = tmp_path_factory.mktemp("source")
    shutil.copytree(EXAMPLE, source, dirs_exist_ok=True)
    target = tmp_path_factory.mktemp("installed")
    command = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    command += ["--no-index", "--no-deps", "--no-build-isolation", "--target", str(target)]
    subprocess.run([*command, str(source)], check=True, capture_output=True)
    assert (target / "acme_sms.py").is_file()
    return target


def test_its_own_tests_pass(installed: Path, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE / "tests", tmp_path / "tests")
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env={**clean_environment(), "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert re.search(r"\b4\d passed", ended.stdout), ended.stdout


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        pytest.param('f"OK {', 'f"YES {', id="the-ack"),
        pytest.param("Status.UNKNOWN)", "Status.FAILED)", id="an-unknown-word"),
        pytest.param('[data["id"], to, word]', "None", id="no-identity"),
        pytest.param('[data["id"], to, word]', '[data["id"], to]', id="too-little-identity"),
        pytest.param("unknown = EXCLUDE", "unknown = 'raise'", id="a-new-field"),
        pytest.param("temporary=temporary_by_status(response)", "temporary=False", id="temporary"),
    ],
)
def test_a_mistake_is_found_by_its_tests(line: str, instead: str, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    code = (tmp_path / "acme_sms.py").read_text()
    assert line in code
    (tmp_path / "acme_sms.py").write_text(code.replace(line, instead))
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    ended = subprocess.run(command, cwd=tmp_path, env=clean_environment(), capture_output=True)
    assert ended.returncode == 1, ended.stdout.decode()


@pytest.fixture
def up(installed: Path, tmp_path: Path, api: FakeApi) -> Iterator[Running]:
    """`up` as the page starts it, but that Acme's API is on this machine."""
    line = next(line for line in "\n".join(blocks(PAGE, "sh")).splitlines() if "ACCOUNTS=" in line)
    accounts = json.loads(line.partition("'")[2].rstrip("'"))
    accounts["acme"]["base_url"] = api.url
    settings = {
        "FLASK_SECRET_KEY": "a-secret-key-of-some-length",
        "FLASK_RECEIVER_ACCOUNTS": json.dumps(accounts),
        "PYTHONPATH": str(installed),
    }
    shutil.copytree(EXAMPLE / "tests" / "cases", tmp_path / "tests" / "cases")
    with running(tmp_path, **settings) as run:
        run.ready()
        run.settings = settings  # type: ignore[attr-defined]
        yield run


def shell(up: Any, line: str) -> subprocess.CompletedProcess[str]:
    """Run a line in another terminal, with the same settings."""
    return subprocess.run(
        ["sh", "-c", f". .receiver/env; {line}"],
        cwd=up.folder,
        env=clean_environment(**up.settings),
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_installed_package_in_real_processes(up: Running, api: FakeApi) -> None:
    (url,) = [line.split()[1] for line in up.lines("acme ")]
    simulate, capture, replay = [
        line for line in "\n".join(blocks(PAGE, "sh")).splitlines() if line.startswith("sms-rec")
    ][-3:]
    assert "exactly the ack" in shell(up, simulate).stdout
    up.see("report: +254711082345 unknown")

    checked = shell(up, "sms-receiver check").stdout
    assert "ok  account acme (acme): receives by its key or its signed URL" in checked
    assert re.search(r"ok  handlers: \d loaded", checked)

    api.answers = [(201, {"id": "a-1"})]
    message = {"event": "mo", "id": "m-9", "from": SENDER, "to": "22384", "text": "POINTS?"}
    answer = httpx.post(url.rpartition("/")[0], json=message, headers={"X-API-Key": KEY})
    assert (answer.status_code, answer.text) == (200, "OK m-9")
    up.see("acme.points")
    eventually(lambda: api.requests)
    assert api.requests[0]["path"] == "/v2/messages"
    assert api.requests[0]["json"]["text"] == "You have 7 points."

    odd = {"event": "seen", "id": "m-10", "to": SENDER}
    assert (
        httpx.post(url, json=odd).headers["Receiver-Quarantined"] == "event is neither mo nor dlr"
    )
    listed = json.loads(shell(up, "sms-receiver quarantine list --json").stdout)
    assert shell(up, capture.replace("ID", listed["id"][:6])).returncode == 0
    case = json.loads((up.folder / "tests" / "cases" / "what-changed.json").read_text())
    assert case["quarantine"] == "event is neither mo nor dlr"
    assert "1 bodies kept" in shell(up, replay).stdout + shell(up, replay).stderr
    assert up.end() == 0
