"""The bearer API beyond its catalogue: an account's own names, several recipients, odd answers."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from functools import partial
from typing import Any

import httpx
import pytest
from exchange import Answer, Api

from receiver.errors import (
    DeliveryError,
    PermanentDeliveryError,
    TemporaryDeliveryError,
    UncertainDeliveryError,
    Unreadable,
)
from receiver.providers.base import Asked, Balance, Sent, Sms
from receiver.providers.bearer import Bearer

KEY = "bearer-key-0001"
NUMBER, OTHER, THIRD = "+254701234567", "+254712345679", "+27637885448"
TEXT = "Your parcel is here"
TAKEN = Answer('{"status": "success", "data": {"message_id": "m-1"}}')
LATER = datetime(2100, 1, 1, 12, tzinfo=timezone(timedelta(hours=3)))


def api(*answers: Answer | Exception, **options: Any) -> Api:
    account = {"api_keys": (KEY,), "base_url": "https://api.example"}
    fields = {name: options.pop(name) for name in ("api_keys", "source_addr") if name in options}
    return Api(Bearer, *answers, **{**account, **fields}, options=options)


def sms(**fields: Any) -> Sms:
    return Sms(**{"recipients": (NUMBER,), "text": TEXT, "key": "k", **fields})


def refusal(do: Callable[[], object]) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        do()
    return caught.value


def bodies(found: Api) -> list[Any]:
    return [json.loads(request.content) for request in found.requests]


def test_every_word_has_the_name_that_the_account_gives_it() -> None:
    names = {"to": "msisdn", "text": "body", "source": "from", "reference": None}
    names["schedule"] = "send_at"
    found = api(TAKEN, send_path="/v3/out", fields=names, extra={"type": "SMS"})
    found.provider.send(sms(source="SHOP", client_reference="r", schedule=LATER))
    [request] = found.requests
    assert str(request.url) == "https://api.example/v3/out"
    assert bodies(found) == [
        {
            "type": "SMS",
            "msisdn": NUMBER,
            "body": TEXT,
            "from": "SHOP",
            "send_at": "2100-01-01T09:00:00+00:00",
        }
    ]


def test_a_name_that_the_account_does_not_give_is_the_usual_one() -> None:
    found = api(TAKEN, fields={"text": "body"}, source_addr="INFO")
    found.provider.send(sms(client_reference="r"))
    assert bodies(found) == [{"to": NUMBER, "body": TEXT, "sender_id": "INFO", "reference": "r"}]


@pytest.mark.parametrize(
    ("body", "message_id"),
    [
        pytest.param('{"message_id": "m-1"}', "m-1", id="flat"),
        pytest.param('{"data": {"id": 17}}', "17", id="wrapped-number"),
        pytest.param('{"data": {"messageId": "m-1"}}', "m-1", id="camel-case"),
        pytest.param('{"data": [{"message_id": "m-1"}, {"id": "m-2"}]}', "m-1", id="first"),
        pytest.param('{"status": "success", "error": null, "id": "m-1",}', "m-1", id="sloppy"),
        pytest.param('{"status": "queued"}', None, id="none"),
    ],
)
def test_the_id_is_read_under_all_usual_names(body: str, message_id: str | None) -> None:
    assert api(Answer(body)).provider.send(sms()) == Sent(message_id=message_id)


def test_one_recipient_a_request_gives_each_its_own_id() -> None:
    answers = [Answer(f'{{"id": "m-{count}"}}') for count in range(3)]
    found = api(*answers)
    sent = found.provider.send(sms(recipients=(NUMBER, OTHER, THIRD)))
    assert [body["to"] for body in bodies(found)] == [NUMBER, OTHER, THIRD]
    ids = {NUMBER: "m-0", OTHER: "m-1", THIRD: "m-2"}
    assert sent == Sent(message_id="m-0", message_ids=ids)


@pytest.mark.parametrize(("way", "to"), [("list", [NUMBER, OTHER]), ("comma", f"{NUMBER},{OTHER}")])
def test_several_recipients_leave_in_one_request_where_the_account_says_so(
    way: str, to: Any
) -> None:
    body = f'{{"data": {{"messages": [{{"to": "{OTHER[1:]}", "id": 2}}, {{"to": "{NUMBER}", "id": 1}}]}}}}'
    found = api(Answer(body), recipients=way)
    sent = found.provider.send(sms(recipients=(NUMBER, OTHER)))
    assert [body["to"] for body in bodies(found)] == [to]
    assert sent == Sent(message_id="2", message_ids={NUMBER: "1", OTHER: "2"})


def test_a_list_that_was_taken_in_part_is_uncertain() -> None:
    body = f'{{"data": [{{"to": "{NUMBER}", "id": 1}}, {{"to": "{OTHER}", "status": "failed"}}]}}'
    found = api(Answer(body), recipients="list")
    error = refusal(lambda: found.provider.send(sms(recipients=(NUMBER, OTHER))))
    assert type(error) is UncertainDeliveryError


@pytest.mark.parametrize(
    ("body", "status", "kind", "code", "reason"),
    [
        ('{"error": {"code": 1999, "message": "New"}}', 400, PermanentDeliveryError, "1999", "New"),
        ('{"error": {"code": 1999, "message": "New"}}', 503, TemporaryDeliveryError, "1999", "New"),
        ('{"error": {"code": "NEW_ONE"}}', 409, PermanentDeliveryError, "NEW_ONE", "the provider"),
        ('{"error": "Suspended"}', 403, PermanentDeliveryError, "403", "Suspended"),
        ('{"error": "Suspended"}', 200, PermanentDeliveryError, "200", "Suspended"),
        ('{"status": "error"}', 200, PermanentDeliveryError, "200", "the provider refused"),
        ('{"success": false, "message": "No"}', 200, PermanentDeliveryError, "200", "No"),
        ('{"error": {"code": 200, "message": "No"}}', 200, PermanentDeliveryError, "200", "No"),
        ('{"error": {"code": true}}', 404, PermanentDeliveryError, "404", "Not Found"),
        ("<html>", 302, PermanentDeliveryError, "302", "the provider refused"),
        ("<html>", 502, TemporaryDeliveryError, "502", "the provider refused"),
        ("<html>", 504, UncertainDeliveryError, "504", "the provider did not answer in time"),
        ("<html>Welcome</html>", 200, UncertainDeliveryError, None, "the answer is no JSON"),
    ],
)
def test_what_the_catalogue_does_not_list_is_judged_by_its_http_status(
    body: str, status: int, kind: type[DeliveryError], code: str | None, reason: str
) -> None:
    error = refusal(lambda: api(Answer(body, status)).provider.send(sms()))
    assert (type(error), error.code) == (kind, code)
    assert error.reason.startswith(reason)
    assert error.reason.endswith(f"(HTTP {status})")
    assert error.mend


PAST = datetime(2020, 1, 1, tzinfo=UTC)
NAIVE = LATER.replace(tzinfo=None)


@pytest.mark.parametrize(
    ("fields", "options", "code"),
    [
        pytest.param({"recipients": ("15000",)}, {}, "1001", id="short-code"),
        pytest.param({"recipients": (NUMBER, "MTN")}, {}, "1001", id="a-name"),
        pytest.param({"recipients": ("+254 712-345679",)}, {}, "1001", id="spaces-and-dashes"),
        pytest.param({"recipients": ()}, {}, "400", id="no-recipient"),
        pytest.param({"text": ""}, {}, "400", id="no-text"),
        pytest.param({"schedule": PAST}, {"fields": {"schedule": "at"}}, "1008", id="past"),
        pytest.param({"schedule": NAIVE}, {"fields": {"schedule": "at"}}, "1008", id="naive"),
        pytest.param({"schedule": LATER}, {}, None, id="no-name-for-a-schedule"),
        pytest.param({}, {"api_keys": ()}, "401", id="no-key"),
        pytest.param({}, {"api_keys": ("clé",)}, "401", id="a-key-for-no-header"),
        pytest.param({}, {"api_keys": ("two\r\nlines",)}, "401", id="a-key-of-two-lines"),
    ],
)
def test_what_would_surely_be_refused_does_not_leave(
    fields: dict[str, Any], options: dict[str, Any], code: str | None
) -> None:
    found = api(TAKEN, **options)
    error = refusal(lambda: found.provider.send(sms(**fields)))
    assert (type(error), error.code) == (PermanentDeliveryError, code)
    assert error.mend
    assert found.requests == []


def test_a_schedule_without_a_time_zone_is_told_so() -> None:
    for provider in (api().provider, api(fields={"schedule": "at"}).provider):
        error = refusal(partial(provider.send, sms(schedule=NAIVE)))
        assert "no time zone" in error.reason


def test_a_long_text_leaves_since_only_the_api_knows_what_it_does_with_it() -> None:
    assert api(TAKEN).provider.send(sms(text="x" * 161)).message_id == "m-1"


@pytest.mark.parametrize("text", ["é ñ", "👍🏽", "مرحبا", 'a"b\\c\n', "50% + 1 & = / ~"])
def test_a_text_in_any_script_arrives_as_it_was_written(text: str) -> None:
    found = api(TAKEN)
    found.provider.send(sms(text=text))
    assert bodies(found)[0]["message"] == text


def test_a_half_of_an_emoji_is_replaced_and_does_not_stop_the_sms() -> None:
    found = api(TAKEN)
    found.provider.send(sms(text="a\ud83d"))
    assert bodies(found)[0]["message"] == "a\ufffd"


def test_the_balance_is_asked_for_where_the_account_says() -> None:
    found = api(Answer('{"data": {"balance": "12.50"}}'), balance_path="/me/credit")
    assert found.provider.balance() == Balance(amount=Decimal("12.50"), unit="credits")
    [request] = found.requests
    assert (request.method, str(request.url)) == ("GET", "https://api.example/me/credit")
    assert request.headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("body", ["", "<html>", "{}", '{"balance": null}'])
def test_a_balance_that_is_none_is_asked_for_again(body: str) -> None:
    assert type(refusal(api(Answer(body)).provider.balance)) is TemporaryDeliveryError


@pytest.mark.parametrize(
    ("do", "option"),
    [
        (lambda bearer: bearer.balance(), "balance_path"),
        (lambda bearer: bearer.status(Asked(message_id="m"), None), "status_path"),
    ],
)
def test_what_has_no_path_is_not_asked(do: Any, option: str) -> None:
    found = api(TAKEN, balance_path=None, status_path=None)
    error = refusal(lambda: do(found.provider))
    assert type(error) is PermanentDeliveryError
    assert option in error.mend
    assert found.requests == []


@pytest.mark.parametrize(
    ("do", "kind"),
    [
        (lambda bearer: bearer.send(sms()), UncertainDeliveryError),
        (lambda bearer: bearer.balance(), TemporaryDeliveryError),
        (lambda bearer: bearer.status(Asked(message_id="m"), None), TemporaryDeliveryError),
    ],
)
@pytest.mark.parametrize("lost", [httpx.ReadTimeout("x"), Answer("", 504)], ids=["lost", "504"])
def test_a_lost_answer_is_uncertain_unless_nothing_was_to_be_changed(
    do: Any, kind: type[DeliveryError], lost: Answer | Exception
) -> None:
    found = api(lost, status_path="/sms/{message_id}")
    assert type(refusal(lambda: do(found.provider))) is kind


def test_it_pushes_nothing() -> None:
    provider = api().provider
    assert provider.pushes is False
    with pytest.raises(Unreadable):
        provider.parse({}, None)
    assert provider.ack({}, None).body == b""


SPILT = f"{KEY} {NUMBER} {TEXT} 0701 234 567"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(httpx.ConnectError(SPILT), id="connection"),
        pytest.param(httpx.ReadTimeout(SPILT), id="timeout"),
        *(
            pytest.param(
                Answer(
                    json.dumps({"error": {"code": code, "message": SPILT, "details": SPILT}}), 400
                ),
                id=str(code)[:7],
            )
            for code in (1001, 1999, NUMBER, NUMBER[1:], TEXT, KEY)
        ),
        pytest.param(Answer(f'{{"error": "{SPILT}"}}', 200), id="text-alone"),
        pytest.param(Answer(f"<html>{SPILT}", 200), id="html"),
    ],
)
def test_no_key_number_or_text_is_in_an_error_or_a_log(
    answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    api(TAKEN).provider.send(sms())
    error = refusal(lambda: api(answer).provider.send(sms()))
    said = f"{error} {error!r} {error.code} {error.mend}" + caplog.text
    for mark in (KEY, NUMBER[1:], "1 234 567", TEXT):
        assert mark not in said
