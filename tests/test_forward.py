"""Events posted to a user's URL, and checked there as anybody would who knows Standard Webhooks."""

from __future__ import annotations

import base64
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from conftest import LEFOKA_KEY
from flask import Flask
from standardwebhooks import Webhook, WebhookVerificationError
from test_jobs import make_all_due, only_record, post
from wire import FakeApi

from handlers import forward
from receiver import Billing, ConfigurationError, GiveUp, RetryLater, Status
from receiver.testing import inbound, report

MakeApp = Callable[..., Flask]
RunJobs = Callable[[Flask], int]

SECRET = "whsec_" + base64.b64encode(b"a key of twenty-four bytes, or more").decode()
OTHER_SECRET = "whsec_" + base64.b64encode(b"another key of 24 bytes and more").decode()


@pytest.fixture
def app(make_app: MakeApp, api: FakeApi) -> Flask:
    """An app that forwards to `api`."""
    app = make_app(HANDLERS=["handlers.forward"])
    app.config.update(FORWARD_URL=f"{api.url}/events", FORWARD_SECRET=SECRET)
    api.answers = [(204, b"")]
    return app


def verified(request: dict[str, Any], secret: str = SECRET) -> Any:
    """What the other side makes of a request; raises where the signature is wrong."""
    headers = {name.lower(): value for name, value in request["headers"].items()}
    return Webhook(secret).verify(request["body"], headers)


def test_a_message_arrives_signed_and_whole(app: Flask, api: FakeApi) -> None:
    message = inbound(
        text="Habari 👋 \x00 مرحبا",
        billing=Billing(currency="TZS", subscriber_price=Decimal("10.50")),
        sent_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        custom={"order": [1, {"a": None}]},
    )
    with app.app_context():
        forward.messages(message)
    (request,) = api.requests
    got = verified(request)
    assert request["path"] == "/events"
    assert request["headers"]["content-type"] == "application/json"
    assert request["headers"]["webhook-id"] == message.id
    assert got == message.as_dict()
    assert (got["kind"], got["text"], got["sender"]) == ("message", message.text, message.sender)
    assert got["billing"]["subscriber_price"] == "10.50"
    assert got["sent_at"] == "2026-01-02T03:04:05+00:00"


def test_a_report_arrives_signed(app: Flask, api: FakeApi) -> None:
    delivered = report(status=Status.DELIVERED, credit=Decimal("0.25"))
    with app.app_context():
        forward.reports(delivered)
    got = verified(api.requests[0])
    assert (got["kind"], got["status"], got["credit"]) == ("report", "delivered", "0.25")


def test_another_body_or_another_secret_does_not_verify(app: Flask, api: FakeApi) -> None:
    with app.app_context():
        forward.messages(inbound())
    (request,) = api.requests
    with pytest.raises(WebhookVerificationError):
        verified(request, OTHER_SECRET)
    with pytest.raises(WebhookVerificationError):
        verified({**request, "body": request["body"].replace(b"hello", b"howdy")})
    past = str(int((datetime.now(UTC) - timedelta(minutes=10)).timestamp()))
    with pytest.raises(WebhookVerificationError):
        verified({**request, "headers": {**request["headers"], "webhook-timestamp": past}})


def test_while_one_secret_replaces_another_both_verify(app: Flask, api: FakeApi) -> None:
    app.config["FORWARD_SECRET"] = f"{OTHER_SECRET} {SECRET}"
    with app.app_context():
        forward.messages(inbound())
    assert verified(api.requests[0], SECRET) == verified(api.requests[0], OTHER_SECRET)


