"""How a number may be written, and what only looks like it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.store.mentions import Mentions

MENTIONS = Mentions("+27637885448")

WRITTEN = {
    "in full": "+27637885448",
    "without its plus": "27637885448",
    "with zeros": "0027637885448",
    "national": "0637885448",
    "bare": "637885448",
    "with spaces": "+27 63 788 5448",
    "with marks": "+27 (0)63-788.5448",
    "national, with spaces": "063 788 5448",
    "with non-breaking spaces": "+27\u00a063\u00a0788\u00a05448",
    "with marks of direction": "\u202a+27637885448\u202c",
    "in a sentence": "call 0637885448.",
    "in JSON": '{"from":"27637885448"}',
    "as a number in JSON": '{"to":[27637885448,1]}',
    "escaped in JSON": '{"from":"\\u002b27637885448"}',
    "after an escaped character": "\\u00307\\u002027637885448",
    "in a form": "from=%2B27637885448&x=1",
    "after an escaped space": "text=call%2027637885448",
    "in a form, with spaces": "text=call+063+788+5448",
    "in other digits": "\u0660\u0666\u0663\u0667\u0668\u0668\u0665\u0664\u0664\u0668",
    "in Devanagari": "".join(chr(0x966 + int(digit)) for digit in "0637885448"),
    "partly in Devanagari": "\u0966\u096c\u0969\u096d 885448",
    "with underscores": "063_788_5448",
    "with many spaces": "063    788    5448",
    "with invisible marks": "+27637\u2060885\ufeff448",
    "in HTML": "063&nbsp;788&#160;5448",
    "in a form, all escaped": "from=" + "".join(f"%{ord(char):02X}" for char in "+27637885448"),
    "in JSON, all escaped": "".join(f"\\u{ord(char):04x}" for char in "0637885448"),
    "in JSON in a form": "payload=%5Cu0030%5Cu0036%5Cu00337885448",
    "with words about it": "tel:+27637885448;x=1 (Thandi)",
    "as an address": "sip:27637885448@x",
}


@pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN)
def test_it_is_found_however_it_is_written(text: str) -> None:
    assert MENTIONS.in_text(text)
    assert MENTIONS.in_bytes(text.encode())
    assert not MENTIONS.in_text(MENTIONS.without(text))


OTHERS = {
    "another number": "+27637885449",
    "one digit more": "276378854481",
    "digits before it": "9927637885448",
    "another country": "+26637885448",
    "digits far apart": "6 apples, 37 pears, 885448 grapes",
    "nothing": "",
}


@pytest.mark.parametrize("text", OTHERS.values(), ids=OTHERS)
def test_what_only_looks_like_it_is_left_alone(text: str) -> None:
    assert not MENTIONS.in_text(text)
    assert MENTIONS.without(text) == text


def test_latin_1_is_read_as_well() -> None:
    assert MENTIONS.in_bytes("call 063\xa0788\xa05448".encode("latin-1"))
    assert MENTIONS.in_bytes(b"call+063%A0788%A05448")


def test_utf_16_is_read_as_well() -> None:
    assert MENTIONS.in_bytes("call 0637885448".encode("utf-16-le"))


@given(before=st.text(), after=st.text())
def test_nothing_is_left_whatever_stands_around_it(before: str, after: str) -> None:
    assert "637885448" not in MENTIONS.without(f"{before} 0637885448 {after}").split()


def test_json_types_are_cleaned_names_and_numbers_too() -> None:
    value = {"27637885448": [1, 27637885448, {"a": "0637885448 b"}], "n": None, "t": True}
    assert MENTIONS.cleaned(value) == {
        "(forgotten)": [1, "(forgotten)", {"a": "(forgotten) b"}],
        "n": None,
        "t": True,
    }


@pytest.mark.parametrize("number", ["+2207701234", "+2348012345678", "+254712345678"])
def test_numbers_of_other_lengths_are_found(number: str) -> None:
    mentions = Mentions(number)
    assert mentions.in_text(number[1:])
    assert mentions.in_text(f"tel {number[4:]}")
