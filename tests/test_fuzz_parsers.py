"""Every parser behind the door, alone and under generated input: it raises what it says, or nothing.

The door itself is fuzzed in `test_fuzz`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import hypothesis.strategies as st
import pytest
from conftest import ACCOUNTS
from flask import Flask
from hypothesis import given
from servers import own_valkey, url_of
from support import KEYS
from test_fuzz import ODD_VALUES, QUICK, bodies
from test_hostile import JSON_VALUES

from receiver import Receiver
from receiver.errors import Refused, Unreadable
from receiver.events import from_json, to_json
from receiver.msisdn import mask, normalise
from receiver.parcel import Parcel
from receiver.providers.base import Received, WebhookRequest
from receiver.providers.payload import (
    Text,
    amount,
    decode,
    mend_surrogates,
    parse_sloppy_json,
    plain,
)
from receiver.signing import IssuedKeys, Seal, SignedUrls
from receiver.store.queue import JobMaker

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ANY_TEXT = st.text(st.characters())  # surrogates too
ANY_BODY = st.sampled_from(sorted(KEYS)).flatmap(bodies)
SECRETS = ["a-secret-key-of-some-length"]


@pytest.fixture(scope="module")
def parts() -> Iterator[Any]:
    """The parts of an app on a Redis of this module's own."""
    with own_valkey(appendonly="no") as valkey:
        app = Flask("shop")
        app.secret_key = SECRETS[0]
        app.config["RECEIVER_ACCOUNTS"] = ACCOUNTS
        app.config["RECEIVER_REDIS_URL"] = url_of(valkey)
        Receiver(app)
        yield app.extensions["receiver"]


def assert_one_line(text: str) -> None:
    """A sentence can stand in a header and in a log line, and is none of our faults."""
    assert text.isascii()
    assert text.isprintable()
    assert 0 < len(text) < 200
    assert not text.startswith("our parser failed")


# Bodies


@QUICK
@given(ANY_BODY)
def test_a_body_becomes_a_mapping_or_a_sentence(body: bytes) -> None:
    try:
        payload = decode(body)
    except Unreadable as error:
        assert_one_line(str(error))
        return
    assert all(isinstance(name, str) for name in payload)
    assert json.dumps(plain(payload), allow_nan=False).isascii()


@QUICK
@given(ANY_TEXT | ODD_VALUES)
def test_a_sloppy_answer_of_an_api_becomes_a_value_or_a_sentence(text: str) -> None:
    try:
        parse_sloppy_json(text)
    except Unreadable as error:
        assert_one_line(str(error))


@QUICK
@given(ANY_TEXT)
def test_any_text_is_a_number_an_amount_and_a_text_or_none_of_them(text: str) -> None:
    assert isinstance(normalise(text, "ZA"), str)
    assert mask(text).isprintable()
    assert amount(text) is None or amount(text).is_finite()  # type: ignore[union-attr]
    mended = Text().deserialize(text)
    assert mended == mend_surrogates(text)
    assert mended.encode("utf-8").decode("utf-8") == mended


# Providers


def callback(name: str, body: bytes, received_at: datetime = NOON) -> WebhookRequest:
    """An authentic callback."""
    return WebhookRequest(body=body, headers={"x-api-key": KEYS[name]}, received_at=received_at)


def ids(received: Received) -> list[str]:
    """The ids of those events that something identifies."""
    return [event.id for event in received.events if event.id not in received.alike]


@pytest.mark.parametrize("name", KEYS)
def test_a_provider_gives_events_or_a_reason_and_the_same_ones_for_a_resend(
    parts: Any, name: str
) -> None:
    provider = parts.providers[name]

    @QUICK
    @given(bodies(name))
    def check(body: bytes) -> None:
        received = provider.receive(callback(name, body))
        assert (received.unreadable is None) == bool(received.events)
        assert_one_line(received.unreadable or "readable")
        assert [from_json(to_json(event)) for event in received.events] == list(received.events)
        again = provider.receive(callback(name, body))
        assert ids(again) == ids(received)
        assert (again.ack, again.unreadable) == (received.ack, received.unreadable)
        read_later = [provider.reread(body, "key", NOON, "kept") for _ in range(2)]
        assert read_later[0] == read_later[1]
        assert len(read_later[0].events) == len(received.events)

    check()


