"""The help of every command: there, short enough, and each example in it is run."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner
from commands_page import commands
from examples import World, deployment
from flask import Flask
from flask.cli import ScriptInfo
from processes import running, until
from test_two_way import shop_environment
from upping import running as running_up

from receiver.cli import receiver_commands

MakeApp = Callable[..., Flask]
RunJobs = Callable[[Flask], int]

EVERY = dict(commands())
LEAVES = {path: found for path, found in EVERY.items() if not isinstance(found, click.Group)}
EXAMPLES = [line for found in EVERY.values() for line in getattr(found, "examples", {})]
EXAMPLES = [*dict.fromkeys([*EXAMPLES, *receiver_commands.examples])]
ENDLESS = ("events tail", "worker --processes", "up")
UPS = [line for line in EXAMPLES if line.split()[0] == "up"]
WATCHES = [line for line in EXAMPLES if line.startswith(ENDLESS) and line not in UPS]
SHELL = re.compile(r"\s\d?([<>]).*")  # what only a shell understands
MAY_FIND_FAULT = ("check",)  # nobody works here


@pytest.fixture
def world(
    make_app: MakeApp, run_jobs: RunJobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Any:
    """The deployment, from within its folder."""
    monkeypatch.chdir(tmp_path)
    with deployment(make_app, run_jobs, tmp_path) as made:
        yield made


def run(world: World, line: str) -> tuple[int, str]:
    """Run an example as it stands in the help; gives its status and all it said."""
    line = world.line(line)
    words = shlex.split(SHELL.sub("", line))
    given = (world.folder / line.rpartition("< ")[2]).read_text() if "< " in line else None
    given = "correct horse battery\n" * 2 if words[0] == "password" else given
    found = CliRunner().invoke(
        receiver_commands, words, input=given, obj=ScriptInfo(create_app=lambda: world.app)
    )
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found.exit_code, found.output


@pytest.mark.parametrize("path", LEAVES)
def test_each_command_says_what_it_is_for_and_shows_how(path: str) -> None:
    shown = CliRunner().invoke(receiver_commands, [*path.split(), "-h"])
    assert shown.exit_code == 0
    assert f"$ receiver {path}" in shown.stdout, "no example calls it"
    lines = [line for line in shown.stdout.splitlines() if not line.startswith("  $ ")]
    assert max(map(len, lines)) <= 80
    text = shown.stdout.partition("\n\n")[2].partition("\n\n")[2]
    assert text.startswith("  "), "there is a line, and no paragraph of when one needs it"


@pytest.mark.parametrize("path", ["", *(p for p, c in EVERY.items() if isinstance(c, click.Group))])
def test_each_list_of_commands_has_whole_sentences(path: str) -> None:
    shown = CliRunner().invoke(receiver_commands, [*path.split(), "-h"]).stdout
    assert "..." not in shown.partition("\nSee:" if not path else "\nCommands:")[2]


@pytest.mark.parametrize(
    "line", [line for line in EXAMPLES if line not in UPS and line not in WATCHES]
)
def test_an_example_does_what_it_says(world: World, line: str) -> None:
    status, said = run(world, line)
    assert status in ((0, 1) if line.startswith(MAY_FIND_FAULT) else (0,)), said
    assert "Usage:" not in said
    assert said or ">" in line


@pytest.mark.parametrize("line", UPS)
def test_an_example_of_up_comes_up(line: str, tmp_path: Path) -> None:
    words = line.replace("/tmp/first-look", str(tmp_path / "look")).split()[1:]
    with running_up(tmp_path, *words) as up:
        up.ready()
        assert up.end() == 0


@pytest.mark.parametrize("line", WATCHES)
def test_an_example_that_watches_begins_and_ends_with_a_signal(
    line: str, tmp_path: Path, redis_url: str, redis: Any
) -> None:
    accounts = {"lefoka": {"api_key": "k", "api_secret": "s"}}
    environment = shop_environment(redis_url, ACCOUNTS=accounts)
    with running("receiver", *line.split(), folder=tmp_path, **environment) as process:
        if line.startswith("worker"):
            until(lambda: redis.scard("rq:workers:receiver-messages"), "the workers")
        else:
            until(lambda: redis.client_list()[1:], "the look into Redis")
        process.send_signal(signal.SIGINT)
        until(lambda: process.poll() is not None, "its end")
    assert process.returncode in (0, 1)
    assert "Traceback" not in (tmp_path / "process.log").read_text()


JSON = [line for line in EXAMPLES if " --json" in line and line not in WATCHES]
ONE = ("show", "status --json", "--dry-run")


@pytest.mark.parametrize("line", JSON)
def test_json_is_an_object_a_line_with_the_fields_that_the_help_names(
    world: World, line: str
) -> None:
    _, said = run(world, line)
    path = max((path for path in EVERY if line.startswith(path)), key=len)
    objects = [json.loads(text) for text in said.splitlines()]
    assert objects
    fields = set(getattr(EVERY[path], "fields", ()))
    assert not [name for found in objects for name in found if name not in fields]
    assert len(objects) == 1 or not any(word in line for word in ONE)


@pytest.mark.parametrize(
    "path", [p for p, c in LEAVES.items() if any(o.name == "as_json" for o in c.params)]
)
def test_whoever_gives_json_names_its_fields(path: str) -> None:
    assert getattr(EVERY[path], "fields", ()) or path == "export"


def test_the_list_and_show_commands_all_give_json() -> None:
    shows = [p for p in LEAVES if p.rpartition(" ")[2] in ("list", "show", "status", "balance")]
    assert len(shows) > 8
    for path in shows:
        assert any(option.name == "as_json" for option in LEAVES[path].params), path


def test_no_list_tells_a_number_unless_it_is_asked_to(world: World) -> None:
    lists = [path for path in LEAVES if path.endswith("list")]
    assert len(lists) >= 5
    for path in lists:
        _, said = run(world, path)
        assert "63788544" not in said, path


@pytest.mark.parametrize("path", [p for p in LEAVES if p.endswith(("list", "status", "balance"))])
def test_what_is_listed_fits_eighty_columns(
    world: World, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    words = {"status": "status lefoka b7e1f0a2", "spool status": "spool status --json"}
    _, said = run(world, words.get(path, path))
    lines = click.unstyle(said).splitlines()
    assert lines
    if path != "spool status":
        assert max(map(len, lines)) <= 80


COMPLETE = """
eval "$(sms-receiver completion bash)"
ask() {
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
    _sms_receiver_completion sms-receiver
    echo "${COMPREPLY[*]}"
}
"""


def bash(folder: Path, *questions: str, **environment: str) -> list[str]:
    """Ask a real bash what it would offer after each of these lines."""
    shim = folder / "bin" / "sms-receiver"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m receiver "$@"\n')
    shim.chmod(0o755)
    script = COMPLETE + "\n".join(f"ask sms-receiver {question}" for question in questions)
    ended = subprocess.run(
        ["bash", "--norc", "-c", script],
        cwd=folder,
        env={**os.environ, "PATH": f"{shim.parent}:{os.environ['PATH']}", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stderr == ""
    return ended.stdout.split("\n")


def test_bash_completes_commands_options_accounts_handlers_and_ids(
    make_app: MakeApp, run_jobs: RunJobs, redis_url: str, tmp_path: Path
) -> None:
    with deployment(make_app, run_jobs, tmp_path) as world:
        settings = world.app.config
        environment = shop_environment(
            redis_url,
            ACCOUNTS=settings["RECEIVER_ACCOUNTS"],
            ENCRYPTION_KEYS=settings["RECEIVER_ENCRYPTION_KEYS"],
        )
        (tmp_path / "handlers").mkdir()
        (tmp_path / "handlers" / "hello.py").write_text(
            "from receiver import Router\nprint('noise')\nrouter = Router('hello')\n"
            "@router.fallback()\ndef greet(message): ...\n"
        )
        event = world.words["3f9a1c22"]
        asked = {
            "eve": "events",
            "url ''": "lefoka smsbox",
            "events list --handler ''": "hello.greet",
            f"events show {event[:4]}": event,
        }
        assert bash(tmp_path, *asked, **environment)[: len(asked)] == [*asked.values()]


OFFERED: dict[str, tuple[str, ...]] = {
    "evn": (),
    "events ": ("list", "show", "tail", "replay"),
    "events list --outcome fai": ("failed",),
    "events --outcome fai": ("failed",),
    "events list --handler app.b": ("app.balance",),
    "failed list --provider ": ("lefoka", "smsbox"),
    "simulate smsbox inb": ("inbound",),
    "simulate l": ("lefoka",),
    "completion ": ("bash", "zsh", "fish"),
    "failed show 3f9a": ("3f9a1c22",),
    "quarantine drop 5b0e": ("5b0e77d1",),
    "keys revoke 7hKq": ("7hKq2mWx9a",),
    "balance lefoka s": ("smsbox",),
    "events show zz": (),
}


@pytest.mark.parametrize("typed", OFFERED)
def test_the_tab_key_offers(world: World, typed: str) -> None:
    *words, last = typed.split(" ")
    for made_up, real in world.words.items():
        last = real[:4] if last and last == made_up[:4] else last
    info = {"obj": ScriptInfo(create_app=lambda: world.app)}
    shell = ShellComplete(receiver_commands, info, "sms-receiver", "_SMS_RECEIVER_COMPLETE")
    found = [item.value for item in shell.get_completions(words, last)]
    assert found == [world.line(value) for value in OFFERED[typed]]


@pytest.mark.parametrize("redis_url", ["redis://127.0.0.1:1/0"])
def test_completion_is_silent_without_redis_and_without_settings(
    redis_url: str, tmp_path: Path
) -> None:
    environment = shop_environment(redis_url, ACCOUNTS={"lefoka": {}})
    asked = ["events show ''", "events list --kind me"]
    assert bash(tmp_path, *asked, **environment)[:2] == ["", "message"]
    (tmp_path / "bin" / "sms-receiver").unlink()
    (tmp_path / "bin").rmdir()
    assert bash(tmp_path, "url ''", "url --ba")[:2] == ["", "--base"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script_that_says_where_it_goes(shell: str) -> None:
    said = CliRunner().invoke(receiver_commands, ["completion", shell], prog_name="sms-receiver")
    assert said.exit_code == 0
    assert f"_SMS_RECEIVER_COMPLETE={shell}_complete" in said.stdout
    assert f"sms-receiver completion {shell}" in said.stdout.splitlines()[-2]
