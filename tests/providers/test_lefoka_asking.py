"""Asking Lefoka: the pages of its list, what became of an SMS, and whether it arrived.

Source: https://developer.lefoka.co.za/docs/sms/reference, section "Returns a list of SMS messages".
What webhooks brought and what the list says are made into events of the same ids.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from exchange import Answer, Api
from lefoka_samples import ACCOUNT, LIST, LISTED_ID, NUMBERS, SENT

from receiver.errors import DeliveryError, PermanentDeliveryError, TemporaryDeliveryError
from receiver.events import DeliveryReport, InboundMessage, Status
from receiver.providers.base import Asked, Sms, Stamp
from receiver.providers.lefoka import Lefoka
from receiver.security import WebhookRequest

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOTHING = Answer('{"error": {"message": "NO_SMS_MESSAGES"}}', 404)
ONE = {
    "id": "f8cf",
    "type": "sms",
    "recipient": ["27637885448", "27800055555"],
    "message": "test",
    "client_reference": "ref",
    "schedule": None,
    "status": "delivered",
    "credit": 2,
    "creation_date": "2026-03-01T12:00:00+02:00",
}


def sms(minute: int, **more: Any) -> dict[str, Any]:
    """A message of the list, made so many minutes before noon in UTC."""
    made = NOON - timedelta(minutes=minute)
    return {**ONE, "id": f"m-{minute}", "creation_date": made.isoformat(), **more}


def page(*objects: Any, **more: Any) -> Answer:
    return Answer(json.dumps({"list": list(objects), **more}))


def api(*answers: Answer | Exception) -> Api:
    return Api(Lefoka, *answers, **ACCOUNT)


def pages_asked(served: Api) -> list[str]:
    return [request.url.params["page"] for request in served.requests]


def stamp(served: Api) -> Stamp:
    return Stamp(served.account, "asked", NOON)


def pushed(served: Api, body: dict[str, Any]) -> tuple[InboundMessage | DeliveryReport, ...]:
    """The events of a webhook."""
    request = WebhookRequest(
        body=json.dumps(body).encode(),
        headers={"x-api-key": served.account.api_keys[0]},
        received_at=NOON,
    )
    return served.provider.receive(request).events


def test_pages_are_asked_for_as_they_are_needed() -> None:
    served = api(page(sms(1), sms(2), total_pages=3), page(sms(3), total_pages=3), page(sms(4)))
    messages = served.provider.messages()
    assert served.requests == []
    assert [next(messages).id, next(messages).id] == ["m-1", "m-2"]
    assert pages_asked(served) == ["1"]
    assert [message.id for message in messages] == ["m-3", "m-4"]


@pytest.mark.parametrize(
    ("answers", "asked"),
    [
        pytest.param([page(sms(1), total_pages=1)], 1, id="last-of-one"),
        pytest.param([page(sms(1), total_pages="1")], 1, id="count-as-text"),
        pytest.param([page(sms(1)), NOTHING], 2, id="no-messages"),
        pytest.param([page(sms(1)), page()], 2, id="empty"),
        pytest.param([page(sms(1)), Answer('{"list": null}')], 2, id="null"),
        pytest.param([page(sms(1))], 4, id="the-same-page-for-ever"),
        pytest.param([page(sms(1), total_pages=99)], 4, id="the-same-page-99-times"),
    ],
)
def test_the_list_ends(answers: list[Answer], asked: int) -> None:
    served = api(*answers)
    assert [message.id for message in served.provider.messages()] == ["m-1"]
    assert pages_asked(served) == [str(n + 1) for n in range(asked)]


def test_what_moves_to_the_next_page_is_given_once_and_what_follows_is_not_lost() -> None:
    served = api(
        page(sms(1), sms(2), total_pages=4),
        page(sms(1), sms(2), total_pages=4),
        page(sms(2), sms(3), total_pages=4),
        page(sms(4), total_pages=4),
    )
    given = [message.id for message in served.provider.messages(limit=2)]
    assert given == ["m-1", "m-2", "m-3", "m-4"]


def test_what_cannot_be_read_is_left_out() -> None:
    junk: list[Any] = [
        {},
        None,
        "...",
        [1],
        {**ONE, "id": None},
        {**ONE, "id": [1]},
        {**ONE, "recipient": None},
        {**ONE, "recipient": {"a": {"b": 1}}},
    ]
    served = api(page(*junk, sms(1), total_pages=1))
    assert [message.id for message in served.provider.messages()] == ["m-1"]
    events = list(served.provider.history(NOON - timedelta(hours=1), stamp(served)))
    assert [event.message_id for event in events if event.message_id] == ["m-1", "m-1"]


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ("0637885448", "27637885448"),
        ("+27 63 788 5448", "27637885448"),
        ("27637885448", "27637885448"),
        ("637885", "637885"),
        ("3788544", "3788544"),
        ("0637885", "0637885"),
        (" +2763 ", "2763"),
        ("06378", "06378"),
    ],
)
def test_a_number_is_looked_for_as_it_is_sent_to_and_a_part_as_it_is(
    given: str, asked: str
) -> None:
    served = api(NOTHING)
    assert list(served.provider.messages(recipient=given)) == []
    assert served.requests[0].url.params["recipient"] == asked


def test_a_filter_that_it_has_not_is_refused_at_once() -> None:
    served = api()
    for wrong in (
        {"limit": 0},
        {"limit": 101},
        {"page": 0},
        {"status": "x"},
        {"status": "unknown"},
    ):
        with pytest.raises(PermanentDeliveryError, match=next(iter(wrong))):
            served.provider.messages(**wrong)
    assert served.requests == []


SAME: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "as-it-is": lambda body: body,
    "utc": lambda body: {**body, "creation_date": "2026-03-01T10:00:00Z"},
    "no-offset": lambda body: {**body, "creation_date": "2026-03-01T12:00:00"},
    "number-for-a-recipient": lambda body: {**body, "recipient": [27637885448, 27800055555]},
    "plus": lambda body: {**body, "recipient": ["+27637885448", "0800055555"]},
    "an-object-of-recipients": lambda body: {
        **body,
        "recipient": {"0": 27637885448, "2": 27800055555},
    },
    "number-for-an-id": lambda body: {**body, "id": 77},
    "capitals": lambda body: {**body, "status": "Delivered"},
    "no-reference": lambda body: {**body, "client_reference": None, "_links": {}},
    "blank-delivery": lambda body: {**body, "delivery_date": ""},
}


@pytest.mark.parametrize("change", SAME.values(), ids=SAME)
@pytest.mark.parametrize("kind", ["sms", "sms-reply"])
def test_an_event_has_one_id_from_the_webhook_the_list_and_the_answer(
    kind: str, change: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    body = {**ONE, "type": kind}
    told = change(body)
    if told["id"] == 77:
        body["id"] = "77"
    listing, asking = api(page(told, total_pages=1)), api(Answer(json.dumps(told)))
    webhook = pushed(listing, body)
    assert webhook
    history = tuple(listing.provider.history(NOON - timedelta(days=1), stamp(listing)))
    assert [event.id for event in history] == [event.id for event in webhook]
    assert {event.trust for event in history} == {"asked"}
    if kind == "sms":
        found = asking.provider.status(Asked(message_id=str(told["id"])), stamp(asking))
        assert [report.id for report in found] == [event.id for event in webhook]


def test_another_status_is_another_event() -> None:
    served = api(page({**ONE, "status": "submitted"}, total_pages=1))
    listed = served.provider.history(NOON - timedelta(days=1), stamp(served))
    assert not {event.id for event in listed} & {event.id for event in pushed(served, ONE)}


def test_the_sample_of_the_list_gives_its_event_whatever_commas_it_lacks() -> None:
    served = api(Answer(LIST.replace('"total_pages": 7', '"total_pages": 1')))
    [event] = served.provider.history(datetime(2023, 5, 1, tzinfo=UTC), stamp(served))
    assert (event.message_id, event.status) == (LISTED_ID, Status.DELIVERED)
    assert event.delivered_at == datetime(2023, 5, 1, 3, 7, 50, tzinfo=UTC)


def test_history_stops_where_the_list_is_older_and_bears_a_few_out_of_order() -> None:
    mixed = [sms(1), sms(90), sms(2), *(sms(61 + n) for n in range(9)), sms(3)]
    served = api(page(*mixed), page(*(sms(100 + n) for n in range(10)), sms(4)), page(sms(5)))
    events = served.provider.history(NOON - timedelta(hours=1), stamp(served))
    assert list(dict.fromkeys(event.message_id for event in events)) == ["m-1", "m-2", "m-3"]
    assert pages_asked(served) == ["1", "2"]


def test_history_has_what_was_made_before_and_delivered_since() -> None:
    late = sms(300, delivery_date=(NOON - timedelta(minutes=5)).isoformat())
    due = sms(400, schedule=NOON.isoformat(), status="scheduled")
    served = api(page(sms(1), late, due, sms(500), total_pages=1))
    events = served.provider.history(NOON - timedelta(hours=1), stamp(served))
    assert list(dict.fromkeys(event.message_id for event in events)) == ["m-1", "m-300", "m-400"]


def test_a_status_is_a_report_for_each_recipient() -> None:
    served = api(Answer(SENT))
    reports = served.provider.status(Asked(message_id="f8cf"), stamp(served))
    assert [(report.recipient, report.status) for report in reports] == [
        (number, Status.PENDING) for number in NUMBERS
    ]
    assert str(served.requests[0].url).endswith("/v1/messages/f8cf")
    nothing = api(NOTHING)
    assert nothing.provider.status(Asked(message_id="f8cf"), stamp(nothing)) == ()


WANTED = Sms(recipients=NUMBERS, text="test", key="k", client_reference="ref")
ASKING: dict[str, Callable[[Api], object]] = {
    "get": lambda served: served.provider.get("f8cf"),
    "messages": lambda served: list(served.provider.messages()),
    "balance": lambda served: served.provider.balance(),
    "status": lambda served: served.provider.status(Asked(message_id="f8cf"), stamp(served)),
    "find": lambda served: served.provider.find(WANTED, NOON),
    "history": lambda served: list(served.provider.history(NOON, stamp(served))),
}


@pytest.mark.parametrize(
    "answer",
    [
        httpx.ReadTimeout("27637885448"),
        httpx.ConnectError("27637885448"),
        Answer("<html>"),
        Answer('{"id": null, "list": }'),
        Answer("{}", 504),
    ],
    ids=["lost", "never-left", "html", "garbage", "gateway"],
)
@pytest.mark.parametrize("call", ASKING)
def test_who_only_asks_may_ask_again(call: str, answer: Any) -> None:
    with pytest.raises(DeliveryError) as caught:
        ASKING[call](api(answer))
    assert type(caught.value) is TemporaryDeliveryError
    assert "27637885448" not in str(caught.value)


def test_asking_needs_the_key_alone() -> None:
    for call in ASKING.values():
        with pytest.raises(PermanentDeliveryError, match="shop has no api_key"):
            call(Api(Lefoka))
    served = Api(Lefoka, Answer('{"balance": "44.5"}'), api_keys=("pk",))
    assert str(served.provider.balance().amount) == "44.5"
