"""/webhooks/metrics: who may read it, what it says, and what it never says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from prometheus_client.parser import text_string_to_metric_families
from support import KEYS, message, report
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.test import TestResponse

from receiver import GiveUp, Receiver

MakeApp = Callable[..., Flask]

METRICS = "/webhooks/metrics"

TOKEN = "a-token-of-some-length"

TEXT = "meet me at the market"


def read(app: Flask, **options: Any) -> TestResponse:
    return app.test_client().get(METRICS, **options)


def samples(app: Flask) -> dict[tuple[str, ...], float]:
    """All samples of the page: the name, then the values of the labels in the order of names."""
    app.extensions["receiver"].tally.flush()
    answer = read(app)
    assert answer.status_code == 200, answer.text
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


WHO: dict[str, tuple[dict[str, Any], int]] = {
    "this machine": ({}, 200),
    "this machine by IPv6": ({"environ_base": {"REMOTE_ADDR": "::1"}}, 200),
    "this machine, mapped": ({"environ_base": {"REMOTE_ADDR": "::ffff:127.0.0.1"}}, 200),
    "another machine": ({"environ_base": {"REMOTE_ADDR": "10.0.0.7"}}, 401),
    "a socket of a proxy": ({"environ_base": {"REMOTE_ADDR": ""}}, 401),
    "through a proxy": ({"headers": {"X-Forwarded-For": "10.0.0.7"}}, 401),
    "through a proxy, forged": ({"headers": {"X-Forwarded-For": "127.0.0.1"}}, 401),
    "through a newer proxy": ({"headers": {"Forwarded": "for=10.0.0.7"}}, 401),
    "through another one": ({"headers": {"X-Real-IP": "10.0.0.7"}}, 401),
    "through one that sets the host": ({"headers": {"X-Forwarded-Host": "sms.example"}}, 401),
    "through one that sets the scheme": ({"headers": {"X-Forwarded-Proto": "https"}}, 401),
    "through one that sets nothing": ({"headers": {"X-Forwarded-For": ""}}, 401),
    "through one that says its name": ({"headers": {"Via": "1.1 door"}}, 401),
    "through Cloudflare": ({"headers": {"CF-Connecting-IP": "10.0.0.7"}}, 401),
    "through Akamai": ({"headers": {"True-Client-IP": "10.0.0.7"}}, 401),
    "through Fly": ({"headers": {"Fly-Client-IP": "10.0.0.7"}}, 401),
    "through an older one": ({"headers": {"X-Client-IP": "10.0.0.7"}}, 401),
    "as Prometheus asks": ({"headers": {"X-Prometheus-Scrape-Timeout-Seconds": "10"}}, 200),
    "with a token, where none is set": ({"headers": {"Authorization": f"Bearer {TOKEN}"}}, 200),
}


@pytest.mark.parametrize(("options", "status"), WHO.values(), ids=WHO)
def test_without_a_token_only_this_machine_reads(
    make_app: MakeApp, options: dict[str, Any], status: int
) -> None:
    answer = read(make_app(), **options)
    assert answer.status_code == status
    if status == 401:
        assert set(answer.get_json()) == {"error", "help"}
        assert answer.headers["WWW-Authenticate"].startswith("Bearer ")


PROXIED = {
    "the caller is elsewhere": (1, "10.0.0.7", 401),
    "the caller is this machine": (1, "127.0.0.1", 200),
    "one proxy fewer than was declared": (2, "10.0.0.7", 401),
    "the caller says that it is here": (1, "127.0.0.1, 10.0.0.7", 401),
}


@pytest.mark.parametrize(("proxies", "forwarded", "status"), PROXIED.values(), ids=PROXIED)
def test_behind_a_declared_proxy_its_word_counts(
    make_app: MakeApp, proxies: int, forwarded: str, status: int
) -> None:
    app = make_app()
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=proxies)  # type: ignore[method-assign]
    assert read(app, headers={"X-Forwarded-For": forwarded}).status_code == status


TOKENS = {
    "the token": (f"Bearer {TOKEN}", 200),
    "another spelling of the scheme": (f"bearer  {TOKEN}", 200),
    "no token": ("", 401),
    "a wrong one": ("Bearer wrong", 401),
    "a part of it": (f"Bearer {TOKEN[:-1]}", 401),
    "another scheme": (f"Basic {TOKEN}", 401),
    "what is no text": ("Bearer \xff\xfe", 401),
}


@pytest.mark.parametrize(("header", "status"), TOKENS.values(), ids=TOKENS)
@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.7"])
def test_with_a_token_it_alone_counts(
    make_app: MakeApp, header: str, status: int, address: str
) -> None:
    app = make_app(METRICS_TOKEN=TOKEN)
    options = {"environ_base": {"REMOTE_ADDR": address}}
    assert read(app, headers={"Authorization": header}, **options).status_code == status


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("page", ["metrics", "live", "ready"])
def test_pages_are_read_and_nothing_else(make_app: MakeApp, method: str, page: str) -> None:
    answer = make_app().test_client().open(f"/webhooks/{page}", method=method)
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, HEAD"
    assert set(answer.get_json()) == {"error", "help"}


def test_a_head_is_answered_without_a_body(make_app: MakeApp) -> None:
    answer = make_app().test_client().head(METRICS)
    assert (answer.status_code, answer.data) == (200, b"")


@pytest.fixture
def busy(make_app: MakeApp, accounts: Any, run_jobs: Any) -> Flask:
    """An app through which everything has gone."""

    def handlers(receiver: Receiver) -> None:
        @receiver.fallback()
        def echo(message: Any) -> str:
            if "zebra" in message.text:
                raise GiveUp(f"{message.sender} wrote {message.text}")
            return message.text

        @receiver.report()
        def note(report: Any) -> None:
            return None

    app = make_app(handlers=handlers, ACCOUNTS=accounts, HANDLERS=["no.such.module"])
    client = app.test_client()
    for number, text in enumerate((TEXT, TEXT, "zebra")):
        sender = f"+25571234567{number}"
        body = message(f"t-{number}", message={"text": text, TEXT: 1}, **{"from": sender})
        client.post("/webhooks/smsbox", json={**body, sender: text}, headers=key("smsbox"))
    client.post("/webhooks/smsbox", json=message("t-0", channel=TEXT), headers=key("smsbox"))
    client.post("/webhooks/smsbox", data="{", headers=key("smsbox"))
    client.post("/webhooks/smsbox", json=message("t-0"), headers={"x-api-key": "wrong-key-of-his"})
    client.post(f"/webhooks/{KEYS['lefoka']}", json=message("t-0"))
    for word in ("delivered", TEXT, "to 27637885448"):
        body = report(word, "27637885448", type="sms", more=1)
        client.post("/webhooks/lefoka", json=body, headers=key("lefoka"))
    app.extensions["receiver"].keybook.create("smsbox", 30)
    run_jobs(app)
    client.post("/webhooks/smsbox", json=message("waits"), headers=key("smsbox"))
    return app


def key(account: str) -> dict[str, str]:
    return {"x-api-key": KEYS[account]}


def test_the_page_says_what_happened(busy: Flask) -> None:
    found = samples(busy)
    wanted = {
        ("sms_receiver_acks_total", "smsbox", "200"): 5,
        ("sms_receiver_acks_total", "smsbox", "quarantined"): 1,
        ("sms_receiver_acks_total", "smsbox", "401"): 1,
        ("sms_receiver_acks_total", "(unknown)", "404"): 1,
        ("sms_receiver_ack_seconds_count", "smsbox"): 7,
        ("sms_receiver_ack_seconds_bucket", "smsbox", "+Inf"): 7,
        ("sms_receiver_messages_total", "smsbox"): 5,
        ("sms_receiver_reports_total", "lefoka", "unknown"): 2,
        ("sms_receiver_provider_statuses_total", "lefoka", "(odd)"): 2,
        ("sms_receiver_provider_types_total", "smsbox", "(odd)"): 1,
        ("sms_receiver_unknown_fields_total", "(odd)", "smsbox"): 6,
        ("sms_receiver_unknown_fields_total", "more", "lefoka"): 3,
        ("sms_receiver_network_reports_total", "Vodacom (ZA)", "delivered"): 1,
        ("sms_receiver_handlers_total", "app.echo", "failed"): 1,
        ("sms_receiver_sends_total", "smsbox", "sent"): 3,
        ("sms_receiver_dead_letters", "messages"): 1,
        ("sms_receiver_backlog", "messages"): 1,
        ("sms_receiver_quarantine",): 1,
        ("sms_receiver_workers", "messages"): 0,
        ("sms_receiver_spool",): 0,
        ("sms_receiver_redis_up",): 1,
    }
    assert {name: found.get(name) for name in wanted} == wanted
    assert found["sms_receiver_backlog_oldest_seconds", "messages"] > 0
    [left] = [v for k, v in found.items() if k[0] == "sms_receiver_issued_key_seconds_left"]
    assert 29 * 86_400 < left <= 30 * 86_400
