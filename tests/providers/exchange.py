"""A provider's API at the wire, and the rows of a table over its documented calls and errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from receiver.accounts import Account
from receiver.providers.base import Provider
from receiver.security import Door
from receiver.signing import SignedUrls


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API answers: ``body`` as it stands on the wire, sloppy or not."""

    body: str = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class Api:
    """The API at the wire: keeps what it was sent, and answers in turn, the last one again."""

    def __init__(self, make: Any, *answers: Answer | Exception, **account: Any) -> None:
        self.requests: list[httpx.Request] = []
        self._answers = list(answers) or [Answer()]
        data = {"name": "shop", "provider": make.name, **account}
        self.account = Account(**data)
        transport = httpx.MockTransport(self._receive)
        door = Door(self.account, SignedUrls(["x"]))
        self.provider: Any = make(self.account, door, transport=transport)

    def _receive(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status, text=answer.body, headers=dict(answer.headers))


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One documented call: what a user writes, what leaves for the provider, what comes back.

    ``headers``: those that the document names; ``body``: the exact bytes, or ``None`` for none.
    """

    do: Callable[[Any], object]
    method: str
    url: str
    answer: Answer
    gives: object
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None

    def check(self, make: type[Provider], **account: Any) -> None:
        """Make the call, and hold request and result against the document."""
        api = Api(make, self.answer, **account)
        given = self.do(api.provider)
        [request] = api.requests
        assert request.method == self.method
        assert str(request.url) == self.url
        assert {name: request.headers.get(name) for name in self.headers} == dict(self.headers)
        assert request.content == (self.body or b"")
        assert given == self.gives
