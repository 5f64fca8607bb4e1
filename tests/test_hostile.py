"""Whatever is sent with a good key is acked and kept; with a wrong one it leaves no trace."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import hypothesis.strategies as st
import pytest
from flask import Flask
from hostile import FORM, JSON, SAMPLES, Body, bodies
from hypothesis import example, given, settings
from redis import Redis
from servers import own_valkey, url_of
from support import KEYS
from werkzeug.test import TestResponse

from receiver import Receiver
from receiver.vault import PLAIN
from receiver.worker import Worker

MAX_BODY = 262_144
EVENTS = "receiver:event:*"
CPU_SECONDS = 2  # of this process: a provider that waits longer for its ack sends again
TABLE = [(provider, name) for provider in KEYS for name in bodies(provider)]
BODIES = {provider: bodies(provider) for provider in KEYS}
THOROUGH = settings(max_examples=150, deadline=None, database=None, derandomize=True)


class Door:
    """An app, and the Redis behind it."""

    def __init__(self, app: Flask, redis: Any) -> None:
        self.app = app
        self.redis = redis

    def post(self, provider: str, body: Body, key: str | None = None) -> TestResponse:
        """Send a body, byte for byte."""
        return self.app.test_client().post(
            f"/webhooks/{provider}",
            input_stream=BytesIO(body[0]),
            content_length=len(body[0]),
            content_type=body[1],
            headers={"x-api-key": key or KEYS[provider]},
        )

    def kept(self) -> list[bytes]:
        """The bodies that are kept, in quarantine and as events."""
        keys = [*self.redis.keys("receiver:quarantine:*"), *self.redis.keys(EVENTS)]
        found = [self.redis.hget(key, "raw") for key in keys]
        return [PLAIN.open(raw) for raw in found if raw is not None]


@pytest.fixture(scope="module")
def server() -> Iterator[Door]:
    with own_valkey(appendonly="no") as valkey:
        app = Flask("shop")
        app.secret_key = "a-secret-key-of-some-length"
        app.config["RECEIVER_ACCOUNTS"] = {name: {"api_key": key} for name, key in KEYS.items()}
        app.config["RECEIVER_REDIS_URL"] = url_of(valkey)
        Receiver(app)
        with Redis.from_url(url_of(valkey)) as redis:
            yield Door(app, redis)


@pytest.fixture
def door(server: Door) -> Door:
    """An app on an empty Redis."""
    server.redis.flushall()
    return server


def assert_taken(door: Door, provider: str, body: Body) -> bool:
    """Send a body twice: acked exactly, kept once if unreadable; tells whether it was an event."""
    started = time.process_time()
    answer = door.post(provider, body)
    assert time.process_time() - started < CPU_SECONDS
    if len(body[0]) > MAX_BODY:
        assert (answer.status_code, set(answer.get_json())) == (413, {"error", "help"})
        assert door.kept() == []
        return False
    problem = answer.headers.get("Receiver-Quarantined")
    assert_exact_ack(provider, answer, body[0])
    again = door.post(provider, body)
    assert (again.status_code, again.data) == (200, answer.data)
    assert again.headers.get("Receiver-Quarantined") == problem
    if problem is None:
        events = door.app.extensions["receiver"].journal
        records = list(events.records(events.ids()))
        assert records
        assert {events.load_raw(record) for record in records} == {body[0]}
        assert not any(not_json(door.redis.hget(key, "event")) for key in door.redis.keys(EVENTS))
        assert door.redis.zcard("receiver:quarantine") == 0
        return True
    assert problem.isascii()
    assert problem.isprintable()
    assert 0 < len(problem) <= 500
    assert not [word for word in ("hello", "27637885448", "712345678") if word in problem]
    assert door.kept() == [body[0]]
    assert door.redis.keys("rq:*") == []
    return False


def not_json(text: bytes) -> list[str]:
    """Give what Python's JSON holds and no other language reads: NaN and Infinity."""
    found: list[str] = []
    json.loads(text, parse_constant=found.append)
    return found


def assert_exact_ack(provider: str, answer: TestResponse, body: bytes) -> None:
    problem = answer.headers.get("Receiver-Quarantined")
    assert answer.status_code == 200, answer.data
    if provider == "lefoka":
        if problem is None:
            assert answer.data == b""
        else:
            assert answer.get_json()["error"] == problem
        return
    said = answer.get_json()
    assert set(said) == {"transaction_id", "successful"}
    assert said["successful"] is True
    if problem is None and body[:1] == b"{":
        names = {name.lower(): value for name, value in json.loads(body).items()}
        assert said["transaction_id"] == names.get("transaction_id")


def test_the_table_is_long() -> None:
    assert all(len(BODIES[provider]) >= 300 for provider in KEYS)


@pytest.mark.parametrize(("provider", "name"), TABLE)
def test_a_hostile_body_gets_the_promised_answer(door: Door, provider: str, name: str) -> None:
    assert_taken(door, provider, BODIES[provider][name])


@pytest.mark.parametrize("provider", KEYS)
def test_with_a_wrong_key_no_body_gets_in_or_leaves_a_trace(door: Door, provider: str) -> None:
    for name, body in BODIES[provider].items():
        expected = 413 if len(body[0]) > MAX_BODY else 401
        assert door.post(provider, body, key="wrong").status_code == expected, name
    assert door.redis.keys("*") == []


@pytest.mark.parametrize("provider", KEYS)
def test_every_event_of_a_hostile_body_can_be_worked_off(door: Door, provider: str) -> None:
    for name, body in BODIES[provider].items():
        if "recipients" not in name:
            door.post(provider, body)
    events = door.redis.zcard("receiver:events")
    assert events > 20
    assert Worker(door.app).burst() == events
    assert door.redis.keys("rq:job:*") == []


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.text("0123456789+ "),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("provider", KEYS)
def test_any_bytes_are_taken(server: Door, provider: str) -> None:
    types = st.sampled_from([JSON, FORM, "multipart/form-data; boundary=b", "text/plain", ""])

    @THOROUGH
    @given(st.binary(max_size=300), types)
    @example(b"~", JSON)  # as what is encrypted begins
    @example(b"~1:x", JSON)
    def check(body: bytes, content_type: str) -> None:
        server.redis.flushall()
        assert_taken(server, provider, (body, content_type))

    check()


@pytest.mark.parametrize("provider", KEYS)
def test_any_json_in_any_field_is_taken(server: Door, provider: str) -> None:
    fields = sorted({name for sample in SAMPLES[provider] for name in sample})
    changes = st.dictionaries(st.sampled_from(fields) | st.text(), JSON_VALUES, max_size=5)

    @THOROUGH
    @given(st.sampled_from(SAMPLES[provider]), changes)
    def check(sample: dict[str, Any], change: dict[str, Any]) -> None:
        server.redis.flushall()
        assert_taken(server, provider, (json.dumps({**sample, **change}).encode(), JSON))

    check()


@pytest.mark.parametrize("provider", KEYS)
def test_any_form_is_taken(server: Door, provider: str) -> None:
    names = sorted({name for sample in SAMPLES[provider] for name in sample})
    field = st.tuples(
        st.sampled_from(names) | st.text(),
        st.sampled_from(["", "[]", "[text]", "[text][]", "[0]", "[", "]", "[][x]"]),
        st.text(),
    )

    @THOROUGH
    @given(st.lists(field, max_size=8))
    def check(pairs: list[tuple[str, str, str]]) -> None:
        server.redis.flushall()
        text = "&".join(f"{name}{brackets}={value}" for name, brackets, value in pairs)
        assert_taken(server, provider, (text.encode(), FORM))

    check()
