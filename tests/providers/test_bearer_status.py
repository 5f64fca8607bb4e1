"""What became of an SMS, asked of the bearer API; and what its accounts may say."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from exchange import Answer, Api
from marshmallow import ValidationError

from receiver.errors import PermanentDeliveryError, TemporaryDeliveryError
from receiver.events import DeliveryReport, Status
from receiver.providers.base import Asked, Stamp
from receiver.providers.bearer import Bearer

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NUMBER, OTHER = "+254701234567", "+254712345679"


def api(body: Any, **account: Any) -> Api:
    answer = Answer(body if isinstance(body, str) else json.dumps(body))
    options = {"status_path": "/sms/{message_id}/state"}
    given = {"api_keys": ("k",), "base_url": "https://api.example", "options": options}
    return Api(Bearer, answer, **{**given, **account})


def reports(found: Api, *recipients: str, message_id: str = "m-1") -> list[DeliveryReport]:
    asked = Asked(message_id=message_id, recipients=recipients, client_reference="ref-1")
    return list(found.provider.status(asked, Stamp(found.account, "asked", NOON)))


def test_a_report_is_what_a_webhook_would_bring() -> None:
    body = {
        "status": "success",
        "data": {"id": "m-1", "status": "Delivered", "delivered_at": "2026-03-01T14:00:00+03:00"},
    }
    found = api(body)
    [report] = reports(found, NUMBER)
    assert dataclasses.replace(report, id="") == DeliveryReport(
        id="",
        provider="bearer",
        account="shop",
        received_at=NOON,
        trust="asked",
        message_id="m-1",
        recipient=NUMBER,
        status=Status.DELIVERED,
        provider_status="Delivered",
        client_reference="ref-1",
        delivered_at=datetime(2026, 3, 1, 11, tzinfo=UTC),
    )
    [request] = found.requests
    assert (request.method, str(request.url)) == ("GET", "https://api.example/sms/m-1/state")


def test_an_id_is_one_part_of_the_path_whatever_it_holds() -> None:
    found = api({"status": "sent"})
    reports(found, NUMBER, message_id="../a b?c#d")
    assert found.requests[0].url.raw_path == b"/sms/..%2Fa%20b%3Fc%23d/state"


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("queued", Status.PENDING),
        ("Accepted", Status.PENDING),
        ("scheduled", Status.SCHEDULED),
        ("SENT", Status.SUBMITTED),
        ("delivered", Status.DELIVERED),
        ("DELIVRD", Status.DELIVERED),
        ("Delivered_To_Handset", Status.DELIVERED),
        ("undelivered", Status.UNDELIVERED),
        ("expired", Status.EXPIRED),
        ("opted-out", Status.BLOCKED),
        ("no route", Status.NO_ROUTE),
        ("failed", Status.FAILED),
        ("REJECTED", Status.FAILED),
        ("canceled", Status.CANCELLED),
        ("success", Status.UNKNOWN),
        ("a word of next year", Status.UNKNOWN),
    ],
)
def test_a_word_is_read_as_the_trade_means_it(word: str, status: Status) -> None:
    [report] = reports(api({"data": {"status": word}}), NUMBER)
    assert (report.status, report.provider_status) == (status, word)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"status": "failed"}, id="flat"),
        pytest.param({"status": "success", "data": {"delivery_status": "failed"}}, id="wrapped"),
        pytest.param({"status": 200, "data": [{"state": "failed"}]}, id="in-a-list"),
        pytest.param({"status": True, "message": {"status": "failed", "to": "1"}}, id="message"),
        pytest.param({"status": "failed", "error": "absent subscriber"}, id="with-its-reason"),
        pytest.param('{"data": {"status": "failed",},}', id="commas-trail"),
    ],
)
def test_an_sms_that_failed_is_a_report_and_no_error(body: Any) -> None:
    [report] = reports(api(body), NUMBER)
    assert (report.recipient, report.status) == (NUMBER, Status.FAILED)


TWO = {"data": [{"to": "254701234567", "status": "sent"}, {"to": OTHER, "status": "failed"}]}


def test_each_recipient_has_its_own_report() -> None:
    found = {report.recipient: report.status for report in reports(api(TWO), NUMBER, OTHER)}
    assert found == {NUMBER: Status.SUBMITTED, OTHER: Status.FAILED}


def test_only_those_that_were_asked_for_are_reported() -> None:
    assert [report.recipient for report in reports(api(TWO), OTHER)] == [OTHER]


def test_the_answers_own_numbers_are_taken_where_none_is_known() -> None:
    assert [report.recipient for report in reports(api(TWO))] == [NUMBER, OTHER]


def test_one_word_for_several_recipients_counts_for_all() -> None:
    found = reports(api({"data": {"status": "sent"}}), NUMBER, OTHER)
    assert [report.recipient for report in found] == [NUMBER, OTHER]


@pytest.mark.parametrize("body", ["{}", {"status": "success"}, {"data": {"id": "m-1"}}])
def test_an_answer_without_a_word_is_no_report(body: Any) -> None:
    assert reports(api(body), NUMBER) == []


def test_a_word_without_any_number_is_no_report() -> None:
    assert reports(api({"data": {"status": "sent"}})) == []


def test_the_id_of_a_report_changes_with_the_word_alone() -> None:
    def id_of(word: str, *numbers: str, **more: Any) -> list[str]:
        body = {"data": {"status": word, **more}}
        return [report.id for report in reports(api(body), *numbers)]

    first = id_of("sent", NUMBER)
    assert id_of("SENT", NUMBER, delivered_at="2026-03-01T12:00:00Z") == first
    assert id_of("delivered", NUMBER) != first
    assert id_of("sent", OTHER) != first
    asked = reports(api({"data": {"status": "sent"}}), NUMBER, message_id="m-2")
    assert [report.id for report in asked] != first


def test_a_message_that_nobody_knows_is_an_error() -> None:
    body = {"status": "error", "error": {"code": 404, "message": "Not Found"}}
    with pytest.raises(PermanentDeliveryError) as caught:
        reports(api(body), NUMBER)
    assert caught.value.code == "404"


@pytest.mark.parametrize("body", ["", "<html>Sorry</html>"])
def test_an_answer_that_is_no_json_is_asked_for_again(body: str) -> None:
    with pytest.raises(TemporaryDeliveryError):
        reports(api(body), NUMBER)


def test_a_failure_that_names_no_status_is_an_error() -> None:
    with pytest.raises(PermanentDeliveryError):
        reports(api({"success": False, "message": "No"}), NUMBER)


def test_it_is_polled_only_where_the_account_says_how() -> None:
    assert Bearer.is_polled is False
    assert api("").provider.is_polled is True
    assert api("", options={}).provider.is_polled is False
    assert api("", options={"status_path": None}).provider.is_polled is False


def settings(**account: Any) -> dict[str, Any]:
    given = {"provider": "bearer", "base_url": "https://api.example", **account}
    return Bearer.account_schema().load(given)


def test_an_account_may_say_what_is_its_own() -> None:
    options = {
        "send_path": "/out",
        "balance_path": None,
        "status_path": "/out/{message_id}",
        "recipients": "comma",
        "fields": {"text": "body", "source": None},
        "extra": {"type": "SMS"},
    }
    assert settings(**options)["options"] == options


@pytest.mark.parametrize(
    ("account", "name", "words"),
    [
        ({"base_url": None}, "base_url", "names no host"),
        ({"base_url": "http://api.example"}, "base_url", "https://"),
        ({"send_path": "out"}, "send_path", "must be a path"),
        ({"send_path": None}, "send_path", "null"),
        ({"send_path": "//elsewhere.example"}, "send_path", "must be a path"),
        ({"balance_path": "/a?b"}, "balance_path", "must be a path"),
        ({"status_path": "/sms"}, "status_path", "{message_id}"),
        ({"recipients": "many"}, "recipients", "one"),
        ({"fields": {"tone": "x"}}, "fields", "tone"),
        ({"fields": {"to": None}}, "fields", "without a name"),
        ({"fields": {"text": ""}}, "fields", "text"),
        ({"sned_path": "/x"}, "sned_path", "Unknown"),
    ],
)
def test_a_wrong_account_is_told_by_name(account: dict[str, Any], name: str, words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        settings(**account)
    assert words in str(caught.value.messages_dict[name])


def test_an_account_without_an_address_is_told_what_to_write() -> None:
    with pytest.raises(ValidationError) as caught:
        Bearer.account_schema().load({"provider": "bearer"})
    assert "names no host" in str(caught.value.messages_dict["base_url"])
