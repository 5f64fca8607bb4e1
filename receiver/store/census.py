"""All keys of one namespace, page by page, told apart by their kind: for what looks everywhere.

A scan keeps nobody waiting, and gives every key that was there from its beginning to its end. It
goes over the whole database, in which other things may be as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .connection import Connection

Progress = Callable[[int], None]  # told how much more was looked at

_PAGE = 1_000


class Census:
    """The keys of one namespace."""

    def __init__(self, connection: Connection, namespace: str) -> None:
        self._connection = connection
        self._prefix = f"{namespace}:".encode("ascii")

    def __len__(self) -> int:
        """Give how many keys the database has, about which `pages` tells its progress."""
        return int(self._client.dbsize())

    def pages(self, progress: Progress = lambda keys: None) -> Iterator[dict[str, list[str]]]:
        """Give the names of the keys by kind: what stands behind ``<namespace>:<kind>:``."""
        cursor, ended = 0, False
        while not ended:
            cursor, keys = self._client.scan(cursor, match=self._prefix + b"*:*", count=_PAGE)
            found: dict[str, list[str]] = {}
            for key in keys:
                kind, _, name = key.removeprefix(self._prefix).decode("utf-8").partition(":")
                found.setdefault(kind, []).append(name)
            yield found
            progress(_PAGE)
            ended = cursor == 0

    def hashes(self, kind: str, names: list[str]) -> Iterator[tuple[str, Mapping[bytes, bytes]]]:
        """Give hashes of one kind with their names, leaving out what has expired."""
        with self._client.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.hgetall(self.key(kind, name))
            for name, data in zip(names, pipeline.execute(), strict=True):
                if data:
                    yield name, data

    def strings(self, kind: str, names: list[str]) -> Iterator[tuple[str, bytes]]:
        """Give strings of one kind with their names."""
        texts = self._client.mget([self.key(kind, name) for name in names])
        return ((name, text) for name, text in zip(names, texts, strict=True) if text)

    def key(self, kind: str, name: str) -> str:
        """Give the whole key."""
        return f"{self._prefix.decode('ascii')}{kind}:{name}"

    @property
    def _client(self) -> Any:
        return self._connection.client
