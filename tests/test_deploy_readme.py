"""What deploy/README.md says is true: its files, settings, commands and figures are there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from conftest import need
from gateway import CONF, without_comments

from receiver.cli import receiver_commands
from receiver.settings import _SettingsSchema

DEPLOY = Path(__file__).parents[1] / "deploy"
TEXT = (DEPLOY / "README.md").read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```", TEXT, re.S)
SCRIPTS = ("sms-receiver", "restart-web")
MOST_LINES = 15


def test_every_file_is_there_and_explained() -> None:
    named = set(re.findall(r"^\| `(\S+)` \| (?:the|runs|restarts) ", TEXT, re.M))
    assert named == {file.name for file in DEPLOY.iterdir()} - {"README.md"}
    assert all((DEPLOY / script).stat().st_mode & 0o111 for script in SCRIPTS)


@pytest.mark.parametrize("code", [*BLOCKS, *((DEPLOY / name).read_text() for name in SCRIPTS)])
def test_a_how_to_is_short_and_a_shell_reads_it(code: str) -> None:
    assert len(code.splitlines()) <= MOST_LINES
    subprocess.run([need("sh"), "-n", "-c", code], check=True)


def test_the_settings_and_commands_that_it_names_exist() -> None:
    settings = set(re.findall(r"RECEIVER_([A-Z_]+)", TEXT))
    assert settings <= set(_SettingsSchema._declared_fields)
    commands = set(re.findall(r"(?m)(?:^|[`(])sms-receiver (?!--)([a-z]+)", TEXT))
    assert {"check", "events", "url"} <= commands
    assert commands <= set(receiver_commands.list_commands(None))  # type: ignore[arg-type]


def test_the_limits_are_those_of_the_files() -> None:
    conf = without_comments(CONF.read_text())
    worker = (DEPLOY / "sms-receiver-worker.service").read_text()
    for name, value in {
        "client_header_timeout": "10s",
        "client_body_timeout": "10s",
        "proxy_connect_timeout": "2s",
        "proxy_read_timeout": "8s",
        "large_client_header_buffers": "4 8k",
    }.items():
        assert f"{name} {value};" in conf
        said = value.replace("s", " s").replace("4 8k", "4 × 8 kB")
        assert re.search(rf"`{name}`[^|]* {said}", TEXT), name
    assert "rate=10r/s" in conf
    assert "limit_conn sms_receiver_connections 20;" in conf
    assert "`limit_req` 10/s, `limit_conn` 20" in TEXT
    assert "\nTimeoutStopSec=90\n" in worker
    assert "`TimeoutStopSec=90`" in TEXT
