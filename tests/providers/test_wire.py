"""What every provider does alike: how long to wait, and what is said where nobody knows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
from exchange import Answer, Api

from receiver.errors import DeliveryError, PermanentDeliveryError, UncertainDeliveryError
from receiver.providers.base import Asked, Sms, Stamp
from receiver.providers.keyed import Keyed
from receiver.providers.lefoka import Lefoka
from receiver.providers.smsbox import SMSBox
from receiver.providers.wire import retry_after

DAY = 86_400.0
ACCOUNT = {"api_keys": ("key-0001",), "api_secret": "secret-0001"}
PANEL = {**ACCOUNT, "base_url": "https://panel.example"}
SMS = Sms(recipients=("+27637885448",), text="Your parcel is here", key="k", source="SHOP")


def refusal(make: Any, do: Callable[[Any], object], answer: Answer | Exception) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        do(Api(make, answer, **(PANEL if make is Keyed else ACCOUNT)).provider)
    return caught.value


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("30", 30.0),
        ("0", 0.0),
        ("86400", DAY),
        ("86401", DAY),
        ("9" * 300, DAY),
        ("9" * 5_000, DAY),
        ("Wed, 14 Jun 9999 07:00:00 GMT", DAY),
        ("Wed, 14 Jun 2017 07:00:00 GMT", None),
        ("-1", None),
        ("\u0661", None),
        ("soon", None),
        ("", None),
    ],
    ids=lambda value: ascii(value)[:14],
)
def test_the_time_to_wait_is_the_providers_and_a_day_at_most(
    header: str, seconds: float | None
) -> None:
    response = httpx.Response(429, headers={"Retry-After": header.encode()})
    assert retry_after(response) == seconds
    error = refusal(Lefoka, lambda lefoka: lefoka.send(SMS), Answer("", 429, {"Retry-After": "7"}))
    assert getattr(error, "retry_after", None) == 7.0


def test_a_date_to_wait_for_is_counted_in_seconds() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(hours=2), usegmt=True)
    seconds = retry_after(httpx.Response(503, headers={"Retry-After": soon}))
    assert seconds is not None
    assert 7_000 < seconds <= 7_200


SENDING: dict[str, tuple[Any, Callable[[Any], object]]] = {
    "lefoka": (Lefoka, lambda lefoka: lefoka.send(SMS)),
    "smsbox": (SMSBox, lambda smsbox: smsbox.send(SMS)),
    "keyed": (Keyed, lambda keyed: keyed.send(SMS)),
}
CHANGING: dict[str, tuple[Any, Callable[[Any], object]]] = {
    "edit": (Lefoka, lambda lefoka: lefoka.edit("c31d", text="x")),
    "delete": (Lefoka, lambda lefoka: lefoka.delete("c31d")),
    "suspend": (SMSBox, lambda smsbox: smsbox.suspend("1")),
    "rewrite": (SMSBox, lambda smsbox: smsbox.rewrite("1", "x")),
    "request_sender_name": (SMSBox, lambda smsbox: smsbox.request_sender_name("SHOP", "x" * 20)),
    "generate_key": (Keyed, lambda keyed: keyed.generate_key()),
    "regenerate_key": (Keyed, lambda keyed: keyed.regenerate_key()),
    "revoke_key": (Keyed, lambda keyed: keyed.revoke_key()),
}


@pytest.mark.parametrize("answer", [httpx.ReadTimeout("x"), Answer("", 504)], ids=["lost", "504"])
@pytest.mark.parametrize("call", [*SENDING, *CHANGING])
def test_what_to_do_in_doubt_depends_on_whether_an_sms_was_to_be_sent(
    call: str, answer: Answer | Exception
) -> None:
    error = refusal(*{**SENDING, **CHANGING}[call], answer)
    assert type(error) is UncertainDeliveryError
    sends, changes = "before sending it again.", "Look at the account before trying again."
    assert (sends in error.mend, changes in error.mend) == (call in SENDING, call in CHANGING)
    if isinstance(answer, Answer):
        assert "refused" not in error.reason


def test_a_gateway_that_waited_in_vain_did_not_refuse() -> None:
    for call, name in (("smsbox", "SMSBox"), ("keyed", "the panel")):
        error = refusal(*SENDING[call], Answer("", 504))
        assert error.reason == f"{name} did not answer in time (HTTP 504)"


def test_who_pushes_nothing_and_cannot_be_asked_says_so() -> None:
    def asking(panel: Any) -> object:
        return panel.status(Asked(message_id="1"), Stamp(panel.account, "asked", datetime.now(UTC)))

    error = refusal(Keyed, asking, Answer())
    assert type(error) is PermanentDeliveryError
    assert error.mend == "This API tells nothing of what became of an SMS."
