"""The simulated bearer API, as our own provider and as strangers find it, after its text."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest
from werkzeug.test import Client, TestResponse

from receiver.accounts import Account
from receiver.dev.provider_api import ProviderApi
from receiver.errors import (
    DeliveryError,
    PermanentDeliveryError,
    TemporaryDeliveryError,
    UncertainDeliveryError,
)
from receiver.events import Status
from receiver.providers.base import Asked, Balance, Sms, Stamp
from receiver.providers.bearer import Bearer
from receiver.security import Door
from receiver.signing import SignedUrls

KEY = "bearer-key-0001"
ONE, TWO = "+254701234567", "+254712345679"
GOOD = {"to": ONE, "message": "hi"}
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def simulated() -> ProviderApi:
    return ProviderApi({"bearer": {KEY: ""}})


def bearer(simulated: ProviderApi, key: str = KEY, **options: Any) -> Bearer:
    options = {"status_path": "/sms/{message_id}", **options}
    account = Account(
        name="shop",
        provider="bearer",
        api_keys=(key,),
        base_url="http://localhost",
        options=options,
    )
    transport = httpx.WSGITransport(app=simulated)
    return Bearer(account, Door(account, SignedUrls(["x"])), transport=transport)


def sms(text: str = "hi & «ça va»? ~100%", **more: Any) -> Sms:
    return Sms(**{"recipients": (ONE,), "text": text, "key": "k", **more})


def post(simulated: ProviderApi, body: Any, **more: Any) -> TestResponse:
    options = {"headers": {"Authorization": f"Bearer {KEY}"}, "json": body, **more}
    return Client(simulated).post("/sms/send", **options)


def test_our_own_send_is_taken_and_recorded(simulated: ProviderApi) -> None:
    sent = bearer(simulated).send(sms(source="SHOP", client_reference="ref-1"))
    (entry,) = simulated.sent
    assert entry.pop("taken_at") > 0
    assert entry == {
        "provider": "bearer",
        "to": [ONE],
        "text": "hi & «ça va»? ~100%",
        "source": "SHOP",
        "client_reference": "ref-1",
        "message_id": sent.message_id,
    }
    assert bearer(simulated).balance() == Balance(amount=Decimal("9999.00"), unit="credits")


@pytest.mark.parametrize(("way", "calls"), [("one", 2), ("list", 1), ("comma", 1)])
def test_several_recipients_are_taken_in_every_way(
    simulated: ProviderApi, way: str, calls: int
) -> None:
    bearer(simulated, recipients=way).send(sms(recipients=(ONE, TWO)))
    assert [number for entry in simulated.sent for number in entry["to"]] == [ONE, TWO]
    assert len(simulated.sent) == calls


@pytest.mark.parametrize(
    ("word", "status"), [(None, Status.SUBMITTED), ("delivered", Status.DELIVERED)]
)
def test_what_became_of_an_sms_is_told(
    simulated: ProviderApi, word: str | None, status: Status
) -> None:
    ours = bearer(simulated)
    message_id = ours.send(sms()).message_id or ""
    if word:
        simulated.sent[0]["status"] = word
    stamp = Stamp(ours.account, "asked", NOON)
    [report] = ours.status(Asked(message_id=message_id, recipients=(ONE,)), stamp)
    assert (report.recipient, report.status) == (ONE, status)


def test_what_nobody_sent_is_not_found(simulated: ProviderApi) -> None:
    ours = bearer(simulated)
    with pytest.raises(PermanentDeliveryError) as error:
        ours.status(Asked(message_id="m-1"), Stamp(ours.account, "asked", NOON))
    assert error.value.code == "404"


CODES = [400, 401, 403, 404, 429, 500, 503, *range(1001, 1009), *range(2001, 2007)]
TEMPORARY = {429: 30.0, 500: None, 503: 60.0, 1007: None}


@pytest.mark.parametrize("code", CODES)
def test_every_code_of_the_catalogue_reaches_our_provider(
    simulated: ProviderApi, code: int
) -> None:
    with pytest.raises(DeliveryError) as caught:
        bearer(simulated).send(sms(recipients=(f"+25470000{code}",)))
    error = caught.value
    assert error.code == str(code)
    assert error.mend
    assert isinstance(error, TemporaryDeliveryError) is (code in TEMPORARY)
    assert getattr(error, "retry_after", None) == TEMPORARY.get(code)
    assert simulated.sent == []


def test_a_page_of_html_is_temporary(simulated: ProviderApi) -> None:
    with pytest.raises(TemporaryDeliveryError) as caught:
        bearer(simulated).send(sms(recipients=("+254700000502",)))
    assert caught.value.code == "502"


PAST = "2020-01-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        pytest.param({**GOOD, "to": "0701234567"}, 400, 1001, id="national"),
        pytest.param({**GOOD, "to": "+254 701-234567"}, 400, 1001, id="spaces-and-dashes"),
        pytest.param({**GOOD, "message": "x" * 161}, 400, 1002, id="too-long"),
        pytest.param({**GOOD, "sender_id": "NOT*APPROVED"}, 400, 1004, id="sender"),
        pytest.param({**GOOD, "type": "FAX"}, 400, 1006, id="type"),
        pytest.param({**GOOD, "schedule": PAST}, 400, 1008, id="past"),
        pytest.param({"to": ONE}, 400, 400, id="no-text"),
        pytest.param([], 400, 400, id="no-object"),
    ],
)
def test_strangers_get_the_documented_envelope(
    simulated: ProviderApi, body: Any, status: int, code: int
) -> None:
    answer = post(simulated, body)
    assert answer.status_code == status
    assert {*answer.json} == {"status", "error"}
    assert answer.json["status"] == "error"
    assert {*answer.json["error"]} == {"code", "message", "details"}
    assert answer.json["error"]["code"] == code
    assert simulated.sent == []


def test_the_error_of_the_text_comes_as_the_text_prints_it(simulated: ProviderApi) -> None:
    assert post(simulated, {**GOOD, "to": "0701234567"}).json == {
        "status": "error",
        "error": {
            "code": 1001,
            "message": "Invalid Phone Number",
            "details": "Phone number must be in international format",
        },
    }


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer x"}, {"X-API-Key": KEY}])
def test_only_the_right_bearer_is_let_in(simulated: ProviderApi, headers: Any) -> None:
    answer = post(simulated, GOOD, headers=headers)
    assert (answer.status_code, answer.json["error"]["code"]) == (401, 401)


def test_the_same_text_again_is_a_duplicate_and_never_sent_twice(simulated: ProviderApi) -> None:
    ours = bearer(simulated)
    ours.send(sms())
    with pytest.raises(UncertainDeliveryError) as caught:
        ours.send(sms())
    assert (caught.value.code, caught.value.mend) == ("1005", "Wait a moment before resending")
    ours.send(sms("another text"))
    assert len(simulated.sent) == 2


def test_an_empty_account_and_a_long_text_are_the_apis_own_errors(simulated: ProviderApi) -> None:
    simulated.balance["bearer"] = 0
    for text, code in (("hi", "1003"), ("x" * 161, "1002")):
        with pytest.raises(PermanentDeliveryError) as caught:
            bearer(simulated).send(sms(text))
        assert caught.value.code == code
