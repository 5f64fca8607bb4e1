"""The panel's rate limit: what its headers say is obeyed, without asking it a second time.

Source: the headers of the samples in "Endpoints"; a reset and a ``Retry-After`` are not in them.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from exchange import Answer, Api

from receiver.errors import DeliveryError, TemporaryDeliveryError
from receiver.providers.base import Sms
from receiver.providers.keyed import Keyed

KEY, USER, PASSWORD = "panel-key-0001", "panel-user-0001", "panel-pass-0001"
V2: dict[str, Any] = {"api_keys": (KEY,), "base_url": "https://panel.example"}
V1: dict[str, Any] = {
    "api_secret": PASSWORD,
    "base_url": "https://panel.example",
    "options": {"version": 1, "username": USER},
}
QUEUED = Answer('{"message_id": "m-1"}')
RATE = {"x-ratelimit-limit": "60", "x-ratelimit-remaining": "59"}


def sms() -> Sms:
    return Sms(recipients=("+254701234567",), text="Your parcel is here", key="k")


def refusal(do: Callable[[], object]) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        do()
    return caught.value


def seconds_of(error: DeliveryError) -> float | None:
    assert isinstance(error, TemporaryDeliveryError)
    return error.retry_after


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def limited(*answers: Answer | Exception, **account: Any) -> tuple[Api, Clock]:
    clock = Clock()

    def make(*args: Any, **more: Any) -> Keyed:
        return Keyed(*args, **more, clock=clock)

    make.name = "keyed"  # type: ignore[attr-defined]
    return Api(make, *answers, **(account or V2)), clock


def test_a_used_up_limit_lets_nothing_leave_until_the_minute_is_over() -> None:
    used_up = Answer(QUEUED.body, headers={**RATE, "x-ratelimit-remaining": "0"})
    api, clock = limited(used_up, Answer(QUEUED.body, headers=RATE))
    assert api.provider.send(sms()).message_id == "m-1"
    clock.now += 20
    for doing in (lambda: api.provider.send(sms()), api.provider.balance, api.provider.revoke_key):
        error = refusal(doing)
        assert (error.code, seconds_of(error)) == ("429", 40.0)
        assert error.mend
    assert len(api.requests) == 1
    clock.now += 40
    assert api.provider.send(sms()).message_id == "m-1"
    assert api.provider.send(sms()).message_id == "m-1"
    assert len(api.requests) == 3


def test_a_limit_that_is_not_used_up_holds_nothing_back() -> None:
    api, _ = limited(Answer(QUEUED.body, headers={**RATE, "x-ratelimit-remaining": "1"}))
    for _ in range(3):
        api.provider.send(sms())
    assert len(api.requests) == 3


DATE = "Sun, 01 Mar 2026 12:00:00 GMT"
AT_NOON = int(datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp())


PAUSES = [
    pytest.param({}, 60.0, id="nothing-said"),
    pytest.param({"Retry-After": "17"}, 17.0, id="retry-after"),
    pytest.param({"x-ratelimit-reset": "25"}, 25.0, id="reset-in-seconds"),
    pytest.param({"x-ratelimit-reset": f"{AT_NOON + 33}", "Date": DATE}, 33.0, id="reset-at"),
    pytest.param({"Retry-After": "17", "x-ratelimit-reset": "25"}, 17.0, id="both"),
    pytest.param({"Retry-After": "99999999"}, 3_600.0, id="an-hour-at-most"),
    pytest.param({"Retry-After": "soon", "x-ratelimit-reset": "x"}, 60.0, id="unreadable"),
]


@pytest.mark.parametrize(("headers", "seconds"), PAUSES)
def test_the_panel_says_how_long_a_used_up_limit_lasts(
    headers: dict[str, str], seconds: float
) -> None:
    used_up = {**RATE, "x-ratelimit-remaining": "0", **headers}
    api, clock = limited(Answer(QUEUED.body, headers=used_up), QUEUED)
    api.provider.send(sms())
    assert seconds_of(refusal(lambda: api.provider.send(sms()))) == seconds
    clock.now += seconds - 1
    assert seconds_of(refusal(lambda: api.provider.send(sms()))) == 1.0
    clock.now += 1
    assert api.provider.send(sms()).message_id == "m-1"
    assert len(api.requests) == 2


@pytest.mark.parametrize(("headers", "seconds"), PAUSES)
def test_too_many_requests_hold_back_for_as_long_as_the_answer_says(
    headers: dict[str, str], seconds: float
) -> None:
    api, clock = limited(Answer("<html>", 429, headers), QUEUED)
    error = refusal(lambda: api.provider.send(sms()))
    assert (error.code, seconds_of(error)) == ("429", seconds)
    assert seconds_of(refusal(lambda: api.provider.send(sms()))) == seconds
    assert len(api.requests) == 1
    clock.now += seconds
    assert api.provider.send(sms()).message_id == "m-1"


def test_one_accounts_limit_is_not_anothers() -> None:
    api, _ = limited(Answer("", 429))
    other, _ = limited(QUEUED, **V2, name="other")
    refusal(lambda: api.provider.send(sms()))
    assert other.provider.send(sms()).message_id == "m-1"


def test_version_1_obeys_the_limit_as_well() -> None:
    api, _ = limited(Answer("", 429), **V1)
    refusal(lambda: api.provider.send(sms()))
    refusal(lambda: api.provider.send(sms()))
    assert len(api.requests) == 1
