"""What several tests share: callbacks of the providers, and an app's door to knock at."""

from __future__ import annotations

import json
from typing import Any

from conftest import LEFOKA_KEY, SMSBOX_KEY
from flask import Flask
from werkzeug.test import TestResponse

KEYS = {"lefoka": LEFOKA_KEY, "smsbox": SMSBOX_KEY}

MESSAGE: dict[str, Any] = {
    "from": "+255712345678",
    "to": "15000",
    "transaction_id": "t-77",
    "timeUTC": "Wed, 14 Jun 2017 07:00:00 GMT",
    "message": {"text": "hello"},
}
ACK = {"transaction_id": "t-77", "successful": True}


def report(status: str, *numbers: str, **more: Any) -> dict[str, Any]:
    """A delivery report of Lefoka."""
    date = {"creation_date": "2023-06-25T08:55:23+02:00"}
    return {"id": "f8cf", "type": "sms", "recipient": numbers, "status": status, **date, **more}


def message(transaction: str, **more: Any) -> dict[str, Any]:
    """An inbound message of SMSBox, with a transaction id of its own."""
    return {**MESSAGE, "transaction_id": transaction, **more}


KEY = "smsbox-key-äöü"
PATH = "/webhooks/smsbox"
BODY = json.dumps(MESSAGE)


def account(**more: Any) -> dict[str, Any]:
    """One account at SMSBox, as RECEIVER_ACCOUNTS has it."""
    return {"smsbox": {"api_key": KEY, "api_secret": "s", **more}}


def url(app: Flask, name: str = "smsbox", expires_at: float | None = None) -> str:
    """The signed URL of an account."""
    return f"/webhooks/{name}/{app.extensions['receiver'].urls.make(name, expires_at)}"


def post(app: Flask, path: str = PATH, **options: Any) -> TestResponse:
    """Knock at the door of an app."""
    return app.test_client().post(path, **{"data": BODY, **options})


def assert_refused(answer: TestResponse) -> None:
    """A stranger is told how to come in, and nothing else."""
    assert answer.status_code == 401
    assert set(answer.get_json()) == {"error", "help"}
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="sms-receiver"'
    assert answer.content_type == "application/json"
