"""One request to the simulated provider, and how it ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from werkzeug.wrappers import Request


@dataclass(frozen=True, slots=True)
class Call:
    """A request, the provider's ``credentials`` (secret by key) and the account's ``balance``.

    ``sent``: what the provider took so far, oldest first, to be read and changed: see
    `ProviderApi`.
    """

    request: Request
    credentials: Mapping[str, str]
    balance: int
    sent: Sequence[dict[str, Any]] = ()

    @property
    def basic(self) -> tuple[str, str] | None:
        """User name and password of Basic auth."""
        given = self.request.authorization
        if given is None or given.type != "basic":
            return None
        return given.username or "", given.password or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """An answer: a body that is text is sent as it stands. ``sms`` is what was taken, if any."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    sms: Mapping[str, Any] | None = None
    credit: int = 0


class Refusal(Exception):
    """The API's own error."""

    def __init__(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.body = body
        self.headers = headers or {}
        super().__init__(f"HTTP {status}")
