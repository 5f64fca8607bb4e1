"""What is known of one event, as its record in Redis says it: read, opened, and written again.

Where the records are and how they change is `journal`'s business.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..events import AnyEvent, DeliveryReport, from_json
from ..vault import Vault
from .packing import Packed

HANDLER = "handler:"
REPLY = "reply:"
ROUTED = "routed"
REPLAY = "replay"
FORGOTTEN = "forgotten"

_json = json.JSONEncoder(separators=(",", ":")).encode

# What of a field may quote a person: such a field is sealed as a whole.
_PRIVATE = ("text", "reason", "traceback")


class Stored(dict[str, Any]):
    """A field's value with the very text that is kept of it: what is sealed never comes out twice.

    By that text others tell whether the field still says the same.
    """

    __slots__ = ("kept",)

    def __init__(self, value: Mapping[str, Any], kept: str) -> None:
        super().__init__(value)
        self.kept = kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """All that is known of one event; ``raw`` and texts are for people who may see them.

    ``forgotten``: who it was about had it erased, so that there is nothing to do about it.
    """

    event: AnyEvent
    packed: Packed | None = field(default=None, repr=False)
    raw_in: str | None = None
    resends: int = 0
    forgotten: bool = False
    routed: Mapping[str, Any] | None = None
    replay: Mapping[str, Any] | None = None
    handlers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    replies: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)

    @property
    def raw(self) -> bytes | None:
        """The body as it came, if it is kept here."""
        return None if self.packed is None else self.packed.raw

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers that were kept with the body, if it is kept here."""
        return {} if self.packed is None else self.packed.headers


def read_record(data: Mapping[bytes, bytes], vault: Vault) -> Record | None:
    """Read the fields of a record; ``None`` where there is none. Raises `KeyLost`."""
    if b"event" not in data:
        return None
    raw_in = data.get(b"raw_in")

    def load(text: bytes) -> Stored:
        return _stored(text, vault)

    routed, replay = (data.get(name.encode()) for name in (ROUTED, REPLAY))
    return Record(
        event=read_event(data, vault),
        packed=read_packed(data, vault),
        raw_in=raw_in.decode("ascii") if raw_in else None,
        resends=int(data.get(b"resends", 0)),
        forgotten=FORGOTTEN.encode() in data,
        routed=load(routed) if routed else None,
        replay=load(replay) if replay else None,
        handlers=_named(data, HANDLER, load),
        replies=_named(data, REPLY, load),
    )


def read_untouched(fields: Sequence[bytes | None], vault: Vault) -> Record:
    """Read what the script ``claim`` gives of an event that no handler has been near."""
    names = (b"event", b"duplicate_of", b"stale", b"raw_in")
    found = {name: value for name, value in zip(names, fields, strict=True) if value}
    raw_in = found.get(b"raw_in", b"").decode("ascii") or None
    return Record(event=read_event(found, vault), raw_in=raw_in)


def read_event(data: Mapping[bytes, bytes], vault: Vault) -> AnyEvent:
    """Read the event of a record, with what only its place among the others tells."""
    event = from_json(vault.open(data[b"event"]))
    duplicate_of = data.get(b"duplicate_of")
    if duplicate_of is not None:
        event = replace(event, duplicate_of=duplicate_of.decode("ascii"))
    if isinstance(event, DeliveryReport) and b"stale" in data:
        event = replace(event, stale=True)
    return event


def read_packed(data: Mapping[bytes, bytes], vault: Vault) -> Packed | None:
    """Give the body of a record: none where it lies with another record."""
    if b"raw" not in data:
        return None
    event = data.get(b"packed_with") or data[b"event"]
    return Packed(data[b"raw"], event, data.get(b"headers"), vault.open)


def field_json(value: Mapping[str, Any]) -> str:
    """Give a field's value as it is written, or as it was."""
    return value.kept if isinstance(value, Stored) else _json(value)


def to_stored(value: Mapping[str, Any], vault: Vault) -> Stored:
    """Give a field's value as it is to be kept, sealed once where it may quote a person."""
    if isinstance(value, Stored):
        return value
    text = _json(value)
    if vault.is_on and any(name in value for name in _PRIVATE):
        text = vault.seal_text(text)
    return Stored(value, text)


def _stored(text: bytes, vault: Vault) -> Stored:
    return Stored(json.loads(vault.open(text)), text.decode("utf-8"))


def _named(
    data: Mapping[bytes, bytes], prefix: str, load: Callable[[bytes], Stored]
) -> dict[str, Stored]:
    names = ((name.decode("utf-8"), value) for name, value in data.items())
    return {n.removeprefix(prefix): load(v) for n, v in names if n.startswith(prefix)}
