"""The vocabulary: events survive being written down, and refuse what is no field of theirs."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from receiver import Billing, DeliveryReport, InboundMessage, Status
from receiver.events import Alarm, Event, event_id, from_json, to_json, unique_id
from receiver.testing import inbound, report

# Lone surrogates too: json.loads makes them out of "\ud800".
TEXTS = st.text(st.characters()) | st.sampled_from(["", "\x00", "👩🏾‍🌾", "مرحبا", "\ud800", '"\\'])
MAYBE_TEXT = st.none() | TEXTS
MONEY = st.none() | st.decimals(allow_nan=False, allow_infinity=False)
ZONES = st.sampled_from([UTC, timezone(timedelta(hours=2)), timezone(timedelta(hours=-11.5))])
TIMES = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=ZONES)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
    max_leaves=10,
)
COMMON: dict[str, Any] = {
    "id": st.text("0123456789abcdef", min_size=32, max_size=32),
    "provider": TEXTS,
    "account": TEXTS,
    "received_at": TIMES,
    "trust": st.sampled_from(["key", "token"]),
    "duplicate_of": MAYBE_TEXT,
    "message_id": MAYBE_TEXT,
    "client_reference": MAYBE_TEXT,
}
MESSAGES = st.builds(
    InboundMessage,
    **COMMON,
    sender=MAYBE_TEXT,
    candidates=st.lists(TEXTS).map(tuple),
    recipient=MAYBE_TEXT,
    text=TEXTS,
    sent_at=st.none() | TIMES,
    channel=TEXTS,
    billing=st.none()
    | st.builds(Billing, currency=TEXTS, subscriber_price=MONEY, billing_price=MONEY),
    media_url=MAYBE_TEXT,
    custom=st.dictionaries(TEXTS, JSON),
    groups=st.dictionaries(TEXTS, MAYBE_TEXT),
)
REPORTS = st.builds(
    DeliveryReport,
    **COMMON,
    recipient=TEXTS,
    status=st.sampled_from(Status),
    provider_status=TEXTS,
    text=MAYBE_TEXT,
    credit=MONEY,
    created_at=st.none() | TIMES,
    delivered_at=st.none() | TIMES,
    stale=st.booleans(),
)
ALARMS = st.builds(
    Alarm,
    **{name: COMMON[name] for name in ("id", "provider", "account", "received_at", "trust")},
    text=TEXTS,
    since=st.none() | TIMES,
)

of_both_kinds = pytest.mark.parametrize("event", [inbound(), report()], ids=["message", "report"])


@settings(deadline=None)
@given(MESSAGES | REPORTS)
@example(inbound(text="", sender=None, candidates=("+27637885448", "+27800055555")))
@example(report(credit=Decimal("0.00"), stale=True))
def test_an_event_survives_json_without_loss(event: InboundMessage | DeliveryReport) -> None:
    line = to_json(event)
    again = from_json(line)
    assert again == event
    assert type(again) is type(event)
    assert repr(again.as_dict()) == repr(event.as_dict())  # digits too: 1.50 is not 1.5
    assert line.isascii()
    assert "\n" not in line


def field_by_field(event: Event) -> dict[str, Any]:
    """Write an event out slowly, as it stands in every Redis and spool since the first release."""
    result: dict[str, Any] = {"kind": event.kind}
    for field in dataclasses.fields(event):
        value = getattr(event, field.name)
        if value != field.default and value not in ({}, ()):
            result[field.name] = written(value)
    return result


def written(value: Any) -> Any:
    """Give a value as a JSON type."""
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat()
        case Decimal() | Status():
            return str(value)
        case Billing():
            return {f.name: written(getattr(value, f.name)) for f in dataclasses.fields(value)}
    return value


@settings(deadline=None)
@given(MESSAGES | REPORTS | ALARMS)
@example(inbound(received_at=datetime(2026, 1, 2, tzinfo=timezone(timedelta(0)))))
def test_an_event_is_written_byte_for_byte_as_ever(event: Event) -> None:
    assert to_json(event) == json.dumps(field_by_field(event), separators=(",", ":"))


@pytest.mark.parametrize(
    ("number", "written"),
    [
        pytest.param("1.50", 1.5, id="a number"),
        pytest.param("0.1", 0.1, id="a number that a float only comes near to"),
        pytest.param("0.12345678901234567890", "0.12345678901234567890", id="too many digits"),
        pytest.param("1E+999", "1E+999", id="too large for a float"),
    ],
)
def test_a_decimal_in_custom_is_a_number_or_keeps_its_digits(number: str, written: Any) -> None:
    event = inbound(custom={"order": [{"price": Decimal(number)}]})
    assert event.as_dict()["custom"] == {"order": [{"price": written}]}
    assert from_json(to_json(event)).as_dict() == event.as_dict()


def test_what_is_no_json_is_refused_rather_than_lost() -> None:
    with pytest.raises(TypeError, match="set is no JSON type"):
        to_json(inbound(custom={"tags": {"a", "b"}}))


def test_an_event_as_a_dict_says_only_what_is_known() -> None:
    when = datetime(2026, 1, 2, 5, 4, 5, tzinfo=timezone(timedelta(hours=2)))
    event = inbound(id="0" * 32, received_at=when, text="hello", recipient=None)
    assert event.as_dict() == {
        "kind": "message",
        "id": "0" * 32,
        "provider": "test",
        "account": "test",
        "received_at": "2026-01-02T03:04:05+00:00",
        "trust": "key",
        "sender": "+27637885448",
        "candidates": ["+27637885448"],
        "text": "hello",
    }
    assert json.loads(json.dumps(event.as_dict())) == event.as_dict()


@of_both_kinds
def test_an_event_is_frozen_and_slotted(event: Any) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.text = "another"
    assert not hasattr(event, "__dict__")


@of_both_kinds
def test_an_event_takes_keywords_only(event: Any) -> None:
    with pytest.raises(TypeError, match="positional"):
        type(event)("an id")


@of_both_kinds
def test_an_event_refuses_a_misspelt_field(event: Any) -> None:
    with pytest.raises(TypeError, match="recepient"):
        dataclasses.replace(event, recepient="+27637885448")


@of_both_kinds
def test_an_event_can_stand_in_a_set(event: Any) -> None:
    assert {event, dataclasses.replace(event)} == {event}


@pytest.mark.parametrize(
    ("status", "final"),
    [
        (Status.PENDING, False),
        (Status.SCHEDULED, False),
        (Status.SUBMITTED, False),
        (Status.UNKNOWN, False),
        (Status.DELIVERED, True),
        (Status.UNDELIVERED, True),
        (Status.EXPIRED, True),
        (Status.BLOCKED, True),
        (Status.NO_ROUTE, True),
        (Status.FAILED, True),
        (Status.CANCELLED, True),
    ],
)
def test_a_status_says_whether_another_follows(status: Status, final: bool) -> None:
    assert status.final is final
    assert report(status=status).final is final


def test_no_status_is_missing_from_the_table() -> None:
    (table,) = test_a_status_says_whether_another_follows.pytestmark
    assert {status for status, _ in table.args[1]} == set(Status)


def test_an_id_is_made_of_all_that_identifies_and_of_nothing_else() -> None:
    identity = ["lefoka", "shop", "report", "m-1", "delivered"]
    assert event_id(*identity) == event_id(*identity)
    assert len(event_id(*identity)) == 32
    others = [[*identity[:-1], "submitted"], ["lefokashop", "", *identity[2:]], identity[:-1]]
    assert event_id(*identity) not in [event_id(*other) for other in others]


def test_an_id_is_the_same_in_every_release() -> None:
    identity = ("lefoka", "shop", "report", "m-1", 'é "x"', ["a", "b"])
    assert event_id(*identity) == "cad434ac551378b2f4d2b2b8160b16ed"


def test_what_nothing_identifies_has_an_id_of_its_own() -> None:
    assert unique_id() != unique_id()
