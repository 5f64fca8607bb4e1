"""Between a request and its ack lies exactly one exchange with Redis: counted on the socket."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from relay import Relay
from support import KEYS, message, report

NUMBERS = [f"27{600_000_000 + number}" for number in range(500)]


@pytest.fixture
def relay(redis_url: str) -> Iterator[Relay]:
    with Relay(redis_url) as relay:
        yield relay


@pytest.fixture
def client(make_app: Callable[..., Flask], relay: Relay) -> Iterator[FlaskClient]:
    """A client of an app that has met its Redis already."""
    app = make_app(REDIS_URL=relay.url)
    client = app.test_client()
    for body in (json.dumps(message("first")), "no JSON"):
        assert post(client, "smsbox", body) == 200
    relay.said.clear()
    yield client
    app.extensions["receiver"].connection.client.close()


def post(client: FlaskClient, account: str, body: str) -> int:
    headers = {"x-api-key": KEYS[account]}
    answer = client.post(
        f"/webhooks/{account}", data=body, headers=headers, content_type="application/json"
    )
    return answer.status_code


CALLBACKS = {
    "a message": ("smsbox", json.dumps(message("second"))),
    "a message without an id": ("smsbox", json.dumps(message(""))),
    "a message that came before": ("smsbox", json.dumps(message("first"))),
    "a report": ("lefoka", json.dumps(report("delivered", "27637885448"))),
    "an unreadable body": ("lefoka", "<xml/>"),
}


@pytest.mark.parametrize(("account", "body"), CALLBACKS.values(), ids=CALLBACKS)
def test_a_callback_is_one_write_and_one_read(
    client: FlaskClient, relay: Relay, account: str, body: str
) -> None:
    assert post(client, account, body) == 200
    assert [who for who, _ in relay.said] == ["client", "server"]
    assert relay.commands() == [b"EVALSHA"]


def test_a_report_to_500_recipients_is_one_round_trip_as_well(
    client: FlaskClient, relay: Relay, redis: Any
) -> None:
    assert post(client, "lefoka", json.dumps(report("delivered", *NUMBERS))) == 200
    assert relay.commands() == [b"EVALSHA"]
    assert relay.round_trips() == 1
    assert redis.zcard("receiver:events") == 501
    assert redis.llen("rq:queue:receiver-reports") == 500


def test_a_redis_that_forgot_the_script_is_told_it_in_a_second_round_trip(
    client: FlaskClient, relay: Relay, redis: Any
) -> None:
    redis.script_flush()
    assert post(client, "smsbox", json.dumps(message("second"))) == 200
    assert relay.commands() == [b"EVALSHA", b"EVAL"]


def test_a_refused_caller_costs_no_round_trip(client: FlaskClient, relay: Relay) -> None:
    answer = client.post("/webhooks/smsbox", json=message("second"), headers={"x-api-key": "no"})
    assert answer.status_code == 401
    assert relay.said == []
