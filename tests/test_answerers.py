"""Who answered: those that we wrote to, of those that the provider names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from redis import Redis

from receiver.answerers import Answerers
from receiver.sms import Sent, Sms
from receiver.store.connection import Connection
from receiver.store.sentbox import SentBox
from receiver.testing import inbound

ONE, TWO, THREE = "+27637885448", "+27637885449", "+27800055555"


@pytest.fixture
def answerers(redis_url: str, redis: Redis) -> Answerers:
    """Of a shop that wrote to two as m-1, and to each of them alone as m-2 and m-3."""
    box = SentBox(Connection(redis_url), "receiver", 3600)

    def keep(message_id: str, reference: str, *numbers: str) -> None:
        sms = Sms(recipients=numbers, text="hello", key="k", client_reference=reference)
        box.keep("shop", sms, Sent(message_id=message_id), poll=False)

    keep("m-1", "both", ONE, TWO)
    keep("m-2", "one", ONE)
    keep("m-3", "spring", TWO)
    return Answerers(box)


def reply(*candidates: str, **more: Any) -> Any:
    sender = more.pop("sender", None)
    return inbound(account="shop", sender=sender, candidates=candidates, **more)


ROWS: dict[str, tuple[dict[str, Any], Sequence[str], str | None]] = {
    "one was written to": ({"message_id": "m-2"}, (ONE,), ONE),
    "one, by the reference": ({"client_reference": "one"}, (ONE,), ONE),
    "one, by the reference and an id of its own": (
        {"message_id": "reply-1", "client_reference": "spring"},
        (TWO,),
        TWO,
    ),
    "two, in their order": ({"message_id": "m-1"}, (TWO, ONE), None),
    "the id before the reference": (
        {"message_id": "m-3", "client_reference": "both"},
        (TWO,),
        TWO,
    ),
    "nobody knows": ({"message_id": "m-9", "client_reference": "r-9"}, (THREE, TWO, ONE), None),
    "nothing to go by": ({}, (THREE, TWO, ONE), None),
}


@pytest.mark.parametrize(("given", "left", "sender"), ROWS.values(), ids=ROWS)
def test_candidates_are_narrowed_to_whom_we_wrote_to(
    answerers: Answerers, given: dict[str, Any], left: Sequence[str], sender: str | None
) -> None:
    message = reply(THREE, TWO, ONE, **given)
    narrowed = answerers.narrow(message)
    assert (narrowed.candidates, narrowed.sender) == (tuple(left), sender)
    assert (narrowed.id, narrowed.text) == (message.id, message.text)


def test_somebody_elses_account_says_nothing(answerers: Answerers) -> None:
    message = inbound(account="other", sender=None, candidates=(ONE, TWO), message_id="m-2")
    assert answerers.narrow(message) is message


def test_a_sender_that_the_provider_names_stands(answerers: Answerers) -> None:
    message = reply(THREE, sender=THREE, message_id="m-2")
    assert answerers.narrow(message) is message


def test_nobody_we_wrote_to_is_among_them(answerers: Answerers) -> None:
    message = reply(THREE, "+27831234567", message_id="m-1")
    assert answerers.narrow(message) is message
