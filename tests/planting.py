"""One person's number and words, in every place in which a deployment may keep them."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import LEFOKA_KEY, SMSBOX_KEY
from cryptography.fernet import Fernet
from flask import Flask
from redis import Redis
from test_cli import invoke
from test_spool_pages import spooling, wait_until_drained
from wire import FakeApi

from receiver import InboundMessage, Receiver, conversation, send
from receiver.parcel import Parcel
from receiver.sms import Sent, Sms

MakeApp = Callable[..., Flask]
RunJobs = Callable[[Flask], int]

NUMBER, OTHER = "+27831234567", "+27837654321"
NATIONAL = "083 123 4567"
DIGITS = "831234567"  # what all its spellings have in common
WORDS = "heliotrope"  # in whatever the person wrote
OTHERS_WORDS = "magnolia"


def handlers(receiver: Receiver) -> None:
    """Handlers that quote, keep and pass on what they are told."""

    @receiver.keyword("FAIL")
    def fails(message: InboundMessage) -> None:
        raise RuntimeError(f"{message.sender} wrote {message.text}")

    @receiver.keyword("TALK")
    def talks(message: InboundMessage) -> str:
        with conversation(message) as talk:
            talk["said"] = message.text
            talk["who"] = message.sender
        return f"Noted: {message.text}"

    @receiver.fallback()
    def echo(message: InboundMessage) -> str:
        return f"You wrote: {message.text}"

    @receiver.report()
    def notes(report: Any) -> None:
        if report.message_id == "m-fail":
            raise KeyError(report.recipient)


def settings(api: FakeApi, folder: Path, **more: Any) -> dict[str, Any]:
    """The settings of the deployment; no handler is tried twice."""
    accounts = {
        "lefoka": {"api_key": LEFOKA_KEY, "api_secret": "s", "base_url": api.url},
        "smsbox": {"api_key": SMSBOX_KEY, "api_secret": "s", "base_url": api.url},
    }
    accounts["smsbox"]["source_addr"] = "INFO"
    return {"ACCOUNTS": accounts, "SPOOL_DIR": str(folder), "RETRIES": 0, **more}


def write(app: Flask, text: str, sender: str = NUMBER, transaction: str | None = None) -> None:
    """Let somebody write."""
    body = {"from": sender, "to": "15000", "transaction_id": transaction or text}
    call(app, "smsbox", {**body, "message": {"text": text}}, SMSBOX_KEY)


def call(app: Flask, account: str, body: Any, key: str) -> None:
    """Call a webhook."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    url = f"/webhooks/{account}?api_key={key}"
    answer = app.test_client().post(url, data=data, content_type="application/json")
    assert answer.status_code == 200


def let_all_happen(app: Flask, run_jobs: Callable[[Flask], int]) -> None:
    """Have the number and the words come in by every way, and go out by every way."""
    parts = app.extensions["receiver"]
    for text in (WORDS, f"FAIL {WORDS}", f"TALK {WORDS}"):
        write(app, text)
    write(app, f"TALK ask {NATIONAL} about {OTHERS_WORDS}", OTHER)
    write(app, f"FAIL {OTHERS_WORDS} of 0027 {DIGITS[:2]}-{DIGITS[2:5]}-{DIGITS[5:]}", OTHER)
    for name, message in (("m-1", OTHERS_WORDS), ("m-fail", OTHERS_WORDS)):
        numbers = [OTHER[1:], NUMBER[1:]]
        report = {"id": name, "type": "sms", "recipient": numbers, "status": "delivered"}
        call(app, "lefoka", {**report, "message": message}, LEFOKA_KEY)
    reply = {"id": "m-9", "type": "sms-reply", "recipient": [NUMBER[1:], OTHER[1:]]}
    call(app, "lefoka", {**reply, "message": OTHERS_WORDS}, LEFOKA_KEY)
    call(app, "smsbox", f'{{"from": "0{DIGITS}", {WORDS}'.encode(), SMSBOX_KEY)
    run_jobs(app)
    with app.app_context():
        send("smsbox", [NUMBER, OTHER], f"{WORDS} goes out", key="k-1")
    sms = Sms(recipients=(NUMBER, OTHER), text="x", key="k", client_reference="r")
    parts.sentbox.keep("smsbox", sms, Sent(message_id="p-1"), poll=True)
    sent = Sent(message_id="s", message_ids={NUMBER: "s"}, refused=(NUMBER,))
    parts.sending.sends.begin("a-send", "print")
    parts.sending.sends.end("a-send", "sent", sent)
    parts.optouts.add("smsbox", NUMBER, words=f"STOP {WORDS}", source="operator")
    earlier = datetime.now(UTC) - timedelta(hours=1)
    parts.optouts.add("lefoka", NUMBER, words=WORDS, source="operator", at=earlier)
    assert parts.optouts.remove("lefoka", NUMBER, words=f"START {WORDS}", source="operator")
    through_the_spool(app)
    run_jobs(app)


