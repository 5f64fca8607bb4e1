"""What commands share: tables, progress, questions, how they end, and help that teaches."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from redis.exceptions import ConnectionError as RedisGone

from receiver.cli import receiver_commands
from receiver.cli.asking import confirm
from receiver.cli.exits import MEANINGS, Fault, NotFound, UsageFault, faults, not_found
from receiver.cli.manual import Group
from receiver.cli.tables import BAD, Column, Marked, moment, print_record, print_table
from receiver.errors import ConfigurationError, StorageUnavailable, TemporaryDeliveryError

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