@pytest.mark.parametrize("name", KEYS)
def test_what_waits_in_the_spool_is_read_as_it_was_put(parts: Any, name: str) -> None:
    @QUICK
    @given(bodies(name))
    def check(body: bytes) -> None:
        parcel = parcel_of(parts, name, body)
        assert Parcel.from_bytes(parcel.to_bytes()) == parcel

    check()


def parcel_of(parts: Any, name: str, body: bytes) -> Parcel:
    """The parcel of a callback, as the intake makes it."""
    received = parts.providers[name].receive(callback(name, body))
    return Parcel(
        home=parts.intake.home,
        account=name,
        provider=name,
        trust=received.trust,
        received_at=NOON,
        body=body,
        headers={"content-type": "application/json"},
        events=received.events,
        alike=received.alike,
        unreadable=received.unreadable,
    )


# What a disk or a hand may have done to the spool


@st.composite
def changed(draw: st.DrawFn, good: dict[str, Any]) -> dict[str, Any]:
    """A mapping with some of its values replaced by any others, and some taken out."""
    names = st.sampled_from(sorted(good))
    found = {**good, **draw(st.dictionaries(names, JSON_VALUES, max_size=2))}
    for name in draw(st.sets(names, max_size=2)):
        del found[name]
    return found


def test_a_parcel_that_is_none_never_stops_those_behind_it(parts: Any) -> None:
    body = (
        b'{"transaction_id": "t-1", "from": "+255712345678", "message": {"text": "hello"},'
        b' "billing": {"currency": "TZS", "subscriberPrice": "1"}}'
    )
    good = json.loads(parcel_of(parts, "smsbox", body).to_bytes())
    event = changed(good["events"][0]).map(lambda event: {**good, "events": [event]})
    parcels = st.one_of(changed(good), event, JSON_VALUES)

    @QUICK
    @given(st.binary() | parcels.map(lambda value: json.dumps(value).encode()))
    def check(data: bytes) -> None:
        assert parts.intake.draining.take_page([data]) in ([True], [False])

    check()


# Who may come in


@QUICK
@given(
    headers=st.dictionaries(
        st.sampled_from(["authorization", "api-key", "x-api-key", "beem-secure-token"]),
        st.text(st.characters(max_codepoint=255)) | st.text().map(lambda text: f"Basic {text}"),
    ),
    query=st.lists(st.tuples(st.sampled_from(["api_key", "a"]), ANY_TEXT), max_size=20),
    token=st.none() | ANY_TEXT,
    address=st.none() | ANY_TEXT,
    body=st.binary() | st.binary().map(lambda key: b'{"api_key": "%b"}' % key),
)
def test_a_stranger_is_refused_whatever_the_request_holds(
    parts: Any, headers: Any, query: Any, token: Any, address: Any, body: bytes
) -> None:
    request = WebhookRequest(
        body=body,
        headers=headers,
        query=query,
        token=token,
        remote_addr=address,
        received_at=NOON,
    )
    for provider in parts.providers.values():
        with pytest.raises(Refused) as refused:
            provider.receive(request)
        assert_one_line(refused.value.reason)


@QUICK
@given(ANY_TEXT, st.binary(), st.binary())
def test_what_we_did_not_sign_is_nothing(text: str, data: bytes, signature: bytes) -> None:
    for token in (text, f"{text}.{text}", f"eyJ.{text}"):
        with pytest.raises(Refused):
            SignedUrls(SECRETS).check("smsbox", token)
    keys = IssuedKeys(SECRETS)
    assert [keys.read(found) for found in (data, b"rk_" + data, b"rk_" + data + b".x")] == [
        None
    ] * 3
    assert Seal(SECRETS).holds(text, data, signature) is False
    maker = JobMaker("receiver", Seal(SECRETS))
    assert maker.read(text, data, signature) is None
    assert maker.again(text) is None
