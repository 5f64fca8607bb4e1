"""The simulated provider, as our own providers and as strangers find it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from werkzeug.test import Client, TestResponse

from receiver.dev.provider_api import ProviderApi, serving
from receiver.errors import DeliveryError, PermanentDeliveryError
from receiver.providers.base import Provider, Sms
from receiver.providers.lefoka import Lefoka
from receiver.providers.smsbox import SMSBox
from receiver.security import Door
from receiver.settings import Account
from receiver.signing import SignedUrls

KEY, SECRET = "a-key", "a-secret"
SMSBOX_SEND = "/api/sms/v1/send_sms"

Make = Callable[..., Provider]


@pytest.fixture
def simulated() -> ProviderApi:
    return ProviderApi({"lefoka": {KEY: SECRET}, "smsbox": {KEY: SECRET}})


@pytest.fixture
def make(simulated: ProviderApi) -> Iterator[Make]:
    with serving(simulated) as url:

        def provider(cls: type[Provider], secret: str = SECRET, key: str = KEY) -> Provider:
            account = Account(
                name=cls.name, provider=cls.name, api_keys=(key,), api_secret=secret, base_url=url
            )
            return cls(account, Door(account, SignedUrls(["x" * 20])))

        yield provider


def sms(text: str = "You wrote: hello & «ça va»? ~100%", **more: Any) -> Sms:
    return Sms(**{"recipients": ("+27637885448",), "text": text, "key": "k", **more})


def post(simulated: ProviderApi, path: str, body: Any, **more: Any) -> TestResponse:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    options = {"auth": (KEY, SECRET), "content_type": "application/json", **more}
    return Client(simulated).post(path, data=data, **options)


def test_smsboxs_own_send_is_taken_whatever_commas_trail(
    make: Make, simulated: ProviderApi
) -> None:
    sent = make(SMSBox).send(sms("You wrote: hello", source="+255700000001"))
    (entry,) = simulated.sent
    assert sent.message_id is not None
    assert sent.message_id.startswith("sms-")
    assert entry == {
        "provider": "smsbox",
        "to": ["+27637885448"],
        "text": "You wrote: hello",
        "source": "255700000001",
        "client_reference": None,
        "message_id": sent.message_id,
    }


@pytest.mark.parametrize(
    ("cls", "account", "message", "code"),
    [
        (Lefoka, {"secret": "another"}, sms(), "SIGNATURE_MISMATCH"),
        (Lefoka, {"key": "another"}, sms(), "INVALID_API_KEY"),
        (SMSBox, {"secret": "another"}, sms("hi", source="INFO"), "120"),
        (SMSBox, {}, sms("no \N{PILE OF POO}", source="INFO"), "110"),
        (SMSBox, {}, sms("hi", source="LONGERTHAN11"), "111"),
        (SMSBox, {}, sms("hi", source="INFO", recipients=("15000",)), "101"),
    ],
    ids=str,
)
def test_what_it_refuses_reaches_our_providers_as_its_code(
    make: Make, simulated: ProviderApi, cls: Any, account: Any, message: Sms, code: str
) -> None:
    with pytest.raises(PermanentDeliveryError) as error:
        make(cls, **account).send(message)
    assert error.value.code == code
    assert simulated.sent == []


def test_an_empty_account_sends_nothing(make: Make, simulated: ProviderApi) -> None:
    simulated.balance = {"lefoka": 0, "smsbox": 0}
    for cls, code in ((Lefoka, "INSUFFICIENT_BALANCE"), (SMSBox, "102")):
        with pytest.raises(DeliveryError) as error:
            make(cls).send(sms("hi", source="INFO"))
        assert error.value.code == code
    assert simulated.sent == []


GOOD = {
    "source_addr": "INFO",
    "schedule_time": "",
    "encoding": 0,
    "message": "hi",
    "recipients": [{"recipient_name": "Alex", "dest_addr": "+22687161524"}],
}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"source_addr": "+255700000001"}, 111),
        ({"source_addr": "ALONGSENDERID"}, 111),
        ({"message": " "}, 109),
        ({"message": "\u4f60\u597d"}, 110),
        ({"recipients": []}, 119),
        ({"recipients": [{"recipient_name": "Alex"}]}, 115),
        ({"recipients": [{"dest_addr": "255700000011"}]}, 101),
        ({"recipients": [{"dest_addr": "+22687161524"}] * 1001}, 114),
        ({"schedule_time": "tomorrow"}, 117),
        ({"schedule_time": "2017-06-14 07:00"}, 112),
        ({"encoding": ...}, 118),
        ({"message": ...}, 104),
        ({"source_addr": ...}, 104),
    ],
)
def test_smsboxs_errors_have_their_documented_numbers(
    simulated: ProviderApi, change: dict[str, Any], code: int
) -> None:
    body = {name: value for name, value in {**GOOD, **change}.items() if value is not ...}
    answer = post(simulated, SMSBOX_SEND, body)
    assert (answer.status_code, answer.json["code"]) == (400, code)
    assert simulated.sent == []


def test_smsbox_answers_with_the_trailing_comma_of_its_text(simulated: ProviderApi) -> None:
    answer = post(simulated, SMSBOX_SEND, GOOD)
    assert answer.status_code == 200
    assert answer.text.splitlines()[-2].endswith('",')
    with pytest.raises(ValueError, match="double quotes"):
        json.loads(answer.text)


def test_smsbox_wants_both_halves_and_a_format_of_its_text(simulated: ProviderApi) -> None:
    without = post(simulated, SMSBOX_SEND, GOOD, auth=None)
    assert (without.status_code, "No authorization headers" in without.text) == (400, True)
    wrong = post(simulated, SMSBOX_SEND, GOOD, auth=(KEY, ""))
    assert (wrong.status_code, wrong.json["code"]) == (401, 120)
    form = post(simulated, SMSBOX_SEND, b"message=hi", content_type="text/plain")
    assert (form.status_code, form.json["code"]) == (400, 113)


@pytest.mark.parametrize(
    ("path", "password", "name"),
    [
        ("/v1/messages/balance", "", "lefoka"),
        ("/api/sms/v1/query_sms_balance", SECRET, "smsbox"),
    ],
)
def test_the_balance_can_be_asked_for(
    simulated: ProviderApi, path: str, password: str, name: str
) -> None:
    token = base64.b64encode(f"{KEY}:{password}".encode()).decode()
    client = Client(simulated)
    answer = client.get(path, headers={"Authorization": f"Basic {token}"})
    assert answer.status_code == 200
    assert str(simulated.balance[name]) in answer.text
    assert client.post(path).status_code == 405
    assert client.get(path).status_code in (400, 401)
    assert client.get(f"{path}/x").status_code == 404
