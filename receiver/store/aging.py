"""What becomes of events as they age: raw bodies go first, then the places in the indexes by time.

The records themselves expire in Redis. All is done in bounded pages, along the index: no scan of
all keys, and nothing that would keep Redis from answering webhooks.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from ..accounts import Retentions
from .connection import Connection

_PAGE = 2_000
_MOST_PAGES = 20  # at each call
_ANEW_SECONDS = 3600  # then from the beginning: what waited in a spool comes in late, and is old
_RAW = ("raw", "packed_with", "headers")


class Aging:
    """The ageing events of one namespace; ``raw_retention`` in seconds."""

    def __init__(
        self, connection: Connection, namespace: str, retentions: Retentions, raw_retention: int
    ) -> None:
        self._connection = connection
        self._namespace = namespace
        self._retentions = retentions
        self._raw_retention = raw_retention

    def erase_raw(self) -> int:
        """Erase raw bodies that are older than they are kept; gives how many events were looked at.

        A handler never needs one. The quarantine is nothing but its bodies: it keeps them.
        """
        seen = 0
        for page in self._pages("raw-erased", time.time() - self._raw_retention):
            with self._client.pipeline(transaction=False) as pipeline:
                for event_id in page:
                    pipeline.hdel(self._record(event_id), *_RAW)
                pipeline.execute()
            seen += len(page)
        return seen

    def prune(self) -> None:
        """Drop the places in time of what has expired."""
        now = time.time()
        for name in ("events", "quarantine"):
            self._drop_older(f"{self._namespace}:{name}", now - self._retentions.longest)
        if self._retentions.shortest < self._retentions.longest:
            self._drop_gone(now - self._retentions.shortest)

    def _drop_older(self, key: str, until: float) -> None:
        for _ in range(_MOST_PAGES):
            old = self._client.zrangebyscore(key, "-inf", until * 1000, start=0, num=_PAGE)
            if old:
                self._client.zrem(key, *old)
            if len(old) < _PAGE:
                return

    def _drop_gone(self, until: float) -> None:
        """Drop those whose records have expired, where accounts keep them for different times."""
        for page in self._pages("pruned", until):
            with self._client.pipeline(transaction=False) as pipeline:
                for event_id in page:
                    pipeline.exists(self._record(event_id))
                found = zip(page, pipeline.execute(), strict=True)
            gone = [event_id for event_id, there in found if not there]
            if gone:
                self._client.zrem(self._index, *gone)

    def _pages(self, cursor: str, until: float) -> Iterator[list[bytes]]:
        """Give the next pages of the index up to a time, from where the last call ended.

        Now and then it begins anew. The cursor moves on only when a page was dealt with.
        """
        key = f"{self._namespace}:{cursor}"
        for _ in range(_MOST_PAGES):
            low, began = self._cursor(key)
            page = self._client.zrangebyscore(
                self._index, low, until * 1000, start=0, num=_PAGE, withscores=True
            )
            if not page:
                return
            last = page[-1][1]
            # all that have the last one's time belong to this page: the next begins after it
            same = self._client.zrangebyscore(self._index, last, last)
            yield list(dict.fromkeys([event_id for event_id, _ in page] + same))
            self._client.set(key, f"{last!r} {began}", ex=_ANEW_SECONDS)
            if len(page) < _PAGE:
                return

    def _cursor(self, key: str) -> tuple[str, float]:
        """Give where to go on, and when it was begun."""
        now, text = time.time(), self._client.get(key)
        last, _, began = (text or b"").decode("ascii").partition(" ")
        if not began or now - float(began) > _ANEW_SECONDS:
            return "-inf", now
        return f"({last}", float(began)

    @property
    def _index(self) -> str:
        return f"{self._namespace}:events"

    @property
    def _client(self) -> Any:
        return self._connection.client

    def _record(self, event_id: bytes) -> str:
        return f"{self._namespace}:event:{event_id.decode('ascii')}"
