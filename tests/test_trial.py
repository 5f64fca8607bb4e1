"""The fixture `sms`: a user's app, its handlers run at once, and nothing leaves."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from conftest import ACCOUNTS
from flask import Flask
from redis import Redis

from receiver import DeliveryReport, GiveUp, InboundMessage, Receiver, RetryLater, Status, send
from receiver.providers.base import Ack, Provider, Sent, Sms, Stamp
from receiver.providers.payload import Payload
from receiver.testing import report
from receiver.testing.callbacks import Callback, garbage, lefoka, smsbox
from receiver.testing.trial import Trial

SENDER = "+255712345678"
KOBO = {"api_key": "kobo-user@example.org", "api_secret": "kobo-password"}


@pytest.fixture
def seen() -> list[Any]:
    """What the handlers of the app were given."""
    return []


class Acme(Provider):
    """A provider of somebody else, whose API is nowhere."""

    name = "acme"

    def parse(self, payload: Payload, stamp: Stamp) -> Iterable[InboundMessage]:
        yield InboundMessage(**stamp("message", [payload["id"]]), text=payload["text"])

    def ack(self, payload: Payload, problem: str | None) -> Ack:
        return Ack(body=b"OK")

    def send(self, sms: Sms) -> Sent:
        raise AssertionError("it must not be asked")


@pytest.fixture
def app(seen: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Flask:
    """A shop as somebody has it, with a Redis that nobody must touch."""
    installed = tmp_path / "acme_sms-1.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-sms\nVersion: 1\n")
    (installed / "entry_points.txt").write_text("[receiver.providers]\nacme = test_trial:Acme\n")
    monkeypatch.syspath_prepend(tmp_path)
    app = Flask("shop")
    app.secret_key = "a-secret-key-of-some-length"
    app.config["RECEIVER_ACCOUNTS"] = {
        **ACCOUNTS,
        "kobomobile": KOBO,
        "walled": {
            **ACCOUNTS["smsbox"],
            "provider": "smsbox",
            "key_in": "body",
            "networks": ["198.51.100.0/24"],
        },
        "acme": {"api_key": "acme-key-0001"},
    }
    app.config["RECEIVER_REDIS_URL"] = "redis://127.0.0.1:1/0"
    app.config["RECEIVER_INLINE"] = True
    receiver = Receiver(app)

    @receiver.keyword("BALANCE")
    def balance(message: InboundMessage) -> str:
        return f"5 left, {message.sender}"

    @receiver.keyword("BREAK")
    def breaks(message: InboundMessage) -> str:
        raise ZeroDivisionError("as ever")

    @receiver.keyword("LATER")
    def later(message: InboundMessage) -> str:
        seen.append(message)
        if len(seen) < 3:
            raise RetryLater(300)
        return "now"

    @receiver.keyword("NEVER")
    def never(message: InboundMessage) -> str:
        raise GiveUp("no such customer")

    @receiver.keyword("AWAY")
    def away(message: InboundMessage) -> str:
        return "to another country than its provider sends to"

    @receiver.keyword("TELL")
    def tell(message: InboundMessage) -> None:
        send("kobomobile", ["+2348030000001", "+2348030000002"], "told", source="SHOP")

    @receiver.keyword("ELSEWHERE")
    def elsewhere(message: InboundMessage) -> None:
        send("acme", ["+254711000001"], "by somebody else's provider")

    @receiver.report()
    def note(given: DeliveryReport) -> None:
        seen.append(given)

    return app


def test_a_message_is_answered_and_the_answer_does_not_leave(sms: Trial) -> None:
    happened = sms.receive("balance?", sender=SENDER, account="smsbox", recipient="15000")
    assert (happened.status, happened.quarantined) == (200, None)
    assert '"successful": true' in happened.body
    assert happened.outcomes == {"app.balance": "done"}
    assert happened.replies == {"app.balance": "sent"}
    assert happened.reply == f"5 left, {SENDER}"
    assert [(s.to, s.text, s.account, s.source) for s in sms.sent] == [
        (SENDER, f"5 left, {SENDER}", "smsbox", "15000")
    ]
    assert [(event.kind, event.trust) for event in sms.events] == [("message", "key")]


def test_a_resend_is_nothing_new(sms: Trial) -> None:
    callback = smsbox.inbound("BALANCE", sender=SENDER, form="form")
    assert sms.post(callback).reply
    again = sms.post(callback)
    assert (again.status, again.events, again.sent, len(sms.sent)) == (200, (), (), 1)


def test_a_lefoka_reply_and_a_report(sms: Trial, seen: list[Any]) -> None:
    assert sms.receive("BALANCE", account="lefoka", sender="+27637885448").reply
    sms.report("failed", id="m-1")
    assert [(r.message_id, str(r.status), r.account) for r in seen] == [("m-1", "failed", "lefoka")]
    assert sms.post(lefoka.report(recipient=("+27637885448", "+27800055555"))).events[1:]


def test_what_nobody_can_read_is_said(sms: Trial) -> None:
    happened = sms.post(garbage("smsbox"))
    assert (happened.status, happened.events) == (200, ())
    assert happened.quarantined


def test_what_a_handler_raises_is_raised_here(sms: Trial) -> None:
    with pytest.raises(ZeroDivisionError, match="as ever") as caught:
        sms.receive("BREAK", account="smsbox")
    assert caught.traceback[-1].path.name == "test_trial.py"
    sms.raising = False
    happened = sms.receive("BREAK", account="smsbox", sender=SENDER)
    assert happened.outcomes == {"app.breaks": "retrying"}
    assert happened.why == {"app.breaks": "as ever"}


def test_a_retry_is_run_when_asked_for(sms: Trial, seen: list[Any]) -> None:
    assert sms.receive("LATER", account="smsbox").outcomes == {"app.later": "retrying"}
    assert sms.run().outcomes == {"app.later": "retrying"}
    happened = sms.run()
    assert (happened.outcomes, happened.reply) == ({"app.later": "done"}, "now")
    assert sms.run().events == ()


def test_giving_up_is_no_fault(sms: Trial) -> None:
    happened = sms.receive("NEVER", account="smsbox")
    assert happened.outcomes == {"app.never": "failed"}
    assert happened.why == {"app.never": "no such customer"}


def test_what_is_sent_otherwise_is_kept_one_by_one(sms: Trial) -> None:
    happened = sms.receive("TELL", account="smsbox")
    assert [(s.to, s.account, s.source) for s in happened.sent] == [
        ("+2348030000001", "kobomobile", "SHOP"),
        ("+2348030000002", "kobomobile", "SHOP"),
    ]
    with pytest.raises(AssertionError, match="2 SMS were sent"):
        _ = happened.reply


def test_what_became_of_it_is_asked_for_when_told_to(sms: Trial, seen: list[Any]) -> None:
    sms.receive("TELL", account="smsbox")
    for sent in sms.outside.api.sent:
        sent["status"] = "DELIVERED"
    assert {event.trust for event in sms.run().events} == {"asked"}
    assert sorted((found.recipient, found.status) for found in seen) == [
        ("+2348030000001", Status.DELIVERED),
        ("+2348030000002", Status.DELIVERED),
    ]


def test_an_account_with_a_wall_is_posted_to_from_within(sms: Trial) -> None:
    happened = sms.receive("BALANCE", account="walled")
    assert (happened.status, happened.events[0].trust) == (200, "token")


def test_a_provider_of_somebody_else_is_posted_to_and_not_asked(sms: Trial) -> None:
    body = b'{"id": "m-1", "text": "ELSEWHERE"}'
    happened = sms.post(Callback(provider="acme", body=body))
    assert (happened.status, happened.body) == (200, "OK")
    assert [(sent.to, sent.account) for sent in sms.sent] == [("+254711000001", "acme")]
    with pytest.raises(AssertionError, match="what acme would post is not known here"):
        sms.receive("hello", account="acme")


def test_an_event_that_no_webhook_brings(sms: Trial, seen: list[Any]) -> None:
    sms.take(report(account="kobomobile", provider="kobomobile", message_id="m-2"))
    assert [found.message_id for found in seen] == ["m-2"]
    with pytest.raises(AssertionError, match=r"sms\.take\(report\(account='kobomobile'"):
        sms.report(account="kobomobile")
    with pytest.raises(AssertionError, match="say which account=; there are: lefoka, smsbox"):
        sms.receive("BALANCE")


def test_a_provider_refuses_as_it_would_for_real(sms: Trial) -> None:
    with sms.app.app_context(), pytest.raises(Exception, match="440"):
        send("lefoka", ["+27637885448"], "x" * 441)
    assert sms.sent == []


def test_why_a_reply_did_not_leave_is_told(sms: Trial) -> None:
    happened = sms.receive("AWAY", sender=SENDER, account="lefoka")
    assert (happened.reply, happened.outcomes) == (None, {"app.away": "done"})
    assert happened.replies == {"app.away": "failed"}
    assert happened.why["app.away"].startswith("INVALID_RECIPIENT_ENTRY: Lefoka sends to South")
    assert "; Give South African mobile numbers only" in happened.why["app.away"]
    assert happened.why["app.away"] in repr(happened)


@pytest.mark.parametrize("number", [1, 2])
def test_each_test_begins_with_nothing(sms: Trial, sms_redis_url: str, number: int) -> None:
    assert (sms.events, sms.sent) == ([], [])
    sms.receive("BALANCE", account="smsbox")
    with Redis.from_url(sms_redis_url) as client:
        assert client.keys("test-*:events")


def test_an_app_is_its_own_again_afterwards(app: Flask, request: pytest.FixtureRequest) -> None:
    from receiver.testing.trial import trial

    url, folder = request.getfixturevalue("sms_redis_url"), request.getfixturevalue("tmp_path")
    before, config = app.extensions["receiver"], dict(app.config)
    with trial(app, url, folder) as sms:
        namespace = sms.parts.settings.namespace
        sms.receive("BALANCE", account="smsbox")
    assert app.extensions["receiver"] is before
    body = {"from": SENDER, "transaction_id": "t", "message": {"text": "hi"}}
    app.test_client().post("/webhooks/smsbox", json=body, auth=(ACCOUNTS["smsbox"]["api_key"], ""))
    assert before.spool.waiting()
    assert dict(app.config) == config
    with Redis.from_url(url) as client:
        assert client.keys(f"*{namespace}*") == []
        left = client.smembers("rq:queues") | client.smembers("rq:workers")
        assert not [name for name in left if namespace.encode() in name]
