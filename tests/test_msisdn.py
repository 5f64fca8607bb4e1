"""Numbers: E.164 where they are numbers, as they came where they are not."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from receiver.msisdn import mask, normalise

REGIONS = st.sampled_from([None, "ZA", "BF", "TZ", "NG", "CI", "MX", "IT"])
DIGITS = st.from_regex(r"(\+|00|0)?(27|226|255|52|86)?0{0,3}[1-9]\d{3,12}", fullmatch=True)


@pytest.mark.parametrize(
    ("raw", "region", "number"),
    [
        pytest.param("+27637885448", None, "+27637885448", id="E.164"),
        pytest.param("27637885448", None, "+27637885448", id="without a plus"),
        pytest.param("27637885448", "BF", "+27637885448", id="without a plus, of another country"),
        pytest.param("0027637885448", None, "+27637885448", id="with the prefix 00"),
        pytest.param("0637885448", "ZA", "+27637885448", id="national"),
        pytest.param("637885448", "ZA", "+27637885448", id="national, without its zero"),
        pytest.param("0637885448", None, "0637885448", id="national of nobody knows where"),
        pytest.param("70123456", "BF", "+22670123456", id="national, where no zero is written"),
        pytest.param("68632742", "BF", "+22668632742", id="national, and with a plus of Kiribati"),
        pytest.param("630228290", "ZA", "+27630228290", id="national, or of the Philippines"),
        pytest.param("0712345678", "TZ", "+255712345678", id="national, Tanzania"),
        pytest.param(" +226 70 12-34.56 ", None, "+22670123456", id="with spaces and dashes"),
        pytest.param("(063) 788\u00a05448", "ZA", "+27637885448", id="with brackets"),
        pytest.param(
            "\u202a+27637885448\u202c", None, "+27637885448", id="with marks of direction"
        ),
        pytest.param("+٢٧٦٣٧٨٨٥٤٤٨", None, "+27637885448", id="Arabic digits"),
        pytest.param("+27 (0)63 788 5448", None, "+27637885448", id="with a trunk zero"),
        pytest.param("+2700637885448", None, "+27637885448", id="with two trunk zeros"),
        pytest.param("15000", "BF", "15000", id="a short code"),
        pytest.param("15 000", "BF", "15000", id="a short code with a space"),
        pytest.param("112233", "ZA", "112233", id="the longest short code"),
        pytest.param("MTN", "ZA", "MTN", id="alphanumeric"),
        pytest.param("Shop 24-7", "ZA", "Shop 24-7", id="alphanumeric with digits"),
        pytest.param("+12", None, "+12", id="too short"),
        pytest.param("12345678901234567890", "ZA", "12345678901234567890", id="too long"),
        pytest.param("+" + "27" * 500, None, "+" + "27" * 500, id="far too long"),
        pytest.param("+2763" + " " * 500 + "7885448", None, "+27637885448", id="far apart"),
        pytest.param("tel:+27637885448", None, "tel:+27637885448", id="a URI"),
        pytest.param("2.7637885448E+10", None, "2.7637885448E+10", id="out of a spreadsheet"),
        pytest.param("\x00", None, "\x00", id="NUL"),
        pytest.param("\ud800", None, "\ud800", id="a lone surrogate"),
        pytest.param("+", None, "+", id="only a plus"),
        pytest.param("  ", None, "", id="blank"),
    ],
)
def test_a_number_has_one_spelling(raw: str, region: str | None, number: str) -> None:
    assert normalise(raw, region) == number


@settings(deadline=None)
@given(st.text() | DIGITS, REGIONS)
@example("+270000000", None)
@example("0086002078505", "MX")
def test_normalising_twice_changes_nothing_and_never_fails(raw: str, region: str | None) -> None:
    once = normalise(raw, region)
    assert normalise(once, region) == once


@pytest.mark.parametrize(
    ("number", "masked"),
    [
        ("+27637885448", "+2763***448"),
        ("+255712345678", "+2557***678"),
        ("+2301234567", "+230***567"),
        ("70123456", "7***456"),
        ("15000", "***"),
        ("MTN", "***"),
        ("", "-"),
        (None, "-"),
    ],
)
def test_a_masked_number_cannot_be_called(number: str | None, masked: str) -> None:
    assert mask(number) == masked


@settings(deadline=None)
@given(st.text(min_size=1).filter(str.isprintable))
def test_a_mask_hides_four_characters_at_least(number: str) -> None:
    assert len(mask(number).replace("***", "", 1)) <= max(0, len(number) - 4)
