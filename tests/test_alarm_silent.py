"""The bundled alarm handler, told that an account fell silent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from test_jobs import make_all_due
from wire import FakeApi

from handlers import alarm
from receiver import Alarm, RetryLater

MakeApp = Callable[..., Flask]
RunJobs = Callable[[Flask], int]

SINCE = datetime(2026, 11, 21, 6, tzinfo=UTC)
TEXT = "nothing came from account lefoka for 3 h 10 min; usually something comes within 30 min"
SILENT = Alarm(
    id="a" * 32,
    provider="lefoka",
    account="lefoka",
    received_at=datetime(2026, 11, 21, 9, 10, tzinfo=UTC),
    trust="own",
    text=TEXT,
    since=SINCE,
)


@pytest.fixture
def app(make_app: MakeApp, accounts: Any, api: FakeApi) -> Flask:
    """An app with the bundled handlers, posting to `api`."""
    return make_app(HANDLERS=["handlers"], ACCOUNTS=accounts)


def test_a_silence_is_logged_and_posted(
    app: Flask, run_jobs: RunJobs, api: FakeApi, caplog: pytest.LogCaptureFixture
) -> None:
    app.config["ALARM_URL"] = f"{api.url}/alarm"
    parts = app.extensions["receiver"]
    assert parts.intake.take(parts.settings.accounts["lefoka"], [SILENT]) == 1
    run_jobs(app)
    (line,) = [r.getMessage() for r in caplog.records if r.name == "handlers.alarm"]
    assert line == (
        f"event={'a' * 32} account=lefoka alarm=silent since=2026-11-21T06:00:00+00:00"
        f" text={TEXT!r}"
    )
    (request,) = api.requests
    assert request["path"] == "/alarm"
    assert request["json"] == {
        "text": TEXT,
        "event": "a" * 32,
        "account": "lefoka",
        "alarm": "silent",
        "since": "2026-11-21T06:00:00+00:00",
    }


def test_without_a_url_it_is_logged_alone(app: Flask, run_jobs: RunJobs, api: FakeApi) -> None:
    parts = app.extensions["receiver"]
    parts.intake.take(parts.settings.accounts["lefoka"], [SILENT])
    run_jobs(app)
    assert api.requests == []
    record = parts.journal.load(SILENT.id)
    assert {name: found["state"] for name, found in record.handlers.items()} == {
        "alarm.log_alarm": "done",
        "alarm.post_alarm": "done",
        "forward.alarms": "done",
    }


def test_a_post_that_fails_is_tried_again_and_logs_nothing_again(
    app: Flask, run_jobs: RunJobs, api: FakeApi, redis: Any, caplog: pytest.LogCaptureFixture
) -> None:
    app.config["ALARM_URL"] = f"{api.url}/alarm"
    api.answers = [(500, ""), (200, "")]
    parts = app.extensions["receiver"]
    parts.intake.take(parts.settings.accounts["lefoka"], [SILENT])
    run_jobs(app)
    make_all_due(redis)
    run_jobs(app)
    assert len(api.requests) == 2
    assert len([r for r in caplog.records if r.name == "handlers.alarm"]) == 1


def test_a_url_that_does_not_answer_is_asked_later(app: Flask, api: FakeApi) -> None:
    app.config["ALARM_URL"] = f"{api.url}/alarm"
    api.answers = [None]
    with app.app_context(), pytest.raises(RetryLater, match="ALARM_URL did not answer"):
        alarm.post_alarm(SILENT)
