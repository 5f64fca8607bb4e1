"""What a process loads: a web process nothing of the workers, a worker all before it forks."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import click
import pytest
from support import KEYS

from receiver.cli import receiver_commands

ACKNOWLEDGE = """
import sys
from flask import Flask
from receiver import Receiver

redis_url, folder, key = sys.argv[1:]
app = Flask("shop", instance_path=folder)
app.secret_key = "a-secret-key-of-some-length"
app.config["RECEIVER_REDIS_URL"] = redis_url
app.config["RECEIVER_ACCOUNTS"] = {"smsbox": {"api_key": key, "api_secret": "s"}}
receiver = Receiver(app)

@receiver.fallback()
def note(message):
    return None

body = {"from": "+255712345678", "to": "15000", "transaction_id": "t", "message": {"text": "hi"}}
answer = app.test_client().post("/webhooks/smsbox", json=body, headers={"x-api-key": key})
assert answer.status_code == 200, answer.data
assert app.extensions["receiver"].connection.client.zcard("receiver:events") == 1
print(*sys.modules)
"""

# Packages, and modules with what is below them, that only workers and commands need.
NOT_OF_THE_WEB = (
    *("rq", "rich", "httpx", "urllib.request", "xml.sax", "apispec"),
    *("receiver.clerk", "receiver.jobs", "receiver.supervisor", "receiver.worker"),
    *("receiver.doctor", "receiver.vitals", "receiver.dev", "receiver.testing"),
)
OF_A_WORKER = ("rq", "httpx", "receiver.jobs", "receiver.supervisor", "receiver.worker")

WITHOUT = "import sys; sys.modules[sys.argv.pop(1)] = None; from receiver.standalone import main; "


def run(program: str, *args: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own, as nobody's deployment."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("FLASK_")
    }
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, args)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def among(loaded: Sequence[str], names: Sequence[str]) -> set[str]:
    """Tell which of these modules and packages were loaded, in whole or in part."""
    return {
        name for name in names for found in loaded if found == name or found.startswith(f"{name}.")
    }


def test_a_web_process_acknowledges_without_loading_anything_of_the_workers(
    redis_url: str, tmp_path: Path
) -> None:
    ended = run(ACKNOWLEDGE, redis_url, tmp_path, KEYS["smsbox"], folder=tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    loaded = ended.stdout.split()
    assert "receiver.intake" in loaded
    assert among(loaded, NOT_OF_THE_WEB) == set()
    ours = {name.removeprefix("receiver.cli.") for name in loaded if "receiver.cli." in name}
    assert ours == {"group", "manual", "exits", "consoles"}  # and no command


def test_a_web_process_acknowledges_without_opentelemetry(redis_url: str, tmp_path: Path) -> None:
    missing = "import sys; sys.modules['opentelemetry'] = None\n" + ACKNOWLEDGE
    ended = run(missing, redis_url, tmp_path, KEYS["smsbox"], folder=tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_worker_has_everything_before_it_is_forked(tmp_path: Path) -> None:
    ended = run("import sys, receiver.cli.running; print(*sys.modules)", folder=tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert among(ended.stdout.split(), OF_A_WORKER) == set(OF_A_WORKER)


@pytest.mark.parametrize("broken", OF_A_WORKER)
def test_check_says_what_only_workers_would_miss(broken: str, tmp_path: Path) -> None:
    ended = run(f"{WITHOUT}main()", broken, "check", folder=tmp_path)
    assert ended.returncode == 1
    assert broken in ended.stderr.splitlines()[-1]


def test_each_command_is_where_the_group_looks_for_it() -> None:
    context = click.Context(receiver_commands)
    names = receiver_commands.list_commands(context)
    found = [receiver_commands.get_command(context, name) for name in names]
    assert [command.name for command in found if command is not None] == names
    assert len({*names}) == len(names)
    assert receiver_commands.get_command(context, "no-such-command") is None
