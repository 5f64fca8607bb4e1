"""What KoboMobile's limits let through, and what leaves for it; what it cannot do.

Source: https://kobomobile.net/developer, sections "API Service URL For Sending SMS" and "API
Response".
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

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
from receiver.providers.base import Ack, Asked, Sms, Stamp
from receiver.providers.kobomobile import KoboMobile

ACCOUNT = {"api_keys": ("demo", "old"), "api_secret": "demopass", "source_addr": "Testing"}
ONE, TWO = "+2348030000000", "+2348030000011"
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def api(**account: Any) -> Api:
    return Api(KoboMobile, Answer('"sent"'), **{**ACCOUNT, **account})


def sms(**more: Any) -> Sms:
    return Sms(**{"recipients": (ONE,), "text": "Testing", "key": "event-handler", **more})


def query(made: Api) -> dict[str, str]:
    [request] = made.requests
    return dict(parse_qsl(request.url.query.decode(), strict_parsing=True))


NUMBERS = tuple(f"+23480300{n:05d}" for n in range(501))


@pytest.mark.parametrize(
    ("fields", "code", "says"),
    [
        pytest.param({"recipients": NUMBERS}, "error_limit", "501 recipients", id="501"),
        pytest.param({"recipients": ()}, "error_param", "no recipient", id="no-recipient"),
        pytest.param({"text": "x" * 906}, "error_param", "906 characters, 905", id="906"),
        pytest.param({"text": ""}, "error_param", "text is empty", id="no-text"),
        pytest.param({"source": "TwelveLetter"}, "error_param", "11 characters", id="12-letters"),
        pytest.param({"source": "2" * 17}, "error_param", "16 characters", id="17-digits"),
        pytest.param({"source": "Ünïcode"}, "error_param", "sender ID", id="accents"),
        pytest.param({"schedule": AT}, "error_param", "no time to send at", id="schedule"),
        pytest.param({"flash": True, "text": "你"}, "error_param", "GSM 03.38", id="flash-unicode"),
        *[
            pytest.param({"recipients": (ONE, number)}, "error_param", "international", id=number)
            for number in ("15000", "MTN", "08030000000", "+234803000000012345", "+234,803", "")
        ],
    ],
)
def test_what_it_would_refuse_does_not_leave(fields: dict[str, Any], code: str, says: str) -> None:
    made = api()
    with pytest.raises(PermanentDeliveryError) as caught:
        made.provider.send(sms(**fields))
    assert (type(caught.value), caught.value.code) == (PermanentDeliveryError, code)
    assert says in caught.value.reason
    assert caught.value.mend
    assert made.requests == []


def test_a_sender_id_that_is_too_long_is_told_in_plain_english() -> None:
    with pytest.raises(PermanentDeliveryError, match="are allowed in an alphanumeric one"):
        api().provider.send(sms(source="TwelveLetter"))
    with pytest.raises(PermanentDeliveryError, match="are allowed in a numeric one"):
        api().provider.send(sms(source="2" * 17))


def test_a_status_without_a_number_is_not_asked_for() -> None:
    made = api()
    with pytest.raises(PermanentDeliveryError, match="no number was named") as caught:
        made.provider.status(Asked(message_id="4b"), Stamp(made.account, "asked", AT))
    assert caught.value.mend == "Name the number that it went to."
    assert made.requests == []


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (400, "KoboMobile refused the request"),
        (422, "KoboMobile refused the request"),
        (429, "KoboMobile asks for time"),
        (503, "KoboMobile did not answer"),
        (504, "KoboMobile did not answer in time"),
    ],
)
def test_an_answer_is_not_called_none(status: int, reason: str) -> None:
    made = Api(KoboMobile, Answer("", status), **ACCOUNT)
    asked = Asked(message_id="4b", recipients=(ONE,))
    for do in (
        lambda: made.provider.send(sms()),
        lambda: made.provider.status(asked, Stamp(made.account, "asked", AT)),
    ):
        with pytest.raises(DeliveryError) as caught:
            do()
        assert caught.value.reason == f"{reason} (HTTP {status})"
        if status < 500:
            assert "base_url" not in caught.value.mend


def test_what_is_wrong_with_a_question_is_not_said_of_a_text() -> None:
    made = Api(KoboMobile, Answer("error_param"), **ACCOUNT)
    with pytest.raises(PermanentDeliveryError) as caught:
        made.provider.status(
            Asked(message_id="4b", recipients=(ONE,)), Stamp(made.account, "asked", AT)
        )
    for word in ("text", "sender"):
        assert word not in str(caught.value)


@pytest.mark.parametrize(
    "missing",
    [{"api_keys": ()}, {"api_secret": None}, {"source_addr": None}],
    ids=["user", "password", "sender"],
)
def test_an_account_that_cannot_send_says_what_to_add(missing: dict[str, Any]) -> None:
    made = api(**missing)
    with pytest.raises(PermanentDeliveryError) as caught:
        made.provider.send(sms())
    assert "account" in caught.value.mend.lower()
    assert made.requests == []


def test_what_is_at_every_limit_leaves_in_one_url() -> None:
    made = api()
    made.provider.send(sms(recipients=NUMBERS[:500], text="👍" * 905, source="+" + "2" * 16))
    given = query(made)
    assert given["to"] == ",".join(number[1:] for number in NUMBERS[:500])
    assert (given["msg"], given["type"], given["from"]) == ("👍" * 905, "2", "2" * 16)


def test_a_number_named_twice_is_sent_to_once() -> None:
    made = api()
    made.provider.send(sms(recipients=(ONE, TWO, ONE)))
    assert query(made)["to"] == "2348030000000,2348030000011"


def test_half_an_emoji_is_replaced_and_does_not_stop_the_sms() -> None:
    made = api()
    made.provider.send(sms(text="a\ud83d", key="k\ud83d"))
    assert (query(made)["msg"], query(made)["type"]) == ("a\ufffd", "2")


def test_one_key_is_one_message_uuid_and_another_is_another() -> None:
    uuids = []
    for key in ("k", "k", "l", "x" * 500):
        made = api()
        made.provider.send(sms(key=key))
        uuids.append(query(made)["message_uuid"])
    assert uuids[0] == uuids[1]
    assert len(set(uuids)) == 3
    assert {len(uuid) for uuid in uuids} == {32}


def test_the_newest_user_name_and_the_base_url_of_the_account_are_used() -> None:
    made = api(api_keys=("new", "old"), base_url="http://127.0.0.1:9/kobo")
    made.provider.send(sms())
    assert query(made)["user"] == "new"
    assert made.requests[0].url.path == "/kobo/api/send/"
    assert made.requests[0].headers["content-length"] == "0"


@pytest.mark.parametrize(
    ("error", "on_send", "on_asking"),
    [
        (httpx.ConnectError, TemporaryDeliveryError, TemporaryDeliveryError),
        (httpx.ConnectTimeout, TemporaryDeliveryError, TemporaryDeliveryError),
        (httpx.ReadTimeout, UncertainDeliveryError, TemporaryDeliveryError),
        (httpx.RemoteProtocolError, UncertainDeliveryError, TemporaryDeliveryError),
    ],
)
def test_a_lost_answer_is_uncertain_only_where_something_was_to_be_done(
    error: type[Exception], on_send: type[DeliveryError], on_asking: type[DeliveryError]
) -> None:
    provider = Api(KoboMobile, error("x"), **ACCOUNT).provider
    stamp = Stamp(provider.account, "asked", AT)
    for do, kind in (
        (lambda: provider.send(sms()), on_send),
        (provider.balance, on_asking),
        (
            lambda: provider.status(Asked(message_id="4b1d777e", recipients=(ONE,)), stamp),
            on_asking,
        ),
    ):
        with pytest.raises(DeliveryError) as caught:
            do()
        assert type(caught.value) is kind


def test_it_pushes_nothing_and_says_what_else_it_can() -> None:
    provider = api().provider
    flags = (provider.pushes, provider.is_polled, provider.is_idempotent, provider.has_history)
    assert flags == (False, True, True, False)
    with pytest.raises(Unreadable):
        provider.parse({}, Stamp(provider.account, "key", AT))
    assert provider.ack({}, None) == Ack()
