"""What an app sends by itself: one record for each key, so that a second send of it is none.

``<namespace>:send:<id>`` is a hash: ``state`` (``sending``, ``asking``, ``sent``, ``failed``,
``unknown``), ``fingerprint``, ``began``, ``sent``, which may hold numbers, and is sealed.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ..sms import Sent
from ..vault import PLAIN, Vault
from .connection import Connection
from .journal import now_iso

LEASE_SECONDS = 60.0  # longer than any provider is waited for

Standing = Literal["new", "sent", "doubt", "busy", "unknown", "other"]
Ended = Literal["sent", "failed", "asking", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """How a send stands when it is to begin; ``detail`` as ``send_begin.lua`` gives it."""

    standing: Standing
    detail: str = ""

    @property
    def sent(self) -> Sent:
        """What the provider said, where it was sent before."""
        content: dict[str, Any] = json.loads(self.detail)
        return Sent(**{**content, "refused": tuple(content["refused"])})


class Sends:
    """The sends of one namespace; ``retention`` in seconds, for how long a key is remembered."""

    def __init__(
        self, connection: Connection, namespace: str, retention: int, vault: Vault = PLAIN
    ) -> None:
        self._connection = connection
        self._namespace = namespace
        self._retention = retention
        self._vault = vault

    def begin(self, send_id: str, fingerprint: str) -> Begun:
        """Claim a send; only ``new`` and ``doubt`` may go on. Raises `RedisError`."""
        now = int(time.time() * 1000)
        args: list[Any] = [fingerprint, now_iso(), now, self._retention, int(LEASE_SECONDS * 1000)]
        standing, detail = self._connection.run("send_begin", [self._key(send_id)], args)
        detail = self._vault.open(detail).decode("utf-8")
        return Begun(standing=standing.decode("ascii"), detail=detail)

    def end(self, send_id: str, state: Ended, sent: Sent | None = None) -> None:
        """Note how a send ended. Raises `RedisError`."""
        content = "" if sent is None else self._vault.seal_text(json.dumps(asdict(sent)))
        key = self._key(send_id)
        with self._connection.client.pipeline() as pipeline:
            pipeline.hset(key, mapping={"state": state, "sent": content})
            pipeline.expire(key, self._retention)
            pipeline.execute()

    def _key(self, send_id: str) -> str:
        return f"{self._namespace}:send:{send_id}"
