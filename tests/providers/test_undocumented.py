"""Whatever the two undocumented APIs answer, a send, a question or a key ends as it should."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from exchange import Answer, Api
from hypothesis import given
from hypothesis import strategies as st

from receiver.errors import DeliveryError
from receiver.providers.base import Asked, Sent, Sms, Stamp
from receiver.providers.bearer import Bearer
from receiver.providers.keyed import Keyed
from receiver.providers.undocumented import quoted

NUMBERS = ("+254701234567", "+254712345679")
NAMES = ("status", "error", "code", "message", "data", "id", "to", "balance", "errors", "success")
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
LEAVES |= st.sampled_from(["error", "failed", "sent", "1001", NUMBERS[0]]) | st.integers(0, 2100)
JSON = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)
    ),
    max_leaves=12,
)
ACCOUNTS: dict[Any, dict[str, Any]] = {
    Keyed: {},
    Bearer: {"options": {"status_path": "/sms/{message_id}", "recipients": "list"}},
}


@pytest.mark.parametrize("make", ACCOUNTS)
@given(body=JSON, status=st.sampled_from([200, 201, 400, 401, 429, 500, 504]))
def test_no_answer_raises_anything_but_a_delivery_error(make: Any, body: Any, status: int) -> None:
    answer = Answer(json.dumps(body), status)
    account = {"api_keys": ("k",), "base_url": "https://api.example", **ACCOUNTS[make]}
    stamp = Stamp(Api(make, **account).account, "asked", datetime(2026, 3, 1, tzinfo=UTC))
    doings = (
        lambda provider: provider.send(Sms(recipients=NUMBERS, text="hi", key="k")),
        lambda provider: provider.balance(),
        lambda provider: provider.status(Asked(message_id="m", recipients=NUMBERS), stamp),
    )
    for do in doings:
        with suppress(DeliveryError):
            given_ = do(Api(make, answer, **account).provider)
            assert status < 300
            if isinstance(given_, Sent):
                assert {*given_.message_ids} <= {*NUMBERS}
                assert given_.message_id is None or given_.message_id.strip()


@pytest.mark.parametrize(
    ("words", "hidden", "expected"),
    [
        ("Wrong number +254701234567!", (), "Wrong number ***!"),
        ("Wrong number 0701 234-567", (), "Wrong number ***"),
        ("at most 160 characters in 3 parts", (), "at most 160 characters in 3 parts"),
        ("key pk-1 is bad", ("pk-1",), "key *** is bad"),
        ("KEY PK-1 is bad", ("pk-1",), "KEY *** is bad"),
        ("the text a  b\nc is bad", ("a b\nc",), "the text *** is bad"),
        ("an OK is no text", ("OK",), "an *** is no text"),
        ("BOOKS are fine", ("OK",), "BOOKS are fine"),
        ("\x1b[2J", (), "\\x1b[2J"),
        ("x" * 300, (), "x" * 200),
        (None, (), ""),
        (17, (), ""),
    ],
)
def test_a_providers_words_are_quoted_without_what_is_private(
    words: Any, hidden: tuple[str, ...], expected: str
) -> None:
    assert quoted(words, hidden) == expected


@pytest.mark.parametrize("make", ACCOUNTS)
def test_an_answer_in_no_known_alphabet_is_no_accident(make: Any) -> None:
    def garbage(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=b"\xff\xfe{\x00")

    api = Api(make, api_keys=("k",), base_url="https://api.example")
    provider = make(api.account, None, transport=httpx.MockTransport(garbage))
    with pytest.raises(DeliveryError):
        provider.send(Sms(recipients=NUMBERS[:1], text="hi", key="k"))
