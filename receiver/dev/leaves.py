"""The values in a body, whatever it is: found where they stand, and written back in their own way.

It reads words and no grammar, so that JSON that is none (single quotes, a comma too many, an end
that is missing) is treated like JSON: all but the values stays as it came, to the byte.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from urllib.parse import quote_plus, unquote_plus

# Gives what stands in the place of a value: its field's name, the value, whether it is a number.
Change = Callable[[str, str, bool], str]

_TOKEN = re.compile(
    r"""
    "(?:[^"\\]|\\.)*"? | '(?:[^'\\]|\\.)*'?          # a string, which may be cut short
    | -?\d+(?:\.\d+)?(?:[eE][+-]?\d+)? | [^\W\d]\w*   # a number, or a word without quotes
    """,
    re.S | re.X,
)
_KEY = re.compile(r"\s*:")
_WORDS = ("true", "false", "null", "True", "False", "None")
_BLANK_LINE = re.compile(r"\r?\n\r?\n")
_PART_NAME = re.compile(r"""name=(?:"([^"\r\n]*)"|([^\s;]+))""", re.I)
_SIMPLE = re.compile(r"[^%+&=]*")
_DEEPEST = 8
_TELLING_DIGITS = 6  # of a name: more than an index has


def decoded(body: bytes) -> tuple[str, str]:
    """Give a body as text, and the encoding that brings back its bytes."""
    for encoding in (json.detect_encoding(body), "latin-1"):
        try:
            text = body.decode(encoding)
        except UnicodeDecodeError:
            continue
        if text.encode(encoding) == body:
            return text, encoding
    return body.decode("latin-1"), "latin-1"


def changed(text: str, change: Change, depth: int = 0) -> str:
    """Give a text with its values changed."""
    begin = text.lstrip()[:2]
    if begin == "--":
        return _changed_multipart(text, change)
    if begin[:1] in ("{", "[", '"'):
        return "".join(_changed_json(text, change, depth))
    if "=" in text and "\n" not in text.strip():
        return "&".join(_changed_pair(pair, change, depth) for pair in text.split("&"))
    return change("", text, False)


def values(text: str) -> list[tuple[str, str]]:
    """List the values of a text with their fields' names, as `changed` finds them.

    >>> values("{'from': '255701', 'message': {'text': 'hi")
    [('from', '255701'), ('text', 'hi')]
    >>> values("from=255701&message[text]=good+morning")
    [('from', '255701'), ('text', 'good morning')]
    """
    found: list[tuple[str, str]] = []

    def note(name: str, value: str, is_number: bool) -> str:
        found.append((name, value))
        return value

    changed(text, note)
    return found


def _changed_json(text: str, change: Change, depth: int) -> Iterator[str]:
    end, name = 0, ""
    for token in _TOKEN.finditer(text):
        yield text[end : token.start()]
        raw, end = token[0], token.end()
        if _KEY.match(text, end):
            name = raw.strip("\"'")
            few = sum(map(str.isdecimal, name)) < _TELLING_DIGITS
            yield raw if few else _changed_string(raw, "", change, _DEEPEST)
        elif raw[0] in "\"'":
            yield _changed_string(raw, name, change, depth)
        else:
            is_number = raw[0] in "-0123456789"
            yield raw if raw in _WORDS else change(name, raw, is_number)
    yield text[end:]


def _changed_string(raw: str, name: str, change: Change, depth: int) -> str:
    quote = raw[0]
    closed = len(raw) > 1 and raw.endswith(quote)
    inner = raw[1:-1] if closed else raw[1:]
    value = inner
    if quote == '"':
        try:
            value = json.loads(f'"{inner}"', strict=False)
        except ValueError:  # cut short in the middle of an escape
            quote = "'"
    new = _changed_value(name, value, change, depth)
    if new == value:
        return raw
    written = json.dumps(new, ensure_ascii=raw.isascii())[1:-1] if quote == '"' else new
    return f"{raw[0]}{written}{raw[0] if closed else ''}"


def _changed_pair(pair: str, change: Change, depth: int) -> str:
    name, equals, raw = pair.partition("=")
    value = unquote_plus(raw)
    if not equals or not value:
        return pair
    new = _changed_value(_last_word(unquote_plus(name)), value, change, depth)
    plain = _SIMPLE.fullmatch(raw) and _SIMPLE.fullmatch(new)
    return pair if new == value else f"{name}={new if plain else quote_plus(new)}"


def _changed_multipart(text: str, change: Change) -> str:
    """Change what stands in the parts, which end where the boundary of the first line is."""
    boundary = re.escape(text.lstrip().partition("\n")[0].rstrip())
    return "".join(
        _changed_part(part, change)
        for part in re.split(rf"((?:\r?\n|\A){boundary}(?=--|\s))", text)
    )


def _changed_part(part: str, change: Change) -> str:
    blank, name = _BLANK_LINE.search(part), _PART_NAME.search(part)
    if blank is None:
        return part
    named = _last_word(name[1] or name[2] or "") if name else ""
    return part[: blank.end()] + change(named, part[blank.end() :], False)


def _changed_value(name: str, value: str, change: Change, depth: int) -> str:
    """Look inside a value that is JSON itself."""
    inner = value.strip()
    if depth < _DEEPEST and inner[:1] in ("{", "[") and len(inner) > 2:
        return changed(value, change, depth + 1)
    return change(name, value, False)


def _last_word(name: str) -> str:
    """Give the field of ``message[text]`` and ``recipient[]``."""
    words: list[str] = re.findall(r"\w+", name)
    named = [word for word in words if not word.isdecimal()]
    return named[-1] if named else ""
