"""The bearer API where an account sends to each recipient in a request of its own."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from exchange import Answer, Api

from receiver.errors import (
    DeliveryError,
    PermanentDeliveryError,
    TemporaryDeliveryError,
    UncertainDeliveryError,
)
from receiver.providers.base import Sent, Sms
from receiver.providers.bearer import Bearer

A, B, C, D = "+254701234567", "+254712345679", "+27637885448", "+254701234568"
TEXT = "Your parcel is here"


def coded(code: int, status: int = 400) -> Answer:
    return Answer(json.dumps({"status": "error", "error": {"code": code}}), status)


def api(*answers: Answer | Exception) -> Api:
    return Api(Bearer, *answers, api_keys=("bearer-key-0001",), base_url="https://api.example")


def sms(*recipients: str) -> Sms:
    return Sms(recipients=recipients, text=TEXT, key="k")


def refusal(found: Api, *recipients: str) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        found.provider.send(sms(*recipients))
    return caught.value


def sent_to(found: Api) -> list[str]:
    return [json.loads(request.content)["to"] for request in found.requests]


ONE, TWO, THREE = (Answer(json.dumps({"id": f"m-{count}"})) for count in (1, 2, 3))
NO_ID = Answer('{"status": "queued"}')
BAD, TWICE, STRANGE = coded(1001), coded(1005), coded(1999)
POOR, LATE, KEY = coded(1003), Answer("", 503), Answer("", 401)
LOST = httpx.ReadTimeout("x")


@pytest.mark.parametrize(
    ("answers", "kind", "code", "tried"),
    [
        pytest.param([LATE], TemporaryDeliveryError, "503", [A], id="temporary"),
        pytest.param([POOR], PermanentDeliveryError, "1003", [A], id="no-credit-for-anybody"),
        pytest.param([KEY], PermanentDeliveryError, "401", [A], id="a-key-for-nobody"),
        pytest.param([Answer("", 302)], PermanentDeliveryError, "302", [A], id="another-address"),
        pytest.param([LOST], UncertainDeliveryError, None, [A], id="lost"),
        pytest.param([BAD], PermanentDeliveryError, "1001", [A, B, C], id="all-of-them-bad"),
        pytest.param([BAD, LATE], TemporaryDeliveryError, "503", [A, B], id="bad-then-temporary"),
        pytest.param([TWICE, LATE], UncertainDeliveryError, "1005", [A, B], id="had-it-already"),
    ],
)
def test_where_nobody_was_sent_to_the_error_is_the_apis(
    answers: list[Answer], kind: type[DeliveryError], code: str | None, tried: list[str]
) -> None:
    found = api(*answers)
    error = refusal(found, A, B, C)
    assert (type(error), error.code, error.sent) == (kind, code, None)
    assert sent_to(found) == tried


@pytest.mark.parametrize(
    ("answers", "code", "tried", "ids"),
    [
        pytest.param([ONE, BAD, THREE], "1001", [A, B, C], {A: "m-1", C: "m-3"}, id="bad-between"),
        pytest.param([BAD, TWO, THREE], "1001", [A, B, C], {B: "m-2", C: "m-3"}, id="bad-first"),
        pytest.param([ONE, STRANGE, THREE], "1999", [A, B, C], {A: "m-1", C: "m-3"}, id="unlisted"),
        pytest.param([ONE, TWICE, THREE], "1005", [A, B, C], {A: "m-1", C: "m-3"}, id="twice"),
        pytest.param([ONE, LATE], "503", [A, B], {A: "m-1"}, id="temporary"),
        pytest.param([ONE, POOR], "1003", [A, B], {A: "m-1"}, id="credit-used-up"),
        pytest.param([ONE, LOST], None, [A, B], {A: "m-1"}, id="lost"),
        pytest.param([BAD, TWO, LATE], "503", [A, B, C], {B: "m-2"}, id="bad-and-temporary"),
        pytest.param([TWICE, TWO, LATE], "1005", [A, B, C], {B: "m-2"}, id="twice-and-temporary"),
    ],
)
def test_a_send_that_is_half_done_goes_on_where_it_can_and_tells_who_was_sent_to(
    answers: list[Any], code: str | None, tried: list[str], ids: dict[str, str]
) -> None:
    found = api(*answers)
    error = refusal(found, A, B, C)
    assert (type(error), error.code) == (UncertainDeliveryError, code)
    assert sent_to(found) == tried
    others = tuple(number for number in (A, B, C) if number not in ids)
    first = next(iter(ids.values()))
    assert error.sent == Sent(message_id=first, message_ids=ids, refused=others)
    assert f"of 3 recipients only {len(ids)} were sent to" in error.reason
    assert "to the others only" in error.mend
    assert not [number for number in (A, B, C) if number[1:] in f"{error} {error!r}"]


def test_who_was_sent_to_without_an_id_is_none_of_those_left_out() -> None:
    error = refusal(api(NO_ID, BAD, NO_ID, LATE), A, B, C, D)
    assert error.sent == Sent(message_id=None, refused=(B, D))
    for said in ("Invalid Phone Number", "Service Unavailable"):
        assert said in error.reason


def test_a_number_named_twice_is_sent_to_once() -> None:
    found = api(ONE)
    assert found.provider.send(sms(A, A)) == Sent(message_id="m-1")
    assert sent_to(found) == [A]
