"""SMSBox's side of the simulated provider: as our own provider finds it, and as strangers do.

Source: the SMS API documentation at https://smsbox.devotek.africa.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from werkzeug.test import Client, TestResponse

from receiver.dev.provider_api import ProviderApi, serving
from receiver.errors import PermanentDeliveryError
from receiver.providers.base import Balance, Sms
from receiver.providers.smsbox import SMSBox
from receiver.security import Door
from receiver.settings import Account
from receiver.signing import SignedUrls

KEY, SECRET = "a-key", "a-secret"
ROOT = "/api/sms/v1/"
ALEX, THOMAS = "+22687161524", "+22671625142"
TO_COME = datetime(2999, 5, 1, 12, 0, tzinfo=UTC)

Make = Callable[..., SMSBox]


@pytest.fixture
def simulated() -> ProviderApi:
    return ProviderApi({"smsbox": {KEY: SECRET}})


@pytest.fixture
def make(simulated: ProviderApi) -> Iterator[Make]:
    with serving(simulated) as url:

        def box(form: str = "json", secret: str = SECRET) -> SMSBox:
            account = Account(
                name="shop",
                provider="smsbox",
                api_keys=(KEY,),
                api_secret=secret,
                base_url=url,
                source_addr="INFO",
                options={"format": form},
            )
            return SMSBox(account, Door(account, SignedUrls(["x" * 20])))

        yield box


def sms(text: str = "Hello", **fields: Any) -> Sms:
    return Sms(**{"recipients": (ALEX, THOMAS), "text": text, "key": "k", **fields})


def call(simulated: ProviderApi, name: str, method: str = "GET", **more: Any) -> TestResponse:
    return Client(simulated).open(f"{ROOT}{name}", method=method, **{"auth": (KEY, SECRET), **more})


def post(simulated: ProviderApi, name: str, body: Any, kind: str = "application/json") -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return call(simulated, name, "POST", data=data, content_type=kind)


@pytest.mark.parametrize("form", ["json", "xml"])
def test_an_sms_arrives_the_same_in_both_formats(
    make: Make, simulated: ProviderApi, form: str
) -> None:
    names = {ALEX: "Alex & Co <1>", THOMAS: "Thomas"}
    text = "Hello [{RECEIVERNAME}],\n1 < 2 & ok"
    sent = make(form).send(sms(text, names=names, schedule=TO_COME, source="+22660000001"))
    assert simulated.sent == [
        {
            "provider": "smsbox",
            "to": [ALEX, THOMAS],
            "text": text,
            "source": "22660000001",
            "client_reference": None,
            "message_id": sent.message_id,
            "schedule": "2999-05-01 12:00",
            "names": names,
        }
    ]
    assert make(form).balance() == Balance(amount=Decimal(9_998), unit="money")


def test_a_scheduled_sms_is_suspended_resumed_moved_and_rewritten(
    make: Make, simulated: ProviderApi
) -> None:
    box = make()
    message_id = box.send(sms(schedule=TO_COME)).message_id or ""
    (entry,) = simulated.sent
    assert box.suspend(message_id) == message_id
    assert entry["suspended"] is True
    box.resume(message_id)
    assert entry["suspended"] is False
    box.reschedule(message_id, TO_COME + timedelta(minutes=1))
    assert entry["schedule"] == "2999-05-01 12:01"
    box.rewrite(message_id, "a & b = c +?")
    box.change(message_id, source="SHOP")
    assert (entry["text"], entry["source"]) == ("a & b = c +?", "SHOP")
    box.change(message_id, at_once=True)
    assert entry["schedule"] is None
    with pytest.raises(PermanentDeliveryError, match="not found"):
        box.suspend(message_id)


@pytest.mark.parametrize("message_id", ["sms-unknown", 'a"b', "sms-1:2"])
def test_an_unknown_sms_is_a_failure_with_a_status_of_success(
    make: Make, simulated: ProviderApi, message_id: str
) -> None:
    make().send(sms())
    for unknown in (message_id, simulated.sent[0]["message_id"]):  # the second has left
        answer = call(
            simulated, "change_sms_info", query_string={"message_id": unknown, "message": "x"}
        )
        assert (answer.status_code, '"status": true' in answer.text) == (200, True)
        with pytest.raises(PermanentDeliveryError) as caught:
            make().suspend(unknown)
        assert caught.value.code == "403"


CHANGES: dict[str, tuple[dict[str, str], int]] = {
    "no id": ({"message": "x"}, 104),
    "nothing": ({"message_id": "ID"}, 104),
    "another status": ({"message_id": "ID", "scheduled_status": "2"}, 113),
    "no text": ({"message_id": "ID", "message": ""}, 109),
    "special characters": ({"message_id": "ID", "message": "你好"}, 110),
    "a long sender": ({"message_id": "ID", "source_addr": "TWELVE CHARS"}, 111),
    "the past": ({"message_id": "ID", "schedule_time": "2017-06-14 07:00"}, 112),
    "no time": ({"message_id": "ID", "schedule_time": "2999-02-30 07:00"}, 117),
    "seconds": ({"message_id": "ID", "schedule_time": "2999-02-03 07:00:00"}, 117),
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_change_that_cannot_be_leaves_all_as_it_was(
    make: Make, simulated: ProviderApi, case: str
) -> None:
    message_id = make().send(sms(schedule=TO_COME)).message_id or ""
    before = dict(simulated.sent[0])
    given, code = CHANGES[case]
    query = {name: value.replace("ID", message_id) for name, value in given.items()}
    answer = call(simulated, "change_sms_info", query_string=query)
    assert (answer.status_code, answer.json["code"]) == (400, code)
    assert simulated.sent == [before]


def test_sender_names_are_listed_with_a_comma_behind_each(
    make: Make, simulated: ProviderApi
) -> None:
    with pytest.raises(ValueError, match="line"):
        json.loads(call(simulated, "query_sender_names").text)
    box = make()
    assert [each.name for each in box.sender_names()] == ["testing", "ttere", "agaba"]
    assert [each.name for each in box.sender_names("t", "approved")] == ["ttere"]
    assert [each.id for each in box.sender_names(status="pending")] == ["1"]
    assert box.sender_names("nobody") == ()


def test_a_sender_name_is_requested(make: Make, simulated: ProviderApi) -> None:
    assert make().request_sender_name("SHOP", "Your parcel is here") == "299"
    with pytest.raises(PermanentDeliveryError) as caught:
        make().request_sender_name("agaba", "Your parcel is here")
    assert caught.value.code == "122"


@pytest.mark.parametrize(
    ("name", "sample", "code"),
    [
        ("TWELVE CHARS", "Your parcel is here", 121),
        ("SHOP!", "Your parcel is here", 121),
        ("Testing", "Your parcel is here", 122),
        ("SHOP", "x" * 171, 124),
        ("SHOP", "x" * 14, 124),
    ],
)
def test_a_sender_name_is_refused_with_all_of_it_in_data(
    simulated: ProviderApi, name: str, sample: str, code: int
) -> None:
    answer = post(simulated, "request_sender_name", {"senderid": name, "sample_content": sample})
    assert (answer.status_code, answer.json["data"]["code"]) == (409, code)


def test_a_request_without_both_fields_is_refused(simulated: ProviderApi) -> None:
    answer = post(simulated, "request_sender_name", {"senderid": "SHOP"})
    assert (answer.status_code, answer.json["code"]) == (400, 104)


GOOD = (
    "<sms><source_addr>INFO</source_addr><schedule_time /><message>Hello</message><recipients>"
    "<recipient><recipient_name>Alex</recipient_name><dest_addr>+22687161524</dest_addr>"
    "</recipient></recipients></sms>"
)
XML_FAULTS = {
    "torn": ("</sms>", "", 113),
    "entities": ("<sms>", '<!DOCTYPE sms [<!ENTITY a "b">]><sms>', 113),
    "no sender": ("<source_addr>INFO</source_addr>", "", 104),
    "a sender with a plus": ("INFO", "+22660000001", 111),
    "no text": ("Hello", "", 109),
    "an encoding": ("<message>", "<encoding>1</encoding><message>", 118),
    "no recipients": ("recipients>", "others>", 119),
    "no number": ("dest_addr", "addr", 115),
    "no plus": ("+2268", "2268", 101),
    "the past": ("<schedule_time />", "<schedule_time>2017-06-14 07:00</schedule_time>", 112),
}


@pytest.mark.parametrize("fault", XML_FAULTS)
def test_xml_has_the_errors_of_json(simulated: ProviderApi, fault: str) -> None:
    old, new, code = XML_FAULTS[fault]
    good = post(simulated, "send_sms", GOOD.encode(), "application/xml")
    assert (good.status_code, len(simulated.sent)) == (200, 1)
    answer = post(simulated, "send_sms", GOOD.replace(old, new).encode(), "application/xml")
    assert (answer.status_code, answer.json["code"]) == (400, code)
    assert len(simulated.sent) == 1


CALLS = {
    "send_sms": "POST",
    "query_sms_balance": "GET",
    "change_sms_info": "GET",
    "query_sender_names": "GET",
    "request_sender_name": "POST",
}


@pytest.mark.parametrize("name", CALLS)
def test_every_call_wants_its_method_and_both_keys(simulated: ProviderApi, name: str) -> None:
    other = "GET" if CALLS[name] == "POST" else "POST"
    assert call(simulated, name, other).status_code == 405
    nobody = call(simulated, name, CALLS[name], auth=None)
    assert (nobody.status_code, nobody.text.endswith(",\n}")) == (400, True)
    token = call(simulated, name, CALLS[name], auth=None, headers={"Authorization": "Bearer x"})
    assert (token.status_code, token.json["code"]) == (401, 108)
    for pair in ((KEY, ""), (KEY, "wrong"), ("nobody", SECRET)):
        answer = call(simulated, name, CALLS[name], auth=pair)
        assert (answer.status_code, answer.json["code"]) == (401, 120)


@pytest.mark.parametrize("do", ["balance", "sender_names"])
def test_wrong_keys_reach_our_provider_as_120(make: Make, do: str) -> None:
    with pytest.raises(PermanentDeliveryError, match="api_secret") as caught:
        getattr(make(secret="another"), do)()
    assert caught.value.code == "120"
