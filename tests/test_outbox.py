"""Replies: sent once, whatever runs again; retried only where that cannot send twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from conftest import LEFOKA_KEY
from flask import Flask
from test_jobs import make_all_due, only_record, post
from wire import SMSBOX_SENT, FakeApi

from receiver import InboundMessage, Receiver
from receiver.accounts import Account
from receiver.errors import PermanentDeliveryError
from receiver.providers.base import Provider, Sms
from receiver.providers.smsbox import SMSBox
from receiver.security import Door
from receiver.signing import SignedUrls

MakeApp = Callable[..., Flask]
RunJobs = Callable[[Flask], int]


def echo(receiver: Receiver) -> None:
    @receiver.fallback()
    def echo(message: InboundMessage) -> str:
        return f"You wrote: {message.text}"


@pytest.fixture
def app(make_app: MakeApp, accounts: Any) -> Flask:
    return make_app(handlers=echo, ACCOUNTS=accounts)


def reply(app: Flask) -> dict[str, Any]:
    (found,) = only_record(app).replies.values()
    return dict(found)


def test_the_returned_text_goes_to_the_sender_from_the_number_written_to(
    app: Flask, run_jobs: RunJobs, api: FakeApi
) -> None:
    post(app)
    run_jobs(app)
    (request,) = api.requests
    assert request["path"] == "/api/sms/v1/send_sms"
    assert request["json"]["source_addr"] == "15000"
    assert request["json"]["message"] == "You wrote: hello"
    assert [r["dest_addr"] for r in request["json"]["recipients"]] == ["+255712345678"]
    found = reply(app)
    assert (found["state"], found["message_id"]) == ("sent", "sms-2025")
    assert found["text"] == "You wrote: hello"


@pytest.mark.parametrize("job", ["run", "send"])
def test_a_job_that_runs_again_sends_nothing_again(
    app: Flask, run_jobs: RunJobs, api: FakeApi, redis: Any, job: str
) -> None:
    post(app)
    run_jobs(app)
    event_id = only_record(app).event.id
    maker = app.extensions["receiver"].jobs
    again = (
        maker.send(event_id, "app.echo")
        if job == "send"
        else maker.run(event_id, "message", "app.echo")
    )
    redis.hset(f"rq:job:{again.id}", "data", again.data)
    redis.rpush(f"rq:queue:{again.queue}", again.id)
    assert run_jobs(app) == 1
    assert len(api.requests) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_temporary_refusal_is_tried_again(
    app: Flask, run_jobs: RunJobs, api: FakeApi, redis: Any, status: int
) -> None:
    api.answers = [(status, {"code": 103, "message": "Network timeout"}), SMSBOX_SENT]
    post(app)
    run_jobs(app)
    assert reply(app)["state"] == "retrying"
    assert make_all_due(redis) == 1
    run_jobs(app)
    assert len(api.requests) == 2
    assert (reply(app)["state"], reply(app)["attempts"]) == ("sent", 2)


def test_a_gateway_that_waited_in_vain_may_have_sent_it(
    app: Flask, run_jobs: RunJobs, api: FakeApi, redis: Any
) -> None:
    api.answers = [(504, b"Gateway Timeout")]
    post(app)
    run_jobs(app)
    assert reply(app)["state"] == "unknown"
    assert make_all_due(redis) == 0


def test_a_provider_that_names_a_time_is_given_it(
    app: Flask, run_jobs: RunJobs, api: FakeApi, redis: Any
) -> None:
    api.answers = [(429, {"code": 429})]
    api.headers = {"Retry-After": "900"}
    post(app)
    before = redis.time()[0]
    run_jobs(app)
    ((_, due),) = redis.zrange("rq:scheduled:receiver-sends", 0, -1, withscores=True)
    assert before + 900 <= due <= redis.time()[0] + 901


def test_a_provider_that_is_away_for_good_ends_in_a_dead_letter(
    app: Flask, run_jobs: RunJobs, api: FakeApi, redis: Any
) -> None:
    api.answers = [(503, {})]
    post(app)
    run_jobs(app)
    while make_all_due(redis):
        run_jobs(app)
    assert (reply(app)["state"], len(api.requests)) == ("failed", 9)
    assert redis.zcard("rq:failed:receiver-sends") == 1


def test_a_permanent_refusal_is_not_tried_again_and_says_the_mend(
    app: Flask, run_jobs: RunJobs, api: FakeApi, redis: Any
) -> None:
    api.answers = [(400, {"code": 111, "message": "Invalid Sender Id"})]
    post(app)
    run_jobs(app)
    found = reply(app)
    assert (found["state"], found["code"]) == ("failed", "111")
    assert "source_addr" in found["mend"]
    assert make_all_due(redis) == 0
    assert redis.zcard("rq:failed:receiver-sends") == 1


def test_an_answer_that_was_lost_is_not_asked_for_by_sending_again(
    app: Flask, run_jobs: RunJobs, api: FakeApi, redis: Any
) -> None:
    api.answers = [None]
    post(app)
    run_jobs(app)
    assert (reply(app)["state"], len(api.requests)) == ("unknown", 1)
    assert make_all_due(redis) == 0


def test_a_send_that_was_interrupted_is_not_repeated(
    app: Flask, run_jobs: RunJobs, api: FakeApi, redis: Any
) -> None:
    """As a worker leaves it that was killed between the provider's call and its bookkeeping."""
    post(app)
    run_jobs(app)
    event_id = only_record(app).event.id
    key = f"receiver:event:{event_id}"
    sending = redis.hget(key, "reply:app.echo").replace('"sent"', '"sending"')
    redis.hset(key, "reply:app.echo", sending)
    job = app.extensions["receiver"].jobs.send(event_id, "app.echo")
    redis.hset(f"rq:job:{job.id}", mapping={"data": job.data, "signature": job.signature})
    redis.rpush(f"rq:queue:{job.queue}", job.id)
    run_jobs(app)
    assert (reply(app)["state"], len(api.requests)) == ("unknown", 1)
    assert "Look it up" in reply(app)["mend"]


