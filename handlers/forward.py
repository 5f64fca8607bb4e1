"""Post every event as JSON to a URL of yours, signed as Standard Webhooks.

Set ``FORWARD_URL`` and ``FORWARD_SECRET`` (in the environment: ``FLASK_FORWARD_URL`` and so on);
without a URL nothing is posted. The secret is ``whsec_`` and the base64 of 24 bytes or more; while
one replaces another give both, with a space between. The other side checks the signature with a
library of https://www.standardwebhooks.com and answers 2xx. Anything else is tried again, but for
410: it wants no more of it.
"""

import base64
import binascii
import hashlib
import hmac
import ipaddress
import json
import ssl
import time
from functools import lru_cache

import httpx
from flask import current_app

from receiver import (
    Alarm,
    ConfigurationError,
    DeliveryReport,
    GiveUp,
    InboundMessage,
    RetryLater,
    Router,
)

router = Router("forward")

_PREFIX = "whsec_"
_LEAST_BYTES = 24
_GONE = 410
_LONGEST_WAIT = 3600.0  # seconds; whatever the other side asks for
_TIMEOUT = httpx.Timeout(15.0, connect=5.0)


@router.every()
def messages(message: InboundMessage) -> None:
    """Forward an inbound message."""
    _forward(message)


@router.report()
def reports(report: DeliveryReport) -> None:
    """Forward a delivery report."""
    _forward(report)


@router.alarm()
def alarms(alarm: Alarm) -> None:
    """Forward what somebody should look at."""
    _forward(alarm)


def _forward(event: InboundMessage | DeliveryReport | Alarm) -> None:
    url = current_app.config.get("FORWARD_URL")
    if not url:
        return
    body = json.dumps(event.as_dict(), separators=(",", ":")).encode("ascii")
    headers = {"content-type": "application/json", "user-agent": "sms-receiver"}
    headers |= _signed(event.id, body)
    try:
        with httpx.stream(
            "POST",
            _checked(url),
            content=body,
            headers=headers,
            timeout=_TIMEOUT,
            follow_redirects=False,
            verify=_tls(),
        ) as response:
            _judge(response)
    except httpx.TransportError as error:
        reason = f"FORWARD_URL did not answer ({type(error).__name__})"
        raise RetryLater(reason=reason) from error


def _judge(response: httpx.Response) -> None:
    if response.is_success:
        return
    reason = f"FORWARD_URL answered {response.status_code}"
    if response.status_code == _GONE:
        raise GiveUp(f"{reason}: it wants no more of it")
    after = response.headers.get("retry-after", "")
    raise RetryLater(min(float(after), _LONGEST_WAIT) if after.isdecimal() else None, reason)


def _signed(event_id: str, body: bytes) -> dict[str, str]:
    """Give the three headers: the id is the event's, and so the same for every attempt."""
    timestamp = str(int(time.time()))
    content = b".".join([event_id.encode("ascii"), timestamp.encode("ascii"), body])
    signatures = [
        base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode("ascii")
        for key in _keys(current_app.config.get("FORWARD_SECRET"))
    ]
    return {
        "webhook-id": event_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def _keys(secrets: object) -> list[bytes]:
    wanted = f"FORWARD_SECRET: must be {_PREFIX} and the base64 of {_LEAST_BYTES} bytes or more"
    if not isinstance(secrets, str) or not secrets.strip():
        raise ConfigurationError(wanted)
    try:
        keys = [base64.b64decode(s.removeprefix(_PREFIX), validate=True) for s in secrets.split()]
    except binascii.Error as error:
        raise ConfigurationError(wanted) from error
    if any(len(key) < _LEAST_BYTES for key in keys):
        raise ConfigurationError(wanted)
    return keys


def _checked(url: str) -> httpx.URL:
    """Let numbers and texts leave this machine only over TLS."""
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, TypeError) as error:
        raise ConfigurationError("FORWARD_URL: is no URL") from error
    if parsed.host and (parsed.scheme == "https" or _is_loopback(parsed)):
        return parsed
    raise ConfigurationError("FORWARD_URL: must begin with https:// (http:// for this machine)")


def _is_loopback(url: httpx.URL) -> bool:
    if url.scheme != "http":
        return False
    try:
        return url.host == "localhost" or ipaddress.ip_address(url.host).is_loopback
    except ValueError:
        return False


@lru_cache(1)
def _tls() -> ssl.SSLContext:
    """Read the certificates once: it takes longer than a request."""
    return httpx.create_ssl_context()
