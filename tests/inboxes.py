"""An inbox for tests: an app that has one, who is logged in, and what lies in it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from support import KEYS, message
from werkzeug.security import generate_password_hash
from werkzeug.test import TestResponse

from receiver import GiveUp, InboundMessage, Receiver

PASSWORD = "open sesame, please"
HASH = generate_password_hash(PASSWORD, method="pbkdf2:sha256:1")
HOME = "/webhooks/inbox/"
SENDER = "+255712345678"

MakeApp = Callable[..., Flask]


def handlers(receiver: Receiver) -> None:
    """Register one that answers, one that gives up, and one that takes the rest."""
    receiver.keyword("BALANCE")(balance)
    receiver.keyword("CLOSED")(closed)
    receiver.fallback()(rest)


def balance(message: InboundMessage) -> str:
    return "You have 5 left."


def closed(message: InboundMessage) -> None:
    raise GiveUp(f"no such customer: {message.text}")


def rest(message: InboundMessage) -> None:
    return None


def with_inbox(make_app: MakeApp, **config: Any) -> Flask:
    """Make an app with an inbox behind a password."""
    return make_app(**{"handlers": handlers, "INBOX_PASSWORD": HASH, **config})


def send(app: Flask, text: str, number: str = SENDER, transaction: str | None = None) -> None:
    """Have an SMS come in at SMSBox."""
    body = message(transaction or f"t-{text}", **{"from": number, "message": {"text": text}})
    come(app, "smsbox", body)


def come(app: Flask, provider: str, body: Mapping[str, Any] | str) -> None:
    """Have a callback come in."""
    data = {"data": body} if isinstance(body, str) else {"json": body}
    headers = {"x-api-key": KEYS[provider]}
    answer = app.test_client().post(f"/webhooks/{provider}", headers=headers, **data)
    assert answer.status_code == 200
    came = _millisecond()
    while _millisecond() == came:  # what comes within one is in no order
        continue


def _millisecond() -> int:
    return int(time.time() * 1000)


def log_in(app: Flask, password: str = PASSWORD) -> FlaskClient:
    """Give a client that is logged in."""
    client = app.test_client()
    answer = client.post(f"{HOME}login", data={"password": password})
    assert answer.status_code == 303, answer.text
    return client


def token(client: FlaskClient, path: str = HOME) -> str:
    """Give the token of a page's forms."""
    found = re.search(r'name="token" value="([^"]+)"', client.get(path).text)
    assert found is not None
    return found[1]


def submit(client: FlaskClient, path: str, **values: Any) -> TestResponse:
    """Send one of our forms."""
    return client.post(f"{HOME}{path}", data={"token": token(client), **values})


def hidden(page: str, form: int = -1) -> dict[str, str]:
    """Give the hidden fields of a page's form: of the last one, if no other is named."""
    forms = re.findall(r"<form.*?</form>", page, re.S)
    pairs = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', forms[form])
    return {name: value.replace("&#34;", '"') for name, value in pairs}


def confirmed(client: FlaskClient, **values: Any) -> TestResponse:
    """Ask for an action and confirm it, step by step."""
    asked = submit(client, "confirm", **values)
    assert asked.status_code == 200, asked.text
    answer = client.post(f"{HOME}run", data=hidden(asked.text) | values.get("also", {}))
    while 'hx-trigger="load"' in answer.text:
        answer = client.post(f"{HOME}run", data=hidden(answer.text))
    return answer
