"""Numbers in full: whatever is told at a glance is what phonenumbers would have read."""

from __future__ import annotations

from collections.abc import Iterator

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phonenumbers import (
    COUNTRY_CODE_TO_REGION_CODE,
    SUPPORTED_REGIONS,
    NumberParseException,
    PhoneNumber,
    PhoneNumberFormat,
    PhoneNumberType,
)

from receiver.msisdn import normalise
from receiver.numbering import in_full

REGIONS = sorted(SUPPORTED_REGIONS)
AFRICA = [
    *("ZA", "BF", "TZ", "KE", "NG", "GH", "CI", "SN", "ML", "UG", "RW", "CM", "MZ"),
    *("ZM", "ZW", "ET", "EG", "CD", "BJ", "TG", "NE", "GN", "MW", "BW", "NA", "AO"),
]


def by_phonenumbers(digits: str, region: str | None) -> str | None:
    """Give the first reading that is valid: the national one goes before the international one."""
    for text, read_in in ((digits, region), ("+" + digits, None)):
        try:
            number = phonenumbers.parse(text, read_in)
        except NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            return phonenumbers.format_number(number, PhoneNumberFormat.E164)
    return None


def assert_alike(digits: str, region: str | None) -> None:
    """What is told at a glance is right; nothing has to be."""
    told = in_full(digits, region)
    assert told is None or told == by_phonenumbers(digits, region)


def examples(region: str) -> Iterator[PhoneNumber]:
    """Give a number of each type that a region has, and one that is none."""
    kinds = PhoneNumberType.values()
    found = [phonenumbers.example_number_for_type(region, kind) for kind in kinds]
    yield from filter(None, (*found, phonenumbers.invalid_example_number(region)))


def near(digits: str) -> Iterator[str]:
    """Give a number and what is one slip away from it."""
    middle = len(digits) // 2
    yield from (digits, digits[:-1], digits[1:], digits + digits[-1], "0" + digits, "1" + digits)
    yield digits[:middle] + digits[middle + 1 :]
    yield digits[:middle] + digits[middle] + digits[middle:]


@pytest.mark.parametrize("place", range(len(REGIONS)), ids=REGIONS)
def test_a_number_near_to_any_example_is_read_alike(place: int) -> None:
    region, other = REGIONS[place], REGIONS[place - 1]
    for example in examples(region):
        code = str(example.country_code)
        for digits in near(phonenumbers.national_significant_number(example)):
            for international in (code + digits, f"{code}0{digits}"):
                assert_alike("+" + international, None)
                for read_in in (region, other, "ZA", None):
                    assert_alike(international, read_in)
            for read_in in (region, other, "BF"):
                assert_alike(digits, read_in)


@settings(deadline=None, max_examples=500)
@given(
    st.from_regex(r"\+?(2[0-9]{1,2}|[1-9][0-9]{0,2})[0-9]{6,12}", fullmatch=True),
    st.sampled_from([None, *AFRICA, *REGIONS]),
)
def test_any_digits_are_read_alike(digits: str, region: str | None) -> None:
    assert_alike(digits, region)
    assert in_full(digits, region) in (None, normalise(digits, region))


@pytest.mark.parametrize("region", AFRICA)
def test_what_is_sent_in_africa_is_told_at_a_glance(region: str) -> None:
    mobile = phonenumbers.example_number_for_type(region, PhoneNumberType.MOBILE)
    assert mobile is not None
    number = phonenumbers.format_number(mobile, PhoneNumberFormat.E164)
    assert in_full(number) == in_full(number[1:]) == in_full(number[1:], region) == number


@pytest.mark.parametrize(
    ("digits", "region"),
    [
        pytest.param("+12025550123", None, id="of a code that regions share"),
        pytest.param("2025550123", "US", id="national, where regions share a code"),
        pytest.param("+270637885448", None, id="with a trunk zero"),
        pytest.param("0637885448", "ZA", id="national, with its zero"),
        pytest.param("+37080012345", None, id="valid, and as if it had a trunk prefix"),
        pytest.param("80012345", "LT", id="national, and as if it had a trunk prefix"),
        pytest.param("+390612345678", None, id="Italian, whose code is the Vatican's as well"),
        pytest.param("+2763788544", None, id="a digit short"),
        pytest.param("+80012345678", None, id="of no region"),
        pytest.param("+99912345678", None, id="of no code"),
        pytest.param("27637885448", "XX", id="read in no region"),
        pytest.param("+", None, id="only a plus"),
    ],
)
def test_what_needs_a_second_look_is_left_to_phonenumbers(digits: str, region: str | None) -> None:
    assert in_full(digits, region) is None


def test_no_calling_code_begins_with_another() -> None:
    codes = {str(code) for code in COUNTRY_CODE_TO_REGION_CODE}
    assert not [code for code in codes if {code[:1], code[:2]} & (codes - {code})]
