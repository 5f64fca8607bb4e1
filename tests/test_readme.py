"""The README: every example is run, every table is held against the code."""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import click
import httpx
import pytest
from conftest import ACCOUNTS, SMSBOX_KEY
from processes import running, until

from receiver.cli import receiver_commands
from receiver.dev.provider_api import ProviderApi, serving
from receiver.settings import AccountSchema, _SettingsSchema

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", TEXT, re.S)
MOST_LINES = 21
ENVIRONMENT = {
    "FLASK_SECRET_KEY": "a-secret-key-of-some-length",
    "FLASK_RECEIVER_ACCOUNTS": json.dumps(ACCOUNTS),
}


def files_in_readme() -> dict[str, str]:
    named = [re.match(r"# (\S+\.py)\n", code) for language, code in BLOCKS if language == "python"]
    codes = [code for language, code in BLOCKS if language == "python"]
    return {match[1]: code for match, code in zip(named, codes, strict=True) if match}


@pytest.fixture
def project(tmp_path: Path, redis_url: str) -> Path:
    """A folder with all files that the README shows."""
    for name, code in files_in_readme().items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(code)
    (tmp_path / "handlers" / "__init__.py").touch()
    return tmp_path


def python(project: Path, code: str, **environment: str) -> str:
    """Run some lines in the project's folder as a user would; gives what they print."""
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=project,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_every_python_block_is_a_file_that_is_run_here() -> None:
    assert set(files_in_readme()) == {
        "handlers/balance.py",
        "remind.py",
        "test_balance.py",
        "shop.py",
        "acme_sms.py",
        "test_acme.py",
    }
    assert all(len(code.splitlines()) <= MOST_LINES for _, code in BLOCKS)


@pytest.mark.parametrize("name", ["test_balance.py", "test_acme.py"])
def test_the_tests_that_it_shows(project: Path, name: str) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", name]
    result = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert " passed" in result.stdout


def test_the_mounted_app(project: Path, redis_url: str) -> None:
    code = """
import shop
client = shop.app.test_client()
body = {"id": "x", "type": "sms", "recipient": ["27637885448"], "status": "failed"}
print(client.post("/webhooks/lefoka", json=body, auth=("pk_live_1", "")).status_code)
print(client.post("/webhooks/lefoka-eu", json=body, auth=("pk_live_1", "")).status_code)
print(shop.app.test_cli_runner().invoke(args=["receiver", "worker", "--burst"]).output)
"""
    environment = {**ENVIRONMENT, "FLASK_RECEIVER_REDIS_URL": redis_url}
    assert python(project, code, **environment).split("\n")[:2] == ["200", "401"]


def test_the_sending_that_it_shows(project: Path, redis_url: str) -> None:
    api = ProviderApi({"lefoka": {"pk_live_1": "of-the-account"}})
    with serving(api) as url:
        code = f"import receiver.providers.lefoka_api as api; api.LIVE_URL = {url!r}; import remind"
        printed = python(project, code, **ENVIRONMENT, FLASK_RECEIVER_REDIS_URL=redis_url)
    [sms] = api.sent
    assert (sms["to"], sms["text"]) == (["+27637885448"], "See you at nine.")
    assert printed.strip() == sms["message_id"]


def test_the_provider_by_its_entry_point(project: Path, redis_url: str) -> None:
    (toml,) = [code for language, code in BLOCKS if language == "toml"]
    groups = tomllib.loads(toml)["project"]["entry-points"]
    assert set(groups) == {"receiver.handlers", "receiver.providers"}
    installed = project / "acme_sms-1.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-sms\nVersion: 1\n")
    (provider,) = groups["receiver.providers"].items()
    lines = f"[receiver.providers]\n{provider[0]} = {provider[1]}\n"
    (installed / "entry_points.txt").write_text(lines)
    code = """
from receiver import standalone
app = standalone.create_app()
body = {"id": "1", "from": "+255712345678", "text": "hello"}
print(app.test_client().post("/webhooks/acme", json=body, auth=("k", "")).data.decode())
"""
    environment = {**ENVIRONMENT, "FLASK_RECEIVER_ACCOUNTS": '{"acme": {"api_key": "k"}}'}
    environment["FLASK_RECEIVER_REDIS_URL"] = redis_url
    assert python(project, code, **environment).strip() == "OK"


def test_the_standalone_server_and_worker(project: Path, redis_url: str, redis: Any) -> None:
    (line,) = [line for line in TEXT.splitlines() if line.startswith("granian ")]
    command = shlex.split(line, comments=True)
    (project / "wsgi.py").write_text((ROOT / "wsgi.py").read_text())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**ENVIRONMENT, "FLASK_RECEIVER_REDIS_URL": redis_url}
    with running(*command, "--port", str(port), folder=project, **environment):
        url = f"http://127.0.0.1:{port}/webhooks/smsbox"
        until(lambda: _answers(url), "the server")
        body = {"from": "+255712345678", "transaction_id": 1, "message": {"text": "Balance!"}}
        answer = httpx.post(url, json=body, auth=(SMSBOX_KEY, ""))
        assert answer.json() == {"transaction_id": 1, "successful": True}
    with running("receiver", "worker", folder=project, **environment):
        until(lambda: _outcomes(redis) == ["balance.balance"], "the handler")


def test_the_url_command(project: Path) -> None:
    (line,) = [line for line in TEXT.splitlines() if line.startswith("sms-receiver url ")]
    command = [sys.executable, "-m", "receiver", *shlex.split(line)[1:]]
    result = subprocess.run(
        command, cwd=project, env=ENVIRONMENT, capture_output=True, text=True, check=True
    )
    assert result.stdout.startswith("https://sms.example.org/webhooks/smsbox/")


def test_the_settings_table_is_whole_and_right() -> None:
    rows = dict(re.findall(r"^\| `RECEIVER_(\w+)` \| ([^|]+) \|", TEXT, re.M))
    fields = _SettingsSchema._declared_fields
    assert set(rows) == set(fields)
    for name in ("MAX_BODY", "RETENTION", "RETRIES", "NAMESPACE", "URL_PREFIX", "INLINE"):
        assert rows[name].strip(" `") == str(fields[name].load_default)


def test_the_account_table_is_whole() -> None:
    table = TEXT[TEXT.index("\nAn account:") :]
    rows = re.findall(r"^\| `(\w+)` \|", table, re.M)
    assert set(rows) - {"successful", "format"} == set(AccountSchema._declared_fields)


def test_the_commands_table_is_whole() -> None:
    table = TEXT[TEXT.index("\n## Operating it") : TEXT.index("\nIn a mounted app each is")]
    rows = re.findall(r"^\| `(?:sms-receiver )?(\w+)", table, re.M)
    context = click.Context(receiver_commands)
    assert set(rows) == set(receiver_commands.list_commands(context))


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 405
    except httpx.TransportError:
        return False


def _outcomes(redis: Any) -> list[str]:
    found = [name for key in redis.keys("receiver:event:*") for name in redis.hkeys(key)]
    return [name.removeprefix("handler:") for name in found if name.startswith("handler:")]
