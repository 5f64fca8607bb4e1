"""The last step before the ack: all events of a callback into Redis, with one job for each.

Left of this line nothing knows handlers; right of it nothing knows HTTP.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

from redis.exceptions import RedisError

from .accounts import Account
from .errors import StorageUnavailable
from .events import event_id, to_json
from .providers.base import Received, WebhookRequest
from .store.connection import Connection
from .store.queue import JobMaker, rq_time

_log = logging.getLogger(__name__)

# Kept beside the raw body; anything else may carry a key.
_KEPT_HEADERS = ("content-type", "user-agent")


class Intake:
    """Accept what providers push; ``afterwards`` runs when something new was accepted."""

    def __init__(
        self,
        connection: Connection,
        namespace: str,
        retention: int,
        afterwards: Callable[[], None] | None = None,
    ) -> None:
        self._connection = connection
        self._namespace = namespace
        self._retention = retention
        self._jobs = JobMaker(namespace)
        self._afterwards = afterwards

    def accept(self, received: Received, request: WebhookRequest, account: Account) -> int:
        """Store and queue, in one atomic round trip; gives how many events were new.

        Raises `StorageUnavailable` where Redis cannot take them: then nothing is half-written.
        """
        try:
            if received.unreadable is not None:
                self._quarantine(received.unreadable, request, account)
                return 0
            fresh = self._store(received, request)
        except RedisError as error:
            raise StorageUnavailable(type(error).__name__) from error
        if fresh and self._afterwards is not None:
            self._afterwards()
        return fresh

    def _store(self, received: Received, request: WebhookRequest) -> int:
        """One script for everything: neither a crash nor a resend can come between its parts."""
        args: list[Any] = [self._namespace, self._retention, _milliseconds(request), rq_time()]
        args += [request.body, _headers(request)]
        for event in received.events:
            job = self._jobs.route(event.id, event.kind)
            args += [event.id, to_json(event), received.alike.get(event.id, ""), *job.args()]
        fresh: int = sum(self._connection.run("accept", [f"{self._namespace}:events"], args))
        _log.debug("event=accepted events=%d new=%d", len(received.events), fresh)
        return fresh

    def _quarantine(self, reason: str, request: WebhookRequest, account: Account) -> None:
        body_id = event_id(account.name, "quarantine", request.body.hex())
        keys = [f"{self._namespace}:quarantine:{body_id}", f"{self._namespace}:quarantine"]
        args: list[Any] = [body_id, self._retention, _milliseconds(request)]
        args += [account.name, account.provider, reason, request.body, _headers(request)]
        args += [request.received_at.isoformat()]
        if self._connection.run("quarantine", keys, args):
            _log.warning(
                "event=quarantined account=%s id=%s reason=%r bytes=%d",
                account.name,
                body_id,
                reason,
                len(request.body),
            )


def _milliseconds(request: WebhookRequest) -> int:
    return int(request.received_at.timestamp() * 1000)


def _headers(request: WebhookRequest) -> str:
    kept = {name: request.headers[name] for name in _KEPT_HEADERS if name in request.headers}
    return json.dumps(kept)
