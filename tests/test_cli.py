"""The commands, as somebody at a terminal meets them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import SMSBOX_KEY
from flask import Flask
from processes import until
from test_jobs import post
from test_outbox import echo

from receiver import InboundMessage, Receiver

MakeApp = Callable[..., Flask]
RunJobs = Callable[[Flask], int]


def invoke(app: Flask, *args: str) -> Any:
    return app.test_cli_runner().invoke(args=["receiver", *args])


def test_url_prints_a_url_that_lets_its_bearer_in(make_app: MakeApp) -> None:
    app = make_app()
    result = invoke(app, "url", "lefoka", "--base", "https://sms.example.org/")
    url = result.output.strip()
    assert url.startswith("https://sms.example.org/webhooks/lefoka/")
    path = url.removeprefix("https://sms.example.org")
    body = {"id": "x", "type": "sms", "recipient": ["27637885448"]}
    assert app.test_client().post(path, json=body).status_code == 200
    assert app.test_client().post(path[:-1], json=body).status_code == 401


def test_url_of_an_unknown_account_says_which_there_are(make_app: MakeApp) -> None:
    result = invoke(make_app(), "url", "lefka")
    assert result.exit_code == 3
    assert "there are: lefoka, smsbox" in result.output


def test_lists_mask_numbers_and_texts_unless_asked(
    make_app: MakeApp, accounts: Any, run_jobs: RunJobs
) -> None:
    app = make_app(handlers=echo, ACCOUNTS=accounts)
    post(app, "my pin is 4711")
    run_jobs(app)
    listed = invoke(app, "events").output
    assert "+2557***678" in listed
    assert "app.echo: done" in listed
    assert "4711" not in listed
    revealed = invoke(app, "events", "list", "--reveal").output
    assert "+255712345678" in revealed
    assert "'You wrote: my pin is 4711': sent" in revealed


@pytest.mark.parametrize("command", [["list", "--reveal"], ["list"]])
def test_a_sender_cannot_steer_the_terminal(make_app: MakeApp, command: list[str]) -> None:
    app = make_app()
    body = {"from": "\x1b[2J\u202eMTN-SHOP", "transaction_id": "t", "message": {"text": "\x1b[2J"}}
    app.test_client().post("/webhooks/smsbox", json=body, auth=(SMSBOX_KEY, ""))
    shown = invoke(app, "events", *command).output
    (listed,) = [
        json.loads(line) for line in invoke(app, "events", "list", "--json").stdout.splitlines()
    ]
    shown += invoke(app, "events", "show", listed["id"]).output
    assert not [char for char in shown if char != "\n" and not char.isprintable()]


def test_show_gives_one_event_whole(make_app: MakeApp, run_jobs: RunJobs) -> None:
    def register(receiver: Receiver) -> None:
        @receiver.fallback()
        def broken(message: InboundMessage) -> None:
            raise RuntimeError("the ledger is closed")

    app = make_app(handlers=register)
    post(app, "hello")
    run_jobs(app)
    (listed,) = [
        json.loads(line)
        for line in invoke(app, "events", "list", "--json").output.split("\n")
        if line
    ]
    shown = json.loads(invoke(app, "events", "show", listed["id"][:8], "--json").output)
    assert shown["text"] == "hello"
    assert json.loads(shown["raw"])["transaction_id"] == "t-1"
    outcome = shown["handlers"]["app.broken"]
    assert outcome["reason"] == "the ledger is closed"
    assert "in broken" in outcome["traceback"]
    assert "the ledger is closed" in invoke(app, "events", "show", listed["id"]).output


def test_show_of_an_unknown_event_says_so(make_app: MakeApp) -> None:
    result = invoke(make_app(), "events", "show", "0" * 32)
    assert result.exit_code == 3
    assert "there is no event" in result.output


def test_tail_shows_an_event_and_what_becomes_of_it(
    make_app: MakeApp, accounts: Any, run_jobs: RunJobs, redis_url: str, tmp_path: Path
) -> None:
    app = make_app(handlers=echo, ACCOUNTS=accounts)
    config = {"SECRET_KEY": "a-secret-key-of-some-length", "RECEIVER_REDIS_URL": redis_url}
    environment = {f"FLASK_{name}": value for name, value in config.items()}
    environment["FLASK_RECEIVER_ACCOUNTS"] = json.dumps({"smsbox": {}, "lefoka": {}})
    command = [sys.executable, "-m", "receiver", "events", "tail", "--since", "60s", "--reveal"]
    with (tmp_path / "out").open("w+") as out:
        process = subprocess.Popen(command, stdout=out, env=environment, cwd=tmp_path)
        try:
            post(app, "hello")
            until(lambda: "waiting" in (tmp_path / "out").read_text(), "the event")
            run_jobs(app)
            until(lambda: "You wrote: hello': sent" in (tmp_path / "out").read_text(), "the reply")
        finally:
            process.kill()
            process.wait()


def test_check_of_a_deployment_without_workers_says_the_mend(make_app: MakeApp) -> None:
    result = invoke(make_app(handlers=echo), "check")
    assert result.exit_code == 1
    assert "BAD workers for messages: 0" in result.output
    assert "Run the worker command" in result.output


def test_wrong_settings_are_said_without_a_traceback(tmp_path: Path) -> None:
    environment = {"FLASK_RECEIVER_ACCOUNTS": '{"lefoka": {"apikey": "k"}}'}
    result = subprocess.run(
        [sys.executable, "-m", "receiver", "check"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "did you mean RECEIVER_ACCOUNTS.lefoka.api_key?" in result.stderr
    assert "RECEIVER_SECRET_KEYS" in result.stderr
    assert "Traceback" not in result.stderr


def test_redis_away_is_said_with_its_mend(make_app: MakeApp) -> None:
    result = invoke(make_app(REDIS_URL="redis://127.0.0.1:1/0"), "events")
    assert result.exit_code == 75
    assert result.output.startswith("Error: Redis: ConnectionError\nTry: check, which says")


def test_a_worker_needs_a_process(make_app: MakeApp) -> None:
    result = invoke(make_app(), "worker", "--processes", "0")
    assert result.exit_code == 2
    assert "0 is not in the range x>=1" in result.output


def test_the_beginning_of_an_id_must_be_enough(make_app: MakeApp) -> None:
    app = make_app()
    for number in range(17):  # two of them begin with the same digit
        post(app, transaction=str(number))
    ids = [
        json.loads(line)["id"]
        for line in invoke(app, "events", "list", "--json").stdout.splitlines()
    ]
    first = next(digit for digit in "0123456789abcdef" if sum(i[0] == digit for i in ids) > 1)
    assert "give more of it" in invoke(app, "events", "show", first).output


def test_an_account_that_is_asked_has_no_url(make_app: MakeApp) -> None:
    app = make_app(ACCOUNTS={"kobomobile": {"api_key": "u", "api_secret": "p"}})
    result = app.test_cli_runner().invoke(args=["receiver", "url", "kobomobile"])
    assert result.exit_code == 1
    assert "kobomobile has no webhook" in result.output
