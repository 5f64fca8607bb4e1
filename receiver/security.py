"""Who may come in: keys in a request, the token of its URL, the network it came from.

Works on a `WebhookRequest` of its own, so that it knows neither Flask nor a provider. Nothing here
logs or returns a key: only the name of the place where one was found.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import unquote_plus

from .accounts import KEY_PLACES, Account
from .errors import Refused
from .events import Trust
from .signing import ISSUED, SignedUrls

_ISSUED = ISSUED.encode("ascii")
_MAX_CANDIDATES = 16  # a request that carries more keys than this is guessing
_BODY_KEY = re.compile(
    rb"""(?:["']api_key["']\s*:\s*["']([^"']{1,512})["'])|(?:(?:^|&)api_key=([^&]{1,512}))""", re.I
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRequest:
    """One HTTP request, free of any web framework.

    ``headers``: names in lower case. ``query``: decoded pairs. ``token``: the last part of a
    signed URL. ``remote_addr``: the address that the operator's proxies vouch for.
    """

    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Sequence[tuple[str, str]] = field(default=(), repr=False)
    token: str | None = field(default=None, repr=False)
    remote_addr: str | None = None
    received_at: datetime

    @property
    def content_type(self) -> str:
        """The Content-Type header as it came, or an empty string."""
        return self.headers.get("content-type", "")


class Door:
    """The door of one account: `authenticate` says how the caller proved itself, or raises.

    ``issued`` tells whether a text is a key that we issued for this account and that is still good.
    """

    def __init__(
        self, account: Account, urls: SignedUrls, issued: Callable[[bytes], bool] | None = None
    ) -> None:
        self._account = account
        self._urls = urls
        self._issued = issued
        self._places = (account.key_in,) if account.key_in else KEY_PLACES
        self._live = [_digest(key.encode("utf-8")) for key in account.api_keys]

    def authenticate(self, request: WebhookRequest) -> Trust:
        """Return ``token`` or ``key``; raise `Refused` with the reason and the places searched."""
        self._check_network(request.remote_addr)
        if request.token is not None:
            self._urls.check(self._account.name, request.token)
            return "token"
        found = list(_keys_in(request, self._places))[:_MAX_CANDIDATES]
        keys = [key for _, key in found]
        if not self._any_live(keys) and not self._any_issued(keys):
            if not found:
                raise Refused("no key in the request", self._places)
            raise Refused("wrong key", [place for place, _ in found])
        return "key"

    def _any_live(self, candidates: Iterable[bytes]) -> bool:
        """Compare every candidate with every live key, always all: time tells nothing."""
        match = False
        for candidate in candidates:
            digest = _digest(candidate)
            for live in self._live:
                match |= hmac.compare_digest(digest, live)
        return match

    def _any_issued(self, candidates: Iterable[bytes]) -> bool:
        """Verify only what says that it was issued: the signature of anything else cannot hold."""
        issued = self._issued
        return issued is not None and any(
            issued(candidate) for candidate in candidates if candidate.startswith(_ISSUED)
        )

    def _check_network(self, remote_addr: str | None) -> None:
        networks = self._account.networks
        if not networks:
            return
        try:
            address = ipaddress.ip_address(remote_addr or "")
        except ValueError as error:
            raise Refused("the caller has no IP address", ["address"]) from error
        mapped = getattr(address, "ipv4_mapped", None)
        if not any((mapped or address) in network for network in networks):
            raise Refused("the caller's address is outside the account's networks", ["address"])


def _keys_in(request: WebhookRequest, places: Iterable[str]) -> Iterable[tuple[str, bytes]]:
    for place in places:
        for key in _FINDERS[place](request):
            if key:
                yield place, key


def _basic(request: WebhookRequest) -> list[bytes]:
    scheme, _, value = request.headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() != "basic":
        return []
    try:
        user, _, _ = base64.b64decode(value.strip(), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return []
    return [user]


def _bearer(request: WebhookRequest) -> list[bytes]:
    scheme, _, value = request.headers.get("authorization", "").strip().partition(" ")
    return [_sent(value.strip())] if scheme.lower() == "bearer" else []


def _header(request: WebhookRequest, name: str) -> list[bytes]:
    return [_sent(request.headers.get(name, ""))]


def _query(request: WebhookRequest) -> list[bytes]:
    return [_bytes(value) for name, value in request.query if name == "api_key"]


def _body(request: WebhookRequest) -> list[bytes]:
    """Scan for the key without parsing: a stranger's body costs two linear passes at most.

    Most bodies hold no key, and the first pass, which sees that, takes a tenth of the second.
    """
    found: list[bytes] = []
    if b"api_key" not in request.body.lower():
        return found
    for match in _BODY_KEY.finditer(request.body):
        quoted, form = match.groups()
        found.append(quoted or _bytes(unquote_plus(form.decode("latin-1"))))
        if len(found) == _MAX_CANDIDATES:
            break
    return found


_FINDERS = {
    "basic": _basic,
    "api-key": lambda request: _header(request, "api-key"),
    "x-api-key": lambda request: _header(request, "x-api-key"),
    "bearer": _bearer,
    "beem-secure-token": lambda request: _header(request, "beem-secure-token"),
    "query": _query,
    "body": _body,
}


def _sent(header: str) -> bytes:
    """Give a header's bytes as they were sent: WSGI hands them over as Latin-1."""
    try:
        return header.encode("latin-1")
    except UnicodeEncodeError:
        return _bytes(header)


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
