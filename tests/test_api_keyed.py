"""The simulated panel (keyed), as our own provider and as strangers find it, after its text."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import httpx
import pytest
from werkzeug.test import Client, TestResponse

from receiver.accounts import Account
from receiver.dev.provider_api import ProviderApi
from receiver.errors import DeliveryError, PermanentDeliveryError, TemporaryDeliveryError
from receiver.providers.base import Balance, Sms
from receiver.providers.keyed import Keyed
from receiver.security import Door
from receiver.signing import SignedUrls

KEY, SECRET = "panel-key-0001", "panel-secret-0001"
ONE, TWO = "+254701234567", "+254712345678"
SEND, BALANCE = "/api/v2/sms/send", "/api/v2/account/balance"
V1_GOOD = {"numbers": "0701234567, 0712345678", "message_body": "hi"}


@pytest.fixture
def simulated() -> ProviderApi:
    return ProviderApi({"keyed": {KEY: SECRET}})


def keyed(simulated: Any, key: str = KEY, **options: Any) -> Keyed:
    options = {"username": KEY, **options}
    account = Account(
        name="shop",
        provider="keyed",
        api_keys=(key,) if key else (),
        api_secret=SECRET,
        base_url="http://localhost",
        options=options,
    )
    transport = httpx.WSGITransport(app=simulated)
    return Keyed(account, Door(account, SignedUrls(["x"])), transport=transport)


def sms(text: str = "hi & «ça va»? ~100%", **more: Any) -> Sms:
    return Sms(**{"recipients": (ONE, TWO), "text": text, "key": "k", **more})


def call(simulated: ProviderApi, path: str, method: str = "POST", **more: Any) -> TestResponse:
    return Client(simulated).open(path, method=method, **more)


@pytest.mark.parametrize(
    "options", [{"version": 1}, {"version": 2}, {"method": "GET"}], ids=["v1", "v2", "v2-by-get"]
)
def test_our_own_send_is_taken_and_recorded(
    simulated: ProviderApi, options: dict[str, Any]
) -> None:
    sent = keyed(simulated, **options).send(sms())
    (entry,) = simulated.sent
    assert entry.pop("taken_at") > 0
    assert entry == {
        "provider": "keyed",
        "to": [ONE, TWO],
        "text": "hi & «ça va»? ~100%",
        "source": None,
        "client_reference": None,
        "message_id": sent.message_id,
    }
    assert keyed(simulated).balance() == Balance(amount=Decimal(9_998), unit="credits")


def test_version_1_takes_the_sample_of_the_text_from_form_and_url(simulated: ProviderApi) -> None:
    credentials = {"username": KEY, "password": SECRET}
    for more in (
        {"data": {**V1_GOOD, **credentials}},
        {"data": V1_GOOD, "query_string": credentials},
    ):
        assert call(simulated, "/v1/sms/send", **more).status_code == 200
    assert [sms["to"] for sms in simulated.sent] == [["0701234567", "0712345678"]] * 2


NO_KEY = {
    "error": "API key is required",
    "help": "Provide X-API-Key header or api_key parameter",
}
UNAUTHORIZED = {"error": "Unauthorized."}
BAD_NUMBER = {"error": "Invalid phone number format."}


@pytest.mark.parametrize(
    ("path", "method", "more", "status", "body"),
    [
        pytest.param("/v1/sms/send", "POST", {"data": V1_GOOD}, 401, UNAUTHORIZED, id="v1-nobody"),
        pytest.param(SEND, "GET", {}, 401, NO_KEY, id="v2-get-nobody"),
        pytest.param(SEND, "POST", {"json": {}}, 401, NO_KEY, id="v2-post-nobody"),
        pytest.param(BALANCE, "GET", {}, 401, NO_KEY, id="balance-nobody"),
        pytest.param(
            BALANCE, "GET", {"query_string": {"api_key": "x"}}, 401, UNAUTHORIZED, id="wrong-key"
        ),
        pytest.param(
            SEND,
            "POST",
            {"json": {"numbers": "12", "message_body": "hi", "api_key": KEY}},
            400,
            BAD_NUMBER,
            id="bad-number",
        ),
        pytest.param(
            SEND,
            "POST",
            {"json": {"numbers": f"{ONE};{TWO}", "message_body": "hi", "api_key": KEY}},
            400,
            BAD_NUMBER,
            id="no-comma",
        ),
        pytest.param("/api/v2", "GET", {}, 500, {"message": "Server Error"}, id="swagger"),
        pytest.param("/api/generate-key", "POST", {}, 401, NO_KEY, id="generate-nobody"),
    ],
)
def test_strangers_get_the_documented_errors(
    simulated: ProviderApi, path: str, method: str, more: Any, status: int, body: Any
) -> None:
    answer = call(simulated, path, method, **more)
    assert (answer.status_code, answer.json) == (status, body)
    assert simulated.sent == []


def test_the_page_for_browsers_is_the_one_of_the_text(simulated: ProviderApi) -> None:
    answer = call(simulated, "/api/oauth2-callback", "GET")
    assert answer.status_code == 200
    assert '<script src="oauth2-redirect.js"></script>' in answer.text


@pytest.mark.parametrize(
    ("path", "method", "status"), [("/v1/sms/list", "GET", 404), (BALANCE, "POST", 405)]
)
def test_what_is_not_in_the_text_is_not_there(
    simulated: ProviderApi, path: str, method: str, status: int
) -> None:
    assert call(simulated, path, method).status_code == status


@pytest.mark.parametrize(
    ("options", "message", "kind", "code"),
    [
        ({"key": "another"}, sms(), PermanentDeliveryError, "401"),
        ({"version": 1, "username": "another"}, sms(), PermanentDeliveryError, "401"),
        ({}, sms(recipients=("+1234567",)), PermanentDeliveryError, "400"),
        ({}, sms(recipients=("+254700000500",)), TemporaryDeliveryError, "500"),
        ({}, sms(recipients=("+254700000502",)), TemporaryDeliveryError, "502"),
        ({}, sms(recipients=("+254700000200",)), PermanentDeliveryError, "400"),
    ],
    ids=["key", "user", "number", "their-fault", "html", "error-in-a-success"],
)
def test_what_it_refuses_reaches_our_provider_as_its_error(
    simulated: ProviderApi, options: Any, message: Sms, kind: type[DeliveryError], code: str
) -> None:
    with pytest.raises(DeliveryError) as error:
        keyed(simulated, **options).send(message)
    assert (type(error.value), error.value.code) == (kind, code)
    assert simulated.sent == []


def test_an_empty_account_sends_nothing(simulated: ProviderApi) -> None:
    simulated.balance["keyed"] = 1
    with pytest.raises(PermanentDeliveryError) as error:
        keyed(simulated).send(sms())
    assert error.value.reason.startswith("Insufficient balance.")


def test_a_key_lives_from_its_making_to_its_revocation(simulated: ProviderApi) -> None:
    first = keyed(simulated, key="").generate_key(1)
    second = keyed(simulated, key=first.value).regenerate_key(365)
    assert keyed(simulated, key=second.value).send(sms()).message_id
    keyed(simulated, key=second.value).revoke_key()
    for dead in (first, second):
        with pytest.raises(PermanentDeliveryError) as error:
            keyed(simulated, key=dead.value).balance()
        assert error.value.code == "401"


@pytest.mark.parametrize("days", [0, 366, "3", 1.5, True])
def test_a_keys_days_are_within_a_year(simulated: ProviderApi, days: Any) -> None:
    headers = {"X-API-Key": KEY}
    answer = call(simulated, "/api/generate-key", json={"expiry_days": days}, headers=headers)
    assert answer.status_code == 422
    assert "expiry_days" in answer.json["errors"]


def test_sixty_messages_use_up_the_minute_and_our_provider_keeps_to_it(
    simulated: ProviderApi,
) -> None:
    calls: list[str] = []

    def counting(environ: Any, start_response: Any) -> Any:
        calls.append(environ["PATH_INFO"])
        return simulated(environ, start_response)

    ours = keyed(counting)
    for _ in range(60):
        ours.send(sms(recipients=(ONE,)))
    for _ in range(3):
        with pytest.raises(TemporaryDeliveryError) as error:
            ours.send(sms(recipients=(ONE,)))
        assert error.value.code == "429"
    assert len(calls) == len(simulated.sent) == 60
    answer = call(simulated, SEND, json={}, headers={"X-API-Key": KEY})
    assert (answer.status_code, answer.headers["x-ratelimit-remaining"]) == (429, "0")
