"""The keyed panel beyond its text: what its silence becomes, and what is refused."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
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
from receiver.providers.base import Balance, Sent, Sms
from receiver.providers.keyed import Keyed, PanelKey

KEY, USER, PASSWORD = "panel-key-0001", "panel-user-0001", "panel-pass-0001"
NUMBER, OTHER = "+254701234567", "+254712345678"
TEXT = "Your parcel is here"
V2: dict[str, Any] = {"api_keys": (KEY,), "base_url": "https://panel.example"}
V1: dict[str, Any] = {
    "api_secret": PASSWORD,
    "base_url": "https://panel.example",
    "options": {"version": 1, "username": USER},
}
QUEUED = Answer('{"message_id": "m-1"}')


def sms(**fields: Any) -> Sms:
    return Sms(**{"recipients": (NUMBER,), "text": TEXT, "key": "k", **fields})


def refusal(do: Callable[[], object]) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        do()
    return caught.value


@pytest.mark.parametrize(
    ("body", "message_id"),
    [
        pytest.param('{"message_id": "m-1"}', "m-1", id="flat"),
        pytest.param('{"success": true, "messageId": 17}', "17", id="camel-case-number"),
        pytest.param('{"data": {"id": "m-1"}}', "m-1", id="wrapped"),
        pytest.param('{"data": [{"id": "m-1"}, {"id": "m-2"}]}', "m-1", id="first-of-a-list"),
        pytest.param('{"data": {"messages": [{"sms_id": "m-1"}]}}', "m-1", id="deeper"),
        pytest.param('[{"message_id": "m-1"},]', "m-1", id="list-alone"),
        pytest.param('{"error": null, "errors": [], "status": 200, "id": "m"}', "m", id="no-error"),
        pytest.param('{"message": "Messages sent successfully"}', None, id="words-alone"),
        pytest.param('{"status": "success"}', None, id="status-alone"),
    ],
)
def test_a_success_is_read_under_all_usual_names(body: str, message_id: str | None) -> None:
    assert Api(Keyed, Answer(body), **V2).provider.send(sms()) == Sent(message_id=message_id)


def test_each_recipient_has_its_own_id_where_the_panel_says_so() -> None:
    body = f'{{"data": [{{"number": "254701234567", "id": 1}}, {{"to": "{OTHER}", "id": 2}}]}}'
    sent = Api(Keyed, Answer(body), **V2).provider.send(sms(recipients=(NUMBER, OTHER)))
    assert sent == Sent(message_id="1", message_ids={NUMBER: "1", OTHER: "2"})


@pytest.mark.parametrize("body", ["", "OK", "<html>Log in</html>", "{}", "[]", "null"])
@pytest.mark.parametrize("account", [V1, V2], ids=["v1", "v2"])
def test_a_success_that_says_nothing_is_uncertain(body: str, account: dict[str, Any]) -> None:
    api = Api(Keyed, Answer(body), **account)
    assert type(refusal(lambda: api.provider.send(sms()))) is UncertainDeliveryError


def test_a_success_of_some_recipients_only_is_uncertain() -> None:
    body = f'{{"data": [{{"to": "{NUMBER}", "id": 1}}, {{"to": "{OTHER}", "error": "No"}}]}}'
    api = Api(Keyed, Answer(body), **V2)
    error = refusal(lambda: api.provider.send(sms(recipients=(NUMBER, OTHER))))
    assert type(error) is UncertainDeliveryError


@pytest.mark.parametrize(
    ("body", "status", "code", "reason"),
    [
        ('{"status": false, "message": "Blocked"}', 200, "200", "Blocked"),
        ('{"success": "false", "message": "Blocked"}', 200, "200", "Blocked"),
        ('{"status": "failed", "message": "Blocked"}', 200, "200", "Blocked"),
        ('{"code": 403, "message": "Blocked"}', 200, "200", "Blocked"),
        ('{"errors": ["numbers"], "message": "Invalid."}', 200, "200", "Invalid."),
        ('{"errors": {"numbers": ["x"]}, "message": "Invalid."}', 422, "422", "Invalid."),
        ('{"error": {"message": "Blocked"}}', 400, "400", "Blocked"),
        ("<h1>404</h1>", 404, "404", "the panel refused the request"),
        ("", 302, "302", "the panel refused the request"),
    ],
)
def test_any_other_failure_is_permanent_and_says_what_to_do(
    body: str, status: int, code: str, reason: str
) -> None:
    api = Api(Keyed, Answer(body, status), **V2)
    error = refusal(lambda: api.provider.send(sms()))
    assert type(error) is PermanentDeliveryError
    assert (error.code, error.reason) == (code, f"{reason} (HTTP {status})")
    assert error.mend


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_page_of_html_for_an_error_is_temporary(status: int) -> None:
    answer = Answer("<html><h1>Bad Gateway</h1></html>", status, {"Retry-After": "30"})
    error = refusal(lambda: Api(Keyed, answer, **V2).provider.send(sms()))
    assert isinstance(error, TemporaryDeliveryError)
    assert (error.code, error.retry_after) == (str(status), 30.0)


ASKING = ("balance", "documentation")


@pytest.mark.parametrize(
    "doing", ["send", "balance", "generate_key", "revoke_key", "documentation"]
)
@pytest.mark.parametrize("lost", [httpx.ReadTimeout("x"), Answer("", 504)], ids=["lost", "504"])
def test_a_lost_answer_is_uncertain_unless_nothing_was_to_be_changed(
    doing: str, lost: Answer | Exception
) -> None:
    api = Api(Keyed, lost, **V2)
    arguments = (sms(),) if doing == "send" else ()
    error = refusal(lambda: getattr(api.provider, doing)(*arguments))
    expected = TemporaryDeliveryError if doing in ASKING else UncertainDeliveryError
    assert type(error) is expected


@pytest.mark.parametrize(
    ("body", "balance"),
    [
        ('{"balance": 12}', Balance(amount=Decimal(12), unit="credits")),
        ('{"data": {"sms_balance": "7"}}', Balance(amount=Decimal(7), unit="credits")),
        (
            '{"data": {"credits": 7.5}, "balance": 3}',
            Balance(amount=Decimal("7.5"), unit="credits"),
        ),
        ('{"account_balance": 5, "currency": "KES"}', Balance(amount=Decimal(5), unit="money")),
    ],
)
def test_a_balance_is_read_under_all_usual_names(body: str, balance: Balance) -> None:
    assert Api(Keyed, Answer(body), **V2).provider.balance() == balance


@pytest.mark.parametrize("body", ["<html>", "{}", '{"data": {"balance": "many"}}'])
def test_a_balance_that_is_none_is_asked_for_again(body: str) -> None:
    error = refusal(lambda: Api(Keyed, Answer(body), **V2).provider.balance())
    assert type(error) is TemporaryDeliveryError


@pytest.mark.parametrize("body", ['{"message": "ok"}', '{"data": {"key": 17}}'])
def test_a_key_that_is_not_in_the_answer_may_have_been_made(body: str) -> None:
    error = refusal(lambda: Api(Keyed, Answer(body), **V2).provider.generate_key())
    assert type(error) is UncertainDeliveryError


def test_a_revocation_may_be_answered_with_nothing() -> None:
    assert Api(Keyed, Answer("", 204), **V2).provider.revoke_key() is None


def test_the_key_is_in_no_repr() -> None:
    answer = Answer('{"data": {"api_key": "new-key-0002"}}')
    key = Api(Keyed, answer, **V2).provider.generate_key()
    assert key == PanelKey(value="new-key-0002")
    assert "new-key" not in f"{key!r} {key}"


@pytest.mark.parametrize("days", [0, -1, 366])
@pytest.mark.parametrize("doing", ["generate_key", "regenerate_key"])
def test_days_outside_the_documented_bounds_do_not_leave(days: int, doing: str) -> None:
    api = Api(Keyed, **V2)
    assert type(refusal(lambda: getattr(api.provider, doing)(days))) is PermanentDeliveryError
    assert api.requests == []


@pytest.mark.parametrize("days", [1, 365])
def test_days_at_the_documented_bounds_leave(days: int) -> None:
    api = Api(Keyed, Answer('{"key": "k"}'), **V2)
    api.provider.generate_key(days)
    assert api.requests[0].content == f'{{"expiry_days":{days}}}'.encode()


LATER = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("fields", "account", "code"),
    [
        pytest.param({"text": ""}, V2, "400", id="no-text"),
        pytest.param({"recipients": ()}, V2, "400", id="no-recipient"),
        pytest.param({"recipients": (NUMBER, "MTN")}, V2, "400", id="a-name-for-a-number"),
        pytest.param({"recipients": (f"{NUMBER},{OTHER}",)}, V2, "400", id="two-in-one"),
        pytest.param({"schedule": LATER}, V2, None, id="schedule"),
        pytest.param({}, {**V2, "api_keys": ()}, "401", id="no-key"),
        pytest.param({}, {**V2, "api_keys": ("clé\n",)}, "401", id="a-key-for-no-header"),
        pytest.param({}, {**V2, "api_keys": ("two\r\nlines",)}, "401", id="a-key-of-two-lines"),
        pytest.param({}, {**V1, "api_secret": None}, "401", id="no-password"),
        pytest.param({}, {**V1, "options": {"version": 1}}, "401", id="no-user"),
    ],
)
def test_what_cannot_be_sent_does_not_leave(
    fields: dict[str, Any], account: dict[str, Any], code: str | None
) -> None:
    api = Api(Keyed, QUEUED, **account)
    error = refusal(lambda: api.provider.send(sms(**fields)))
    assert (type(error), error.code) == (PermanentDeliveryError, code)
    assert error.mend
    assert api.requests == []


@pytest.mark.parametrize("text", ["é ñ", "👍🏽", "مرحبا", 'a"b\\c\n', "50% + 1 & = / ~"])
@pytest.mark.parametrize("account", [V1, V2], ids=["v1", "v2"])
def test_a_text_in_any_script_arrives_as_it_was_written(text: str, account: dict[str, Any]) -> None:
    api = Api(Keyed, QUEUED, **account)
    api.provider.send(sms(text=text))
    [request] = api.requests
    if account is V1:
        found = dict(httpx.QueryParams(request.content.decode()))["message_body"]
    else:
        found = httpx.Response(200, content=request.content).json()["message_body"]
    assert found == text


def test_a_half_of_an_emoji_is_replaced_and_does_not_stop_the_sms() -> None:
    api = Api(Keyed, QUEUED, **V2)
    api.provider.send(sms(text="a\ud83d"))
    assert "a\ufffd" in api.requests[0].content.decode()


SPILT = f"{KEY} {PASSWORD} {USER} {NUMBER} {TEXT}"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(httpx.ConnectError(SPILT), id="connection"),
        pytest.param(httpx.ReadTimeout(SPILT), id="timeout"),
        pytest.param(Answer(f'{{"error": "{SPILT}", "help": "{SPILT}"}}', 400), id="refused"),
        pytest.param(Answer(f'{{"message": "0701 234 567 {SPILT}"}}', 500), id="fault"),
        pytest.param(Answer(f'{{"error": {{"code": "{SPILT}", "message": 7}}}}', 400), id="code"),
        pytest.param(Answer(f"<html>{SPILT}", 200), id="html"),
    ],
)
@pytest.mark.parametrize("account", [V1, V2, {**V2, "options": {"method": "GET"}}], ids=str)
def test_no_key_number_or_text_is_in_an_error_or_a_log(
    answer: Any, account: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    options = {"username": USER, **account.get("options", {})}
    account = {**account, "api_keys": (KEY,), "api_secret": PASSWORD, "options": options}
    Api(Keyed, QUEUED, **account).provider.send(sms())
    error = refusal(lambda: Api(Keyed, answer, **account).provider.send(sms()))
    said = f"{error} {error!r} {error.code} {error.mend}" + caplog.text
    for mark in (KEY, PASSWORD, USER, NUMBER[1:], "1 234 567", TEXT):
        assert mark not in said
