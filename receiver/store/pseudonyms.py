"""What stands for a number where it must be found, and not read: a hash under a key of its own.

The key is made once for a namespace, and lies in ``<namespace>:pseudonyms`` (JSON), locked up under
the keys that only the processes have: see `Vault.wrap`. So it outlives the rotation of those keys,
and what is hashed need not be hashed anew. It is read at each use: a Redis that was emptied has
another one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ..vault import Vault, new_key, pseudonym
from .connection import Connection

PSEUDONYM = "~n:"  # how one begins


class Pseudonyms:
    """The pseudonyms of one namespace."""

    def __init__(self, connection: Connection, namespace: str, vault: Vault) -> None:
        self._connection = connection
        self.key = f"{namespace}:pseudonyms"
        self._vault = vault

    def of(self, numbers: Iterable[str], *, make: bool) -> Mapping[str, str]:
        """Give what stands for each number; none where there is no key yet, unless one is made.

        Raises `KeyLost` where we have no key that opens the one that is there.
        """
        return self.read(self._client.get(self.key), numbers) or (
            self._first(numbers) if make else {}
        )

    def read(self, text: bytes | None, numbers: Iterable[str]) -> Mapping[str, str]:
        """Do as `of` does, with what was read of `key` in another round trip."""
        if text is None:
            return {}
        key = self._opened(text)
        return {number: pseudonym(key, number) for number in numbers}

    def rewrap(self) -> None:
        """Lock the key up under the keys of today only."""
        text = self._client.get(self.key)
        if text is not None:
            self._keep(self._vault.unwrap(json.loads(text)))

    def _first(self, numbers: Iterable[str]) -> Mapping[str, str]:
        """Make the key, unless somebody has just done so."""
        wraps = json.dumps(dict(self._vault.wrap(new_key())))
        self._client.set(self.key, wraps, nx=True)
        return self.read(self._client.get(self.key), numbers)

    def _opened(self, text: bytes) -> bytes:
        wraps: Mapping[str, str] = json.loads(text)
        key = self._vault.unwrap(wraps)
        today = self._vault.wrap(key)
        if today.keys() - wraps.keys():  # a key is new, and the old one may be taken out soon
            self._client.set(self.key, json.dumps({**wraps, **today}), xx=True)
        return key

    def _keep(self, key: bytes) -> None:
        self._client.set(self.key, json.dumps(dict(self._vault.wrap(key))), xx=True)

    @property
    def _client(self) -> Any:
        return self._connection.client
