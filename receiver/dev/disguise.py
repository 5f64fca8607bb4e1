"""A callback that came, as a case that anybody may read: the same in shape, with nobody in it.

What is replaced is tried: a word that changes how the body is read, such as a status, stays as it
came, and so do times, prices and the names of fields. All else goes.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Any

from ..errors import ReceiverError
from ..events import to_dict
from ..providers.base import Provider, Received
from . import leaves
from .anonymise import (
    REMOVED,
    Ids,
    Numbers,
    is_amount,
    is_date,
    is_secret,
    text_like,
)
from .case import body_of, receive, result_of

_PARTIES = ("sender", "recipient")
_OUTLINED = ("text", "message_id", "client_reference", "media_url", "custom")
_TELLING = 6  # characters: what is shorter may well be there by chance


class Disguise:
    """One callback at one provider's account; ``keep_texts`` where they are nobody's."""

    def __init__(
        self,
        provider: Provider,
        body: bytes,
        content_type: str | None = None,
        *,
        keep_texts: bool = False,
    ) -> None:
        self._provider = provider
        self._content_type = content_type
        self._keep_texts = keep_texts
        self._text, self._encoding = leaves.decoded(body)
        self._before = receive(provider, body, content_type)
        self._numbers = Numbers(provider.number)
        self._ids = Ids()
        self._texts = {
            text for event in self._before.events if (text := getattr(event, "text", None))
        }
        self._words: dict[tuple[str, str], None] = {}  # what may stay, as far as it was met
        self._kept: set[tuple[str, str]] = set()
        self._replaced: set[tuple[str, str]] | None = None

    @property
    def kept(self) -> list[str]:
        """The fields whose words stayed, since another one would be read in another way."""
        return sorted({name for name, _ in self._kept if name})

    def case(self, source: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """Give the case; raises `ReceiverError` where it would be another, or tell too much."""
        self._find_what_stays()
        body = self._disguised()
        after = receive(self._provider, body, self._content_type)
        if self._outline(after, real=False) != self._outline(self._before, real=True):
            raise ReceiverError(
                "with other numbers and texts this body is read in another way; nothing was"
                " written. Write the case by hand, from `events show` or `quarantine show`"
            )
        case: dict[str, Any] = {"source": source}
        if options:
            case["account"] = dict(options)
        case["request"] = self._request(body)
        case |= result_of(after)
        self._look_for_leaks(body, case)
        return case

    def _disguised(self) -> bytes:
        text = leaves.changed(self._text, self._other)
        return text.encode(self._encoding, "replace")

    def _other(self, name: str, value: str, is_number: bool) -> str:
        if is_secret(name):
            return "0" if is_number else REMOVED
        if value in self._texts:
            return self._text_for(name, value)
        if is_number and not value.lstrip("-").isdecimal():
            return self._numbers.without_exponent(value)
        if is_amount(value) and not self._numbers.is_one(name, value):
            return value
        if self._numbers.is_one(name, value):
            return self._numbers.other(value)
        if self._ids.is_one(name, value):
            return self._ids.other(value)
        if is_date(value):
            return value
        return self._text_for(name, value)

    def _text_for(self, name: str, value: str) -> str:
        self._words.setdefault((name, value))
        stays = (name, value) in self._kept
        if self._replaced is not None:
            stays = (name, value) not in self._replaced
        if stays or self._keep_texts:
            return self._numbers.in_text(value)
        return text_like(value)

    def _find_what_stays(self) -> None:
        """Keep each word that is read as something."""
        wanted = self._outline(self._before, real=True)
        self._replaced = set()
        self._disguised()
        for name, value in list(self._words):
            self._replaced = {(name, value)}
            after = receive(self._provider, self._disguised(), self._content_type)
            if self._outline(after, real=False) != wanted:
                self._kept.add((name, value))
        self._replaced = None

    def _outline(self, received: Received, *, real: bool) -> Any:
        """Give what must not change: all but what is replaced, and of that the shape."""

        def other(party: str) -> str:
            if any(map(str.isalpha, party)):
                return text_like(party)
            return self._numbers.for_read(party) if real else party

        events = []
        for event in received.events:
            found = {n: v for n, v in to_dict(event).items() if n != "id"}
            for name in _PARTIES:
                if name in found:
                    found[name] = other(found[name])
            if "candidates" in found:
                found["candidates"] = [other(number) for number in found["candidates"]]
            for name in _OUTLINED:
                if name in found:
                    found[name] = _shape(found[name])
            events.append(found)
        ack = result_of(received)["ack"]
        return events, received.unreadable, bool(received.alike), _shape(ack)

    def _request(self, body: bytes) -> dict[str, Any]:
        """Write the body as JSON where that is the same to the provider, for people to read."""
        found = {} if self._content_type is None else {"content_type": self._content_type}
        wanted = result_of(receive(self._provider, body, self._content_type))
        try:
            as_json = {"json": json.loads(body)}
            again = receive(self._provider, body_of(as_json), self._content_type)
            if isinstance(as_json["json"], dict) and result_of(again) == wanted:
                return {**found, **as_json}
        except (ValueError, RecursionError):
            pass
        try:
            return {**found, "text": body.decode("utf-8")}
        except UnicodeDecodeError:
            return {**found, "base64": base64.b64encode(body).decode("ascii")}

    def _look_for_leaks(self, body: bytes, case: Mapping[str, Any]) -> None:
        """Raise `ReceiverError` where a real number or id is left, however it is spelled."""
        text, _ = leaves.decoded(body)
        written = [value for _, value in leaves.values(text)]
        written += [value for _, value in leaves.values(json.dumps(case))]
        digits = [re.sub(r"\D", "", value) for value in written]
        for number in self._numbers.originals:
            if len(number) >= _TELLING and any(number in found for found in digits):
                raise ReceiverError("a number is still in it; nothing was written")
        for found in self._ids.originals:
            if len(found) >= _TELLING and any(found in value for value in written):
                raise ReceiverError("an id is still in it; nothing was written")


def _shape(value: Any) -> Any:
    """Give lengths and types in the place of what a value says."""
    if isinstance(value, dict):
        return {name: _shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_shape(inner) for inner in value]
    if isinstance(value, str):
        return "https" if value.startswith("http") else len(value)
    return type(value).__name__
