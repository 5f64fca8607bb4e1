"""The door: who gets in, by which key, and what everybody else is told."""

from __future__ import annotations

import base64
import hmac
import json
import logging
import sys
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any

import pytest
from flask import Flask
from support import ACK, BODY, KEY, KEYS, MESSAGE, PATH, account, assert_refused, post, report, url

from receiver import InboundMessage
from receiver.errors import Unreadable
from receiver.providers.base import Stamp
from receiver.providers.payload import Payload
from receiver.providers.smsbox import SMSBox
from receiver.security import Door
from receiver.web.blueprint import webhook_blueprint
from receiver.web.webhook import Webhooks

MakeApp = Callable[..., Flask]


def basic(user: str, password: str = "") -> dict[str, str]:
    text = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {text}"}


def as_header(key: str) -> str:
    """The key as a WSGI server hands on its UTF-8 bytes."""
    return key.encode().decode("latin-1")


PLACES: dict[str, Callable[[str], dict[str, Any]]] = {
    "basic": lambda key: {"headers": basic(key, "x")},
    "api-key": lambda key: {"headers": {"api-key": as_header(key)}},
    "x-api-key": lambda key: {"headers": {"X-API-Key": as_header(key)}},
    "bearer": lambda key: {"headers": {"Authorization": f"bearer {as_header(key)}"}},
    "beem-secure-token": lambda key: {"headers": {"beem-secure-token": as_header(key)}},
    "query": lambda key: {"query_string": {"api_key": key}},
    "body": lambda key: {
        "data": json.dumps({"api_key": key, **MESSAGE}, ensure_ascii=False).encode()
    },
}


# The table of answers


def test_lefoka_is_answered_200_and_nothing_else(make_app: MakeApp) -> None:
    answer = post(
        make_app(),
        "/webhooks/lefoka",
        json=report("failed", "1"),
        data=None,
        auth=(KEYS["lefoka"], ""),
    )
    assert (answer.status_code, answer.data) == (200, b"")
    assert "Receiver-Quarantined" not in answer.headers


@pytest.mark.parametrize("transaction", ["t-1", "", 77, 7.5, None, True, "ß😀\u202e"])
def test_smsbox_is_answered_with_its_transaction_id_as_it_came(
    make_app: MakeApp, transaction: Any
) -> None:
    app = make_app(ACCOUNTS=account())
    for _ in range(3):
        answer = post(
            app, json={**MESSAGE, "transaction_id": transaction}, data=None, auth=(KEY, "")
        )
        assert (answer.status_code, answer.content_type) == (200, "application/json")
        assert answer.get_json() == {"transaction_id": transaction, "successful": True}
        assert type(answer.get_json()["transaction_id"]) is type(transaction)


def test_an_unreadable_body_is_acked_with_a_header_that_says_why(make_app: MakeApp) -> None:
    app = make_app(ACCOUNTS={**account(), "lefoka": {"api_key": KEY}})
    answer = post(app, data="<xml/>", auth=(KEY, ""))
    assert (answer.status_code, answer.get_json()) == (
        200,
        {"transaction_id": None, "successful": True},
    )
    assert answer.headers["Receiver-Quarantined"] == "the body is neither JSON nor a form"
    answer = post(app, "/webhooks/lefoka", data="<xml/>", auth=(KEY, ""))
    assert answer.status_code == 200
    assert answer.headers["Receiver-Quarantined"] == answer.get_json()["error"]


class Chatty(SMSBox):
    """A provider from elsewhere that says more than a header can hold."""

    def parse(self, payload: Payload, stamp: Stamp) -> Iterable[InboundMessage]:
        raise Unreadable(f"línea\r\nX-Injected: yes {'x' * 9_000}")


def test_whatever_a_provider_says_of_a_body_fits_into_a_header(make_app: MakeApp) -> None:
    parts = make_app(ACCOUNTS=account()).extensions["receiver"]
    settings = parts.settings.accounts["smsbox"]
    chatty = Chatty(settings, Door(settings, parts.urls))
    app = Flask("shop")
    webhooks = Webhooks({"chatty": chatty}, parts.intake, 2048, parts.tally)
    app.register_blueprint(webhook_blueprint(webhooks, "/webhooks"))
    answer = post(app, "/webhooks/chatty", auth=(KEY, ""))
    assert answer.get_json() == ACK
    assert "X-Injected" not in answer.headers
    said = answer.headers["Receiver-Quarantined"]
    assert said.startswith("l nea X-Injected: yes xxx")
    assert len(said) == 500


