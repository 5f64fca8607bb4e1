"""The cases in `cases/<provider>/`, and which callbacks are one event, and which are two.

What a case is stands in `receiver.dev.case`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import ACCOUNTS

from receiver.dev.case import provider_of, receive
from receiver.plugins import provider_classes
from receiver.providers.base import Provider
from receiver.testing import assert_case

CASES = sorted((Path(__file__).parent / "cases").glob("*/*.json"))

REPORT = {
    "id": "f8cf",
    "type": "sms",
    "recipient": ["27637885448"],
    "status": "submitted",
    "creation_date": "2023-06-25T08:55:23+02:00",
}
REPLY = {"id": "624b", "type": "sms-reply", "recipient": ["27637885448"], "message": "yes"}
INBOUND = {
    "from": "255701000000",
    "to": "255701000001",
    "timeUTC": "Wed, 14 Jun 2017 07:00:00 GMT",
    "transaction_id": "120a",
    "message": {"text": "yes"},
}


def make(provider: str, name: str = "") -> Provider:
    """Make an account at a provider."""
    return provider_of(provider_classes()[provider], {}, name)


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_callback_gives_what_its_case_says(path: Path) -> None:
    assert_case(path)


def test_there_are_cases_for_every_provider_that_pushes() -> None:
    pushing = {name for name, known in provider_classes().items() if known.pushes}
    assert {path.parent.name for path in CASES} >= pushing & set(ACCOUNTS)


def ids_of(provider: Provider, callback: dict[str, Any]) -> list[str]:
    received = receive(provider, json.dumps(callback).encode(), "application/json")
    assert received.unreadable is None
    return [event.id for event in received.events]


@pytest.mark.parametrize(
    ("provider", "callback", "again"),
    [
        pytest.param("lefoka", REPORT, {}, id="lefoka-report"),
        pytest.param("lefoka", REPORT, {"status": "SUBMITTED"}, id="lefoka-report-in-capitals"),
        pytest.param("lefoka", REPORT, {"credit": 3, "message": "x"}, id="lefoka-report-grown"),
        pytest.param(
            "lefoka",
            REPORT,
            {"creation_date": "2023-06-25T06:55:23Z"},
            id="lefoka-report-same-date-in-utc",
        ),
        pytest.param("lefoka", REPORT, {"recipient": "+27637885448"}, id="lefoka-report-plus"),
        pytest.param("lefoka", REPLY, {}, id="lefoka-reply"),
        pytest.param("smsbox", INBOUND, {}, id="smsbox"),
        pytest.param(
            "smsbox",
            INBOUND,
            {"timeUTC": "Wed, 14 Jun 2017 07:05:00 GMT", "billing": {"currency": "TZS"}},
            id="smsbox-with-another-time",
        ),
        pytest.param("smsbox", INBOUND, {"from": "+255701000000"}, id="smsbox-with-plus"),
        pytest.param("smsbox", INBOUND, {"message": "yes"}, id="smsbox-text-plain"),
        pytest.param(
            "smsbox", {**INBOUND, "transaction_id": 12}, {"transaction_id": "12"}, id="smsbox-12"
        ),
    ],
)
def test_a_resend_has_the_ids_of_the_first(
    provider: str, callback: dict[str, Any], again: dict[str, Any]
) -> None:
    first, second = make(provider), make(provider)
    assert ids_of(first, callback) == ids_of(second, {**callback, **again})


@pytest.mark.parametrize(
    ("provider", "callback", "other"),
    [
        pytest.param("lefoka", REPORT, {"status": "delivered"}, id="lefoka-next-status"),
        pytest.param("lefoka", REPORT, {"id": "f8d0"}, id="lefoka-another-message"),
        pytest.param("lefoka", REPORT, {"recipient": ["27800055555"]}, id="lefoka-recipient"),
        pytest.param(
            "lefoka", REPORT, {"delivery_date": "2023-06-25T09:00:00Z"}, id="lefoka-delivery-date"
        ),
        pytest.param("lefoka", REPORT, {"type": "sms-reply", "message": "x"}, id="lefoka-type"),
        pytest.param("lefoka", REPLY, {"message": "no"}, id="lefoka-reply-text"),
        pytest.param("lefoka", REPLY, {"recipient": ["27800055555"]}, id="lefoka-reply-sender"),
        pytest.param("smsbox", INBOUND, {"transaction_id": "120b"}, id="smsbox-transaction"),
        pytest.param("smsbox", INBOUND, {"message": {"text": "no"}}, id="smsbox-text"),
        pytest.param("smsbox", INBOUND, {"from": "255701000009"}, id="smsbox-sender"),
    ],
)
def test_what_happened_next_has_other_ids(
    provider: str, callback: dict[str, Any], other: dict[str, Any]
) -> None:
    account = make(provider)
    assert not {*ids_of(account, callback)} & {*ids_of(account, {**callback, **other})}


def test_each_recipient_has_an_id_of_its_own_whatever_the_order() -> None:
    account, numbers = make("lefoka"), [f"2763788{n:04d}" for n in range(500)]
    ids = ids_of(account, {**REPORT, "recipient": numbers})
    assert len(set(ids)) == 500
    assert ids_of(account, {**REPORT, "recipient": numbers[::-1]}) == ids[::-1]
    assert ids_of(account, {**REPORT, "recipient": numbers[3]}) == [ids[3]]


@pytest.mark.parametrize(
    ("provider", "callback"),
    [
        pytest.param("lefoka", REPORT, id="lefoka-report"),
        pytest.param("lefoka", REPLY, id="lefoka-reply"),
        pytest.param("smsbox", INBOUND, id="smsbox"),
    ],
)
def test_two_accounts_of_one_provider_never_share_ids(
    provider: str, callback: dict[str, Any]
) -> None:
    first, second = make(provider, "shop"), make(provider, "bank")
    assert not {*ids_of(first, callback)} & {*ids_of(second, callback)}


@pytest.mark.parametrize("missing", [None, "", "  "], ids=["null", "empty", "blank"])
@pytest.mark.parametrize(
    ("provider", "callback", "name"),
    [
        pytest.param("lefoka", REPORT, "id", id="lefoka-report"),
        pytest.param("lefoka", REPLY, "id", id="lefoka-reply"),
        pytest.param("smsbox", INBOUND, "transaction_id", id="smsbox"),
    ],
)
def test_without_the_providers_id_every_callback_is_a_new_event(
    provider: str, callback: dict[str, Any], name: str, missing: str | None
) -> None:
    account = make(provider)
    seen = [id_ for _ in range(3) for id_ in ids_of(account, {**callback, name: missing})]
    assert len(set(seen)) == 3


def alike_of(provider: Provider, callback: dict[str, Any]) -> str:
    received = receive(provider, json.dumps(callback).encode())
    assert list(received.alike) == [event.id for event in received.events]
    return next(iter(received.alike.values()))


@pytest.mark.parametrize(
    ("provider", "callback", "same", "other"),
    [
        pytest.param(
            "smsbox",
            {**INBOUND, "transaction_id": None},
            {"timeUTC": None, "from": "+255701000000"},
            [{"from": "255701000009"}, {"to": "15000"}, {"message": {"text": "no"}}],
            id="smsbox",
        ),
        pytest.param(
            "lefoka",
            {**REPLY, "id": None},
            {"delivery_date": "2023-12-31T20:57:37Z"},
            [{"recipient": ["27800055555"]}, {"message": "no"}],
            id="lefoka",
        ),
    ],
)
def test_without_the_providers_id_the_same_content_looks_alike(
    provider: str, callback: dict[str, Any], same: dict[str, Any], other: list[dict[str, Any]]
) -> None:
    account = make(provider)
    first = alike_of(account, callback)
    assert alike_of(account, {**callback, **same}) == first
    for change in other:
        assert alike_of(account, {**callback, **change}) != first
    assert alike_of(make(provider, "another"), callback) != first


def test_an_event_with_an_id_looks_like_no_other() -> None:
    assert receive(make("smsbox"), json.dumps(INBOUND).encode()).alike == {}
    assert receive(make("lefoka"), json.dumps(REPORT).encode()).alike == {}
