"""What we sign, so that it proves itself without a look into Redis: URLs, issued keys, jobs.

Text in, text out: where these travel is the business of `security`, which of them were ended early
that of `store`. Each kind has a salt of its own, so that none passes for another.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Sequence
from dataclasses import dataclass

from itsdangerous import BadData, Signer, URLSafeSerializer
from itsdangerous.encoding import base64_decode, base64_encode

from .errors import Refused

ISSUED = "rk_"  # what each issued key begins with

_LONGEST_KEY = 512  # characters; ours are shorter than 200


class Seal:
    """Sign what stands in Redis, bound to a name: a job's data to its id.

    ``secret_keys``: newest first; the newest signs, all of them are checked.
    """

    def __init__(self, secret_keys: Sequence[str | bytes]) -> None:
        keys = _derived(secret_keys, "sms-receiver.seal")
        self._newest = keys[-1]
        self._signer = Signer(keys, key_derivation="none", digest_method=hashlib.sha256)

    def sign(self, name: str, data: bytes) -> str:
        """Give the signature of ``data`` under ``name``: URL-safe base64, without the data.

        It is what the `Signer` would give, in one call of C: each accepted event needs one.
        """
        return base64_encode(hmac.digest(self._newest, _bound(name, data), "sha256")).decode(
            "ascii"
        )

    def holds(self, name: str, data: bytes, signature: str | bytes | None) -> bool:
        """Tell whether one of our keys signed just this data under this name; never raises."""
        return bool(signature) and self._signer.verify_signature(
            _bound(name, data), signature or b""
        )


class SignedUrls:
    """Make and check the last part of a webhook URL: no provider has to know about keys."""

    def __init__(self, secret_keys: Sequence[str | bytes]) -> None:
        self._keys = _oldest_first(secret_keys)

    def make(self, account: str, expires_at: float | None = None) -> str:
        """Give the token of an account; ``expires_at`` in seconds since the epoch."""
        return _text(self._serializer(account).dumps(0 if expires_at is None else int(expires_at)))

    def check(self, account: str, token: str) -> None:
        """Raise `Refused` unless the token was made here, for this account, and is in time."""
        try:
            expires_at = self._serializer(account).loads(token)
        except BadData as error:
            raise Refused("the token in the URL is not ours", ["token"]) from error
        if not _is_canonical(_bytes(token)):
            raise Refused("the token in the URL is not spelled as we spell it", ["token"])
        if not isinstance(expires_at, int) or 0 < expires_at < time.time():
            raise Refused("the token in the URL has expired", ["token"])

    def _serializer(self, account: str) -> URLSafeSerializer:
        return URLSafeSerializer(
            self._keys,
            salt=f"sms-receiver.url.{account}",
            signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedKey:
    """What an issued key says of itself; ``expires_at`` in seconds since the epoch."""

    id: str
    account: str
    expires_at: int


class IssuedKeys:
    """Write API keys that say and prove themselves whose they are, and until when."""

    def __init__(self, secret_keys: Sequence[str | bytes]) -> None:
        self._serializer = URLSafeSerializer(
            _derived(secret_keys, "sms-receiver.key"),
            signer_kwargs={"key_derivation": "none", "digest_method": hashlib.sha256},
        )

    def write(self, key: IssuedKey) -> str:
        """Give the text of a key: ``rk_…``, fit for a header, a URL and a Basic user name."""
        return ISSUED + _text(self._serializer.dumps([key.id, key.account, key.expires_at]))

    def read(self, text: bytes) -> IssuedKey | None:
        """Give what a text says if we signed it, expired or not; ``None`` for any other."""
        prefix = ISSUED.encode("ascii")
        if not text.startswith(prefix) or len(text) > _LONGEST_KEY:
            return None
        signed = text.removeprefix(prefix)
        try:
            key_id, account, expires_at = self._serializer.loads(signed)
        except (BadData, TypeError, ValueError):
            return None
        if not _is_canonical(signed):
            return None
        return IssuedKey(id=key_id, account=account, expires_at=expires_at)


def _derived(secret_keys: Sequence[str | bytes], salt: str) -> list[bytes]:
    """Derive the keys of one salt once: itsdangerous would do so anew at each call."""
    signer = Signer(
        _oldest_first(secret_keys),
        salt=salt,
        key_derivation="hmac",
        digest_method=hashlib.sha256,
    )
    return [signer.derive_key(key) for key in signer.secret_keys]


def _is_canonical(signed: bytes) -> bool:
    """Tell whether a signature that holds is spelled as we spell it.

    base64 ignores its last bits and foreign characters; what it signs is compared as it stands.
    """
    signature = signed.rpartition(b".")[2]
    return base64_encode(base64_decode(signature)) == signature


def _bound(name: str, data: bytes) -> bytes:
    """Join both so that no other name and data give the same bytes."""
    named = _bytes(name)
    return b"%d:%b%b" % (len(named), named, data)


def _oldest_first(secret_keys: Sequence[str | bytes]) -> list[bytes]:
    """Turn our order round: itsdangerous signs with the last key of a list."""
    return [_bytes(key) for key in reversed(secret_keys)]


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")


def _text(signed: str | bytes) -> str:
    return signed if isinstance(signed, str) else signed.decode("ascii")
