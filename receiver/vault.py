"""Encryption at rest: what people wrote and their numbers, sealed before they leave this process.

It knows neither Redis nor records: text in, text out. Without keys everything is what it was. What
is sealed begins with a mark, so that values of before and after a key was set are told apart.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from .errors import ConfigurationError, KeyLost

_SEALED = b"~1:"
_PLAIN = b"~0:"  # before what is not sealed, and begins as a mark does

_MAKE = "python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"
_SIZE = 32  # bytes of a key for pseudonyms
_TAG = 16

Wraps = Mapping[str, str]


class Vault:
    """Seal with the first of ``keys`` (Fernet's, newest first), open with any of them.

    ``secret_keys`` keep the key for pseudonyms where there are no others; see `wrap`. Raises
    `ConfigurationError` for what is no key, or where the package for them is missing.

    >>> from cryptography.fernet import Fernet
    >>> vault = Vault([Fernet.generate_key().decode()])
    >>> vault.open(vault.seal(b"hello"))
    b'hello'
    >>> Vault().seal(b"hello")
    b'hello'
    """

    def __init__(self, keys: Sequence[str] = (), secret_keys: Sequence[str | bytes] = ()) -> None:
        self.is_on = bool(keys)
        self._fernets: list[Any] = []
        self._lost: Any = ()
        if keys:
            self._fernets, self._lost = _fernets(keys)
        self._wrapping = [_derived(key) for key in (*keys, *secret_keys)]
        self._wanted = len(keys) or len(secret_keys)

    def seal(self, value: bytes) -> bytes:
        """Give a value as it is kept."""
        if self._fernets:
            sealed: bytes = self._fernets[0].encrypt(value)
            return _SEALED + sealed
        return _PLAIN + value if value[:1] == b"~" else value

    def seal_text(self, value: str) -> str:
        """Give a text as it is kept."""
        if not self.is_on and value[:1] != "~":
            return value
        return self.seal(value.encode("utf-8")).decode("utf-8")

    def open(self, kept: bytes) -> bytes:
        """Give a value that was kept, also before there was a key. Raises `KeyLost`."""
        if kept[:1] != b"~":
            return kept
        if kept[:3] == _PLAIN:
            return kept[3:]
        if kept[:3] != _SEALED:
            return kept
        for fernet in self._fernets:
            try:
                opened: bytes = fernet.decrypt(kept[3:])
            except self._lost:
                continue
            return opened
        raise KeyLost("no key of RECEIVER_ENCRYPTION_KEYS opens a value: put back the one it had")

    def open_text(self, kept: str) -> str:
        """Do as `open` does, for a text."""
        return self.open(kept.encode("utf-8")).decode("utf-8") if kept[:1] == "~" else kept

    def is_current(self, kept: bytes) -> bool:
        """Tell whether a value is kept as `seal` would keep it now: with the newest key."""
        if not self.is_on:
            return kept[:3] != _SEALED
        if kept[:3] != _SEALED:
            return False
        try:
            self._fernets[0].decrypt(kept[3:])
        except self._lost:
            return False
        return True

    def wrap(self, key: bytes) -> Wraps:
        """Lock up a key for pseudonyms under each key that we have, by the name of that key.

        Under the encryption keys, or under the secret keys where there are none: it outlives the
        rotation of either, as long as one key of before is still there at the next use.
        """
        return {_name(by): _wrapped(by, key) for by in self._wrapping[: self._wanted]}

    def unwrap(self, wraps: Wraps) -> bytes:
        """Give the key that was locked up. Raises `KeyLost` where no key of ours fits."""
        for by in self._wrapping:
            key = _unwrapped(by, wraps.get(_name(by), ""))
            if key is not None:
                return key
        raise KeyLost(
            "the numbers of opt-outs cannot be told: put back the key of RECEIVER_ENCRYPTION_KEYS"
            " (or RECEIVER_SECRET_KEYS) that was taken out"
        )


PLAIN = Vault()  # of those who have no keys


def new_key() -> bytes:
    """Make a key for pseudonyms."""
    return secrets.token_bytes(_SIZE)


def pseudonym(key: bytes, number: str) -> str:
    """Give what stands for a number where it is looked up, and must not be read."""
    return "~n:" + hmac.new(key, number.encode("utf-8"), hashlib.sha256).hexdigest()[:32]


def _fernets(keys: Sequence[str]) -> tuple[list[Any], Any]:
    try:
        from cryptography.fernet import Fernet, InvalidToken
    except ImportError as error:
        raise ConfigurationError(
            "RECEIVER_ENCRYPTION_KEYS: needs a package: pip install 'sms-receiver[encryption]'"
        ) from error
    made, problems = [], []
    for place, key in enumerate(keys, 1):
        try:
            made.append(Fernet(key))
        except ValueError:
            problems.append(
                f"RECEIVER_ENCRYPTION_KEYS: number {place} is no Fernet key; make one: {_MAKE}"
            )
    if problems:
        raise ConfigurationError(problems)
    return made, InvalidToken


def _derived(key: str | bytes) -> bytes:
    raw = key.encode("utf-8") if isinstance(key, str) else key
    return hmac.new(raw, b"sms-receiver pseudonyms", hashlib.sha256).digest()


def _name(by: bytes) -> str:
    return hmac.new(by, b"name", hashlib.sha256).hexdigest()[:16]


def _pad(by: bytes, nonce: bytes) -> bytes:
    return hmac.new(by, b"pad" + nonce, hashlib.sha256).digest()


def _tag(by: bytes, nonce: bytes, locked: bytes) -> bytes:
    return hmac.new(by, b"tag" + nonce + locked, hashlib.sha256).digest()[:_TAG]


def _mixed(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def _wrapped(by: bytes, key: bytes) -> str:
    """The pad is used once: its nonce is random, and as long as the key's strength asks for."""
    nonce = secrets.token_bytes(_TAG)
    locked = _mixed(key, _pad(by, nonce))
    return (nonce + locked + _tag(by, nonce, locked)).hex()


def _unwrapped(by: bytes, text: str) -> bytes | None:
    content = bytes.fromhex(text)
    nonce, locked, tag = content[:_TAG], content[_TAG:-_TAG], content[-_TAG:]
    if len(locked) != _SIZE or not hmac.compare_digest(tag, _tag(by, nonce, locked)):
        return None
    return _mixed(locked, _pad(by, nonce))
