"""A body becomes a plain mapping, whatever its Content-Type claims: JSON, form, or multipart.

Providers send JSON labelled as a form, forms without a label, bracketed names and byte order
marks. What is none of them raises `Unreadable` with a sentence that never quotes the body.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from marshmallow import ValidationError, fields

from ..errors import Unreadable

Payload = dict[str, Any]

_MAX_FIELDS = 5_000
_MAX_DEPTH = 32
_MAX_DIGITS = 40  # of a number in exponent form: nothing that identifies anything is longer
_BRACKET = re.compile(r"\[([^\[\]]*)\]")
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_PART_NAME = re.compile(
    rb"""^content-disposition:[^\r\n]*?[;\s]name=(?:"([^"\r\n]*)"|([^\s;]+))""", re.I | re.M
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_TRAILING_COMMA = re.compile(r'("(?:[^"\\]|\\[\s\S]?)*+"?)|,(?=\s*[}\]])')


class Text(fields.Field[str | None]):
    """A string, or a number that stands for one; lone surrogates are replaced by U+FFFD."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
            raise self.make_error("validator_failed")
        return mend_surrogates(_digits(value) if isinstance(value, Decimal) else str(value))

    def _validate(self, value: Any) -> None:
        if self.validators:  # marshmallow puts them together anew for each value, even none
            super()._validate(value)


def decode(body: bytes) -> Payload:
    """Read a body as what it is, not as what a Content-Type says: that is often wrong."""
    if not body.strip():
        raise Unreadable("the body is empty")
    if body.lstrip()[:2] == b"--":
        pairs = list(_multipart(body.lstrip()))
        if pairs:
            return nest(pairs)
    text = _text(body, json.detect_encoding(body)).strip()
    if text[:1] in ("{", "["):
        return _mapping(parse_json(text))
    if text[:1] == '"':  # JSON inside a JSON string
        inner = parse_json(text)
        return _mapping(parse_json(inner) if isinstance(inner, str) else inner)
    return _form(text)


def parse_json(text: str) -> Any:
    """Parse strict JSON; numbers keep their digits, NaN and deep nesting are refused."""
    try:
        value = _STRICT.decode(text)
    except RecursionError as error:
        raise Unreadable("the JSON is nested too deeply") from error
    except (ValueError, InvalidOperation) as error:  # the second is a number beyond all bounds
        where = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise Unreadable(f"the body is no valid JSON{where}") from error
    brackets = text.count("{") + text.count("[")
    if brackets > _MAX_DEPTH and _deeper_than(_MAX_DEPTH, value):  # could not be written again
        raise Unreadable("the JSON is nested too deeply")
    return value


def parse_sloppy_json(text: str) -> Any:
    """Parse JSON that may hold trailing commas, as some APIs answer."""
    try:
        return parse_json(text)
    except Unreadable:
        return parse_json(_TRAILING_COMMA.sub(lambda match: match[1] or "", text))


def nest(pairs: Iterable[tuple[str, str]]) -> Payload:
    """Turn ``message[text]=…`` and ``recipient[]=…`` into mappings and lists.

    A plain name that comes twice is a list of both: nothing is dropped in silence.
    """
    result: Payload = {}
    for name, value in pairs:
        head, _, _ = name.partition("[")
        keys = [head, *_BRACKET.findall(name[len(head) :])]
        if len(keys) > _MAX_DEPTH:
            raise Unreadable("the form is nested too deeply")
        _put(result, keys, value)
    listed = _listed(result)
    return listed if isinstance(listed, dict) else {}


def mend_surrogates(text: str) -> str:
    """Join surrogate pairs and replace lone ones, so that the text can be written anywhere."""
    if text.isascii() or not _SURROGATE.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def text_in(value: Any, name: str) -> str | None:
    """Read one value as `Text` does; raises `Unreadable` with the field's name, never the value."""
    if isinstance(value, str):
        return mend_surrogates(value)
    try:
        return None if value is None else _TEXT.deserialize(value)
    except ValidationError as error:
        raise Unreadable(f"wrong type in: {name}") from error


