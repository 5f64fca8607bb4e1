"""`send`, `status` and `balance`, as an app uses them, against a provider's API at the wire."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import ACCOUNTS
from flask import Flask
from processes import running, until
from servers import shop_environment
from test_jobs import make_all_due, post
from wire import SMSBOX_SENT, FakeApi

from receiver import (
    ConfigurationError,
    InboundMessage,
    PermanentDeliveryError,
    Receiver,
    TemporaryDeliveryError,
    UncertainDeliveryError,
    balance,
    send,
)
from receiver.dev.provider_api import ProviderApi, serving

MakeApp = Callable[..., Flask]
RunJobs = Callable[[Flask], int]

NUMBER, OTHER = "+22687161524", "+22671625142"
LOST = None  # the API hangs up after the request has arrived
NOT_NOW = (503, {"message": "busy"})


@pytest.fixture
def app(make_app: MakeApp, accounts: dict[str, Any]) -> Iterator[Flask]:
    accounts["smsbox"]["source_addr"] = "INFO"
    app = make_app(ACCOUNTS=accounts)
    with app.app_context():
        yield app


def opt_out(app: Flask, number: str) -> None:
    app.extensions["receiver"].optouts.add("smsbox", number, source="operator")


def test_an_sms_is_sent_and_its_id_comes_back(app: Flask, api: FakeApi) -> None:
    sent = send("smsbox", ["+226 87 16 15 24", OTHER], "hello")
    assert sent.message_id == "sms-2025"
    [request] = api.requests
    assert [to["dest_addr"] for to in request["json"]["recipients"]] == [NUMBER, OTHER]


def test_the_same_key_is_the_same_sms(app: Flask, api: FakeApi) -> None:
    first = send("smsbox", NUMBER, "hello", key="order-1")
    assert send("smsbox", NUMBER, "hello", key="order-1") == first
    assert send("smsbox", NUMBER, "hello", key="order-2") == first
    assert len(api.requests) == 2


def test_a_key_that_was_another_sms_is_refused(app: Flask, api: FakeApi) -> None:
    send("smsbox", NUMBER, "hello", key="order-1")
    with pytest.raises(PermanentDeliveryError, match="another SMS"):
        send("smsbox", NUMBER, "good bye", key="order-1")
    assert api.texts() == ["hello"]


def test_what_surely_did_not_leave_is_sent_at_the_next_try(app: Flask, api: FakeApi) -> None:
    api.answers = [NOT_NOW, SMSBOX_SENT]
    with pytest.raises(TemporaryDeliveryError):
        send("smsbox", NUMBER, "hello", key="order-1")
    assert send("smsbox", NUMBER, "hello", key="order-1").message_id == "sms-2025"


def test_what_may_have_been_sent_is_not_sent_again_where_nobody_can_be_asked(
    app: Flask, api: FakeApi
) -> None:
    api.answers = [LOST, SMSBOX_SENT]
    for _ in range(2):
        with pytest.raises(PermanentDeliveryError, match=r"lost|may"):
            send("smsbox", NUMBER, "hello", key="order-1")
    assert len(api.requests) == 1


def test_who_opted_out_is_left_out_and_named(app: Flask, api: FakeApi) -> None:
    opt_out(app, OTHER)
    assert send("smsbox", [NUMBER, OTHER], "hello").refused == (OTHER,)
    [request] = api.requests
    assert [to["dest_addr"] for to in request["json"]["recipients"]] == [NUMBER]


def test_an_sms_to_nobody_but_those_who_opted_out_is_refused(app: Flask, api: FakeApi) -> None:
    opt_out(app, NUMBER)
    with pytest.raises(PermanentDeliveryError) as caught:
        send("smsbox", NUMBER, "hello")
    assert caught.value.code == "OPTED_OUT"
    assert api.requests == []


def test_an_unknown_account_is_named_with_the_known_ones(app: Flask) -> None:
    with pytest.raises(ConfigurationError, match="'other'; there are: lefoka, smsbox"):
        send("other", NUMBER, "hello")


def test_nothing_leaves_while_redis_is_away(make_app: MakeApp, api: FakeApi) -> None:
    accounts = {"smsbox": {**ACCOUNTS["smsbox"], "base_url": api.url, "source_addr": "INFO"}}
    app = make_app(ACCOUNTS=accounts, REDIS_URL="redis://127.0.0.1:9/0")
    with app.app_context(), pytest.raises(TemporaryDeliveryError, match="Redis"):
        send("smsbox", NUMBER, "hello")
    assert api.requests == []


def test_one_emoji_that_makes_an_sms_dearer_is_warned_of(
    app: Flask, api: FakeApi, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        send("smsbox", NUMBER, "x" * 150 + "😀")
    assert "event=sms_costs_more" in caplog.text
    assert "GRINNING FACE" in caplog.text


def test_a_handler_that_runs_again_sends_nothing_twice(
    make_app: MakeApp, api: FakeApi, accounts: dict[str, Any], redis: Any, run_jobs: RunJobs
) -> None:
    accounts["smsbox"]["source_addr"] = "INFO"
    runs: list[str] = []

    def register(receiver: Receiver) -> None:
        @receiver.fallback()
        def tell_others(message: InboundMessage) -> None:
            runs.append(message.id)
            send("smsbox", NUMBER, "somebody wrote")
            send("smsbox", OTHER, "somebody wrote")
            if len(runs) == 1:
                raise ValueError("after the fact")

    app = make_app(ACCOUNTS=accounts, handlers=register)
    post(app)
    run_jobs(app)
    make_all_due(redis)
    run_jobs(app)
    assert len(runs) == 2
    assert len(api.requests) == 2


def test_an_error_that_trying_again_does_not_change_ends_a_handler_at_once(
    make_app: MakeApp, api: FakeApi, accounts: dict[str, Any], run_jobs: RunJobs
) -> None:
    def register(receiver: Receiver) -> None:
        @receiver.fallback()
        def tell_another(message: InboundMessage) -> None:
            send("smsbox", NUMBER, "")

    app = make_app(ACCOUNTS=accounts, handlers=register)
    post(app)
    run_jobs(app)
    [letter] = app.extensions["receiver"].deadletters
    assert letter.outcome["attempts"] == 1


def test_one_sms_is_the_same_however_it_is_written(app: Flask, api: FakeApi) -> None:
    names = {"+226 87161524": "Ann", OTHER: "Ben"}
    send("smsbox", [NUMBER, OTHER], "Hello [{RECEIVERNAME}]", names=names, key="k")
    send("smsbox", [OTHER, NUMBER], "Hello [{RECEIVERNAME}]", names=names, key="k")
    [request] = api.requests
    assert [to["recipient_name"] for to in request["json"]["recipients"]] == ["Ann", "Ben"]
    with pytest.raises(PermanentDeliveryError, match="another SMS"):
        send("smsbox", [NUMBER, OTHER], "Hello [{RECEIVERNAME}]", names={}, key="k")


def test_an_empty_key_is_no_key(app: Flask, api: FakeApi) -> None:
    with pytest.raises(ValueError, match="key"):
        send("smsbox", NUMBER, "hello", key="")
    assert api.requests == []


def test_without_a_key_nobody_is_told_to_try_again_what_may_have_been_sent(
    make_app: MakeApp, api: FakeApi
) -> None:
    kobo = {"api_key": "u", "api_secret": "p", "source_addr": "S", "base_url": api.url}
    api.answers = [LOST]
    with make_app(ACCOUNTS={"kobomobile": kobo}).app_context():
        with pytest.raises(UncertainDeliveryError, match="with a key"):
            send("kobomobile", "+2348030000000", "hello")
        with pytest.raises(TemporaryDeliveryError, match="same key"):
            send("kobomobile", "+2348030000000", "hello", key="k")


CREDENTIALS = {name: {entry["api_key"]: entry["api_secret"]} for name, entry in ACCOUNTS.items()}
"""What the simulated providers know."""


@contextmanager
def simulated(make_app: MakeApp, **more: Any) -> Iterator[tuple[Flask, ProviderApi]]:
    """An app whose accounts lead to simulated providers."""
    kobo = {"api_key": "demo-user", "api_secret": "demo-pass", "source_addr": "Testing"}
    api = ProviderApi({**CREDENTIALS, "kobomobile": {"demo-user": "demo-pass"}})
    with serving(api) as url:
        accounts = {n: {**a, "base_url": url} for n, a in {**ACCOUNTS, "kobomobile": kobo}.items()}
        app = make_app(ACCOUNTS=accounts, **more)
        with app.app_context():
            yield app, api


@pytest.mark.parametrize("account", ["lefoka", "smsbox", "kobomobile"])
def test_every_provider_tells_its_balance(make_app: MakeApp, account: str) -> None:
    with simulated(make_app):
        assert balance(account).amount > 0


def test_a_scheduled_sms_is_scheduled(make_app: MakeApp) -> None:
    with simulated(make_app) as (_, api):
        send("lefoka", "0637885448", "later", schedule=datetime.now(UTC) + timedelta(hours=1))
        assert [sms["status"] for sms in api.sent] == ["scheduled"]


DIES = '''
"""An app that dies right after the provider took its SMS."""

import os
import signal
import sys

from flask import Flask

from receiver import Receiver, send
from receiver.sending import Sending

app = Flask(__name__)
app.config.from_prefixed_env()
Receiver(app)

if sys.argv[-1] == "die":
    Sending._note = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
with app.app_context():
    print(send("kobomobile", "+2348030000000", "hello", key="order-1").message_id, flush=True)
'''


def test_a_sender_killed_after_the_provider_took_it_sends_once_where_it_is_idempotent(
    make_app: MakeApp, redis_url: str, redis: Any, tmp_path: Path
) -> None:
    (tmp_path / "dies.py").write_text(DIES)
    with simulated(make_app) as (app, api):
        accounts = app.config["RECEIVER_ACCOUNTS"]
        environment = shop_environment(redis_url, ACCOUNTS=accounts)
        with running("dies", "die", folder=tmp_path, **environment) as first:
            assert first.wait() == -signal.SIGKILL
        [record] = redis.keys("receiver:send:*")
        redis.hset(record, "began_ms", 1)  # as if its time were over
        with running("dies", "live", folder=tmp_path, **environment) as second:
            until(lambda: second.poll() is not None, "the second sender")
        assert second.returncode == 0
        [sms] = api.sent
        assert sms["message_id"] in (tmp_path / "process.log").read_text()
