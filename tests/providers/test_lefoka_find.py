"""Whether Lefoka got an SMS whose answer was lost: by its reference, or else by what it says.

Source: https://developer.lefoka.co.za/docs/sms/reference, section "Returns a list of SMS messages",
whose sample has no ``client_reference``.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from lefoka_samples import NUMBERS
from test_lefoka_asking import NOON, NOTHING, api, page, sms

from receiver.errors import PermanentDeliveryError
from receiver.providers.base import Sent, Sms

WANTED = Sms(recipients=NUMBERS, text="test", key="k", client_reference="ref")


@pytest.mark.parametrize(
    ("objects", "found"),
    [
        pytest.param([sms(1)], "m-1", id="there"),
        pytest.param([sms(1, client_reference="x"), sms(2)], "m-2", id="behind-another"),
        pytest.param([sms(1, client_reference="x")], None, id="another"),
        pytest.param([sms(1, client_reference=None)], None, id="without"),
        pytest.param([sms(1, type="sms-reply")], None, id="a-reply-to-it"),
        pytest.param([{**sms(1), "client_reference": 7}], None, id="a-number"),
        pytest.param([sms(12)], "m-12", id="clocks-differ"),
        pytest.param([sms(16)], None, id="too-old"),
        pytest.param([], None, id="nothing"),
    ],
)
def test_an_sms_is_found_by_its_reference(objects: list[Any], found: str | None) -> None:
    served = api(page(*objects, total_pages=1) if objects else NOTHING)
    sent = served.provider.find(WANTED, NOON - timedelta(minutes=10))
    assert sent == (Sent(message_id=found, credit="2") if found else None)
    assert served.requests[0].url.query == b"recipient=27637885448&page=1&limit=100"


def unnamed(minute: int, **more: Any) -> dict[str, Any]:
    """A message as the sample of the list shows it."""
    entry = sms(minute, **more)
    del entry["client_reference"]
    return entry


MORE = ["27637885448", "27800055555", "27820000001"]


@pytest.mark.parametrize(
    ("objects", "found"),
    [
        pytest.param([unnamed(1)], "m-1", id="same"),
        pytest.param([unnamed(1, message="other")], None, id="another-text"),
        pytest.param([unnamed(1, recipient=MORE[:1])], None, id="one-number-of-two"),
        pytest.param([unnamed(1, recipient=MORE)], "m-1", id="one-opted-out-since"),
        pytest.param([unnamed(12)], "m-12", id="clocks-differ"),
        pytest.param([unnamed(16)], None, id="made-before"),
        pytest.param(
            [unnamed(99, delivery_date=NOON.isoformat())],
            None,
            id="made-before-and-delivered-since",
        ),
        pytest.param([unnamed(1), unnamed(16)], "m-1", id="one-made-before"),
        pytest.param([unnamed(1), unnamed(2, message="other")], "m-1", id="one-like-it"),
        pytest.param([unnamed(1), sms(2)], "m-2", id="the-reference-counts-for-more"),
        pytest.param([unnamed(1), unnamed(2), sms(3)], "m-3", id="the-reference-counts-for-two"),
        pytest.param([unnamed(1), sms(2, client_reference="x")], "m-1", id="another-reference"),
    ],
)
def test_a_list_without_references_is_searched_by_content(
    objects: list[Any], found: str | None
) -> None:
    sent = api(page(*objects, total_pages=1)).provider.find(WANTED, NOON - timedelta(minutes=10))
    assert sent == (Sent(message_id=found, credit="2") if found else None)


def test_two_messages_of_one_text_cannot_be_told_apart() -> None:
    served = api(page(unnamed(1), unnamed(2), total_pages=1))
    with pytest.raises(PermanentDeliveryError, match="cannot be told apart") as caught:
        served.provider.find(WANTED, NOON - timedelta(minutes=10))
    assert type(caught.value) is PermanentDeliveryError
    assert "Look for it" in caught.value.mend


def test_an_sms_without_a_reference_cannot_be_found() -> None:
    served = api()
    for lost in (
        Sms(recipients=NUMBERS, text="test", key="k"),
        Sms(recipients=(), text="", key=""),
    ):
        with pytest.raises(PermanentDeliveryError, match="client_reference"):
            served.provider.find(lost, NOON)
    assert served.requests == []
