"""The way out: one HTTP client for an account, with time-outs and one place for its errors.

What went wrong before the request left is temporary; what went wrong after it is uncertain, since
the provider may have acted on it. TLS is always verified. No body, key or number is logged: httpx
logs whole URLs, some of which carry credentials, so it is kept quiet while a request is ours.

httpx is imported by the first request: a web process, which asks nobody anything, starts without.
A worker has it before it is forked, by way of its command.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from ..errors import (
    DeliveryError,
    PermanentDeliveryError,
    TemporaryDeliveryError,
    UncertainDeliveryError,
    Unreadable,
    without_values,
)
from .payload import parse_sloppy_json

if TYPE_CHECKING:
    import httpx

_ANSWER_SECONDS = 20.0
_CONNECT_SECONDS = 5.0
_TOO_MANY = 429
_SERVER_ERROR = 500
GATEWAY_TIMEOUT = 504
_LONGEST_PAUSE = 86_400.0  # seconds: a longer Retry-After is a mistake of whoever wrote it

# What to do where nobody knows whether a request was acted on: a send, and any other change.
LOOK_IT_UP = "Look it up at the provider before sending it again."
LOOK_AT_ACCOUNT = "Look at the account before trying again."

# httpx logs URLs; httpcore, at DEBUG, the headers of an answer: a Location repeats the URL.
_CHATTY = (
    "httpx",
    *(f"httpcore.{part}" for part in ("connection", "http11", "http2", "proxy", "socks")),
)

_ours: ContextVar[bool] = ContextVar("a request of ours", default=False)

# Set by `receiver.testing`: takes the place of the network in the whole process, threads and all.
stand_in: httpx.BaseTransport | None = None


class Wire:
    """Requests to one API address; ``transport`` stands in for the network in tests."""

    def __init__(
        self,
        base_url: str,
        auth: tuple[str, str] | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._base_url = base_url
        self._auth = auth
        self._transport = transport
        self._client: httpx.Client | None = None
        self._pid = 0

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        asks: bool = False,
        in_doubt: str = LOOK_IT_UP,
    ) -> httpx.Response:
        """Send one request; raises `DeliveryError` where no answer came, whatever the answer.

        ``asks``: it changes nothing at the provider, so a lost answer is temporary; ``in_doubt``:
        what to do about one that is not.
        """
        import httpx

        quiet = _ours.set(True)
        try:
            return self._connected().request(
                method,
                path,
                params=dict(params) if params else None,
                json=json,
                data=dict(form) if form else None,
                content=content,
                headers=dict(headers or {}),
            )
        except httpx.RequestError as error:
            raise _without_answer(error, asks, in_doubt) from without_values(error)
        finally:
            _ours.reset(quiet)

    def _connected(self) -> httpx.Client:
        """Make the client on first use, and anew in a forked process."""
        import httpx

        if self._client is None or self._pid != os.getpid():
            self._client = httpx.Client(
                base_url=self._base_url,
                auth=self._auth,
                timeout=httpx.Timeout(_ANSWER_SECONDS, connect=_CONNECT_SECONDS),
                transport=self._transport or stand_in,
                follow_redirects=False,
            )
            self._pid = os.getpid()
        return self._client


def answer_in(response: httpx.Response) -> Mapping[str, Any]:
    """Give the JSON object in an answer, trailing commas and all; an empty one where none is."""
    try:
        answer = parse_sloppy_json(response.text)
    except Unreadable:
        return {}
    return answer if isinstance(answer, dict) else {}


def temporary_by_status(response: httpx.Response) -> bool:
    """Tell whether the HTTP status alone says: try again later (429 and 5xx)."""
    return response.status_code == _TOO_MANY or response.status_code >= _SERVER_ERROR


def delivery_error(
    response: httpx.Response,
    *,
    temporary: bool,
    reason: str,
    code: str | None,
    mend: str = "",
    asks: bool = False,
    in_doubt: str = LOOK_IT_UP,
) -> DeliveryError:
    """Make the error for a refusal, with the provider's ``Retry-After`` where it gives a time.

    ``asks`` and ``in_doubt`` as in `Wire.request`.
    """
    from_provider = f"{reason} (HTTP {response.status_code})"
    if response.status_code == GATEWAY_TIMEOUT and not asks:  # what is behind it may have done it
        return UncertainDeliveryError(from_provider, code=code, mend=in_doubt)
    if not temporary:
        return PermanentDeliveryError(from_provider, code=code, mend=mend)
    after = retry_after(response)
    return TemporaryDeliveryError(from_provider, code=code, mend=mend, retry_after=after)


def retry_after(response: httpx.Response) -> float | None:
    """Give the seconds of a ``Retry-After``, which may be a date; ``None`` without one to come.

    A day at most.
    """
    text = response.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal():
        return min(float(text), _LONGEST_PAUSE)
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    aware = when if when.tzinfo else when.replace(tzinfo=UTC)
    seconds = (aware - datetime.now(UTC)).total_seconds()
    return min(seconds, _LONGEST_PAUSE) if seconds > 0 else None


def _without_answer(error: httpx.RequestError, asks: bool, in_doubt: str) -> DeliveryError:
    import httpx

    # raised while connecting, or while waiting for a free connection: nothing has left yet
    never_left = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
    if isinstance(error, never_left):
        return TemporaryDeliveryError(
            f"no connection to the provider ({type(error).__name__})",
            mend="Check the network and the account's base_url.",
        )
    reason = f"the provider's answer was lost ({type(error).__name__})"
    if asks:
        return TemporaryDeliveryError(reason, mend="Ask again later.")
    return UncertainDeliveryError(reason, mend=in_doubt)


for _name in _CHATTY:  # a filter does not hold for the loggers below it
    logging.getLogger(_name).addFilter(lambda record: not _ours.get())
