"""What `up` shows of events that were there before it was started."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from support import KEYS, message
from test_jobs import make_all_due

from receiver import InboundMessage, Receiver
from receiver.dev.screen import Screen


def test_what_becomes_of_an_older_event_is_shown_below_it(
    make_app: Callable[..., Flask],
    run_jobs: Callable[[Flask], int],
    redis: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    broken = True

    def register(receiver: Receiver) -> None:
        @receiver.fallback()
        def points(sms: InboundMessage) -> None:
            if broken:
                raise KeyError("customer")

    app = make_app(handlers=register)
    headers = {"x-api-key": KEYS["smsbox"]}
    app.test_client().post("/webhooks/smsbox", json=message("t-1"), headers=headers)
    run_jobs(app)
    screen = Screen(app.extensions["receiver"].journal, [], datetime.now(UTC))
    screen.show()
    assert capsys.readouterr().out == ""
    make_all_due(redis)
    run_jobs(app)
    screen.show()
    first, second = capsys.readouterr().out.splitlines()
    assert "SMS from +255712345678" in first
    assert "retrying: KeyError: 'customer'" in second
    broken = False
    make_all_due(redis)
    run_jobs(app)
    screen.show()
    (only,) = capsys.readouterr().out.splitlines()
    assert "points" in only
    assert "done in" in only
