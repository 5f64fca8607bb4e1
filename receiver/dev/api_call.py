"""One request to the simulated provider, and how it ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from werkzeug.wrappers import Request


@dataclass(frozen=True, slots=True)
class Call:
    """A request, the provider's ``credentials`` (secret by key) and the account's ``balance``."""

    request: Request
    credentials: Mapping[str, str]
    balance: int

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
    sms: Mapping[str, Any] | None = None
    credit: int = 0


class Refusal(Exception):
    """The API's own error."""

    def __init__(self, status: int, body: Any) -> None:
        self.status = status
        self.body = body
        super().__init__(f"HTTP {status}")
