"""One accepted callback, whole: what goes to Redis now, or waits in the spool until it can.

It is written as JSON of our own words, and not as arguments of a script: a newer version of this
package still reads what an older one left behind.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .events import AnyEvent, Trust, from_dict, to_dict

_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """The events of one callback with the body they came in, or a body that nobody could read.

    ``alike`` as in `providers.base.Received`; ``unreadable`` is the reason for the quarantine.
    ``home`` names the Redis and the namespace that it is for, where apps share a spool.
    """

    home: tuple[str, str]
    account: str
    provider: str
    trust: Trust
    received_at: datetime
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    events: tuple[AnyEvent, ...] = ()
    alike: Mapping[str, str] = field(default_factory=dict)
    unreadable: str | None = None

    @property
    def milliseconds(self) -> int:
        """When it was received, in milliseconds since the epoch."""
        return int(self.received_at.timestamp() * 1000)

    def callback(self, told: Sequence[int] = ()) -> str | None:
        """Name the callback by its first event; by the first new one, if ``told`` says which are.

        The records of the others name the same one. ``None`` for what nobody could read.
        """
        if not self.events:
            return None
        return self.events[told.index(1) if 1 in told else 0].id

    def to_bytes(self) -> bytes:
        """Give the parcel as one line of ASCII JSON."""
        content = {
            "version": _VERSION,
            "home": self.home,
            "account": self.account,
            "provider": self.provider,
            "trust": self.trust,
            "received_at": self.received_at.isoformat(),
            "body": base64.b64encode(self.body).decode("ascii"),
            "headers": dict(self.headers),
            "events": [to_dict(event) for event in self.events],
            "alike": dict(self.alike),
            "unreadable": self.unreadable,
        }
        return json.dumps(content, separators=(",", ":")).encode("ascii")

    @classmethod
    def from_bytes(cls, data: bytes) -> Parcel:
        """Read what `to_bytes` wrote; what it raises for all else is no `RedisError`."""
        content: dict[str, Any] = json.loads(data)
        if content.pop("version") != _VERSION:
            raise ValueError("a parcel of another version")
        return cls(
            **{
                **content,
                "home": tuple(content["home"]),
                "received_at": datetime.fromisoformat(content["received_at"]),
                "body": base64.b64decode(content["body"]),
                "events": tuple(from_dict(event) for event in content["events"]),
            }
        )
