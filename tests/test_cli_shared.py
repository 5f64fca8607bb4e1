"""What commands share: tables, progress, questions, how they end, and help that teaches."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from commands_page import PAGE, page
from redis.exceptions import ConnectionError as RedisGone

from receiver.cli import progress, receiver_commands
from receiver.cli.asking import confirm
from receiver.cli.consoles import sign
from receiver.cli.exits import MEANINGS, Fault, NotFound, UsageFault, faults, not_found
from receiver.cli.findings import print_findings
from receiver.cli.manual import Command, Group
from receiver.cli.tables import BAD, Column, Marked, moment, print_record, print_table
from receiver.errors import ConfigurationError, StorageUnavailable, TemporaryDeliveryError
from receiver.vitals import Finding

COLUMNS = [Column("WHEN", whole=True), Column("ID", whole=True), Column("HANDLER"), Column("WHY")]
LONG = "handlers.loyalty_programme_of_the_shop.points_and_prizes"
ROWS = [
    (datetime.now(UTC), "3f9a1c22", LONG, Marked("failed: " + "the ledger is closed " * 3, BAD)),
    (datetime.now(UTC), "0b7712de", "echo", None),
]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is printed goes to something like a terminal of 80 columns."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("NO_COLOR", raising=False)


def test_a_table_on_a_terminal_fits_it_and_keeps_what_must_be_whole(
    terminal: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert print_table(COLUMNS, ROWS) == 2
    printed = click.unstyle(capsys.readouterr().out)
    lines = printed.splitlines()
    assert lines[0].split() == ["WHEN", "ID", "HANDLER", "WHY"]
    assert max(map(len, lines)) <= 80
    assert "3f9a1c22" in printed
    assert "".join(LONG.split()) in "".join(line[20:].split("  ")[0].strip() for line in lines[1:])


def test_a_table_in_a_pipe_is_a_line_for_each_row_without_headings(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    print_table(COLUMNS, ROWS)
    first, second = capsys.readouterr().out.splitlines()
    assert first.split("  ")[1:3] == ["3f9a1c22", LONG]
    assert first.endswith("the ledger is closed the ledger is closed the ledger is closed")
    assert second.split()[-2:] == ["echo", "-"]


@pytest.mark.parametrize(
    ("variable", "coloured"), [("NO_COLOR", False), ("FORCE_COLOR", True)], ids=str
)
def test_colours_are_as_the_environment_says(
    terminal: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variable: str,
    coloured: bool,
) -> None:
    monkeypatch.setenv(variable, "1")
    print_table(COLUMNS, ROWS)
    assert ("\x1b[31m" in capsys.readouterr().out) is coloured
    shown = CliRunner().invoke(receiver_commands, ["--help"], color=True)
    assert ("\x1b[1mSee" in shown.stdout) is coloured


@pytest.mark.parametrize("forced", ["", "1"], ids=["pipe", "terminal"])
def test_nothing_in_a_cell_steers_the_terminal(
    forced: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", forced)
    monkeypatch.setenv("NO_COLOR", "1")
    print_table([Column("A"), Column("B")], [("\x1b[2J", Marked("[red]\n\u202e", BAD))])
    print_record({"text": "\x1b[2J", "nested": {"a": "\u202e"}})
    printed = capsys.readouterr().out
    assert not [char for char in click.unstyle(printed) if char != "\n" and not char.isprintable()]
    assert r"\x1b[2J" in printed
    assert r"[red]\n\u202e" in printed


def test_a_time_is_whole_in_a_pipe_and_short_on_a_terminal() -> None:
    now = datetime.now(UTC)
    local = now.astimezone()
    assert moment(now) == local.strftime("%Y-%m-%d %H:%M:%S")
    assert moment(now, short=True) == local.strftime("%H:%M:%S")
    assert moment(now - timedelta(days=1), short=True) != moment(now, short=True)[:5]
    assert moment(datetime(2020, 5, 4, 3, tzinfo=UTC), short=True).startswith("2020-05-0")


ENDS = {
    "redis": (RedisGone("127.0.0.1:6379"), 75, "Error: Redis: ConnectionError\nTry: check"),
    "spool": (StorageUnavailable("the spool: no room"), 75, "see to RECEIVER_SPOOL_DIR"),
    "provider": (TemporaryDeliveryError("no connection"), 75, "Try: the same again, later"),
    "settings": (ConfigurationError(["RECEIVER_X: a", "RECEIVER_Y: b"]), 1, "  RECEIVER_Y: b\n"),
    "what was named": (
        not_found("account", "lefka", ["lefoka"]),
        3,
        "there are: lefoka\nTry: lefoka\n",
    ),
    "usage": (UsageFault("say which"), 2, "Error: say which\n"),
}


@pytest.mark.parametrize(
    ("problem", "of_up", "tried"),
    [
        pytest.param("RECEIVER_ACCOUNTS: is missing", False, "Try: give the", id="missing"),
        pytest.param(
            "RECEIVER_SECRET_KEYS: there is none; set it",
            True,
            "Try: . .receiver/env, for the settings of the `up` here\n",
            id="beside an up",
        ),
        pytest.param("RECEIVER_X: unknown key; did you mean Y?", True, "", id="with its mend"),
    ],
)
def test_where_settings_come_from_is_said_where_some_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: str, of_up: bool, tried: str
) -> None:
    monkeypatch.chdir(tmp_path)
    if of_up:
        (tmp_path / ".receiver").mkdir()
        (tmp_path / ".receiver" / "env").touch()
    with pytest.raises(Fault) as told, faults():
        raise ConfigurationError(problem)
    assert str(told.value) == problem
    mend = f"Try: {told.value.mend}\n" if told.value.mend else ""
    assert mend.startswith(tried)
    assert bool(mend) == bool(tried)


@pytest.mark.parametrize(("error", "status", "said"), ENDS.values(), ids=ENDS)
def test_a_command_ends_with_its_status_and_the_mend(
    error: Exception, status: int, said: str
) -> None:
    @click.group(cls=Group)
    def group() -> None: ...

    @group.command(with_appcontext=False)
    def fails() -> None:
        raise error

    result = CliRunner().invoke(group, ["fails"])
    assert (result.exit_code, result.stdout) == (status, "")
    assert said in result.stderr
    assert result.stderr.startswith("Error: ")
    assert status in MEANINGS


def test_a_mistake_of_ours_is_no_fault_of_the_users() -> None:
    with pytest.raises(ZeroDivisionError), faults():
        _ = 1 / 0


def test_what_is_not_there_names_what_is_close_and_what_there_is() -> None:
    found = not_found("provider", "Lefoca", ["lefoka", "smsbox"])
    assert isinstance(found, NotFound)
    assert found.message == "there is no provider Lefoca; there are: lefoka, smsbox"
    assert found.mend == "lefoka"
    assert not_found("case", "x", ["y"]).mend == ""
    assert not_found("account", "x", []).message == "there is no account x; there are: none"


def test_without_a_terminal_only_yes_is_an_answer() -> None:
    confirm("Drop 3 dead letters?", yes=True)
    with pytest.raises(UsageFault, match=r"Drop 3 dead letters\?") as refused:
        confirm("Drop 3 dead letters?", yes=False)
    assert "--yes" in refused.value.mend


ASK = """
from receiver.cli.asking import confirm
import click

@click.command()
def drop():
    confirm("Drop 3?", yes=False)
    click.echo("dropped")
drop()
"""


@pytest.mark.parametrize(("answer", "status"), [(b"y\n", 0), (b"n\n", 1), (b"\n", 1)])
def test_at_a_terminal_it_asks_and_no_is_the_default(answer: bytes, status: int) -> None:
    master, slave = pty.openpty()
    command = [sys.executable, "-c", ASK]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, stdin=slave, **pipes) as process:
        os.close(slave)
        os.write(master, answer)
        out, err = process.communicate()
    os.close(master)
    assert b"Drop 3? [y/N]" in err
    assert (process.returncode, out) == (status, b"" if status else b"dropped\n")


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
