"""A case: one callback of a provider in a JSON file, and what the provider must make of it.

A case holds its ``source``, the ``request`` (``content_type``, and ``json``, ``text`` or
``base64``), the ``events`` as `to_dict` gives them but for what all events of a case share, the
``ack`` (``status``, and ``json`` or ``body``), and, where it has them, ``quarantine`` (the reason),
``alike`` and the options of the ``account``. ``{"$repeat": {"count": 3, "of": "a{n}"}}`` stands for
a000000, a000001, a000002. ``capture`` writes cases, `receiver.testing.assert_case` reads them.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ..accounts import Account
from ..events import to_dict
from ..providers.base import Provider, Received
from ..security import Door, WebhookRequest
from ..signing import SignedUrls
from .callbacks import Callback

NAMES = frozenset(
    {"source", "account", "request", "events", "ack", "quarantine", "alike"},
)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

_KEY = "the-key-of-all-cases"
_SECRET = "the-secret-of-all-cases"
_COMMON = ("id", "provider", "account", "received_at", "trust")


def provider_of(known: type[Provider], options: Mapping[str, Any], name: str = "") -> Provider:
    """Make an account at a provider; ``options`` are those that its cases need."""
    given = {"api_key": _KEY, "api_secret": _SECRET, **options, "provider": known.name}
    account = Account(name=name or known.name, **known.account_schema().load(given))
    return known(account, Door(account, SignedUrls([_SECRET])))


def receive(provider: Provider, body: bytes, content_type: str | None = None) -> Received:
    """Give a callback with the right key to a provider."""
    headers = {"x-api-key": provider.account.api_keys[0]}
    if content_type is not None:
        headers["content-type"] = content_type
    return provider.receive(WebhookRequest(body=body, headers=headers, received_at=NOON))


def body_of(request: Mapping[str, Any]) -> bytes:
    """Give the body that a case's request stands for."""
    if "json" in request:
        return json.dumps(request["json"]).encode("ascii")
    if "base64" in request:
        return base64.b64decode(request["base64"])
    return _joined(request["text"]).encode("utf-8")


def callback_of(case: Mapping[str, Any]) -> Callback:
    """Give what a provider would send, and must be answered."""
    told: dict[str, Any] = unfold(case)
    request, ack = told["request"], told["ack"]
    answer = ack["body"] if "body" in ack else json.dumps(ack["json"])
    return Callback(
        body=body_of(request),
        content_type=request.get("content_type", "application/json"),
        ack=(ack["status"], answer.encode("utf-8")),
    )


def result_of(received: Received) -> dict[str, Any]:
    """Give what a provider made of a callback, as a case says it."""
    found: dict[str, Any] = {
        "events": [
            {name: value for name, value in to_dict(event).items() if name not in _COMMON}
            for event in received.events
        ],
        "ack": ack_of(received),
    }
    if received.unreadable is not None:
        found["quarantine"] = received.unreadable
    if received.alike:
        found["alike"] = True
    return found


def ack_of(received: Received) -> dict[str, Any]:
    """Give an ack as a case says it; JSON that a case could not spell again stands as text."""
    ack = received.ack
    if ack.content_type == "application/json":
        try:
            content = json.loads(ack.body)
        except ValueError:
            content = None
        if content is not None and json.dumps(content).encode("ascii") == ack.body:
            return {"status": ack.status, "json": content}
    return {"status": ack.status, "body": ack.body.decode("utf-8", "backslashreplace")}


def unfold(value: Any) -> Any:
    """Write out the repetitions of a case.

    >>> unfold({"to": {"$repeat": {"count": 2, "of": "27{n}"}}})
    {'to': ['27000000', '27000001']}
    """
    if isinstance(value, dict) and set(value) == {"$repeat"}:
        count, of = value["$repeat"]["count"], value["$repeat"]["of"]
        return [_numbered(of, n) for n in range(count)]
    if isinstance(value, dict):
        return {name: unfold(inner) for name, inner in value.items()}
    return [unfold(inner) for inner in value] if isinstance(value, list) else value


def _joined(text: str | list[Any]) -> str:
    return text if isinstance(text, str) else "".join(_joined(part) for part in text)


def _numbered(value: Any, n: int) -> Any:
    if isinstance(value, dict):
        return {name: _numbered(inner, n) for name, inner in value.items()}
    if isinstance(value, list):
        return [_numbered(inner, n) for inner in value]
    return value.replace("{n}", f"{n:06d}") if isinstance(value, str) else value
