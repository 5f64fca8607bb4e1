"""How a body is read, where its bytes alone decide; whole callbacks are in `providers/cases`."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import ValidationError, validate

from receiver.errors import Unreadable
from receiver.providers.payload import Text, decode, mend_surrogates, text_in

DEEPEST = 32  # levels, with the outermost


def nested(levels: int, opens: str, closes: str) -> bytes:
    """An object with so many levels, its own among them."""
    return f'{{"x": {opens * (levels - 1)}{closes * (levels - 1)}}}'.encode()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(nested(DEEPEST, "[", "]"), id="as deep as can be"),
        pytest.param(b'{"x": "' + b"[{" * 100 + b'"}', id="brackets in a text"),
        pytest.param(b'{"x": [' + b"[]," * 100 + b"{}]}", id="many, side by side"),
    ],
)
def test_brackets_alone_make_nothing_deep(body: bytes) -> None:
    assert [*decode(body)] == ["x"]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(nested(DEEPEST + 1, "[", "]"), id="arrays"),
        pytest.param(nested(DEEPEST + 1, '{"y":', "}").replace(b":}", b":{}}"), id="objects"),
    ],
)
def test_what_is_nested_deeper_is_refused(body: bytes) -> None:
    with pytest.raises(Unreadable, match="nested too deeply"):
        decode(body)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'\xef\xbb\xbf{"x": 1}', id="with a byte order mark"),
        pytest.param('{"x": 1}'.encode("utf-16"), id="in UTF-16"),
        pytest.param(b' \r\n{"x": 1}\n', id="with white space round it"),
        pytest.param(b'"{\\"x\\": 1}"', id="as a JSON string"),
    ],
)
def test_json_is_read_in_any_wrapping(body: bytes) -> None:
    assert decode(body) == {"x": 1}


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_of_json_is_refused(word: str) -> None:
    with pytest.raises(Unreadable, match="no valid JSON"):
        decode(f'{{"x": {word}}}'.encode())


@given(st.text(st.characters()))
def test_only_lone_surrogates_are_replaced(text: str) -> None:
    paired = re.sub("[\ud800-\udbff][\udc00-\udfff]", "p", text)
    mended = mend_surrogates(text)
    assert mended.count("\ufffd") == text.count("\ufffd") + len(
        re.findall("[\ud800-\udfff]", paired)
    )
    assert mended.encode("utf-8").decode("utf-8") == mended
    assert text_in(text, "x") == Text().deserialize(text) == mended


@pytest.mark.parametrize("value", [True, [], {}, 1.5])
def test_what_is_no_text_is_named_and_not_quoted(value: object) -> None:
    with pytest.raises(Unreadable, match="wrong type in: x"):
        text_in(value, "x")


def test_a_text_obeys_its_validators() -> None:
    short = Text(validate=validate.Length(max=3))
    assert short.deserialize("abc") == "abc"
    with pytest.raises(ValidationError):
        short.deserialize("abcd")
