"""Bodies that nobody could read: kept, shown, and read again once the code can."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from conftest import LEFOKA_KEY, SMSBOX_KEY
from cryptography.fernet import Fernet
from flask import Flask
from redis import Redis
from servers import own_valkey, url_of
from support import report
from test_cli import invoke

from receiver import InboundMessage, Receiver
from receiver.providers.smsbox import SMSBox

MakeApp = Callable[..., Flask]
RunJobs = Callable[[Flask], int]

STRANGE = {"from": "+255712345678", "hello": "my pin is 4711"}


@pytest.fixture
def ran() -> list[InboundMessage]:
    """What the handler was called with."""
    return []


@pytest.fixture
def app(make_app: MakeApp, ran: list[InboundMessage]) -> Flask:
    """An app that has just been sent two bodies which it cannot read, one of them twice."""

    def register(receiver: Receiver) -> None:
        @receiver.fallback()
        def note(message: InboundMessage) -> None:
            ran.append(message)

    app = make_app(handlers=register)
    client = app.test_client()
    for _ in range(2):
        client.post("/webhooks/smsbox", json=STRANGE, auth=(SMSBOX_KEY, ""))
    client.post("/webhooks/lefoka", data=b"\xff\x00", auth=(LEFOKA_KEY, ""))
    return app


def ids(app: Flask, *options: str) -> list[str]:
    output = invoke(app, "quarantine", "list", "--json", *options).output
    return [json.loads(line)["id"] for line in output.splitlines()]


def test_each_is_listed_once_with_its_reason_and_without_its_content(app: Flask) -> None:
    lines = invoke(app, "quarantine").output.splitlines()
    assert len(lines) == 2
    assert "smsbox" in lines[1]
    assert "resent 1 time" in lines[1]
    assert not [line for line in lines if "4711" in line or "712345678" in line]


def test_one_is_shown_whole(app: Flask) -> None:
    (body_id,) = ids(app, "--account", "smsbox")
    shown = invoke(app, "quarantine", "show", body_id[:8]).output
    assert "my pin is 4711" in shown
    (body_id,) = ids(app, "--account", "lefoka")
    assert r"\xff" in json.loads(invoke(app, "quarantine", "show", body_id, "--json").output)["raw"]


def test_what_still_cannot_be_read_is_kept(app: Flask) -> None:
    result = invoke(app, "quarantine", "replay", "--all")
    assert "0 new events queued, 2 bodies kept." in result.output
    assert len(ids(app)) == 2


def test_what_a_newer_parser_reads_is_handled_and_leaves_the_quarantine(
    app: Flask, run_jobs: RunJobs, ran: list[InboundMessage], monkeypatch: pytest.MonkeyPatch
) -> None:
    def parse(self: SMSBox, payload: Any, stamp: Any) -> list[InboundMessage]:
        common = stamp("message", None)  # nothing identifies it
        return [InboundMessage(**common, sender=payload["from"], text=payload["hello"])]

    monkeypatch.setattr(SMSBox, "parse", parse)
    result = invoke(app, "quarantine", "replay", "--all")
    assert "1 new events queued, 1 bodies kept." in result.output
    run_jobs(app)
    (message,) = ran
    assert (message.text, message.sender) == ("my pin is 4711", "+255712345678")
    assert ids(app, "--account", "smsbox") == []


def test_a_replay_that_was_cut_short_makes_no_second_event(
    app: Flask, run_jobs: RunJobs, ran: list[InboundMessage], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a kill between the queueing and the dropping: the body is still there."""

    def parse(self: SMSBox, payload: Any, stamp: Any) -> list[InboundMessage]:
        return [
            InboundMessage(**stamp("message", None), text="a"),
            InboundMessage(**stamp("message", None), text="b"),
        ]

    monkeypatch.setattr(SMSBox, "parse", parse)
    parts = app.extensions["receiver"]
    (found,) = [body for body in parts.quarantine if body.account == "smsbox"]
    provider = parts.providers["smsbox"]
    assert [parts.intake.replay(found, provider) for _ in range(2)] == [2, 0]
    run_jobs(app)
    assert sorted(message.text for message in ran) == ["a", "b"]


def test_dropping_asks_which(app: Flask, redis: Any) -> None:
    assert "say which" in invoke(app, "quarantine", "drop").output
    assert "no body begins with feed" in invoke(app, "quarantine", "drop", "feed").output
    assert "1 dropped" in invoke(app, "quarantine", "drop", "--account", "lefoka", "--yes").output
    assert "1 dropped" in invoke(app, "quarantine", "drop", "--all", "--yes").output
    assert redis.keys("receiver:quarantine*") == []


def test_a_full_redis_can_be_emptied_by_dropping(make_app: MakeApp) -> None:
    with own_valkey() as server:
        app = make_app(REDIS_URL=url_of(server))
        app.test_client().post("/webhooks/smsbox", data=b"{x", auth=(SMSBOX_KEY, ""))
        with Redis.from_url(url_of(server)) as redis:
            redis.config_set("maxmemory", 1)
        assert "1 dropped" in invoke(app, "quarantine", "drop", "--all", "--yes").output
        assert list(app.extensions["receiver"].quarantine) == []


def test_a_body_of_an_account_that_is_gone_is_kept(app: Flask, make_app: MakeApp) -> None:
    other = make_app(ACCOUNTS={"lefoka": {"api_key": LEFOKA_KEY}})
    result = invoke(other, "quarantine", "replay", "--account", "smsbox")
    assert "its account is not configured now" in result.output
    assert len(ids(app)) == 2


def test_an_event_of_a_report_is_read_again_too(app: Flask, make_app: MakeApp) -> None:
    """The quarantine knows what kind of account it was, and not only SMSBox's."""
    client = app.test_client()
    body = report("failed", "27637885448")
    client.post("/webhooks/lefoka", json={**body, "type": "sms-status"}, auth=(LEFOKA_KEY, ""))
    assert len(ids(app, "--account", "lefoka")) == 2


def test_what_no_key_opens_is_counted_and_is_no_empty_list(make_app: MakeApp) -> None:
    key, other = (Fernet.generate_key().decode() for _ in range(2))
    sealed = make_app(ENCRYPTION_KEYS=[key])
    body = b"{x"
    sealed.test_client().post("/webhooks/smsbox", data=body, auth=(SMSBOX_KEY, ""))
    sealed.test_client().post("/webhooks/smsbox", data=b"{y", auth=(SMSBOX_KEY, ""))
    (one, _) = ids(sealed)
    lost = make_app(ENCRYPTION_KEYS=[other])
    for words in (["list"], ["list", "--json"], ["--account", "smsbox"], ["replay", "--all"]):
        result = invoke(lost, "quarantine", *words)
        assert result.exit_code == 1
        assert "Error: 2 bodies cannot be decrypted" in result.stderr
        assert "Try: put back the key they had in RECEIVER_ENCRYPTION_KEYS" in result.stderr
        assert "No body" not in result.output
    shown = invoke(lost, "quarantine", "show", one)
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert "Error: 1 body cannot be decrypted" in shown.stderr
    assert invoke(lost, "quarantine", "list", "--account", "lefoka").exit_code == 0
    assert len(ids(sealed)) == 2


def test_an_account_that_is_not_there_is_no_empty_quarantine(make_app: MakeApp) -> None:
    result = invoke(make_app(), "quarantine", "--account", "smsbx")
    assert result.exit_code == 3
    assert "Try: smsbox" in result.stderr
