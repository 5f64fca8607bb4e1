"""`ProviderContract`: what every provider must keep, as tests to inherit.

Plain asserts and no fixture but ``caplog``, so that pytest is not imported here.
"""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from ..accounts import KEY_PLACES, Account
from ..errors import Refused
from ..events import Trust, to_dict
from ..providers.base import Ack, Provider, Received
from ..security import Door, WebhookRequest
from ..signing import SignedUrls
from .cases import assert_case, cases

if TYPE_CHECKING:
    import pytest

_SIGNING_KEY = "the-contract-signs-urls-with-this"
_WRONG_KEY = "a-key-that-nobody-was-given"
_NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
_OTHER_TYPES: tuple[Any, ...] = (None, True, 7, 1.5, "", " ", [], {}, [[1]], {"x": {"y": [None]}})


class ProviderContract:
    """The tests that every provider must pass: subclass it, say what is yours, inherit them.

    ``credentials`` is an account as in RECEIVER_ACCOUNTS, without ``provider``. ``private`` are
    numbers and texts that stand in ``body`` and may never stand in a log. In the body of
    ``unreadable_ack``, ``{problem}`` stands for what was wrong. ``body`` must hold what makes the
    provider's ids, so that a resend of it has the same. ``cases`` is a folder of JSON files, one
    callback each: see `receiver.testing.cases`.

    ::

        class TestKiosk(ProviderContract):
            provider = Kiosk
            credentials = {"api_key": "kiosk-key-0001"}
            body = b'{"id": 5, "sender": "+254711082345", "words": "Habari yako"}'
            private = ("254711082345", "Habari yako")
            ack = Ack(body=b"OK")
            unreadable_ack = Ack(body=b"OK")
    """

    provider: ClassVar[type[Provider]]
    credentials: ClassVar[Mapping[str, Any]]
    body: ClassVar[bytes]
    content_type: ClassVar[str] = "application/json"
    private: ClassVar[tuple[str, ...]]
    ack: ClassVar[Ack]
    unreadable_ack: ClassVar[Ack]
    garbage: ClassVar[bytes] = b"\x00 the callback of nobody"
    cases: ClassVar[str | Path | None] = None

    def make(self, name: str = "contract", *, transport: Any = None, **more: Any) -> Provider:
        """Make an account at the provider; ``more`` goes over ``credentials``.

        ``transport`` stands in for the network, where the provider takes one: httpx has a
        `MockTransport`.
        """
        given = {**self.credentials, **more, "provider": self.provider.name}
        account = Account(name=name, **self.provider.account_schema().load(given))
        door = Door(account, SignedUrls([_SIGNING_KEY]))
        # not all providers take a transport: those that send
        network = {} if transport is None else {"transport": transport}
        return self.provider(account, door, **network)

    def request(self, body: bytes | None = None, *, key: str = "", **fields: Any) -> WebhookRequest:
        """Make a request with the good body; ``key`` travels in the header ``X-API-Key``."""
        headers = {"content-type": self.content_type, "x-api-key": key, **fields.pop("headers", {})}
        body = self.body if body is None else body
        fields = {"received_at": _NOON, "remote_addr": "192.0.2.7", **fields}
        return WebhookRequest(body=body, headers=headers, **fields)

    def with_field(self, name: str, value: str) -> bytes:
        """Give the good body with one more field; override where it is neither JSON nor form."""
        if self.body.lstrip()[:1] == b"{":
            return json.dumps({**json.loads(self.body), name: value}).encode()
        return self.body + f"&{quote(name)}={quote(value)}".encode()

    def receive(self, body: bytes | None = None, **fields: Any) -> Received:
        """Let the provider read one authentic callback."""
        provider = self.make()
        return provider.receive(self.request(body, key=provider.account.api_keys[0], **fields))

    def test_the_right_key_is_taken_from_each_place(self) -> None:
        key = self.make().account.api_keys[0]
        for place in KEY_PLACES:
            received = self.make().receive(self._carrying(key, place))
            assert _trusts(received) == {"key"}, place

    def test_a_key_elsewhere_than_the_account_says_is_refused(self) -> None:
        key = self.make().account.api_keys[0]
        for place, other in zip(KEY_PLACES, (*KEY_PLACES[1:], KEY_PLACES[0]), strict=True):
            provider = self.make(key_in=place)
            assert provider.receive(self._carrying(key, place)).events, place
            assert _refusal(provider, self._carrying(key, other)).looked_in == (place,)

    def test_old_and_new_key_are_good_while_they_are_rotated(self) -> None:
        provider = self.make(api_key=["the-new-key-0002", "the-old-key-0001"])
        for key in provider.account.api_keys:
            assert provider.receive(self.request(key=key)).events

    def test_no_key_is_refused(self) -> None:
        assert _refusal(self.make(), self.request()).looked_in

    def test_a_wrong_key_is_refused_in_each_place_and_never_quoted(self) -> None:
        for place in KEY_PLACES:
            refused = _refusal(self.make(), self._carrying(_WRONG_KEY, place))
            assert _WRONG_KEY not in f"{refused!r} {refused.looked_in}", place

    def test_a_stranger_is_refused_before_the_body_is_looked_at(self) -> None:
        for body in (self.garbage, b"", self.body[:-1]):
            _refusal(self.make(), self.request(body, key=_WRONG_KEY))

    def test_a_caller_outside_the_networks_is_refused_with_the_right_key(self) -> None:
        provider = self.make(networks=["198.51.100.0/24"])
        key = provider.account.api_keys[0]
        assert provider.receive(self.request(key=key, remote_addr="198.51.100.9")).events
        _refusal(provider, self.request(key=key, remote_addr="192.0.2.7"))
        _refusal(provider, self.request(key=key, remote_addr=None))

    def test_the_signed_url_needs_no_key(self) -> None:
        token = SignedUrls([_SIGNING_KEY]).make("contract")
        assert _trusts(self.make().receive(self.request(token=token))) == {"token"}

    def test_any_other_signed_url_is_refused_even_with_the_right_key(self) -> None:
        urls, key = SignedUrls([_SIGNING_KEY]), self.make().account.api_keys[0]
        good = urls.make("contract")
        payload, _, signature = good.partition(".")
        expired = urls.make("contract", expires_at=_NOON.timestamp() - 86_400 * 365)
        strange = SignedUrls(["another-secret"]).make("contract")
        tampered = (payload, signature, f"{payload}.", f"x{good}", f"{payload}.x{signature[1:]}x")
        for token in (urls.make("another"), strange, expired, *tampered, ""):
            _refusal(self.make(), self.request(token=token, key=key))

    def test_a_good_body_gives_events_and_the_exact_ack(self) -> None:
        received = self.receive()
        assert received.events
        assert (received.unreadable, received.ack) == (None, self.ack)
        assert {(e.provider, e.account) for e in received.events} == {
            (self.provider.name, "contract")
        }

    def test_an_unreadable_body_is_still_acked_exactly(self) -> None:
        for body in (self.garbage, b"", b" \r\n"):
            received = self.receive(body)
            assert received.unreadable
            assert received.events == ()
            assert received.ack == _filled(self.unreadable_ack, received.unreadable)

    def test_a_label_that_is_wrong_or_missing_changes_nothing(self) -> None:
        for label in ("", "text/plain", "application/json", "application/x-www-form-urlencoded"):
            assert _content(self.receive(headers={"content-type": label})) == _content(
                self.receive()
            )

    def test_an_unknown_field_changes_nothing(self) -> None:
        body = self.with_field("a_field_of_next_year", "x")
        assert _content(self.receive(body)) == _content(self.receive())

    def test_whatever_comes_is_acked_and_never_raises(self) -> None:
        for body in self._spoilt():
            assert self.receive(body).ack.status == self.ack.status, body

    def test_a_resend_has_the_same_ids_and_another_account_has_others(self) -> None:
        first, again = self.receive(), self.receive(received_at=_NOON + timedelta(days=3))
        assert _ids(first) == _ids(again)
        other = self.make("another")
        theirs = other.receive(self.request(key=other.account.api_keys[0]))
        assert not set(_ids(first)) & set(_ids(theirs))

    def test_no_key_number_or_text_is_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        token = SignedUrls([_SIGNING_KEY]).make("contract")
        for body in self._spoilt():
            self.receive(body)
        _refusal(self.make(), self.request(key=_WRONG_KEY))
        _refusal(self.make(), self.request(token=f"x{token}"))
        written = "\n".join(_everything_in(record) for record in caplog.records)
        for mark in (*self._marks(), _WRONG_KEY, token):
            assert mark not in written

    def test_no_key_number_or_text_is_in_the_repr_of_a_request(self) -> None:
        key = self.make().account.api_keys[0]
        for place in KEY_PLACES:
            shown = repr(self._carrying(key, place)) + repr(self.make().account)
            for mark in self._marks():
                assert mark not in shown, place
        token = SignedUrls([_SIGNING_KEY]).make("contract")
        assert token not in repr(self.request(token=token))

    def test_each_case_gives_what_it_says(self) -> None:
        for path in () if self.cases is None else cases(self.cases):
            assert_case(path, self.provider)

    def _carrying(self, key: str, place: str) -> WebhookRequest:
        if place == "body":
            return self.request(self.with_field("api_key", key))
        if place == "query":
            return self.request(query=[("api_key", key)])
        basic = base64.b64encode(f"{key}:".encode()).decode()
        headers = {
            "basic": {"authorization": f"Basic {basic}"},
            "bearer": {"authorization": f"Bearer {key}"},
        }
        return self.request(headers=headers.get(place, {place: key}))

    def _marks(self) -> Iterator[str]:
        """Give what must stay hidden; ``private`` is of use only if it is in the body."""
        account = self.make().account
        yield from account.api_keys
        if account.api_secret:
            yield account.api_secret
        for mark in self.private:
            assert mark in self.body.decode(), "private must stand in the body"
            yield mark

    def _spoilt(self) -> Iterator[bytes]:
        """Give the good body, then all its beginnings, then each field with other types."""
        yield from (self.body[:length] for length in range(len(self.body), -1, -1))
        yield " ".join(self.private).encode()
        if self.body.lstrip()[:1] == b"{":
            fields = json.loads(self.body)
            for name in fields:
                for value in (*_OTHER_TYPES, list(self.private), {"x": self.private}):
                    yield json.dumps({**fields, name: value}).encode()


def _refusal(provider: Provider, request: WebhookRequest) -> Refused:
    try:
        provider.receive(request)
    except Refused as refused:
        return refused
    raise AssertionError("the caller was let in")


def _ids(received: Received) -> list[str]:
    return [event.id for event in received.events]


def _trusts(received: Received) -> set[Trust]:
    return {event.trust for event in received.events}


def _content(received: Received) -> list[dict[str, Any]]:
    return [to_dict(event) for event in received.events]


def _filled(ack: Ack, problem: str) -> Ack:
    body = ack.body.replace(b"{problem}", problem.encode())
    return Ack(status=ack.status, body=body, content_type=ack.content_type)


def _everything_in(record: logging.LogRecord) -> str:
    """The line with its traceback, and all the fields that another formatter could write."""
    return f"{logging.Formatter().format(record)} {vars(record)!r}"
