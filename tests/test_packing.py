"""Bodies as records keep them: small, and given back byte by byte."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from conftest import LEFOKA_KEY
from flask import Flask
from support import report
from test_cli import invoke
from test_jobs import only_record, post

from receiver.store.journal import Record
from receiver.store.packing import Packed, pack

MakeApp = Callable[..., Flask]

EVENT = '{"kind":"message","text":"when does the clinic open?","sender":"+255700000001"}'
ONE, OTHER = "27637885448", "27637885449"
HEADERS = {"content-type": "application/json", "user-agent": "A Panel/1.0\u00e9"}

EVENTS = {"with its event": EVENT, "with a long one": EVENT * 1_000, "by itself": None}
BODIES: Mapping[str, bytes] = {
    "json": b'{"from": "+255700000001", "message": {"text": "when does the clinic open?"}}',
    "nothing": b"",
    "lines": b"\n\n{\n}\n",
    "bytes": bytes(range(256)),
    "what does not shrink": bytes(n * n * 2_654_435_761 % 2**32 >> 24 for n in range(3000)),
    "the longest": b"<message>1</message>" * 13_107,
}


@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
@pytest.mark.parametrize("headers", [HEADERS, {}], ids=["headers", "none"])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_body_comes_back_as_it_was(
    body: bytes, headers: Mapping[str, str], event: str | None
) -> None:
    packed = pack(body, headers, event)
    found = Packed(packed, (event or EVENT).encode())
    assert (found.raw, found.headers) == (body, headers)
    assert len(packed) < len(body) + 150


def test_a_body_takes_less_where_its_event_is_at_hand() -> None:
    body = BODIES["json"]
    assert len(pack(body, {}, EVENT)) < len(pack(body, {})) < len(body)


def test_what_was_packed_once_is_unpacked_for_ever() -> None:
    """The words that are packed with are part of what stands in Redis: they must not change."""
    kept = {
        EVENT: bytes.fromhex("01c3b415641ac23ab8c351b4e9a0460e2c52f0b8a0b61600"),
        None: bytes.fromhex(
            "00c354060a12843cdc2623535373030830448a107068c242b13c23354f21253fb558a1242355213927332f335921bf2035cf5ea9b61600"
        ),
    }
    for packed in kept.values():
        found = Packed(packed, EVENT.encode())
        assert (found.raw, found.headers) == (BODIES["json"], {"content-type": "text/json"})


def test_no_repr_shows_a_body() -> None:
    assert repr(Packed(b"secret", b"secret", b"secret")) == "Packed()"


def kept(app: Flask) -> list[Record]:
    """All records, the oldest first."""
    journal = app.extensions["receiver"].journal
    return list(journal.records(journal.ids(newest_first=False)))


def let_report_come(app: Flask, *numbers: str) -> bytes:
    """Let a report come, and give its body."""
    body = json.dumps(report("delivered", *numbers, id="m-1")).encode()
    url = f"/webhooks/lefoka?api_key={LEFOKA_KEY}"
    answer = app.test_client().post(url, data=body, content_type="application/json")
    assert answer.status_code == 200
    return body


def test_the_events_of_one_callback_share_its_body(make_app: MakeApp, redis: Any) -> None:
    app = make_app()
    body = let_report_come(app, ONE, OTHER)
    records = kept(app)
    assert sorted(record.raw is None for record in records) == [False, True]
    journal = app.extensions["receiver"].journal
    assert [journal.load_raw(record) for record in records] == [body, body]
    (holder,) = (record for record in records if record.raw is not None)
    assert not {"headers", "packed_with"} & set(redis.hkeys(f"receiver:event:{holder.event.id}"))


def test_the_body_goes_to_the_first_event_that_is_new(make_app: MakeApp) -> None:
    app = make_app()
    first, second = let_report_come(app, ONE), let_report_come(app, ONE, OTHER)
    found = {record.event.recipient: (record.raw, record.raw_in) for record in kept(app)}
    assert found == {f"+{ONE}": (first, None), f"+{OTHER}": (second, None)}


def test_a_body_outlives_the_rewriting_of_its_event(make_app: MakeApp) -> None:
    app = make_app()
    post(app, "hello, is anybody there?")
    journal, record = app.extensions["receiver"].journal, only_record(app)
    for recipient in ("15001", "15002"):
        journal.rewrite(replace(record.event, recipient=recipient))
    found = only_record(app)
    assert found.event.recipient == "15002"
    assert (found.raw, found.headers) == (record.raw, record.headers)
    assert b"hello, is anybody there?" in (found.raw or b"")
    assert found.headers["content-type"] == "application/json"


def test_rewriting_writes_no_record_that_has_expired(make_app: MakeApp, redis: Any) -> None:
    app = make_app()
    post(app)
    event = only_record(app).event
    redis.delete(f"receiver:event:{event.id}")
    app.extensions["receiver"].journal.rewrite(event)
    assert redis.keys("receiver:event:*") == []


def test_a_record_of_an_older_version_shows_its_body(make_app: MakeApp, redis: Any) -> None:
    app = make_app()
    post(app)
    body, event = b'\x01{"as": "it came"}', only_record(app).event
    key = f"receiver:event:{event.id}"
    redis.hset(key, mapping={"raw": body, "headers": '{"user-agent": "a panel"}'})
    assert (only_record(app).raw, only_record(app).headers) == (body, {"user-agent": "a panel"})
    assert '{"as": "it came"}' in invoke(app, "events", "show", event.id).output
    other = "0" * 32
    redis.hset(f"receiver:event:{other}", "event", redis.hget(key, "event"))
    redis.hset(f"receiver:event:{other}", "raw_in", event.id)
    journal = app.extensions["receiver"].journal
    assert journal.load_raw(journal.load(other)) == body
