"""`capture`: a callback becomes a case that is read as it was, with nobody in it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import phonenumbers
import pytest
from conftest import ACCOUNTS
from flask import Flask
from support import KEYS

from receiver import InboundMessage, Receiver
from receiver.cli.exits import NOT_FOUND
from receiver.dev.case import body_of, provider_of, receive, unfold
from receiver.dev.disguise import Disguise
from receiver.errors import ReceiverError
from receiver.plugins import provider_classes
from receiver.testing import assert_case, inbound

FOLDER = Path(__file__).parent / "providers" / "cases"
CASES = sorted(FOLDER.glob("*/*.json"))
SPELLED = ["27637885448", "+27 63 788 5448", "063 788 5448", "0027637885448", "(063) 788-5448"]


def disguise(provider: str, body: bytes, label: str | None = None, **more: Any) -> dict[str, Any]:
    """Give the case of a callback; ``account`` are its options."""
    options = more.pop("account", {})
    account = provider_of(provider_classes()[provider], options)
    return Disguise(account, body, label, **more).case("a test", options)


def scalars(value: Any) -> Iterator[str]:
    """Give all texts and numbers in a case, and in the JSON that its texts hold."""
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list):
        for inner in value:
            yield from scalars(inner)
    else:
        yield str(value)


def national(number: str | None) -> str | None:
    """Give the digits of a number without its country; nothing of a short code or a name."""
    if not number or not number.startswith("+"):
        return None
    return str(phonenumbers.parse(number).national_number)


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_case_can_be_told_again_without_anybody_in_it(path: Path, tmp_path: Path) -> None:
    told = unfold(json.loads(path.read_text("utf-8")))
    request, options = told["request"], told.get("account", {})
    body, label = body_of(request), request.get("content_type")
    case = disguise(path.parent.name, body, label, account=options)
    again = tmp_path / path.parent.name / "again.json"
    again.parent.mkdir()
    again.write_text(json.dumps(case))
    assert_case(again)

    assert case.get("quarantine") == told.get("quarantine")
    outline = ("kind", "status", "provider_status", "channel", "billing", "credit", "sent_at")
    for before, after in zip(told["events"], case["events"], strict=True):
        assert [before.get(name) for name in outline] == [after.get(name) for name in outline]
        assert set(before) == set(after)
        assert len(before.get("text", "")) == len(after.get("text", ""))
    everybody = {
        national(event.get(name)) for event in told["events"] for name in ("sender", "recipient")
    }
    everybody |= {national(one) for event in told["events"] for one in event.get("candidates", ())}
    said = "|".join(re.sub(r"\D", "", text) for text in scalars(case))
    assert [number for number in everybody if number and number in said] == []
    for before, after in zip(told["events"], case["events"], strict=True):
        words = re.findall(r"(?!x+\b)[^\W\d]{4,}", before.get("text") or "")
        assert [word for word in words if word in after["text"]] == []


@pytest.mark.parametrize("spelled", SPELLED)
def test_a_number_is_the_same_one_however_it_is_written(spelled: str) -> None:
    body = {
        "id": "m-1",
        "type": "sms-reply",
        "recipient": [spelled],
        "message": "call",
        "again": {"phone": "27637885448"},
    }
    case = disguise("lefoka", json.dumps(body).encode())
    written, (event,) = case["request"]["json"], case["events"]
    assert event["sender"] == "+" + written["again"]["phone"]
    assert [len(part) for part in re.split(r"\d", written["recipient"][0])] == [
        len(part) for part in re.split(r"\d", spelled)
    ]
    assert event["sender"].startswith("+2763")
    assert event["sender"] != "+27637885448"


def test_two_numbers_stay_two() -> None:
    numbers = [f"2763788{n:04d}" for n in range(300)]
    body = {"id": "m-1", "type": "sms", "recipient": numbers, "status": "sent"}
    case = disguise("lefoka", json.dumps(body).encode())
    assert len({event["recipient"] for event in case["events"]}) == 300


def test_texts_are_kept_where_they_are_nobodys_but_not_the_numbers_in_them() -> None:
    text = "STOP, or call 063 788 5448 at 9"
    body = {"from": "255712345678", "transaction_id": "t1", "message": {"text": text}}
    case = disguise("smsbox", json.dumps(body).encode(), account={"region": "ZA"}, keep_texts=True)
    kept = case["events"][0]["text"]
    assert kept.startswith("STOP, or call 063 ")
    assert "788 5448" not in kept
    gone = disguise("smsbox", json.dumps(body).encode())["events"][0]["text"]
    assert re.fullmatch(r"XXXX, xx xxxx 0+ 0+ 0+ xx 0", gone)


@pytest.mark.parametrize(
    "body",
    [
        b'{"api_key": "s3cret-of-ours", "from": "255712345678", "message": "hi", "x": "Jane Doe"}',
        b"api_key=s3cret-of-ours&from=255712345678&message=hi&x=Jane+Doe",
        b'{"from": "255712345678", "message": "hi", "x": {"token": "s3cret-of-ours", "y": "Jane"}}',
        b"{'api_key': 's3cret-of-ours', 'from': '255712345678', 'x': 'Jane Doe', 'message': 'hi",
        b"data={%22secret%22:+%22s3cret-of-ours%22,+%22from%22:+%22255712345678%22,+%22x%22:+%22Jane%22}",
        b"Jane Doe has 255712345678 and s3cret-of-ours",
        b"\xff\xfe Jane 255712345678 s3cret-of-ours \xe9",
    ],
    ids=["json", "form", "nested", "no-json", "json-in-a-form", "plain", "no-utf8"],
)
def test_keys_names_and_numbers_go_whatever_the_body_is(body: bytes) -> None:
    case = disguise("smsbox", body)
    said = body_of(case["request"]).decode("latin-1") + json.dumps(case)
    for mark in ("s3cret", "Jane", "712345678"):
        assert mark not in said


def test_a_key_is_removed_with_its_length() -> None:
    body = {"from": "255712345678", "message": "hi", "api_key": "k3y-0001", "pin": 48151623}
    written = disguise("smsbox", json.dumps(body).encode())["request"]["json"]
    assert (written["api_key"], written["pin"]) == ("removed", 0)


def test_a_number_that_was_not_found_as_one_stops_it() -> None:
    body = {"from": "255712345678", "message": "call 0712/345/678", "transaction_id": "t-1"}
    with pytest.raises(ReceiverError, match="a number is still in it; nothing was written"):
        disguise("smsbox", json.dumps(body).encode(), keep_texts=True)


def test_what_cannot_be_told_without_somebody_is_not_written() -> None:
    """A provider that takes one number only cannot be told with another one."""

    class Picky(provider_classes()["smsbox"]):  # type: ignore[misc]
        def parse(self, payload: Any, stamp: Any) -> Any:
            return super().parse(payload, stamp) if payload["from"] == "255712345678" else []

    body = b'{"from": "255712345678", "message": "hi", "transaction_id": "t-1"}'
    account = provider_of(Picky, {})
    assert receive(account, body).events
    with pytest.raises(ReceiverError, match="nothing was written"):
        Disguise(account, body).case("a test", {})


@pytest.fixture
def app(make_app: Callable[..., Flask], run_jobs: Callable[[Flask], int]) -> Flask:
    """A shop to which a message came, and a body that nobody could read."""

    def handlers(receiver: Receiver) -> None:
        @receiver.fallback()
        def note(message: InboundMessage) -> None:
            return None

    app = make_app(
        handlers=handlers,
        ACCOUNTS={**ACCOUNTS, "tz": {**ACCOUNTS["smsbox"], "provider": "smsbox", "region": "TZ"}},
    )
    message = {
        "from": "0712345678",
        "transaction_id": "t-1",
        "message": {"text": "My name is Jane"},
    }
    client, key = app.test_client(), {"x-api-key": KEYS["smsbox"]}
    assert client.post("/webhooks/tz", json=message, headers=key).status_code == 200
    assert client.post("/webhooks/tz", data=b"{'from': '0712345678'}", headers=key).data
    run_jobs(app)
    return app


def call(app: Flask, *words: str) -> Any:
    return app.test_cli_runner().invoke(args=["receiver", "capture", *words])


def test_the_command_makes_a_case_of_an_event(app: Flask, tmp_path: Path) -> None:
    parts = app.extensions["receiver"]
    (event_id,) = parts.journal.ids()
    done = call(app, event_id[:6])
    assert done.exit_code == 0
    (tmp_path / "smsbox").mkdir()
    path = tmp_path / "smsbox" / "a-message.json"
    path.write_text(done.stdout)
    assert_case(path)
    case = json.loads(done.stdout)
    assert case["account"] == {"region": "TZ"}
    assert case["events"][0]["sender"].startswith("+25571")
    assert "Jane" not in done.output
    assert "Look at it before you share it. As it came: names of fields; dates" in done.stderr
    assert "nothing" not in done.stderr


def test_the_command_makes_a_case_of_a_body_in_the_quarantine(app: Flask, tmp_path: Path) -> None:
    (body,) = app.extensions["receiver"].quarantine
    done = call(app, body.id[:8], "--source", "the provider's own mistake")
    assert done.exit_code == 0, done.output
    case = json.loads(done.stdout)
    assert case["source"] == "the provider's own mistake"
    assert (case["quarantine"], case["events"]) == (body.reason, [])


def test_a_body_that_was_erased_is_said_to_be(app: Flask, redis: Any) -> None:
    (event_id,) = app.extensions["receiver"].journal.ids()
    assert redis.hdel(f"receiver:event:{event_id}", "raw")
    done = call(app, event_id)
    assert done.exit_code == NOT_FOUND
    assert "was erased: it is kept for RECEIVER_RAW_RETENTION seconds" in done.stderr


def test_an_event_that_was_forgotten_is_said_to_be(app: Flask) -> None:
    (event_id,) = app.extensions["receiver"].journal.ids()
    app.test_cli_runner().invoke(args=["receiver", "forget", "+255712345678", "--yes"])
    done = call(app, event_id)
    assert done.exit_code == NOT_FOUND
    assert "was forgotten" in done.stderr


def test_what_is_not_there_and_what_had_no_body_is_said(app: Flask) -> None:
    parts = app.extensions["receiver"]
    assert "there is no event and no body fffffff" in call(app, "fffffff").stderr
    event = inbound(account="tz", provider="smsbox", trust="asked", id="e" * 32)
    with app.app_context():
        parts.intake.take(parts.settings.accounts["tz"], [event])
    assert "came by no webhook" in call(app, event.id).stderr
    assert "several ids begin with" in call(app, "").stderr
