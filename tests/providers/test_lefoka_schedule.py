"""Scheduling, editing and deleting at Lefoka: what is refused here, and what an answer becomes.

Source: https://developer.lefoka.co.za/docs/sms/reference, sections "Schedule", "Edit" and "Delete".
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import httpx
import pytest
from exchange import Answer, Api
from lefoka_samples import ACCOUNT, KEY, NUMBERS, SCHEDULED, SECRET

from receiver.errors import DeliveryError, PermanentDeliveryError, UncertainDeliveryError
from receiver.providers.base import Sms
from receiver.providers.lefoka import Lefoka

GMT2 = timezone(timedelta(hours=2))
MINUTE = timedelta(minutes=1)
IN_TIME = datetime.now(UTC) + timedelta(days=2)
TEXT = "Your parcel is here"
LOOK = "Look at the account before trying again."


def api(answer: Answer | Exception | None = None) -> Api:
    return Api(Lefoka, answer or Answer(SCHEDULED), **ACCOUNT)


def send(served: Api, **more: Any) -> None:
    served.provider.send(Sms(**{"recipients": NUMBERS, "text": TEXT, "key": "k", **more}))


def refused(served: Api, call: str, *arguments: Any, **more: Any) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        getattr(served.provider, call)(*arguments, **more)
    return caught.value


AHEAD = {
    "15-minutes": 16 * MINUTE,
    "7-days": timedelta(days=7) - MINUTE,
}
TOO = {
    "14-minutes": lambda: datetime.now(UTC) + 14 * MINUTE,
    "yesterday": lambda: datetime.now(UTC) - timedelta(days=1),
    "7-days-and-a-minute": lambda: datetime.now(UTC) + timedelta(days=7) + MINUTE,
    "14-minutes-naive": lambda: datetime.now(GMT2).replace(tzinfo=None) + 14 * MINUTE,
    "8-days-naive": lambda: datetime.now(GMT2).replace(tzinfo=None) + timedelta(days=8),
    "last": lambda: datetime.max.replace(tzinfo=UTC),
    "last-naive": lambda: datetime.max,
    "first": lambda: datetime.min.replace(tzinfo=GMT2),
    "first-naive": lambda: datetime.min,
}


@pytest.mark.parametrize("zone", [UTC, GMT2, timezone(timedelta(hours=-9, minutes=-30))], ids=str)
@pytest.mark.parametrize("ahead", AHEAD.values(), ids=AHEAD)
def test_a_schedule_leaves_as_the_time_at_lefoka(ahead: timedelta, zone: timezone) -> None:
    when = datetime.now(zone) + ahead
    there = when.astimezone(GMT2)
    for schedule in (when, there.replace(tzinfo=None)):
        served = api()
        send(served, schedule=schedule)
        served.provider.edit("c31d", schedule=schedule)
        for request in served.requests:
            sent = json.loads(request.content)["schedule"]
            assert sent == there.strftime("%Y-%m-%dT%H:%M:%S+02:00")


@pytest.mark.parametrize("when", TOO.values(), ids=TOO)
def test_a_schedule_too_soon_or_too_late_does_not_leave(when: Callable[[], datetime]) -> None:
    schedule = when()
    served = api()
    sms = Sms(recipients=NUMBERS, text=TEXT, key="k", schedule=schedule)
    for error in (refused(served, "send", sms), refused(served, "edit", "c", schedule=schedule)):
        assert (type(error), error.code) == (PermanentDeliveryError, "DATE_TIME_INVALID")
        assert "15 minutes" in error.mend
        assert "7 days" in error.mend
    assert served.requests == []


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"recipients": ()}, "RECIPIENT_EMPTY_PARAMETER"),
        ({"recipients": NUMBERS[:1] * 501}, "BATCH_LIMIT_EXCEEDED"),
        ({"recipients": ("+255701000000",)}, "INVALID_RECIPIENT_ENTRY"),
        ({"recipients": "+255701000000"}, "INVALID_RECIPIENT_ENTRY"),
        ({"recipients": "MTN"}, "INVALID_RECIPIENT_ENTRY"),
        ({"text": ""}, "MESSAGE_EMPTY_PARAMETER"),
        ({"text": "x" * 441}, "MESSAGE_LIMIT_EXCEEDED"),
        ({"client_reference": "x" * 101}, "CLIENT_REFERENCE_LIMIT_EXCEEDED"),
        ({}, None),
        ({"client_reference": ""}, None),
    ],
    ids=[
        *(
            "no-recipient",
            "501-recipients",
            "abroad",
            "text-abroad",
            "a-name",
            "no-text",
            "441-characters",
        ),
        *("reference-101", "nothing", "blank-reference"),
    ],
)
def test_an_edit_that_lefoka_would_refuse_does_not_leave(
    fields: dict[str, Any], code: str | None
) -> None:
    served = api()
    error = refused(served, "edit", "c31d", **fields)
    assert (type(error), error.code) == (PermanentDeliveryError, code)
    assert error.mend
    assert served.requests == []


@pytest.mark.parametrize(
    "recipients",
    ["0637885448", ["0637885448"], ("+27 63 788 5448",), "27637885448"],
    ids=["text", "national", "spaces", "without-plus"],
)
def test_the_numbers_of_an_edit_are_read_as_those_of_a_send(recipients: Any) -> None:
    served = api()
    served.provider.edit("c31d", recipients=recipients)
    assert json.loads(served.requests[0].content) == {"recipient": ["27637885448"]}


@pytest.mark.parametrize(
    "wrong", ["", ".", "..", "balance", "a/b", "a?b", "a#b", "a b", "%2e", "é", "a\n"]
)
def test_an_id_that_leads_elsewhere_is_refused(wrong: str) -> None:
    served = api()
    for call in ("get", "delete"):
        assert type(refused(served, call, wrong)) is PermanentDeliveryError
    assert type(refused(served, "edit", wrong, text="x")) is PermanentDeliveryError
    assert served.requests == []


@pytest.mark.parametrize(
    "answer",
    [
        httpx.ReadTimeout(f"{KEY} {SECRET} {NUMBERS[0]} {TEXT}"),
        Answer(""),
        Answer("<html>"),
        Answer("{}"),
        Answer("{}", 504),
        Answer('{"type": "sms", "message": "' + TEXT.upper() + '"}'),
        Answer('{"type": "sms", "message": "HELLO"}'),
    ],
    ids=["lost", "empty", "html", "object", "gateway", "without-id", "text-like-a-code"],
)
def test_a_change_whose_answer_says_nothing_is_uncertain(answer: Any) -> None:
    sms = Sms(recipients=NUMBERS, text=TEXT, key="k", schedule=IN_TIME)
    for error, mend in (
        (refused(api(answer), "send", sms), "Look it up at the provider before sending it again."),
        (refused(api(answer), "edit", "c31d", text=TEXT), LOOK),
        (refused(api(answer), "delete", "c31d"), LOOK),
    ):
        assert type(error) is UncertainDeliveryError
        assert mend in error.mend
        assert "HELLO" not in str(error)
        assert TEXT.upper() not in str(error)


def test_an_edit_whose_answer_is_no_message_is_uncertain_and_a_bare_success_no_deletion() -> None:
    edited = refused(api(Answer('{"id": "c31d"}')), "edit", "c31d", text="x")
    assert type(edited) is UncertainDeliveryError
    for status in ("failed", "", "pending"):
        answer = Answer(json.dumps({"status": status}))
        assert type(refused(api(answer), "delete", "c31d")) is UncertainDeliveryError


def test_deleting_needs_the_key_alone_and_editing_the_secret_too() -> None:
    served = Api(Lefoka, Answer('{"status": "success"}'), api_keys=(KEY,))
    served.provider.delete("c31d")
    assert "RECEIVER_ACCOUNTS" in refused(served, "edit", "c31d", text="x").mend
    assert len(served.requests) == 1


@pytest.mark.parametrize(
    "description",
    [
        f"The number {NUMBERS[0]} is not valid",
        "27637885448,27800055555 are not valid",
        "+27 63 788 5448 is not valid",
        f"The provided API Key {KEY} does not exist.",
        "x" * 400 + "27637885448",
    ],
    ids=["number", "numbers", "spaces", "key", "long"],
)
def test_what_lefoka_quotes_in_an_error_is_not_repeated(
    description: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    answer = Answer(
        json.dumps({"message": "INVALID_RECIPIENT_ENTRY", "description": description}), 400
    )
    error = refused(api(answer), "edit", "c31d", text=TEXT, recipients=NUMBERS)
    said = f"{error} {error!r} {error.mend}" + caplog.text
    for mark in ("637885448", "788 5448", "800055555", KEY, SECRET, TEXT):
        assert mark not in said
    assert len(error.reason) < 330


@pytest.mark.parametrize(
    "said",
    [f"Not allowed: {TEXT}", f"not allowed: {TEXT.upper()}.", "Your  parcel\nis here", "a shop-7"],
    ids=["as-it-is", "capitals", "spaces", "reference"],
)
def test_what_lefoka_quotes_of_our_text_is_not_repeated(said: str) -> None:
    answer = Answer(json.dumps({"message": "MESSAGE_LIMIT_EXCEEDED", "description": said}), 400)
    sms = Sms(recipients=NUMBERS, text=TEXT, key="k", client_reference="shop-7")
    edit = {"text": TEXT, "client_reference": "shop-7"}
    for error in (refused(api(answer), "send", sms), refused(api(answer), "edit", "c", **edit)):
        assert error.reason == "the text is too long (HTTP 400)"


def test_a_search_that_lefoka_quotes_is_not_repeated_and_a_short_text_is_no_other_word() -> None:
    for text, reason in (("Mary", "the request was unacceptable"), ("i", "Nothing like Mary")):
        answer = Answer('{"message": "NEW_ONE", "description": "Nothing like Mary"}', 400)
        with pytest.raises(DeliveryError) as caught:
            list(api(answer).provider.messages(search=text))
        assert caught.value.reason == f"{reason} (HTTP 400)"


def test_a_text_that_looks_like_a_code_is_none() -> None:
    error = refused(api(Answer('{"message": "HELLO"}', 400)), "edit", "c31d", text="HELLO")
    assert error.code == "HTTP_400"


def test_a_message_shows_nobodys_number_and_no_text() -> None:
    shown = repr(api().provider.get("c31d"))
    assert "c31dd77c" in shown
    assert "637885448" not in shown
    assert "test" not in shown