def plain(value: Any) -> Any:
    """Give parsed JSON as what can be written anywhere: floats, and text without surrogates."""
    if isinstance(value, dict):
        return {mend_surrogates(name): plain(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [plain(entry) for entry in value]
    if isinstance(value, str):
        return mend_surrogates(value)
    return number(value) if isinstance(value, Decimal) else value


def number(value: Decimal) -> float | str:
    """Keep a JSON number a number: only one that no float can hold becomes a string."""
    found = float(value)
    return found if math.isfinite(found) else str(value)


def amount(value: Any) -> Decimal | None:
    """Give a number or a string as a finite decimal; anything else, and blank, is ``None``."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return None
    try:
        found = Decimal(value)
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def _digits(value: Decimal) -> str:
    """Write a whole number without point and exponent: 2.7637885448E+10 is a phone number."""
    whole = value.adjusted() < _MAX_DIGITS and value == value.to_integral_value()
    return str(int(value)) if whole else str(value)


def _text(body: bytes, encoding: str = "utf-8") -> str:
    try:
        return body.decode(encoding)
    except UnicodeDecodeError as error:
        raise Unreadable("the body is not UTF-8") from error


def _form(text: str) -> Payload:
    if "=" not in text:
        raise Unreadable("the body is neither JSON nor a form")
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="strict")
    except ValueError as error:  # UnicodeDecodeError is one
        raise Unreadable("the form is not UTF-8, or has too many fields") from error
    rest = [pair for pair in pairs if pair[0].lower() != "api_key"]
    if len(rest) == 1 and rest[0][1].lstrip()[:1] == "{":
        return _only_field(*rest[0])
    return nest(pairs)


def _only_field(name: str, value: str) -> Payload:
    """A form of one field that holds JSON is that JSON, unless the field is one of the payload."""
    if name.lower() == "message":
        return {name: value}
    return _mapping(parse_json(value))


def _multipart(body: bytes) -> Iterator[tuple[str, str]]:
    """Split flat form data at the boundary that its first line shows.

    In one pass: the standard library's parser takes seconds for a quarter of a hostile megabyte.
    """
    boundary = re.escape(body.partition(b"\n")[0].rstrip())
    parts = re.split(rb"(?:\r?\n|\A)" + boundary + rb"(?=--|\s)", body)
    if len(parts) > _MAX_FIELDS:
        raise Unreadable("the form has too many fields")
    for part in parts:
        head, *content = _BLANK_LINE.split(part, maxsplit=1)
        name = _PART_NAME.search(head)
        if name and content:
            yield _text(name[1] or name[2] or b""), _text(content[0])


def _mapping(value: Any) -> Payload:
    if not isinstance(value, dict):
        raise Unreadable("the JSON is not an object")
    return value


def _deeper_than(depth: int, value: Any) -> bool:
    """Walk down level by level: no recursion that the value itself could exhaust."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(depth):
        if not level:
            return False
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
    return bool(level)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _put(into: Payload, keys: list[str], value: str) -> None:
    for key in keys[:-1]:
        inner = into.get(key)
        if not isinstance(inner, dict):
            before = inner if isinstance(inner, list) else [] if inner is None else [inner]
            inner = into[key] = {str(index): entry for index, entry in enumerate(before)}
        into = inner
    last = keys[-1] or str(len(into))
    earlier = into.get(last)
    if isinstance(earlier, dict):
        earlier[str(len(earlier))] = value
    elif isinstance(earlier, list):
        earlier.append(value)
    else:
        into[last] = value if earlier is None else [earlier, value]


def _listed(value: Any) -> Any:
    """Mappings whose names are 0, 1, 2 … are lists."""
    if not isinstance(value, dict):
        return value
    inner = {name: _listed(entry) for name, entry in value.items()}
    indexes = [str(index) for index in range(len(inner))]
    return [inner[index] for index in indexes] if inner and {*inner} == {*indexes} else inner


_TEXT = Text()
_STRICT = json.JSONDecoder(parse_float=Decimal, parse_constant=_no_constant)
