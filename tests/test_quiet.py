"""What a stranger can write into the log: so much a minute, whatever he sends."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from flask import Flask
from support import ACK, BODY, KEY, PATH, account, assert_refused, post
from werkzeug.test import EnvironBuilder, run_wsgi_app

from receiver.web.quiet import Quiet

MakeApp = Callable[..., Flask]


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Give what was logged since the last look."""
    found = [record.getMessage() for record in caplog.records]
    caplog.clear()
    return found


def test_each_account_has_so_many_lines_a_minute_and_a_count_of_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Clock()
    quiet = Quiet(logging.getLogger("door"), "refused", most=2, clock=clock)
    for _ in range(5):
        quiet.warning("one", "reason=%r", "wrong key")
    quiet.warning("other", "reason=%r", "wrong key")
    one, other = (f"event=refused account={name} reason='wrong key'" for name in ("one", "other"))
    assert lines(caplog) == [one, one, other]
    clock.now += 59.9
    quiet.warning("one", "reason=%r", "wrong key")
    assert lines(caplog) == []
    clock.now += 0.1
    quiet.warning("one", "reason=%r", "wrong key")
    quiet.warning("other", "reason=%r", "wrong key")
    assert lines(caplog) == ["event=refused_more account=one count=4", one, other]
    clock.now += 60
    quiet.warning("one", "reason=%r", "wrong key")
    assert lines(caplog) == [one]


def test_threads_together_have_no_more_lines_and_lose_no_count(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Clock()
    quiet = Quiet(logging.getLogger("door"), "refused", most=10, clock=clock)
    start = threading.Barrier(8)

    def knock() -> None:
        start.wait()
        for _ in range(200):
            quiet.warning("one", "try=1")

    threads = [threading.Thread(target=knock) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(lines(caplog)) == 10
    clock.now += 60
    quiet.warning("one", "try=1")
    assert lines(caplog)[0] == "event=refused_more account=one count=1590"


def test_ten_thousand_wrong_keys_leave_few_lines_and_nothing_in_redis(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture, redis: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    app = make_app(ACCOUNTS=account())
    environ = EnvironBuilder(PATH, method="POST", data="{}").get_environ()
    for number in range(5_000):
        for wrong in (f"wrong-{number}", f"rk_wrong.{number}"):
            request = {**environ, "wsgi.input": BytesIO(b"{}"), "HTTP_X_API_KEY": wrong}
            assert run_wsgi_app(app, request)[1] == "401 UNAUTHORIZED"
    assert redis.keys("*") == []
    ours = [line for line in lines(caplog) if "event=" in line]
    assert 20 <= len(ours) <= 200  # 21 a minute, and no machine needs ten minutes
    for number in range(20):
        assert_refused(post(app, auth=(f"wrong-{number}", "")))
        assert post(app, auth=(KEY, "")).get_json() == ACK


class Torn(BytesIO):
    """The body of a caller who hangs up."""

    def read(self, size: int | None = -1) -> bytes:
        raise OSError("gone")

    def readinto(self, target: object) -> int:
        raise OSError("gone")


def test_bodies_that_break_off_leave_few_lines_whatever_the_url_names(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    client = make_app(ACCOUNTS=account()).test_client()
    for number in range(50):
        for path in (PATH, f"/webhooks/nobody-{number}"):
            answer = client.post(path, input_stream=Torn(BODY.encode()))
            assert answer.status_code == (400 if path == PATH else 404)
    ours = lines(caplog)
    assert ours.count("event=body_lost account=smsbox error=ClientDisconnected") == 20
    assert ours.count("event=body_lost account=? error=ClientDisconnected") == 20
    assert len(ours) == 40
