"""Sends callbacks as a provider does, with its patience, and judges the answers as it would."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from .callbacks import Callback

# Lefoka, section "Webhooks": anything but 200 is re-sent at once, three times. SMSBox names none.
_ATTEMPTS = {"lefoka": 4}
_TIMEOUT_SECONDS = 30.0
_HERE = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where callbacks go: the URL, the key for Basic auth unless the URL has one in it.

    ``successful``: what the account's SMSBox ack says; see `SMSBox`.
    """

    url: str
    key: str | None = None
    successful: Any = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back for one attempt; ``status`` is ``None`` where nothing did."""

    attempt: int
    status: int | None
    body: str
    quarantined: str | None
    milliseconds: float
    acknowledged: bool

    def as_dict(self) -> dict[str, Any]:
        """Give the answer as JSON types."""
        return asdict(self)


def send(provider: str, callback: Callback, target: Target) -> Iterator[Answer]:
    """Send one callback, again while it is not acknowledged and the provider would try again."""
    attempts = _ATTEMPTS.get(provider, 1)
    auth = None if target.key is None else (target.key, "")
    here = urlsplit(target.url).hostname in _HERE  # no proxy leads to this machine
    with httpx.Client(auth=auth, timeout=_TIMEOUT_SECONDS, trust_env=not here) as client:
        for attempt in range(1, attempts + 1):
            answer = _attempt(client, provider, callback, target, attempt)
            yield answer
            if answer.acknowledged:
                return


def _attempt(
    client: httpx.Client, provider: str, callback: Callback, target: Target, attempt: int
) -> Answer:
    headers = {"Content-Type": callback.content_type}
    started = time.perf_counter()
    status, body, quarantined, acknowledged = None, "", None, False
    try:
        response = client.post(target.url, content=callback.body, headers=headers)
    except httpx.HTTPError as error:
        body = f"no answer ({type(error).__name__})"
    else:
        status, body = response.status_code, response.text
        quarantined = response.headers.get("Receiver-Quarantined")
        acknowledged = _acknowledged(provider, response, callback, target)
    return Answer(
        attempt=attempt,
        status=status,
        body=body,
        quarantined=quarantined,
        milliseconds=round((time.perf_counter() - started) * 1000, 1),
        acknowledged=acknowledged,
    )


def _acknowledged(
    provider: str, response: httpx.Response, callback: Callback, target: Target
) -> bool:
    """Tell whether this is the exact answer that the provider's document, or the case, asks for."""
    if callback.ack is not None:
        return (response.status_code, response.content) == callback.ack
    if response.status_code != httpx.codes.OK:
        return False
    if provider == "lefoka":
        return True
    wanted = {"transaction_id": callback.transaction_id, "successful": target.successful}
    try:
        answer = json.loads(response.content)
    except ValueError:
        return False
    return json.dumps(answer, sort_keys=True) == json.dumps(wanted, sort_keys=True)
