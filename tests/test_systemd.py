"""The units for systemd: it takes them, and they agree with the code, with nginx and each other."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import ACCOUNTS, need
from gateway import SOCKETS
from processes import running, until
from servers import Web, is_ack, shop_environment
from support import MESSAGE, PATH

from receiver.routing import DEFAULT_TIMEOUT
from receiver.settings import _SettingsSchema

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
UNITS = {
    "sms-receiver-web": "sms-receiver-web.service",
    "sms-receiver-web-2": "sms-receiver-web.service",
    "sms-receiver-worker": "sms-receiver-worker.service",
}
PROGRAMS = "/opt/sms-receiver/.venv/bin/"
ENV_FILE = "/etc/sms-receiver/env"
MOST_EXPOSED = 20  # tenths, of systemd's own scale of 100

# What a unit may differ in: its text, its command, and what its command needs.
OWN = {"Description", "Environment", "ExecStart", "RestartSec", "TimeoutStopSec"}
OWN |= {"RuntimeDirectory", "RuntimeDirectoryMode"}

Unit = dict[str, list[str]]


def unit(name: str) -> Unit:
    """Read a unit: all values of each key."""
    text = re.sub(r"(?m)^#.*\n", "", (DEPLOY / UNITS[name]).read_text()).replace("\\\n", "")
    found: Unit = {}
    for key, value in re.findall(r"(?m)^(\w+)=(.*)$", text.replace("%N", name)):
        found.setdefault(key, []).append(value)
    return found


def command(name: str) -> list[str]:
    """Give the command of a unit, as arguments of this Python."""
    (line,) = unit(name)["ExecStart"]
    program, *arguments = shlex.split(line)
    module = {"granian": "granian", "sms-receiver": "receiver"}[program.removeprefix(PROGRAMS)]
    return [module, *arguments]


@pytest.fixture(params=UNITS)
def installed(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A unit under the name that it has when installed; its program is one that is there."""
    (line,) = unit(request.param)["ExecStart"]
    path = tmp_path / f"{request.param}.service"
    text = (DEPLOY / UNITS[request.param]).read_text()
    path.write_text(text.replace(line.split(" ")[0], "/bin/true"))
    return path


def test_systemd_takes_each_unit(installed: Path) -> None:
    command = [need("systemd-analyze"), "verify", "--man=no", str(installed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_systemd_finds_each_unit_to_be_little_exposed(installed: Path) -> None:
    command = [need("systemd-analyze"), "security", "--offline=yes", "--no-pager"]
    command += [f"--threshold={MOST_EXPOSED}", str(installed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_both_units_are_shut_in_the_same_way() -> None:
    web, worker = unit("sms-receiver-web"), unit("sms-receiver-worker")
    differing = {key for key in {*web, *worker} if web.get(key) != worker.get(key)}
    assert differing <= OWN
    for key in ("NoNewPrivileges", "ProtectHome", "PrivateTmp", "PrivateDevices"):
        assert web[key] == ["yes"]
    assert (web["ProtectSystem"], web["CapabilityBoundingSet"]) == (["strict"], [""])
    assert web["User"] == ["sms-receiver"]


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_agrees_with_the_code(name: str) -> None:
    found = unit(name)
    settings = dict(line.split("=", 1) for line in found["Environment"])
    known = {f"FLASK_RECEIVER_{key}" for key in _SettingsSchema._declared_fields}
    assert set(settings) <= known
    (state,) = found["StateDirectory"]
    assert settings["FLASK_RECEIVER_SPOOL_DIR"] == f"/var/lib/{state}/spool"
    assert found["EnvironmentFile"] == [ENV_FILE]
    assert found["Restart"] == ["always"]
    assert found["KillMode"] == ["mixed"]  # SIGTERM to the one that lets the others finish


def test_a_worker_is_given_the_time_of_a_handler() -> None:
    (seconds,) = unit("sms-receiver-worker")["TimeoutStopSec"]
    assert int(seconds) > DEFAULT_TIMEOUT


def test_nginx_and_the_web_units_mean_the_same_sockets() -> None:
    for name, path in zip(("sms-receiver-web", "sms-receiver-web-2"), SOCKETS, strict=True):
        arguments = command(name)
        assert arguments[arguments.index("--uds") + 1] == path
        assert unit(name)["RuntimeDirectory"] == [Path(path).parent.name]
        environment = dict(line.split("=", 1) for line in unit(name)["Environment"])
        assert environment["FLASK_RECEIVER_PROXIES"] == "1"


@pytest.fixture
def opt() -> Iterator[Path]:
    """What lies in /opt/sms-receiver, in a folder with a name that is short enough for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="rcv"))
    shutil.copy(ROOT / "wsgi.py", folder)
    shutil.copytree(ROOT / "handlers", folder / "handlers")
    yield folder
    shutil.rmtree(folder)


def test_the_commands_of_the_units_take_a_callback_and_handle_it(
    opt: Path, redis_url: str, redis: Any
) -> None:
    spool = {"FLASK_RECEIVER_SPOOL_DIR": str(opt / "spool")}
    environment = shop_environment(redis_url) | spool
    web = Web(opt, 0, "granian", environment)
    serve = [web.path if part == SOCKETS[0] else part for part in command("sms-receiver-web")]
    before = os.umask(0o077)
    try:
        with running(*serve, folder=opt, **environment):
            until(web.ready, "the web service")
            assert stat.S_IMODE(Path(web.path).stat().st_mode) == 0o660
            assert is_ack(web.post(PATH, MESSAGE))
        with running(*command("sms-receiver-worker"), folder=opt, **environment) as worker:
            until(lambda: outcomes(redis), "a handler")
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(60) == 0
    finally:
        os.umask(before)


def outcomes(redis: Any) -> list[str]:
    """Name the handlers that have run."""
    keys = redis.keys("receiver:event:*")
    return [name for key in keys for name in redis.hkeys(key) if name.startswith("handler:")]


def test_the_command_runs_with_the_settings_of_the_services(opt: Path) -> None:
    accounts = json.dumps(ACCOUNTS)
    text = f"FLASK_SECRET_KEY='of-the-services'\nFLASK_RECEIVER_ACCOUNTS='{accounts}'\n"
    (opt / "env").write_text(text)
    script = (DEPLOY / "sms-receiver").read_text()
    assert unit("sms-receiver-web")["Environment"][0] in script
    me = f"--reuid={os.geteuid()} --regid={os.getegid()} --keep-groups"
    changes = {
        "--reuid=sms-receiver --regid=sms-receiver --init-groups": me,
        ENV_FILE: str(opt / "env"),
        "/opt/sms-receiver": str(opt),
        "/var/lib/sms-receiver": str(opt),
        "exec setpriv": f"exec {need('setpriv')}",
        ".venv/bin/sms-receiver": f"{sys.executable} -m receiver",
    }
    for old, new in changes.items():
        assert old in script
        script = script.replace(old, new)
    arguments = [
        "sh",
        "-c",
        script,
        "sms-receiver",
        "url",
        "smsbox",
        "--base",
        "https://example.org",
    ]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("https://example.org/webhooks/smsbox/")
