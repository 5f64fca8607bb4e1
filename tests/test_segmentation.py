"""Parts of an SMS, against an independent codec of GSM 03.38 and cuts made byte by byte."""

from __future__ import annotations

from contextlib import suppress

import gsm0338
import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.segmentation import _BASIC, _EXTENSION, _SEPTETS, advice, segments

CODEC = gsm0338.Codec()
ESCAPE = 0x1B


def septets(text: str) -> bytes | None:
    """What the codec makes of a text; the escape is in its table, and is no character."""
    try:
        return None if chr(ESCAPE) in text else CODEC.encode(text)[0]
    except UnicodeEncodeError:
        return None


def cut(text: str) -> tuple[str, int, int, int]:
    """Encoding, units, parts, and units left in the last part, by cutting what is sent."""
    data = septets(text)
    if data is not None:
        units, single, per_part = list(data), 160, 153
        begins_pair = ESCAPE.__eq__
    else:
        raw = text.encode("utf-16-be", "surrogatepass")
        units = [int.from_bytes(raw[i : i + 2], "big") for i in range(0, len(raw), 2)]
        single, per_part = 70, 67
        begins_pair = range(0xD800, 0xDC00).__contains__
    if len(units) <= single:
        return "gsm7" if data is not None else "ucs2", len(units), 1, single - len(units)
    parts, start = 0, 0
    while start < len(units):
        end = start + per_part
        if end < len(units) and begins_pair(units[end - 1]):
            end -= 1
        parts, begin, start = parts + 1, start, end
    left = per_part - (len(units) - begin)
    return "gsm7" if data is not None else "ucs2", len(units), parts, left


# Lone halves of pairs are left out: a text that can be sent has none.
CHARACTERS = st.characters(exclude_categories=("Cs",))
LATIN = st.sampled_from(_BASIC + _EXTENSION)


def test_the_table_is_the_standards() -> None:
    codes = [bytes([code]) for code in range(128) if code != ESCAPE]
    found = {CODEC.decode(code)[0]: 1 for code in codes}
    for code in codes:
        with suppress(UnicodeDecodeError):
            found[CODEC.decode(bytes([ESCAPE]) + code)[0]] = 2
    assert found == _SEPTETS
    assert len(found) == 137


@given(
    st.one_of(
        st.text(LATIN, min_size=140, max_size=500),
        st.text(st.sampled_from("a€"), min_size=140, max_size=500),
        st.text(st.sampled_from("a😀"), min_size=50, max_size=300),
        st.text(CHARACTERS, max_size=300),
    )
)
def test_parts_are_counted_as_they_are_cut(text: str) -> None:
    found = segments(text)
    assert (found.encoding, found.units, found.count, found.left) == cut(text)
    assert found.spoilers == tuple(dict.fromkeys(c for c in text if septets(c) is None))
    plain = "".join("x" if char in found.spoilers else char for char in text)
    assert found.without_spoilers == cut(plain)[2]
    assert found.saves == found.count - found.without_spoilers >= 0


@pytest.mark.parametrize(
    ("text", "encoding", "units", "count", "left"),
    [
        pytest.param("", "gsm7", 0, 1, 160, id="nothing"),
        pytest.param("x" * 160, "gsm7", 160, 1, 0, id="a full part"),
        pytest.param("x" * 161, "gsm7", 161, 2, 145, id="a character too many"),
        pytest.param("x" * 306, "gsm7", 306, 2, 0, id="two full parts"),
        pytest.param("x" * 307, "gsm7", 307, 3, 152, id="a third part"),
        pytest.param("€" * 80, "gsm7", 160, 1, 0, id="characters of two septets"),
        pytest.param("x" * 152 + "€" + "x" * 152, "gsm7", 306, 3, 152, id="none of them is cut"),
        pytest.param("é" * 70, "gsm7", 70, 1, 90, id="an accent of the alphabet"),
        pytest.param("ê" * 70, "ucs2", 70, 1, 0, id="an accent that is none of it"),
        pytest.param("ê" * 71, "ucs2", 71, 2, 63, id="one too many"),
        pytest.param("😀" * 35, "ucs2", 70, 1, 0, id="emoji are pairs"),
        pytest.param("😀" * 67, "ucs2", 134, 3, 65, id="no pair is cut"),
        pytest.param("سلام", "ucs2", 4, 1, 66, id="Arabic"),
        pytest.param("\x1b", "ucs2", 1, 1, 69, id="the escape is no character"),
    ],
)
def test_a_text_comes_to_its_parts(
    text: str, encoding: str, units: int, count: int, left: int
) -> None:
    found = segments(text)
    assert (found.encoding, found.units, found.count, found.left) == (encoding, units, count, left)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param("x" * 500, None, id="plain"),
        pytest.param("hello 😀", None, id="costs no more"),
        pytest.param("ሰላም" * 40, None, id="another script"),
        pytest.param(
            "x" * 100 + "😀",
            "1 character (GRINNING FACE) makes this 2 parts instead of 1",
            id="an emoji",
        ),
        pytest.param(
            "Não há água, só às três. " * 6,
            "4 characters (LATIN SMALL LETTER A WITH TILDE, LATIN SMALL LETTER A WITH ACUTE,"
            " LATIN SMALL LETTER O WITH ACUTE and 1 more) make this 3 parts instead of 1",
            id="Portuguese",
        ),
        pytest.param(
            "x" * 100 + "\x1b", "1 character (U+001B) makes this 2 parts instead of 1", id="control"
        ),
    ],
)
def test_what_costs_more_is_named_and_the_text_is_not_quoted(
    text: str, sentence: str | None
) -> None:
    assert advice(text) == sentence