def test_without_a_url_nothing_is_posted(app: Flask, api: FakeApi) -> None:
    del app.config["FORWARD_URL"]
    with app.app_context():
        forward.messages(inbound())
        forward.reports(report())
    assert api.requests == []


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        pytest.param(500, {}, None, id="an error"),
        pytest.param(404, {}, None, id="a typing error in the URL"),
        pytest.param(429, {"retry-after": "30"}, 30, id="too many, with seconds"),
        pytest.param(503, {"retry-after": "999999999"}, 3600, id="an hour at most"),
        pytest.param(503, {"retry-after": "Fri, 31 Dec 2100 23:59:59 GMT"}, None, id="a date"),
        pytest.param(302, {"location": "http://127.0.0.1:1/"}, None, id="no redirect is followed"),
    ],
)
def test_anything_but_success_is_tried_again(
    app: Flask, api: FakeApi, status: int, headers: dict[str, str], seconds: float | None
) -> None:
    api.answers, api.headers = [(status, b"no")], headers
    with app.app_context(), pytest.raises(RetryLater, match=f"answered {status}") as raised:
        forward.messages(inbound())
    assert raised.value.seconds == seconds
    assert len(api.requests) == 1


def test_no_answer_is_tried_again(app: Flask, api: FakeApi) -> None:
    api.answers = [None]
    with app.app_context(), pytest.raises(RetryLater, match="did not answer"):
        forward.messages(inbound())


def test_no_connection_is_tried_again(app: Flask) -> None:
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        app.config["FORWARD_URL"] = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        with app.app_context(), pytest.raises(RetryLater, match="did not answer"):
            forward.messages(inbound())


def test_gone_ends_it(app: Flask, api: FakeApi) -> None:
    api.answers = [(410, b"")]
    with app.app_context(), pytest.raises(GiveUp, match="answered 410"):
        forward.messages(inbound())


@pytest.mark.parametrize(
    "config",
    [
        pytest.param({"FORWARD_SECRET": None}, id="no secret"),
        pytest.param({"FORWARD_SECRET": "whsec_c2hvcnQ="}, id="a short secret"),
        pytest.param({"FORWARD_SECRET": "whsec_!!!"}, id="no base64"),
        pytest.param({"FORWARD_URL": "http://10.0.0.1/"}, id="no TLS"),
        pytest.param({"FORWARD_URL": "http://localhost.example.org/"}, id="a name like localhost"),
        pytest.param({"FORWARD_URL": "ftp://127.0.0.1/"}, id="no HTTP"),
        pytest.param({"FORWARD_URL": "https://"}, id="no host"),
        pytest.param({"FORWARD_URL": "http://[::1"}, id="no URL"),
    ],
)
def test_a_wrong_setting_is_named_and_nothing_leaves(
    app: Flask, api: FakeApi, config: dict[str, Any]
) -> None:
    app.config.update(config)
    (name,) = config
    with app.app_context(), pytest.raises(ConfigurationError, match=f"^{name}: ") as raised:
        forward.messages(inbound())
    assert api.requests == []
    assert "c2hvcnQ" not in str(raised.value)


def test_events_are_forwarded_beside_the_answer_and_retried_alone(
    app: Flask, run_jobs: RunJobs, api: FakeApi, redis: Any
) -> None:
    api.answers = [(503, b""), (200, b"")]
    post(app, "hello")
    run_jobs(app)
    assert only_record(app).handlers["forward.messages"]["state"] == "retrying"
    make_all_due(redis)
    run_jobs(app)
    record = only_record(app)
    assert record.handlers["forward.messages"]["state"] == "done"
    first, second = api.requests
    assert verified(first) == verified(second) == record.event.as_dict()
    assert first["headers"]["webhook-id"] == second["headers"]["webhook-id"] == record.event.id


def test_one_callback_for_several_recipients_is_several_posts(
    app: Flask, run_jobs: RunJobs, api: FakeApi
) -> None:
    body = {"id": "m-1", "type": "sms", "recipient": ["27637885448", "27800055555"]}
    url = f"/webhooks/lefoka?api_key={LEFOKA_KEY}"
    app.test_client().post(url, json={**body, "status": "delivered"})
    run_jobs(app)
    got = [verified(request)["recipient"] for request in api.requests]
    assert sorted(got) == ["+27637885448", "+27800055555"]
