"""What may stand in a conversation, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from receiver import ConfigurationError, InboundMessage, Router
from receiver.conversations import Conversation, conversation
from receiver.testing import inbound, talking

SENDER = "+255712345678"


def wrote(text: str) -> InboundMessage:
    return inbound(sender=SENDER, account="smsbox", text=text)


def keep_list_with(value: object) -> None:
    with conversation(wrote("hello")) as talk:
        talk["size"] = []
        talk["size"].append(value)


def keep_text_of(length: int, ttl: Any = 60) -> None:
    with conversation(wrote("hello"), ttl=ttl) as talk:
        talk["x"] = "y" * (length - len('{"x":""}'))


def test_it_is_a_mapping_that_shows_nothing_of_what_it_holds() -> None:
    talk = Conversation({"item": "shirt"})
    talk.update(size="XL")
    assert (dict(talk), len(talk), "size" in talk) == ({"item": "shirt", "size": "XL"}, 2, True)
    assert talk.pop("item") == "shirt"
    assert repr(talk) == "<Conversation with 1 values>"
    with pytest.raises(KeyError):
        talk["item"]


def test_the_end_is_the_end_of_what_is_expected_too() -> None:
    talk = Conversation({"item": "shirt"}, "size")
    talk.end()
    assert (dict(talk), talk.expected) == ({}, None)


nested: list[Any] = []
nested.append(nested)

NO_JSON = {
    "a tuple": (1, 2),
    "a set in a list": [{1}],
    "bytes": b"secret",
    "an object": object(),
    "a number as key": {"a": {1: "secret"}},
    "not a number": float("nan"),
    "infinite": [float("inf")],
    "itself": nested,
}


@pytest.mark.parametrize("value", NO_JSON.values(), ids=NO_JSON)
def test_a_value_that_is_no_json_is_refused_by_its_name(value: object) -> None:
    with pytest.raises(TypeError, match=r"^talk\['size'\]: ") as raised:
        Conversation({})["size"] = value
    assert "secret" not in str(raised.value)
    with talking() as talks:
        with pytest.raises(TypeError, match="size"):
            keep_list_with(value)
        assert talks.state(SENDER, "smsbox") == {}


def test_a_name_is_text() -> None:
    with pytest.raises(TypeError, match="names are text, not int"):
        Conversation({})[1] = 1  # type: ignore[index]


@pytest.mark.parametrize("text", ["half of a pair \ud83d", "né", "ሰላም", "\x00", '"'], ids=ascii)
def test_any_text_can_be_kept(text: str) -> None:
    with talking():
        with conversation(wrote("a")) as talk:
            talk["text"] = text
        with conversation(wrote("b")) as talk:
            assert talk["text"] == text


def test_a_state_has_8192_bytes_at_most() -> None:
    with talking() as talks:
        keep_text_of(8192)
        with pytest.raises(ValueError, match="8193 bytes of JSON; 8192"):
            keep_text_of(8193)
        assert len(talks.state(SENDER, "smsbox")["x"]) == 8184


@pytest.mark.parametrize("name", ["", "a b", "ä", "a" * 65, None, 5, "a\n"], ids=ascii)
def test_what_is_no_name_is_no_expectation(name: Any) -> None:
    with pytest.raises(ConfigurationError, match="64 at most"):
        Conversation({}).expect(name)
    with pytest.raises(ConfigurationError, match="64 at most"):
        Router("r").expects(name)


@pytest.mark.parametrize("name", ["size", "A-z_09", "a" * 64], ids=ascii)
def test_what_a_router_expects_can_be_expected(name: str) -> None:
    talk = Conversation({})
    talk.expect(name)
    assert talk.expected == name
    Router("r").expects(name)


@pytest.mark.parametrize("ttl", [0, -1, 1.5, 10**10, None, "60"], ids=repr)
def test_a_time_to_live_is_in_whole_seconds(ttl: Any) -> None:
    with talking(), pytest.raises(ValueError, match="whole seconds"):
        keep_text_of(10, ttl)