@pytest.mark.parametrize("path", ["/webhooks/nobody", "/webhooks/nobody/token", "/webhooks/SMSBOX"])
def test_an_unknown_account_is_404_in_json(make_app: MakeApp, path: str) -> None:
    for method in ("POST", "GET"):
        answer = make_app().test_client().open(path, method=method, auth=(KEYS["smsbox"], ""))
        assert (answer.status_code, set(answer.get_json())) == (404, {"error", "help"})


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "HEAD"])
def test_any_other_method_is_405_and_names_the_one_that_is_allowed(
    make_app: MakeApp, method: str
) -> None:
    client = make_app().test_client()
    for path in (PATH, f"{PATH}/token"):
        answer = client.open(path, method=method, auth=(KEYS["smsbox"], ""))
        assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
        if method != "HEAD":
            assert set(answer.get_json()) == {"error", "help"}


@pytest.mark.parametrize("size", [2048, 2049])
def test_a_body_of_a_byte_more_than_the_limit_is_413(make_app: MakeApp, size: int) -> None:
    app = make_app(ACCOUNTS=account(), MAX_BODY=2048)
    answer = post(app, data=BODY + " " * (size - len(BODY)), auth=(KEY, ""))
    if size == 2048:
        assert answer.get_json() == ACK
    else:
        assert (answer.status_code, set(answer.get_json())) == (413, {"error", "help"})


# Where a key may travel


@pytest.mark.parametrize("place", PLACES)
def test_a_key_is_found_in_each_place(make_app: MakeApp, place: str, redis: Any) -> None:
    app = make_app(ACCOUNTS=account())
    assert post(app, **PLACES[place](KEY)).get_json() == ACK
    (found,) = redis.zrange("receiver:events", 0, -1)
    assert json.loads(redis.hget(f"receiver:event:{found}", "event"))["trust"] == "key"
    assert_refused(post(app, **PLACES[place](KEY + "x")))
    assert_refused(post(app, **PLACES[place](KEY[:-1])))
    assert_refused(post(app, **PLACES[place]("")))


def test_a_key_in_a_form_is_found(make_app: MakeApp) -> None:
    app = make_app(ACCOUNTS=account())
    form = {"transaction_id": "t-77", "message": "hello"}
    assert post(app, data={**form, "api_key": KEY}).get_json() == ACK
    assert post(app, data={"api_key": KEY, **form}).get_json() == ACK
    assert_refused(post(app, data={**form, "other_api_key": KEY}))


@pytest.mark.parametrize("place", PLACES)
def test_key_in_restricts_the_key_to_one_place(make_app: MakeApp, place: str) -> None:
    app = make_app(ACCOUNTS=account(key_in=place))
    for name, request in PLACES.items():
        if name == place:
            assert post(app, **request(KEY)).get_json() == ACK
        else:
            assert_refused(post(app, **request(KEY)))


def test_a_text_that_quotes_a_key_lets_nobody_in(make_app: MakeApp) -> None:
    body = {**MESSAGE, "message": {"text": f"my api_key is {KEY}, and so is api_key={KEY}"}}
    assert_refused(post(make_app(ACCOUNTS=account()), json=body, data=None))


def test_all_keys_of_an_account_are_live_until_they_are_taken_out(make_app: MakeApp) -> None:
    keys = ["newest-key", "older-key"]
    app = make_app(ACCOUNTS=account(api_key=keys))
    assert [post(app, auth=(key, "")).status_code for key in keys] == [200, 200]
    app = make_app(ACCOUNTS=account(api_key=keys[:1]))
    assert [post(app, auth=(key, "")).status_code for key in keys] == [200, 401]


def test_an_account_without_a_key_is_entered_by_its_url_only(make_app: MakeApp) -> None:
    app = make_app(ACCOUNTS={"smsbox": {}})
    for place in PLACES.values():
        assert_refused(post(app, **place("")))
        assert_refused(post(app, **place("None")))
    assert post(app, url(app)).get_json() == ACK