def through_the_spool(app: Flask) -> None:
    """Let callbacks wait on disk, and be taken from there: their pages stay, as free ones."""
    with spooling(app):
        for number in range(30):
            text = f"{WORDS} {number} in the spool " + "x" * 300
            write(app, text, transaction=f"spooled-{number}")
    wait_until_drained(app)


def in_redis(redis_url: str) -> Iterator[bytes]:
    """Every key and every value, and what is packed in them."""
    with Redis.from_url(redis_url) as client:
        for key in client.scan_iter(count=1000):
            yield key
            kind = client.type(key)
            if kind == b"string":
                yield client.get(key) or b""
            elif kind == b"hash":
                fields = client.hgetall(key)
                yield from fields
                yield from fields.values()
                yield from filter(None, [unpacked(fields)])
            elif kind == b"zset":
                yield from client.zrange(key, 0, -1)
            elif kind == b"list":
                yield from client.lrange(key, 0, -1)
            else:
                yield from client.smembers(key)


def unpacked(fields: dict[bytes, bytes]) -> bytes:
    """What whoever knows how bodies are packed can read of a record without any key."""
    from receiver.store.packing import Packed

    try:
        event = fields.get(b"packed_with") or fields[b"event"]
        return Packed(fields[b"raw"], event, fields.get(b"headers")).raw
    except (KeyError, zlib.error, ValueError):
        return b""


def on_disk(folder: Path) -> Iterator[bytes]:
    """Every byte of the spool's files, and what stands there in base64."""
    for path in folder.iterdir():
        content = path.read_bytes()
        yield content
        start = 0
        while (start := content.find(b'{"version":1', start)) >= 0:
            try:
                text, _ = json.JSONDecoder().raw_decode(content[start:].decode("utf-8", "replace"))
                yield Parcel.from_bytes(json.dumps(text).encode()).body
            except ValueError:
                pass
            start += 1


def found(marks: tuple[str, ...], texts: Iterator[bytes]) -> list[str]:
    """Name the marks that stand in these, and where."""
    return [
        f"{mark} in {text[:80]!r}"
        for text in texts
        for mark in marks
        if mark.encode() in text or mark.encode() in _joined(text)
    ]


def _joined(text: bytes) -> bytes:
    return text.translate(None, b" -()") if len(text) < 100_000 else text


KEYS: dict[str, list[str]] = {"in clear": [], "encrypted": [Fernet.generate_key().decode()]}


def planted(
    make_app: Callable[..., Flask],
    api: FakeApi,
    tmp_path: Path,
    run_jobs: Callable[[Flask], int],
    keys: list[str],
) -> Flask:
    """Make an app in which the number is everywhere."""
    app = make_app(handlers=handlers, **settings(api, tmp_path / "spool", ENCRYPTION_KEYS=keys))
    let_all_happen(app, run_jobs)
    return app


def forget(app: Flask, *args: str, status: int = 0) -> Any:
    """Forget the number; gives what was found, by place."""
    result = invoke(app, "forget", NUMBER, "--yes", "--json", *args)
    assert result.exit_code == status, result.output
    return json.loads(result.stdout.splitlines()[0])["found"]


def everywhere(redis_url: str, tmp_path: Path) -> list[str]:
    """Name each place in which the number or the words still are."""
    marks = (DIGITS, WORDS)
    return [*found(marks, in_redis(redis_url)), *found(marks, on_disk(tmp_path / "spool"))]


@pytest.fixture(params=KEYS.values(), ids=KEYS)
def keys(request: pytest.FixtureRequest) -> list[str]:
    """The encryption keys of a deployment: none, or one."""
    found: list[str] = request.param
    return found


@pytest.fixture
def app(
    make_app: MakeApp, api: FakeApi, tmp_path: Path, run_jobs: RunJobs, keys: list[str]
) -> Flask:
    """An app in which the number is everywhere."""
    return planted(make_app, api, tmp_path, run_jobs, keys)
