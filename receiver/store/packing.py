"""How a body and its headers are kept beside their event: small, and to be had back byte by byte.

Nearly all of a body stands in its event as well. So it is deflated with the event's JSON for a
dictionary: an event of 160 characters takes a sixth less of Redis, for 10 µs a callback.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

# The first byte of what is packed: what else is needed to unpack it.
_BY_ITSELF, _WITH_EVENT = b"\x00", b"\x01"

# Never to be changed: what is packed already can be unpacked with just these words.
_WORDS = (
    b'"status": "delivered", "message_id": "timestamp": "date": "phone": "number": "recipient": '
    b'"message": {"body": "text": "type": "channel": "sms", "transaction_id": "media": {}, '
    b'"custom": {}}, Mon, Tue, Wed, Thu, Fri, Sat, Sun, Jan Feb Mar Apr May Jun Jul Aug Sep Oct '
    b'Nov Dec 2026 00:00:00 GMT", "from": "+", "to": "'
    b'{"user-agent": "{"content-type": "application/json"}\n{"'
)

_LEVEL = 6
_WINDOW = -12  # 4 KB, and no header: more saves nothing on one SMS
_MEMORY = 5


def pack(body: bytes, headers: Mapping[str, str], event: str | None = None) -> bytes:
    """Pack a body with its headers; ``event``: the JSON that is at hand to unpack it, if any is."""
    packing = zlib.compressobj(
        _LEVEL, zlib.DEFLATED, _WINDOW, _MEMORY, zlib.Z_DEFAULT_STRATEGY, _dictionary(event)
    )
    deflated = packing.compress(b"%b\n%b" % (_head(tuple(headers.items())), body)) + packing.flush()
    return (_BY_ITSELF if event is None else _WITH_EVENT) + deflated


@lru_cache(maxsize=16)  # a provider's are always the same
def _head(headers: tuple[tuple[str, str], ...]) -> bytes:
    return json.dumps(dict(headers)).encode("ascii")


@dataclass(frozen=True, slots=True)
class Packed:
    """A body as a record has it; it is unpacked when it is asked for, which no worker does.

    ``plain_headers`` (JSON): where an older version kept both as they came, beside each other.
    ``opened`` gives what is encrypted at rest; all three may be.
    """

    content: bytes = field(repr=False)
    event: bytes = field(repr=False)
    plain_headers: bytes | None = field(default=None, repr=False)
    opened: Callable[[bytes], bytes] = field(default=bytes, repr=False, compare=False)

    @property
    def raw(self) -> bytes:
        """The body, byte for byte as it came."""
        return self._parts()[1]

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers that came with it."""
        found: Mapping[str, str] = json.loads(self._parts()[0])
        return found

    def _parts(self) -> tuple[bytes, bytes]:
        content = self.opened(self.content)
        if self.plain_headers is not None:
            return self.opened(self.plain_headers), content
        needed = self.opened(self.event) if content[:1] == _WITH_EVENT else None
        unpacking = zlib.decompressobj(_WINDOW, _dictionary(needed))
        unpacked = unpacking.decompress(content[1:]) + unpacking.flush()
        head, _, body = unpacked.partition(b"\n")
        return head, body


def _dictionary(event: str | bytes | None) -> bytes:
    text = event.encode("ascii") if isinstance(event, str) else event or b""
    return _WORDS + text