def comparisons(app: Flask, key: str) -> int:
    """Count how often a request with this key has bytes compared in constant time."""
    counted = []

    def note(_frame: FrameType, event: str, called: Any) -> None:
        if event == "c_call" and called is hmac.compare_digest:
            counted.append(event)

    client = app.test_client()
    sys.setprofile(note)
    try:
        client.post(PATH, data=BODY, headers={"x-api-key": as_header(key)})
    finally:
        sys.setprofile(None)
    return len(counted)


def test_a_live_key_costs_as_many_comparisons_as_a_wrong_one(make_app: MakeApp) -> None:
    keys = [f"key-number-{number}" for number in range(5)]
    app = make_app(ACCOUNTS=account(api_key=keys))
    wrong = ["k", keys[0][:-1], f"{keys[4]}x", "x" * 1_000, "rk", "ÿ"]
    assert [post(app, auth=(key, "")).status_code for key in keys] == [200] * 5
    assert {comparisons(app, key) for key in keys} == {5}
    assert {comparisons(app, key) for key in wrong} == {5}


@pytest.mark.parametrize(
    ("address", "inside"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("2001:db8::7", True),
        ("11.1.2.3", False),
        ("::ffff:11.1.2.3", False),
        ("2001:db9::7", False),
        ("", False),
        ("unix", False),
    ],
)
def test_callers_outside_the_networks_are_refused(
    make_app: MakeApp, address: str, inside: bool
) -> None:
    app = make_app(ACCOUNTS=account(networks=["10.0.0.0/8", "2001:db8::/32"]))
    for options in ({"auth": (KEY, "")}, {"path": url(app)}):
        answer = post(app, environ_base={"REMOTE_ADDR": address}, **options)
        if inside:
            assert answer.get_json() == ACK
        else:
            assert_refused(answer)


def test_a_forwarded_address_counts_only_where_the_operator_trusts_it(make_app: MakeApp) -> None:
    app = make_app(ACCOUNTS=account(networks=["10.0.0.0/8"]))
    headers = {"X-Forwarded-For": "10.1.2.3", "X-Real-IP": "10.1.2.3", **basic(KEY)}
    assert_refused(post(app, headers=headers))


# What the log says


def silent(message: InboundMessage) -> None:
    """Say nothing."""


def test_the_log_of_a_refusal_names_account_reason_and_places_and_never_the_key(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture, redis: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    app = make_app(ACCOUNTS=account(networks=["127.0.0.0/8"]))
    guess = "a-guess-that-is-secret-elsewhere"
    for place in PLACES.values():
        assert_refused(post(app, **place(guess)))
    assert_refused(post(app))
    assert_refused(post(app, f"{PATH}/{guess}"))
    assert_refused(post(app, environ_base={"REMOTE_ADDR": "9.9.9.9"}, auth=(guess, "")))
    lines = [record.getMessage() for record in caplog.records if "receiver" in record.name]
    everywhere = ",".join(PLACES)
    assert lines == [
        *(f"event=refused account=smsbox reason='wrong key' looked_in={place}" for place in PLACES),
        f"event=refused account=smsbox reason='no key in the request' looked_in={everywhere}",
        "event=refused account=smsbox reason='the token in the URL is not ours' looked_in=token",
        "event=refused account=smsbox reason="
        "\"the caller's address is outside the account's networks\" looked_in=address",
    ]
    assert guess not in caplog.text
    assert redis.keys("*") == []


def test_no_log_line_of_ours_holds_a_key_a_token_a_number_or_a_text(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture, run_jobs: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    app = make_app(ACCOUNTS=account(), handlers=lambda receiver: receiver.fallback()(silent))
    path = url(app)
    for body in (BODY, "transaction_id=1&message=%FF", '{"from": "+255712345678", "x": "hello'):
        assert post(app, path, data=body).status_code == 200
        assert post(app, data=body, auth=(KEY, "")).status_code == 200
        assert post(app, data=body, query_string={"api_key": KEY}).status_code == 200
    run_jobs(app)
    assert "event=quarantined account=smsbox" in caplog.text
    for secret in (KEY, path.rpartition("/")[2], "712345678", "hello"):
        assert secret not in caplog.text
