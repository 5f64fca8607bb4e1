"""One id from the ack to the reply: every line about a callback names it, whoever writes the line."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import SMSBOX_KEY
from flask import Flask
from flask.cli import ScriptInfo
from logging_lines import entries, lines_of
from processes import running, until
from redis.exceptions import ConnectionError as RedisConnectionError
from servers import shop_environment
from support import KEYS, message, report

from receiver import DeliveryReport, GiveUp, InboundMessage, Receiver
from receiver.dev.environment import of_children
from receiver.logs import LogfmtFormatter
from receiver.store.connection import Connection

MakeApp = Callable[..., Flask]
RunJobs = Callable[[Flask], int]
Handlers = Callable[[Receiver], None]

_shop = logging.getLogger("shop")


def answers(receiver: Receiver) -> None:
    @receiver.fallback()
    def answer(message: InboundMessage) -> str:
        _shop.warning("looking for the order")
        return "Thank you."


def answers_and_watches(receiver: Receiver) -> None:
    answers(receiver)

    @receiver.every()
    def watch(message: InboundMessage) -> None:
        _shop.warning("event=watched attempt=%d", 1)


def gives_up(receiver: Receiver) -> None:
    @receiver.report()
    def fail(report: DeliveryReport) -> None:
        raise GiveUp("no such customer")


def crashes(receiver: Receiver) -> None:
    @receiver.report()
    def fail(report: DeliveryReport) -> None:
        raise ValueError("wrong")


CALLBACKS = {
    "a message and its reply": ("smsbox", message("t-1"), answers, 1, 4),
    "a message with a watcher": ("smsbox", message("t-2"), answers_and_watches, 1, 6),
    "a report to two that is given up": (
        "lefoka",
        report("failed", "27637885448", "27637885449"),
        gives_up,
        2,
        3,
    ),
    "a report to two that a handler fails at": (
        "lefoka",
        report("expired", "27637885448", "27637885449"),
        crashes,
        2,
        3,
    ),
}


def post(app: Flask, provider: str, body: Any) -> None:
    headers = {"x-api-key": KEYS[provider]}
    answer = app.test_client().post(f"/webhooks/{provider}", json=body, headers=headers)
    assert answer.status_code == 200


def workers_lines(text: str) -> list[dict[str, Any]]:
    return [line for line in entries(text) if line.get("event") != "worker_started"]


@pytest.mark.parametrize("case", CALLBACKS)
def test_every_line_about_a_callback_names_its_first_event(
    make_app: MakeApp,
    run_jobs: RunJobs,
    redis: Any,
    accounts: dict[str, dict[str, Any]],
    case: str,
) -> None:
    provider, body, handlers, events, lines = CALLBACKS[case]
    app = make_app(handlers=handlers, ACCOUNTS=accounts)
    with lines_of("receiver", "shop") as written:
        post(app, provider, body)
        run_jobs(app)
    found = workers_lines(written.getvalue())
    (accepted, *later) = found
    assert (accepted["event"], accepted["account"]) == ("accepted", provider)
    assert (accepted["events"], accepted["new"]) == (events, events)
    stored = {key.removeprefix("receiver:event:") for key in redis.keys("receiver:event:*")}
    assert len(stored) == events
    (first,) = [event for event in stored if redis.hexists(f"receiver:event:{event}", "raw")]
    assert {line["callback"] for line in found} == {accepted["callback"]} == {first}
    assert len(found) == lines
    assert {line["event"] for line in later} - {"watched"} == stored


def test_a_callback_that_waited_in_the_spool_keeps_its_id(
    make_app: MakeApp, run_jobs: RunJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app(handlers=gives_up)

    def away(*given: object) -> None:
        raise RedisConnectionError

    with lines_of("receiver") as written:
        with monkeypatch.context() as patched:
            patched.setattr(Connection, "run_durably", away)
            post(app, "lefoka", report("failed", "27637885448", "27637885449"))
        intake = app.extensions["receiver"].intake
        until(lambda: not intake.outage.waiting() and not intake.outage.open, "the drain")
        run_jobs(app)
    found = workers_lines(written.getvalue())
    (spooled,) = [line for line in found if line["event"] == "spooled"]
    outcomes = [line for line in found if "outcome" in line]
    assert len(outcomes) == 2
    assert {line["callback"] for line in outcomes} == {spooled["callback"]}


def test_a_resend_is_named_as_the_callback_that_it_repeats(make_app: MakeApp) -> None:
    app = make_app()
    with lines_of("receiver") as written:
        post(app, "lefoka", report("failed", "27637885448"))
        post(app, "lefoka", report("failed", "27637885448"))
    first, second = entries(written.getvalue())
    assert (first["new"], second["new"]) == (1, 0)
    assert first["callback"] == second["callback"]


def test_of_what_came_in_part_before_the_first_new_event_names_the_rest(
    make_app: MakeApp, run_jobs: RunJobs, redis: Any
) -> None:
    app = make_app(handlers=gives_up)
    post(app, "lefoka", report("failed", "27637885448"))
    run_jobs(app)
    with lines_of("receiver") as written:
        post(app, "lefoka", report("failed", "27637885448", "27637885449", "27800055555"))
        run_jobs(app)
    accepted, *later = workers_lines(written.getvalue())
    assert redis.hexists(f"receiver:event:{accepted['callback']}", "raw")
    assert [line["callback"] for line in later] == [accepted["callback"]] * 2


def test_a_plain_line_of_a_handler_names_it_too(make_app: MakeApp, run_jobs: RunJobs) -> None:
    app = make_app(handlers=answers)
    post(app, "smsbox", message("t-1"))
    with lines_of("receiver", "shop", formatter=LogfmtFormatter()) as written:
        run_jobs(app)
    lines = written.getvalue().splitlines()
    (own,) = [line for line in lines if "looking for" in line]
    (outcome,) = [line for line in lines if "outcome=done" in line]
    callback = outcome.rpartition(" callback=")[2]
    assert own.endswith(f" WARNING looking for the order callback={callback} event={callback}")


BROKEN = """
from receiver import Router, InboundMessage
router = Router("broken")

