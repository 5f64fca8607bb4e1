"""The help of the commands, and what they say of errors."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from commands_page import PAGE, page
from test_cli_shared import terminal  # noqa: F401

from receiver.cli import progress, receiver_commands
from receiver.cli.consoles import sign
from receiver.cli.exits import Fault
from receiver.cli.findings import print_findings
from receiver.cli.manual import Command
from receiver.vitals import Finding


def test_what_is_done_at_once_shows_no_progress(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(progress.counted([1, 2, 3], "Reading")) == [1, 2, 3]
    assert capsys.readouterr() == ("", "")


SLOW = """
import sys, threading
from receiver.cli import progress
progress._PATIENCE = progress._LINE = 0.01
seen = threading.Event()
write = sys.stderr.write
def watch(text):
    if "2/3" in text or "2 of 3" in text:
        seen.set()
    return write(text)
sys.stderr.write = watch
with progress.progress("Sending", total=3) as advance:
    advance(2)
    assert seen.wait(20), "nothing was shown"
print("done")
"""


@pytest.mark.parametrize("forced", ["", "1"], ids=["pipe", "terminal"])
def test_what_takes_long_shows_on_stderr_how_far_it_is(forced: str, tmp_path: Path) -> None:
    environment = {**os.environ, "FORCE_COLOR": forced, "NO_COLOR": "1", "COLUMNS": "80"}
    ended = subprocess.run(
        [sys.executable, "-c", SLOW],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (0, "done\n"), ended.stderr
    assert ("2/3" if forced else "Sending: 2 of 3\n") in ended.stderr


def test_a_command_shows_its_examples_as_they_are_typed() -> None:
    @click.command(cls=Command, examples={"try it --now": "to see"})
    def it() -> None:
        """Do it."""

    shown = CliRunner().invoke(it, ["--help"]).output
    assert "Examples:\n  # to see\n  $ sms-receiver try it --now\n" in shown


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["evnts"], "there is no command evnts; did you mean events?"),
        (["events", "lst"], "there is no command lst; did you mean list?"),
        (["keys", "xyzzy"], "there is no command xyzzy; there are: create, list, rotate, revoke"),
        (["--verison"], "--version"),
    ],
)
def test_a_typo_is_told_what_was_meant(words: list[str], said: str) -> None:
    result = CliRunner().invoke(receiver_commands, words)
    assert result.exit_code == 2
    assert said in result.stderr


@pytest.mark.parametrize("words", [[], ["-h"], ["--help"]], ids=str)
def test_the_help_is_there_without_settings_and_without_redis(words: list[str]) -> None:
    result = CliRunner().invoke(receiver_commands, words)
    assert result.exit_code == 0
    headings = [
        line for line in result.stdout.splitlines() if line.endswith(":") and line[0] != " "
    ]
    sections = [f"{name}:" for name in receiver_commands.sections]
    assert headings == ["Options:", *sections, "Examples:", "Exit status:"]
    assert sections[0] == "See:"
    assert sections[-1] == "Develop:"


def test_the_version_is_that_of_the_package() -> None:
    result = CliRunner().invoke(receiver_commands, ["--version"])
    assert result.stdout == f"sms-receiver {version('sms-receiver')}\n"


# What Flask does with the entry point, whatever is installed here.
FLASK = """
import sys
from flask.cli import FlaskGroup
from receiver.cli import receiver_commands
group = FlaskGroup()
group.add_command(receiver_commands)
group.main(["--app", "shop", "receiver", *sys.argv[1:]], prog_name="flask")
"""

SHOP = """
from flask import Flask
from receiver import Receiver
app = Flask(__name__)
{}
"""

APPS = {
    "wrong settings": ("Receiver(app)", "RECEIVER_SECRET_KEYS: there is none", 1),
    "no receiver": ("", "the app shop has no Receiver", 1),
    "no app": ("del app", "Failed to find Flask application", 2),
}


@pytest.mark.parametrize(("line", "said", "status"), APPS.values(), ids=APPS)
def test_a_mounted_app_that_is_wrong_is_said_to_be_without_a_traceback(
    line: str, said: str, status: int, tmp_path: Path
) -> None:
    (tmp_path / "shop.py").write_text(SHOP.format(line))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FLASK_")}
    for words in (["check"], ["-h"]):
        ended = subprocess.run(
            [sys.executable, "-c", FLASK, *words],
            cwd=tmp_path,
            env=kept,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in ended.stderr
        helped = words == ["-h"]
        assert ended.returncode == (0 if helped else status)
        assert ("flask receiver [OPTIONS]" in ended.stdout) if helped else (said in ended.stderr)


def test_what_check_finds_is_told_by_a_sign_or_by_a_word(
    terminal: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = [
        Finding(what="Redis: version 7.2.4", ok=True),
        Finding(what="handlers: " + "a long name " * 9, ok=False, mend="Mend it. " * 12),
        Finding(what="of another kind", ok=True),
    ]
    print_findings(found)
    lines = click.unstyle(capsys.readouterr().out).splitlines()
    assert lines[0] == "Settings"
    assert lines[1].startswith("  ✗ handlers: a long name")
    assert {"  ✓ Redis: version 7.2.4", "Other", "1 of 3 things to mend."} <= {*lines}
    assert max(map(len, lines)) <= 80
    assert all(line.startswith("    ") for line in lines[2:5])
    monkeypatch.setenv("FORCE_COLOR", "")
    print_findings(found[::2])
    assert capsys.readouterr().out.splitlines() == [
        "ok  Redis: version 7.2.4",
        "ok  of another kind",
        "All is well: 2 things looked at.",
    ]


def test_a_terminal_without_signs_gets_words(monkeypatch: pytest.MonkeyPatch) -> None:
    ascii_only = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", ascii_only)
    assert [sign(good) for good in (True, False)] == ["ok", "BAD"]


def test_a_fault_says_its_mend_on_a_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    Fault("it is broken.", "mend it").show()
    assert capsys.readouterr().err == "Error: it is broken\nTry: mend it\n"


def test_the_page_of_the_commands_is_what_their_help_says() -> None:
    assert PAGE.read_text("utf-8") == page(), "write it anew: python tests/commands_page.py"
