"""`new`: what it writes works as it is: its tests, its first minute, its deployment."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from conftest import need
from gateway import nginx
from upping import SMS_RECEIVER, clean_environment, running, running_flask

from receiver.dev.origin import line
from receiver.dev.project import DEPLOYED, Project
from receiver.errors import ReceiverError

ROOT = Path(__file__).parents[1]
KINDS = pytest.mark.parametrize("mounted", [False, True], ids=["standalone", "mounted"])


def new(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Call the command in an environment without any setting and without a Redis."""
    return subprocess.run(
        [str(SMS_RECEIVER), "new", *words],
        cwd=folder,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def made(folder: Path, *, mounted: bool, name: str = "my-shop") -> Path:
    """Make a project, and give its folder."""
    ended = new(folder, name, *(["--mounted"] if mounted else []))
    assert (ended.returncode, ended.stderr) == (0, "")
    assert f"cd {name}" in ended.stdout
    return folder / name


@KINDS
def test_its_tests_pass_as_they_are(tmp_path: Path, mounted: bool) -> None:
    folder = made(tmp_path, mounted=mounted)
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=folder,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "3 passed" in ended.stdout


def test_the_first_minute_of_a_new_project(tmp_path: Path) -> None:
    need("curl")
    with running(made(tmp_path, mounted=False)) as up:
        up.ready()
        assert json.loads(up.shell(up.lines("curl ")[1].replace("hello", "BALANCE")))["successful"]
        up.see("balance.balance  done in")
        up.see("SMS to +255712345678: You have 5 left, +255712345678.")
        assert "balance.balance: done" in up.shell(". .receiver/env; sms-receiver events")
        checked = up.shell(". .receiver/env; sms-receiver check || true")
        assert "ok  handlers: 1 loaded" in checked
        assert up.end() == 0


def test_the_first_minute_of_a_mounted_project(tmp_path: Path) -> None:
    need("curl")
    folder = made(tmp_path, mounted=True)
    line = re.search(r"FLASK_RECEIVER_ACCOUNTS='(.*)'", (folder / ".env").read_text())
    key = re.search(r"FLASK_SECRET_KEY='(\w{64})'", (folder / ".env").read_text())
    assert line
    assert key
    settings = {"FLASK_RECEIVER_ACCOUNTS": line[1], "FLASK_SECRET_KEY": key[1]}
    words = ("--app", "wsgi", "receiver", "up", "--simulate", "--port", "0")
    assert "flask --app wsgi receiver up --simulate\n" in (folder / "README.md").read_text()
    with running_flask(folder, *words, **settings) as up:
        up.ready()
        assert json.loads(up.shell(up.lines("curl ")[0].replace("hello", "BALANCE")))["successful"]
        up.see("SMS to +255712345678: You have 5 left, +255712345678.")
        assert up.end() == 0


@KINDS
def test_what_it_requires_is_what_this_installation_came_from(
    tmp_path: Path, mounted: bool
) -> None:
    folder = made(tmp_path, mounted=mounted)
    ours = (folder / "requirements.txt").read_text().splitlines()[0]
    assert f"`{ours}`" in (folder / "README.md").read_text()
    (folder / "ours.txt").write_text(ours)
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--dry-run", "-I"]
    command = [sys.executable, "-m", "pip", "install", "-q", *offline, "-r", "ours.txt"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("direct_url", "expected"),
    [
        pytest.param(None, "sms-receiver[serve]", id="an index"),
        pytest.param(
            {"url": "file:///srv/our%20code", "dir_info": {}},
            "sms-receiver[serve] @ file:///srv/our%20code",
            id="a folder",
        ),
        pytest.param(
            {"url": "file:///srv/it.whl", "archive_info": {"hash": "sha256=00"}},
            "sms-receiver[serve] @ file:///srv/it.whl",
            id="a wheel",
        ),
        pytest.param(
            {
                "url": "https://code.example.org/sms.git",
                "vcs_info": {"vcs": "git", "commit_id": "c0ffee", "requested_revision": "main"},
                "subdirectory": "python",
            },
            "sms-receiver[serve] @ git+https://code.example.org/sms.git@c0ffee#subdirectory=python",
            id="a repository",
        ),
    ],
)
def test_a_requirement_says_where_it_came_from(
    direct_url: dict[str, Any] | None, expected: str
) -> None:
    assert line("serve", direct_url) == expected


@pytest.mark.parametrize("name", ["My-Shop", "../x", "shop_1", "", "-x", "a" * 31, "1shop", "a b"])
def test_a_name_that_will_not_do_is_refused(tmp_path: Path, name: str) -> None:
    ended = new(tmp_path, "--", name)
    assert ended.returncode == 2
    assert "is no name for a project" in ended.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["json", "flask", "handlers", "receiver"])