@router.fallback(retries=0)
def broken(message: InboundMessage) -> str:
    raise ValueError("wrong")
"""

REFUSED = """
from receiver.standalone import create_app
app = create_app()
client = app.test_client()
client.post("/webhooks/smsbox", json={"a": 1}, headers={"x-api-key": "wrong"})
client.post("/webhooks/smsbox", json=%r, headers={"x-api-key": %r})
"""


@pytest.fixture
def deployment(tmp_path: Path) -> Path:
    """A folder of a standalone deployment, with one handler."""
    (tmp_path / "handlers").mkdir()
    (tmp_path / "handlers" / "broken.py").write_text(BROKEN)
    return tmp_path


def test_a_standalone_deployment_writes_json_alone(deployment: Path, redis_url: str) -> None:
    environment = shop_environment(redis_url, LOG_FORMAT="json")
    code = REFUSED % (message("t-1"), SMSBOX_KEY)
    web = subprocess.run(
        [sys.executable, "-c", code],
        cwd=deployment,
        env={"PATH": "", **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    (refused,) = entries(web.stderr)
    assert (refused["event"], refused["reason"]) == ("refused", "wrong key")
    log = deployment / "process.log"
    with running("receiver", "worker", folder=deployment, **environment):
        until(lambda: "traceback" in log.read_text(), "the handler's failure")
    found = entries(log.read_text())
    (failed,) = [line for line in found if line.get("outcome") == "failed"]
    assert (failed["handler"], failed["attempt"], failed["level"]) == (
        "broken.broken",
        1,
        "WARNING",
    )
    assert failed["traceback"].startswith("Traceback (most recent call last):\n")
    assert failed["callback"] == failed["event"]


def test_a_mounted_app_without_logging_of_its_own_has_its_workers_write_json(
    tmp_path: Path, redis_url: str
) -> None:
    (tmp_path / "shop.py").write_text(
        "from flask import Flask\nfrom receiver import Receiver\n"
        "app = Flask(__name__)\napp.config.from_prefixed_env()\nReceiver(app)\n"
    )
    worker = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "shop", "receiver", "worker", "--burst"],
        cwd=tmp_path,
        env={"PATH": "", **shop_environment(redis_url, LOG_FORMAT="json")},
        capture_output=True,
        text=True,
        check=True,
    )
    (started,) = entries(worker.stderr)
    assert (started["event"], started["handlers"], started["logger"]) == (
        "worker_started",
        0,
        "receiver.worker",
    )


def test_a_format_that_is_none_is_refused(deployment: Path, redis_url: str) -> None:
    started = subprocess.run(
        [sys.executable, "-m", "receiver", "worker", "--burst"],
        cwd=deployment,
        env={"PATH": "", **shop_environment(redis_url, LOG_FORMAT="xml")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert started.returncode == 1
    assert "RECEIVER_LOG_FORMAT: must be logfmt (key=value) or json" in started.stderr


def test_up_reads_the_lines_of_its_processes_whatever_the_deployment_writes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FLASK_RECEIVER_LOG_FORMAT", "json")
    assert of_children(ScriptInfo())["FLASK_RECEIVER_LOG_FORMAT"] == "logfmt"


def test_each_line_is_one_object() -> None:
    with lines_of("shop") as written:
        try:
            raise ValueError("two\nlines")
        except ValueError:
            _shop.exception("it failed\nat last")
    (line,) = written.getvalue().splitlines()
    assert json.loads(line)["message"] == "it failed\nat last"
