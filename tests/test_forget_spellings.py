"""`forget`: a number that came in no form that is understood, or where nobody looks for one."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import planting
import pytest
from flask import Flask
from planting import DIGITS, KEYS, NUMBER, OTHER, WORDS, everywhere, forget
from redis import Redis
from test_cli import invoke
from wire import FakeApi

from receiver import PermanentDeliveryError, send
from receiver.sms import Sent, Sms

MakeApp = Callable[..., Flask]
RunJobs = Callable[[Flask], int]


@pytest.fixture(params=KEYS.values(), ids=KEYS)
def app(request: pytest.FixtureRequest, make_app: MakeApp, api: FakeApi, tmp_path: Path) -> Flask:
    """An app in which nobody has written yet."""
    settings = planting.settings(api, tmp_path / "spool", ENCRYPTION_KEYS=request.param)
    return make_app(handlers=planting.handlers, **settings)


SENDERS = {
    "national": f"0{DIGITS}",
    "national, with spaces": "083 123 4567",
    "a link": f"tel:{NUMBER}",
    "with a name": f"{NUMBER} (Thandi)",
    "an address": f"sip:{NUMBER[1:]}@x",
    "quoted": f"'{NUMBER}'",
    "with parameters": f"{NUMBER};x=1",
    "in Devanagari": "".join(chr(0x966 + int(digit)) for digit in f"0{DIGITS}"),
    "with invisible marks": "+2783123\u20604567",
    "with strokes": "27/83/123/4567",
}


@pytest.mark.parametrize("sender", SENDERS.values(), ids=SENDERS)
def test_whoever_wrote_under_the_number_is_forgotten_however_it_was_spelled(
    app: Flask, run_jobs: RunJobs, redis_url: str, tmp_path: Path, sender: str
) -> None:
    parts = app.extensions["receiver"]
    planting.write(app, WORDS, sender)
    planting.write(app, f"TALK {WORDS}", sender)
    planting.write(app, "STOP", sender)
    run_jobs(app)
    stored = next(
        record.event.sender for record in parts.journal.records(list(parts.journal.ids()))
    )
    sms = Sms(recipients=(stored, OTHER), text="x", key="k")
    parts.sentbox.keep("smsbox", sms, Sent(message_id="p-1"), poll=True)
    found = forget(app)
    assert set(found) >= {"events", "replies", "conversations", "opt-outs", "contact index"}
    assert set(found) >= {"polls", "sent to"}
    assert everywhere(redis_url, tmp_path) == []
    assert [r.event.sender for r in parts.journal.records(list(parts.journal.ids()))] == [None] * 3
    with Redis.from_url(redis_url) as client:
        assert client.keys("*:contact:*") == client.keys("*:talk:*") == []
        assert [client.zcard(key) for key in client.keys("*:sent:*")] == [1]
    assert [
        poll.recipients for poll in parts.sentbox.due(datetime.max.replace(tzinfo=UTC), 9, 1)
    ] == [(OTHER,)]
    assert parts.optouts.find("smsbox", stored).words == ""
    assert forget(app) == {"opt-outs kept as a hash": 1}
    with app.app_context(), pytest.raises(PermanentDeliveryError, match="opted out"):
        send("smsbox", NUMBER, "hello")


def test_an_opt_out_under_another_spelling_is_found_when_no_event_is_left(
    app: Flask, redis_url: str, tmp_path: Path
) -> None:
    optouts = app.extensions["receiver"].optouts
    optouts.add("smsbox", f"{NUMBER} (Thandi)", words=WORDS, source="message")
    assert forget(app) == {"opt-outs": 1}
    assert everywhere(redis_url, tmp_path) == []
    assert optouts.find("smsbox", f"{NUMBER} (Thandi)").number == f"{NUMBER} (Thandi)"


FIELDS: dict[str, dict[str, Any]] = {
    "to": {"to": NUMBER},
    "channel": {"channel": f"sms{NUMBER}"},
    "currency": {"billing": {"currency": f"ZAR{NUMBER}", "subscriber_price": "1"}},
    "price": {"billing": {"currency": "ZAR", "subscriber_price": NUMBER[1:]}},
    "custom": {"message": {"text": "q", "custom": {"a": {NUMBER: [NUMBER]}}}},
}


@pytest.mark.parametrize("fields", FIELDS.values(), ids=FIELDS)
def test_no_field_of_somebody_elses_message_keeps_the_number(
    app: Flask, run_jobs: RunJobs, fields: dict[str, Any]
) -> None:
    body = {"from": OTHER, "to": "15000", "transaction_id": "t", "message": {"text": "q"}}
    planting.call(app, "smsbox", {**body, **fields}, planting.SMSBOX_KEY)
    run_jobs(app)
    assert forget(app)["other people's events"] == 1
    _assert_only_the_other_is_left(app)


def test_no_field_of_somebody_elses_report_keeps_the_number(app: Flask, run_jobs: RunJobs) -> None:
    body = {"id": "z", "type": "sms", "recipient": [OTHER[1:]], "status": "delivered"}
    body |= {"message": "q", "credit": NUMBER[1:]}
    planting.call(app, "lefoka", body, planting.LEFOKA_KEY)
    run_jobs(app)
    assert forget(app)["other people's events"] == 1
    _assert_only_the_other_is_left(app)


def _assert_only_the_other_is_left(app: Flask) -> None:
    journal = app.extensions["receiver"].journal
    (record,) = journal.records(list(journal.ids()))
    assert DIGITS not in str(record.event.as_dict())
    assert OTHER in str(record.event.as_dict())
    assert forget(app) == {}


BODIES: dict[str, tuple[bytes, dict[str, str]]] = {
    "percent-encoded": ("".join(f"%{ord(c):02X}" for c in NUMBER).encode(), {}),
    "escaped in JSON": ("".join(f"\\u{ord(c):04x}" for c in NUMBER).encode(), {}),
    "underscores": (b"083_123_4567", {}),
    "HTML": (b"083&nbsp;123&nbsp;4567", {}),
    "many spaces": (b"083    123    4567", {}),
    "Latin-1": (b"083\xa0123\xa04567", {}),
    "Devanagari": ("".join(chr(0x966 + int(digit)) for digit in f"0{DIGITS}").encode(), {}),
    "a header": (b"", {"User-Agent": f"phone/{NUMBER}"}),
}


@pytest.mark.parametrize(("written", "headers"), BODIES.values(), ids=BODIES)
def test_a_body_that_nobody_could_read_goes_however_it_names_the_number(
    app: Flask, redis_url: str, tmp_path: Path, written: bytes, headers: dict[str, str]
) -> None:
    url = f"/webhooks/smsbox?api_key={planting.SMSBOX_KEY}"
    data = b'{"from": "' + written + b'", ' + WORDS.encode()
    client = app.test_client()
    answer = client.post(url, data=data, content_type="application/json", headers=headers)
    assert answer.status_code == 200
    assert forget(app) == {"quarantined bodies": 1}
    assert len(app.extensions["receiver"].quarantine) == 0
    assert everywhere(redis_url, tmp_path) == []


@pytest.mark.parametrize(("written", "headers"), BODIES.values(), ids=BODIES)
def test_a_body_of_somebody_elses_event_goes_as_well(
    app: Flask, run_jobs: RunJobs, written: bytes, headers: dict[str, str]
) -> None:
    body = b'{"from": "%s", "to": "15000", "transaction_id": "t", "message": {"text": "q"}, "x": "'
    data = body % OTHER.encode() + written.replace(b"\xa0", b" ") + b'"}'
    url = f"/webhooks/smsbox?api_key={planting.SMSBOX_KEY}"
    client = app.test_client()
    client.post(url, data=data, content_type="application/json", headers=headers)
    run_jobs(app)
    assert forget(app)["raw bodies"] == 1
    journal = app.extensions["receiver"].journal
    (record,) = journal.records(list(journal.ids()))
    assert (record.packed, record.event.sender) == (None, OTHER)


NAMES = {
    "a number that is too long": ("+2783123456789", ("--exact",)),
    "a possible number that nobody has": ("+271234567", ()),
    "a short code": ("12345", ("--exact",)),
    "a name": ("SHOPNAME", ("--exact",)),
}


@pytest.mark.parametrize(("sender", "options"), NAMES.values(), ids=NAMES)
def test_who_has_no_valid_number_is_told_and_forgotten_as_well(
    app: Flask, run_jobs: RunJobs, sender: str, options: tuple[str, ...]
) -> None:
    parts = app.extensions["receiver"]
    for text in (WORDS, f"TALK {WORDS}", "STOP"):
        planting.write(app, text, sender)
    planting.write(app, f"I am no {sender}", OTHER)
    run_jobs(app)
    told = json.loads(invoke(app, "export", sender, *options, "--json").stdout)
    assert [len(told[part]) for part in ("events", "conversations", "opt_outs")] == [3, 1, 1]
    result = invoke(app, "forget", sender, *options, "--yes")
    assert result.exit_code == 0, result.output
    assert sender not in result.output
    records = parts.journal.records(list(parts.journal.ids()))
    assert sorted(record.event.sender or "" for record in records) == ["", "", "", OTHER]
    assert parts.optouts.find("smsbox", sender).words == ""


def test_a_short_code_is_not_looked_for_in_what_others_wrote(app: Flask, run_jobs: RunJobs) -> None:
    planting.write(app, "15000", OTHER)
    run_jobs(app)
    result = invoke(app, "forget", "15000", "--exact", "--yes", "--json")
    assert json.loads(result.stdout)["found"] == {}
