"""The simulated KoboMobile, as our own provider and as strangers find it."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest
from werkzeug.test import Client, TestResponse

from receiver.accounts import Account
from receiver.dev.provider_api import ProviderApi, serving
from receiver.errors import DeliveryError
from receiver.events import Status
from receiver.providers.base import Asked, Sent, Sms, Stamp
from receiver.providers.kobomobile import KoboMobile
from receiver.security import Door
from receiver.signing import SignedUrls

USER, PASSWORD = "shop & sons", "päss word&%"
ONE, TWO = "+2348030000000", "+2348030000011"
GOOD = {"user": USER, "pass": PASSWORD, "to": ONE[1:], "from": "Testing", "msg": "hi"}
DAY = 86_400


@pytest.fixture
def simulated() -> ProviderApi:
    return ProviderApi({"kobomobile": {USER: PASSWORD, "other": "theirs"}})


def kobo(url: str, transport: Any = None, password: str = PASSWORD) -> KoboMobile:
    account = Account(
        name="shop",
        provider="kobomobile",
        api_keys=(USER,),
        api_secret=password,
        source_addr="Testing",
        base_url=url,
    )
    return KoboMobile(account, Door(account, SignedUrls(["x"])), transport=transport)


def ours(simulated: ProviderApi, **more: Any) -> KoboMobile:
    return kobo("http://localhost", httpx.WSGITransport(app=simulated), **more)


def sms(**more: Any) -> Sms:
    return Sms(**{"recipients": (ONE, TWO), "text": "hi & «ça va»? ~100%", "key": "k", **more})


def post(simulated: ProviderApi, path: str = "/api/send/", **change: Any) -> TestResponse:
    given = {name: value for name, value in {**GOOD, **change}.items() if value is not ...}
    return Client(simulated).post(path, query_string=given)


def test_our_own_send_is_taken_and_recorded(simulated: ProviderApi) -> None:
    sent = ours(simulated).send(sms(text="hi & 50% ~é"))
    [entry] = simulated.sent
    assert sent == Sent(message_id=entry["message_id"], message_ids=entry["message_ids"])
    assert list(sent.message_ids) == entry["to"] == [ONE, TWO]
    assert (entry["text"], entry["source"], entry["type"]) == ("hi & 50% ~é", "Testing", "0")
    assert simulated.balance["kobomobile"] == 9_998


def test_a_second_request_of_one_key_is_one_sms(simulated: ProviderApi) -> None:
    first, again = ours(simulated).send(sms()), ours(simulated).send(sms())
    assert first == again
    assert len(simulated.sent) == 1
    assert ours(simulated).send(sms(key="another")) != first


def test_a_message_uuid_is_forgotten_after_30_days(simulated: ProviderApi) -> None:
    request = {"message_uuid": "u", "enable_msg_id": "1"}
    first = post(simulated, **request).json
    simulated.sent[0]["at"] -= 30 * DAY - 60
    assert post(simulated, **request).json == first
    simulated.sent[0]["at"] -= 120
    assert post(simulated, **request).json != first
    assert len(simulated.sent) == 2


def test_a_message_uuid_is_its_users_own(simulated: ProviderApi) -> None:
    post(simulated, message_uuid="u")
    post(simulated, message_uuid="u", user="other", **{"pass": "theirs"})
    assert [sms["user"] for sms in simulated.sent] == [USER, "other"]


def test_without_a_message_uuid_each_request_is_an_sms(simulated: ProviderApi) -> None:
    assert [post(simulated).text, post(simulated).text] == ['"sent"', '"sent"']
    assert len(simulated.sent) == 2


def test_each_number_has_a_status_of_its_own(simulated: ProviderApi) -> None:
    provider = ours(simulated)
    ids = provider.send(sms()).message_ids
    stamp = Stamp(provider.account, "asked", datetime.now(UTC))

    def status(number: str) -> Status:
        [report] = provider.status(Asked(message_id=ids[number], recipients=(number,)), stamp)
        return report.status

    assert (status(ONE), status(TWO)) == (Status.PENDING, Status.PENDING)
    simulated.sent[0]["statuses"] = {ids[TWO]: "DELIVRD"}
    assert (status(ONE), status(TWO)) == (Status.PENDING, Status.DELIVERED)
    simulated.sent[0]["status"] = "EXPIRED"
    assert (status(ONE), status(TWO)) == (Status.EXPIRED, Status.DELIVERED)


def test_the_credit_is_told_and_used_up(simulated: ProviderApi) -> None:
    simulated.balance["kobomobile"] = 4
    provider = ours(simulated)
    provider.send(sms(text="x" * 161, recipients=(ONE,)))
    assert provider.balance().amount == Decimal(2)
    with pytest.raises(DeliveryError) as caught:
        provider.send(sms(text="你" * 71, key="l"))
    assert caught.value.code == "error_credit"
    assert len(simulated.sent) == 1


def test_a_text_of_the_wrong_type_loses_its_characters_as_on_a_phone(
    simulated: ProviderApi,
) -> None:
    post(simulated, msg="é 你", type="0")
    post(simulated, msg="é 你", type="2")
    ours(simulated).send(sms(text="é 你"))
    assert [sms["text"] for sms in simulated.sent] == ["é ?", "é 你", "é 你"]


@pytest.mark.parametrize("path", ["/api/send/", "/api/credit/", "/api/report/"])
@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"user": ...}, "error_param"),
        ({"pass": ...}, "error_param"),
        ({"user": "nobody"}, "error_user"),
        ({"pass": "wrong"}, "error_user"),
        ({"pass": "theirs"}, "error_user"),
    ],
    ids=str,
)
def test_it_wants_both_credentials(
    simulated: ProviderApi, path: str, change: dict[str, Any], word: str
) -> None:
    answer = post(simulated, path, **change)
    assert (answer.status_code, answer.json) == (200, word)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"to": ...}, "error_param"),
        ({"to": ""}, "error_param"),
        ({"to": "+2348030000000"}, "error_param"),
        ({"to": "08030000000"}, "error_param"),
        ({"to": "2348030000000, 2348030000011"}, "error_param"),
        ({"to": ",".join(["2348030000000"] * 501)}, "error_limit"),
        ({"from": ...}, "error_param"),
        ({"from": "TwelveLetter"}, "error_param"),
        ({"from": "2" * 17}, "error_param"),
        ({"msg": ...}, "error_param"),
        ({"msg": "x" * 906}, "error_param"),
        ({"type": "3"}, "error_param"),
        ({"enable_msg_id": "yes"}, "error_param"),
        ({"message_uuid": "u" * 65}, "error_param"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_over_a_limit_is_not_taken(
    simulated: ProviderApi, change: dict[str, Any], word: str
) -> None:
    answer = post(simulated, **change)
    assert (answer.status_code, answer.json) == (200, word)
    assert simulated.sent == []


def test_what_is_at_every_limit_is_taken(simulated: ProviderApi) -> None:
    numbers = [f"23480300{n:05d}" for n in range(500)]
    simulated.balance["kobomobile"] = 500 * 13
    answer = post(
        simulated,
        to=",".join(numbers),
        msg="你" * 905,
        type="2",
        enable_msg_id="1",
        message_uuid="u" * 64,
        **{"from": "2" * 16},
    )
    pairs = [pair.split(",") for pair in answer.json.split("~")]
    assert [number for number, _ in pairs] == numbers
    assert len({message_id for _, message_id in pairs}) == 500


def test_a_report_is_for_ids_of_the_user_alone(simulated: ProviderApi) -> None:
    post(simulated)
    known = simulated.sent[0]["message_id"]
    assert post(simulated, "/api/report/", msgid=known).json == "PENDING"
    for change in ({"msgid": "x"}, {}, {"msgid": known, "user": "other", "pass": "theirs"}):
        assert post(simulated, "/api/report/", **change).json == "error_param"


def test_parameters_may_come_as_a_form_and_only_by_post(simulated: ProviderApi) -> None:
    client = Client(simulated)
    assert client.post("/api/send/", data=GOOD).json == "sent"
    for path in ("/api/send/", "/api/credit/", "/api/report/"):
        assert client.get(path, query_string=GOOD).status_code == 405
    assert len(simulated.sent) == 1


def test_its_own_log_holds_no_url(simulated: ProviderApi, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), serving(simulated) as url:
        kobo(url).send(sms())
        with pytest.raises(DeliveryError):
            kobo(url, password="wrong").balance()
    shown = caplog.text + "".join(repr(record.args) for record in caplog.records)
    for mark in ("shop", "pass=", "p%C3%A4ss", "8030000000", "msg="):
        assert mark not in shown
