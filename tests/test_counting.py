"""What is counted of a callback, a handler and a send: once each, under labels that tell nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
from conftest import LEFOKA_KEY, SMSBOX_KEY
from flask import Flask
from flask.testing import FlaskClient
from servers import own_valkey, url_of
from support import KEYS, MESSAGE, message, report
from wire import FakeApi

from receiver import GiveUp, Receiver, RetryLater, send
from receiver.arrivals import count_refusal, count_unknown
from receiver.measures import REASONS
from receiver.networks import network_of
from receiver.providers.base import Ack, Received
from receiver.providers.documented import unknown_fields
from receiver.providers.lefoka import Lefoka
from receiver.providers.smsbox import SMSBox

MakeApp = Callable[..., Flask]
NUMBERS = [f"27{630_000_000 + number}" for number in range(5)]


def counted(app: Flask, name: str) -> dict[Any, float]:
    """What an app has counted of a figure, by its labels; one label stands alone."""
    parts = app.extensions["receiver"]
    assert parts.tally.flush()
    found = parts.figures.totals()
    rows: Mapping[Any, Any] = found.counters.get(name) or found.histograms.get(name, {})
    values = {k: v.count if hasattr(v, "count") else v for k, v in rows.items()}
    return {key[0] if len(key) == 1 else key: value for key, value in values.items()}


def post(client: FlaskClient, account: str, body: Any, **headers: str) -> int:
    headers = headers or {"x-api-key": KEYS[account]}
    data = body if isinstance(body, str) else json.dumps(body)
    return client.post(f"/webhooks/{account}", data=data, headers=headers).status_code


def test_each_answer_of_the_door_is_counted(make_app: MakeApp) -> None:
    app = make_app(MAX_BODY=2048)
    client = app.test_client()
    post(client, "smsbox", message("one"))
    post(client, "smsbox", message("one"))
    post(client, "smsbox", message("two"))
    post(client, "smsbox", "{")
    post(client, "smsbox", "{" * 3000)
    post(client, "smsbox", message("one"), **{"x-api-key": "wrong"})
    post(client, "nobody", message("one"), **{"x-api-key": SMSBOX_KEY})
    client.get("/webhooks/lefoka")
    assert counted(app, "acks") == {
        ("smsbox", "200"): 2,
        ("smsbox", "duplicate"): 1,
        ("smsbox", "quarantined"): 1,
        ("smsbox", "413"): 1,
        ("smsbox", "401"): 1,
        ("(unknown)", "404"): 1,
        ("lefoka", "405"): 1,
    }
    assert counted(app, "ack_seconds") == {"smsbox": 6, "(unknown)": 1, "lefoka": 1}
    assert counted(app, "messages") == {"smsbox": 2}
    assert counted(app, "duplicates") == {"smsbox": 1}
    assert counted(app, "refusals") == {("smsbox", "wrong_key"): 1}


def test_reports_are_counted_by_recipient_and_word(make_app: MakeApp) -> None:
    app = make_app()
    client = app.test_client()
    post(client, "lefoka", report("delivered", *NUMBERS))
    post(client, "lefoka", report("delivered", *NUMBERS[:2]))
    post(client, "lefoka", report("In Transit", NUMBERS[0]))
    assert counted(app, "acks") == {("lefoka", "200"): 2, ("lefoka", "duplicate"): 1}
    assert counted(app, "reports") == {("lefoka", "delivered"): 5, ("lefoka", "unknown"): 1}
    assert counted(app, "duplicates") == {"lefoka": 2}
    assert counted(app, "provider_statuses") == {
        ("lefoka", "delivered"): 5,
        ("lefoka", "In Transit"): 1,
    }
    assert counted(app, "provider_types") == {("lefoka", "sms"): 3}


def test_what_waits_in_the_spool_is_counted_once_it_is_kept(make_app: MakeApp) -> None:
    with own_valkey() as server:
        app = make_app(REDIS_URL=url_of(server))
        parts, client = app.extensions["receiver"], app.test_client()
        server.stop()
        for number in range(3):
            post(client, "smsbox", message(f"t-{number}"))
        post(client, "lefoka", report("delivered", *NUMBERS))
        assert not parts.tally.flush()
        assert parts.tally.unsent()[0][("acks", "smsbox", "spooled")] == 3
        server.start()
        parts.spool.drain_by_pages(parts.intake.draining.take_page)
        while parts.spool.waiting():  # the thread of the outage may be at it
            pass
        assert counted(app, "messages") == {"smsbox": 3}
        assert counted(app, "reports") == {("lefoka", "delivered"): 5}
        assert counted(app, "acks") == {("smsbox", "spooled"): 3, ("lefoka", "spooled"): 1}


def test_attempts_of_handlers_and_their_replies(
    make_app: MakeApp, accounts: Any, run_jobs: Any
) -> None:
    def handlers(receiver: Receiver) -> None:
        @receiver.keyword("later", retries=1)
        def later(message: Any) -> None:
            raise RetryLater(0)

        @receiver.keyword("never")
        def never(message: Any) -> None:
            raise GiveUp("no")

        @receiver.keyword("wrong")
        def wrong(message: Any) -> Any:
            return 7

        @receiver.fallback()
        def echo(message: Any) -> str:
            return "hi"

    app = make_app(handlers=handlers, ACCOUNTS=accounts)
    for text in ("later", "never", "wrong", "hello"):
        sender = f"+25571234567{len(text)}"
        body = message(f"t-{text}", message={"text": text}, **{"from": sender})
        assert post(app.test_client(), "smsbox", body) == 200
    run_jobs(app)
    run_jobs(app)
    assert counted(app, "handlers") == {
        ("app.later", "retrying"): 1,
        ("app.later", "failed"): 1,
        ("app.never", "failed"): 1,
        ("app.wrong", "failed"): 1,
        ("app.echo", "done"): 1,
    }
    wanted = {"app.later": 2, "app.never": 1, "app.wrong": 1, "app.echo": 1}
    assert counted(app, "handler_seconds") == wanted
    assert counted(app, "handling_delay_seconds") == {"message": 4}
    assert counted(app, "sends") == {("smsbox", "sent"): 1}


def test_sends_by_their_result(make_app: MakeApp, accounts: Any, api: FakeApi) -> None:
    app = make_app(ACCOUNTS=accounts)
    parts = app.extensions["receiver"]
    parts.optouts.add("smsbox", "+255712345679", source="operator")
    with app.app_context():
        send("smsbox", ["+255712345678", "+255712345670"], "hi", source="15000")
        send("smsbox", ["+255712345678", "+255712345679"], "hi", source="15000")
    assert counted(app, "sends") == {("smsbox", "sent"): 3, ("smsbox", "refused"): 1}


def test_final_reports_are_counted_by_network(make_app: MakeApp, run_jobs: Any) -> None:
    def handlers(receiver: Receiver) -> None:
        @receiver.report()
        def note(report: Any) -> None:
            raise RetryLater(0)

    app = make_app(handlers=handlers, RETRIES=1)
    client = app.test_client()
    post(client, "lefoka", report("submitted", "27637885448"))
    post(client, "lefoka", report("delivered", "27637885448"))
    post(client, "lefoka", report("failed", "27637885449", id="other"))
    post(client, "lefoka", report("expired", "27637885448"))  # stale: it was delivered
    run_jobs(app)
    run_jobs(app)
    assert counted(app, "network_reports") == {
        ("Vodacom (ZA)", "delivered"): 1,
        ("Vodacom (ZA)", "failed"): 1,
    }


def test_reports_that_no_handler_takes_are_counted_by_network_as_well(
    make_app: MakeApp, run_jobs: Any
) -> None:
    app = make_app()
    post(app.test_client(), "lefoka", report("delivered", "27637885448"))
    run_jobs(app)
    assert counted(app, "network_reports") == {("Vodacom (ZA)", "delivered"): 1}


NETWORKS = {
    "+27637885448": "Vodacom (ZA)",
    "+254712345678": "Safaricom (KE)",
    "+27111234567": "(ZA)",
    "15000": "(unknown)",
    "ACME": "(unknown)",
    "+999": "(unknown)",
}


@pytest.mark.parametrize(("number", "wanted"), NETWORKS.items())
def test_a_number_has_the_network_it_was_given_out_by(number: str, wanted: str) -> None:
    assert network_of(number) == wanted


NEW = {
    "nothing new": ("smsbox", {**MESSAGE, "billing": {"currency": "TZS"}}, []),
    "other spellings": ("smsbox", {"SourceAddr": "1", "TIME_UTC": "x", "Message": "hi"}, []),
    "a field": ("smsbox", {**MESSAGE, "parts": 2}, ["parts"]),
    "a field in a field": (
        "smsbox",
        {"message": {"text": "hi", "lang": "sw", "media": {"mediaUrl": "x", "size": 7}}},
        ["message.lang", "message.media.size"],
    ),
    "what is custom is the sender's own": ("smsbox", {"message": {"custom": {"a": 1}}}, []),
    "a field without a value": ("smsbox", {**MESSAGE, "chips": ""}, []),
    "Lefoka's links": ("lefoka", report("delivered", "1", _links={"self": {}}), []),
    "a field at Lefoka": ("lefoka", report("delivered", "1", network={"mcc": 1}), ["network"]),
}


@pytest.mark.parametrize(("provider", "payload", "wanted"), NEW.values(), ids=NEW)
def test_fields_that_no_document_knows_are_named(
    make_app: MakeApp, provider: str, payload: Any, wanted: list[str]
) -> None:
    found = make_app().extensions["receiver"].providers[provider]
    assert isinstance(found, SMSBox | Lefoka)
    assert list(unknown_fields(payload, found.documented, found.spelled)) == wanted


def test_the_providers_own_samples_hold_nothing_unknown(make_app: MakeApp) -> None:
    providers = make_app().extensions["receiver"].providers
    folder = Path(__file__).parent / "providers" / "cases"
    for path in [*folder.glob("lefoka/*sample*.json"), *folder.glob("smsbox/*sample*.json")]:
        payload = json.loads(path.read_text())["request"].get("json")
        if payload is not None:
            provider = providers[path.parent.name]
            assert not unknown_fields(payload, provider.documented, provider.spelled), path.name


def test_a_change_of_a_provider_is_counted(make_app: MakeApp) -> None:
    app = make_app()
    client = app.test_client()
    changed = {"text": "hi", "lang": "sw", "27637885448": "x", "see you": 1}
    post(client, "smsbox", message("t-1", message=changed, parts=2))
    post(client, "lefoka", report("delivered", "27637885448", network="Vodacom"))
    assert counted(app, "unknown_fields") == {
        ("smsbox", "parts"): 1,
        ("smsbox", "message.lang"): 1,
        ("smsbox", "(odd)"): 2,
        ("lefoka", "network"): 1,
    }


class Plugin(Lefoka):
    """What a plugin package brings, with a document of its own."""

    documented: ClassVar[Any] = {"": {"id", "data"}, "data.": {"text"}}


def test_a_provider_of_a_plugin_declares_its_own_fields() -> None:
    payload = {"id": 1, "data": {"text": "x", "more": 1}, "new": {"a": 1}}
    found = unknown_fields(payload, Plugin.documented, lambda name: name)
    assert found == ("new", "data.more")
    assert unknown_fields(payload, {}, lambda name: name) == ()


def test_a_reason_that_a_plugin_gives_is_no_label(make_app: MakeApp) -> None:
    app = make_app()
    tally = app.extensions["receiver"].tally
    count_refusal(tally, "smsbox", f"the key {SMSBOX_KEY} is wrong")
    odd = Received(events=(), ack=Ack(), unknown=(NUMBERS[0], f"hello {LEFOKA_KEY}"))
    count_unknown(tally, "smsbox", odd)
    assert counted(app, "refusals") == {("smsbox", "other"): 1}
    assert counted(app, "unknown_fields") == {("smsbox", "(odd)"): 2}


def test_every_reason_of_ours_has_a_word() -> None:
    root = Path(__file__).parents[1] / "receiver"
    code = "".join((root / name).read_text() for name in ("security.py", "signing.py"))
    raised = code.count("raise Refused(")
    assert raised == sum(code.count(f'Refused("{reason}"') for reason in REASONS)
    assert len(REASONS) == raised
