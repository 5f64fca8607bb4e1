"""A body becomes a plain mapping, whatever its Content-Type claims: JSON, form, or multipart.

Providers send JSON labelled as a form, forms without a label, bracketed names and byte order
marks. What is none of them raises `Unreadable` with a sentence that never quotes the body.
"""

from __future__ import annotations

import email.parser
import email.policy
import json
import re
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from marshmallow import fields

from ..errors import Unreadable

Payload = dict[str, Any]

_MAX_FIELDS = 5_000
_MAX_DEPTH = 32
_BRACKET = re.compile(r"\[([^\[\]]*)\]")
_TRAILING_COMMA = re.compile(r'("(?:[^"\\]|\\.)*")|,(?=\s*[}\]])')


class Text(fields.Field[str | None]):
    """A string, or a number that stands for one; lone surrogates are replaced by U+FFFD."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
            raise self.make_error("validator_failed")
        return mend_surrogates(str(value))


def decode(body: bytes, content_type: str = "") -> Payload:
    """Read a body as what it is rather than as what it is said to be."""
    if not body.strip():
        raise Unreadable("the body is empty")
    if content_type.lower().startswith("multipart/form-data"):
        return nest(_multipart(body, content_type))
    text = _text(body).strip()
    if text[:1] in ("{", "["):
        return _mapping(parse_json(text))
    if text[:1] == '"':  # JSON inside a JSON string
        inner = parse_json(text)
        return _mapping(parse_json(inner) if isinstance(inner, str) else inner)
    return _form(text)


def parse_json(text: str) -> Any:
    """Parse strict JSON; numbers keep their digits, NaN and bottomless nesting are refused."""
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_no_constant)
    except RecursionError as error:
        raise Unreadable("the JSON is nested too deeply") from error
    except ValueError as error:
        where = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise Unreadable(f"the body is no valid JSON{where}") from error


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
    if not any("\ud800" <= char <= "\udfff" for char in text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def amount(value: Any) -> Decimal | None:
    """Give a number or a string as a finite decimal; anything else, and blank, is ``None``."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _text(body: bytes) -> str:
    try:
        return body.decode(json.detect_encoding(body))
    except UnicodeDecodeError as error:
        raise Unreadable("the body is not UTF-8") from error


def _form(text: str) -> Payload:
    if "=" not in text:
        raise Unreadable("the body is neither JSON nor a form")
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="strict")
    except ValueError as error:  # UnicodeDecodeError is one
        raise Unreadable("the form is not UTF-8, or has too many fields") from error
    if len(pairs) == 1 and pairs[0][1].lstrip()[:1] == "{":
        return _only_field(*pairs[0])
    return nest(pairs)


def _only_field(name: str, value: str) -> Payload:
    """A form of one field that holds JSON is that JSON, unless the field is one of the payload."""
    if name.lower() == "message":
        return {name: value}
    return _mapping(parse_json(value))


def _multipart(body: bytes, content_type: str) -> Iterable[tuple[str, str]]:
    head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1", "replace")
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
    for count, part in enumerate(message.iter_parts()):
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if count == _MAX_FIELDS:
            raise Unreadable("the form has too many fields")
        if isinstance(name, str) and isinstance(content, bytes):
            yield name, _text(content) if content else ""


def _mapping(value: Any) -> Payload:
    if not isinstance(value, dict):
        raise Unreadable("the JSON is not an object")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _put(into: Payload, keys: list[str], value: str) -> None:
    for key in keys[:-1]:
        inner = into.get(key)
        if not isinstance(inner, dict):
            inner = into[key] = {}
        into = inner
    last = keys[-1] or str(len(into))
    if last in into:
        earlier = into[last]
        into[last] = [*earlier, value] if isinstance(earlier, list) else [earlier, value]
    else:
        into[last] = value


def _listed(value: Any) -> Any:
    """Mappings whose names are 0, 1, 2 … are lists."""
    if not isinstance(value, dict):
        return value
    inner = {name: _listed(entry) for name, entry in value.items()}
    indexes = [str(index) for index in range(len(inner))]
    return [inner[index] for index in indexes] if inner and {*inner} == {*indexes} else inner