def test_no_reply_leaves_where_nobody_knows_who_wrote(
    app: Flask, run_jobs: RunJobs, api: FakeApi
) -> None:
    body = {"id": "x", "type": "sms-reply", "message": "yes", "status": "delivered"}
    app.test_client().post(
        f"/webhooks/lefoka?api_key={LEFOKA_KEY}",
        json={**body, "recipient": ["27637885448", "27800055555"]},
    )
    run_jobs(app)
    assert reply(app)["state"] == "refused"
    assert "2 numbers" in reply(app)["reason"]
    assert api.requests == []


@pytest.mark.parametrize("text", ["", "   ", None])
def test_no_text_is_no_reply(
    make_app: MakeApp, accounts: Any, run_jobs: RunJobs, api: FakeApi, text: str | None
) -> None:
    def register(receiver: Receiver) -> None:
        @receiver.fallback()
        def silent(message: InboundMessage) -> str | None:
            return text

    app = make_app(handlers=register, ACCOUNTS=accounts)
    post(app)
    run_jobs(app)
    assert only_record(app).replies == {}
    assert api.requests == []


def test_inline_runs_everything_before_the_ack(
    make_app: MakeApp, accounts: Any, api: FakeApi
) -> None:
    app = make_app(handlers=echo, ACCOUNTS=accounts, INLINE=True)
    post(app)
    assert api.texts() == ["You wrote: hello"]
    post(app)
    assert api.texts() == ["You wrote: hello"]


def test_a_provider_that_does_not_send_says_so_and_is_not_asked_again() -> None:
    class Mute(SMSBox):
        send = Provider.send

    account = Account(name="mute", provider="smsbox")
    provider = Mute(account, Door(account, SignedUrls(["secret"])))
    with pytest.raises(PermanentDeliveryError, match="smsbox does not send"):
        provider.send(Sms(recipients=("+255712345678",), text="hello", key="k"))
