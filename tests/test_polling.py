"""Reports without webhooks: asked for on a schedule that thins out, and handled as any other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from panel import HOUR, MINUTE, ONE, TWO, Desk
from redis import Redis

from receiver import Status
from receiver.accounts import Account
from receiver.dev.provider_api import ProviderApi, serving
from receiver.polling import SCHEDULE
from receiver.providers.base import Asked, Sms
from receiver.providers.kobomobile import KoboMobile
from receiver.security import Door
from receiver.signing import SignedUrls

MakeApp = Callable[..., Flask]
RunJobs = Callable[[Flask], int]

NIGERIANS = ("+2348031234567", "+2348037654321")


@pytest.fixture
def desk(make_app: MakeApp, redis_url: str, redis: Redis) -> Desk:
    return Desk(make_app, redis_url)


def test_a_final_status_becomes_a_report_in_a_handler(
    desk: Desk, run_jobs: RunJobs, redis: Any
) -> None:
    desk.panel.statuses["m-1"] = {ONE: Status.DELIVERED}
    desk.send("m-1", client_reference="r-1")
    assert not desk.polling.is_due()
    assert desk.polling.poll_once() == 0
    desk.wait()
    assert desk.polling.is_due()
    assert desk.polling.poll_once() == 1
    assert desk.panel.asked == [Asked(message_id="m-1", recipients=(ONE,), client_reference="r-1")]
    run_jobs(desk.app)
    (report,) = desk.reports
    assert (report.status, report.recipient, report.trust) == (Status.DELIVERED, ONE, "asked")
    assert redis.keys("receiver:poll*") == []


def test_asking_thins_out_and_ends_after_three_days(
    desk: Desk, redis: Any, caplog: pytest.LogCaptureFixture
) -> None:
    desk.panel.statuses["m-1"] = {ONE: Status.PENDING}
    desk.send("m-1")
    hours = [60 * hour for hour in (1, 2, 4, 8, 16, 32, 64, 72)]
    assert desk.times(redis) == [1, 5, 15, *hours]
    assert len(SCHEDULE) == 11
    assert "event=polling_ended account=panel reason=no_final_status" in caplog.text
    assert ONE not in caplog.text


def test_a_status_that_stays_is_told_once(desk: Desk, run_jobs: RunJobs, redis: Any) -> None:
    desk.panel.statuses["m-1"] = {ONE: Status.SUBMITTED}
    desk.send("m-1")
    desk.wait()
    desk.polling.poll_once()
    desk.wait(5 * MINUTE)
    desk.polling.poll_once()
    desk.panel.statuses["m-1"] = {ONE: Status.EXPIRED}
    desk.wait(HOUR)
    desk.polling.poll_once()
    run_jobs(desk.app)
    assert [report.status for report in desk.reports] == [Status.SUBMITTED, Status.EXPIRED]
    assert redis.zcard("receiver:polls") == 0


def test_only_those_are_asked_about_further_whose_end_is_open(desk: Desk, redis: Any) -> None:
    desk.panel.statuses["m-1"] = {ONE: Status.DELIVERED, TWO: Status.UNKNOWN}
    desk.send("m-1", ONE, TWO)
    desk.wait()
    desk.polling.poll_once()
    desk.panel.statuses["m-1"] = {TWO: Status.FAILED}
    desk.wait(5 * MINUTE)
    desk.polling.poll_once()
    assert [asked.recipients for asked in desk.panel.asked] == [(ONE, TWO), (TWO,)]
    assert redis.zcard("receiver:polls") == 0


def test_an_outage_of_ours_makes_nothing_due_twice(desk: Desk, redis: Any) -> None:
    desk.panel.statuses["m-1"] = {ONE: Status.PENDING}
    desk.send("m-1")
    desk.wait(5 * HOUR)
    desk.polling.poll_once()
    assert len(desk.panel.asked) == 1
    assert not desk.polling.is_due()
    desk.wait(3 * HOUR)
    assert desk.polling.is_due()


def test_one_batch_is_one_batch(desk: Desk) -> None:
    for number in range(5):
        desk.send(f"m-{number}")
    desk.wait()
    assert [desk.polling.poll_once(limit=2) for _ in range(4)] == [2, 2, 1, 0]
    assert len(desk.panel.asked) == 5


def test_a_send_to_kobomobile_ends_as_a_report_without_any_webhook(
    desk: Desk, run_jobs: RunJobs
) -> None:
    api = ProviderApi({"kobomobile": {"shop": "secret"}})
    with serving(api) as url:
        account = Account(
            name="kobo",
            provider="kobomobile",
            api_keys=("shop",),
            api_secret="secret",
            source_addr="Shop",
            base_url=url,
        )
        kobo = KoboMobile(account, Door(account, SignedUrls(["x"])))
        desk.providers["kobo"] = kobo
        sms = Sms(recipients=NIGERIANS, text="hello", key="k")
        desk.box.keep("kobo", sms, kobo.send(sms), poll=kobo.is_polled)
        desk.wait()
        assert desk.polling.poll_once() == 2
        api.sent[0]["status"] = "DELIVERED"
        desk.wait(5 * MINUTE)
        assert desk.polling.poll_once() == 2
    run_jobs(desk.app)
    ends = {report.recipient: report for report in desk.reports if report.final}
    statuses = {number: found.status for number, found in ends.items()}
    assert statuses == dict.fromkeys(NIGERIANS, Status.DELIVERED)
    assert {n: found.message_id for n, found in ends.items()} == api.sent[0]["message_ids"]
    assert not desk.polling.is_due()