def test_a_name_of_a_module_is_refused_where_it_would_hide_it(tmp_path: Path, name: str) -> None:
    ended = new(tmp_path, name, "--mounted")
    assert (ended.returncode, list(tmp_path.iterdir())) == (2, [])
    assert "choose another name" in ended.stderr


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "my-shop").mkdir()
    (tmp_path / "my-shop" / "wsgi.py").write_text("mine")
    ended = new(tmp_path, "my-shop")
    assert ended.returncode == 1
    assert "nothing was changed" in ended.stderr
    assert [path.read_text() for path in (tmp_path / "my-shop").iterdir()] == ["mine"]


def test_the_secret_is_new_each_time_and_in_one_file_alone(tmp_path: Path) -> None:
    secrets = set()
    for name in ("one", "two"):
        folder = made(tmp_path, mounted=False, name=name)
        assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600
        found = re.findall(r"\b[0-9a-f]{64}\b", (folder / ".env").read_text())
        secrets.add(*found)
        texts = [path.read_text() for path in folder.rglob("*") if path.is_file()]
        assert sum(found[0] in text for text in texts) == 1
        assert ".env\n" in (folder / ".gitignore").read_text()
    assert len(secrets) == 2


@KINDS
def test_nothing_is_left_to_be_filled_in(tmp_path: Path, mounted: bool) -> None:
    for name, text in Project("my-shop", mounted=mounted, parent=tmp_path).files():
        assert "[[" not in text.replace("[[ ", ""), name
        assert text.endswith("\n"), name
        if name.endswith(".py"):
            compile(text, name, "exec")
        if name.startswith("deploy/"):
            left = text.replace(".venv/bin/sms-receiver", "").lower()
            assert not re.search("sms[-_]receiver", left), name


@KINDS
def test_each_change_of_the_files_of_deploy_still_finds_its_place(mounted: bool) -> None:
    from receiver.dev.project import _OF_A_MOUNTED_ONE, _OF_A_PROJECT

    text = "".join((ROOT / "deploy" / name).read_text() for name in DEPLOYED)
    for ours in {**_OF_A_PROJECT, **(_OF_A_MOUNTED_ONE if mounted else {})}:
        assert ours in text


def test_the_wheel_ships_the_files_of_deploy_as_they_are(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as files:
        for name in DEPLOYED:
            shipped = files.read(f"receiver/dev/project/deploy/{name}")
            assert shipped == (ROOT / "deploy" / name).read_bytes()
        files.extractall(tmp_path / "installed")
    code = "from receiver.dev.project import Project; Project('shop').write()"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "installed")}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)
    assert (tmp_path / "shop" / "deploy" / "shop-web.service").is_file()


@KINDS
def test_nginx_and_the_shell_take_what_is_deployed(tmp_path: Path, mounted: bool) -> None:
    folder = made(tmp_path, mounted=mounted) / "deploy"
    for program in ("restart-web", "my-shop"):
        assert os.access(folder / program, os.X_OK)
        subprocess.run(["sh", "-n", folder / program], check=True)
    text = (folder / "nginx.conf").read_text().replace("listen 80", "listen 127.0.0.1:8080")
    text = re.sub(r"(access|error)_log \S+", rf"\1_log {tmp_path}/site.log", text)
    main = tmp_path / "main.conf"
    main.write_text(f"pid {tmp_path}/pid;\nevents {{}}\nhttp {{\n{text}\n}}\n")
    for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"):
        shutil.rmtree(tmp_path / kind, ignore_errors=True)
    command = [nginx(), "-t", "-q", "-c", main, "-p", tmp_path, "-e", tmp_path / "e.log"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_project_says_what_is_wrong_with_its_name() -> None:
    with pytest.raises(ReceiverError, match="such as my-shop"):
        Project("no_underscore")
