"""Lefoka's simulated API, as our own provider and as strangers find it, after its text."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import httpx
import pytest
from werkzeug.test import Client, TestResponse

from receiver.dev.provider_api import ProviderApi
from receiver.errors import PermanentDeliveryError
from receiver.events import Status
from receiver.providers.base import Asked, Sent, Sms, Stamp
from receiver.providers.lefoka import Lefoka
from receiver.security import Door
from receiver.settings import Account
from receiver.signing import SignedUrls

KEY, SECRET = "a-key", "a-secret"
PATH = "/v1/messages"
NUMBER, OTHER = "27637885448", "27800055555"
TOMORROW = datetime.now(timezone(timedelta(hours=2))).replace(microsecond=0) + timedelta(days=1)


@pytest.fixture
def simulated() -> ProviderApi:
    return ProviderApi({"lefoka": {KEY: SECRET}, "smsbox": {}})


@pytest.fixture
def lefoka(simulated: ProviderApi) -> Lefoka:
    account = Account(name="shop", provider="lefoka", api_keys=(KEY,), api_secret=SECRET)
    door = Door(account, SignedUrls(["x" * 20]))
    return Lefoka(account, door, transport=httpx.WSGITransport(simulated))


def sms(text: str = "hi", **more: Any) -> Sms:
    return Sms(**{"recipients": (f"+{NUMBER}",), "text": text, "key": "k", **more})


def call(
    simulated: ProviderApi,
    body: Any = None,
    line: str | None = None,
    method: str = "POST",
    path: str = PATH,
    **more: Any,
) -> TestResponse:
    """Call as a stranger; ``line`` is what the signature is made of, by hand."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    signature = hmac.new(SECRET.encode(), (line or "").encode(), hashlib.sha256).hexdigest()
    headers = {} if line is None else {"Signature": signature}
    options = {"auth": (KEY, ""), "content_type": "application/json", **more}
    return Client(simulated).open(path, method=method, data=data, headers=headers, **options)


def test_our_own_send_is_taken_and_recorded(lefoka: Lefoka, simulated: ProviderApi) -> None:
    sent = lefoka.send(sms("You wrote: hello & «ça va»? ~100%", client_reference="ref 1"))
    (entry,) = simulated.sent
    made = datetime.fromisoformat(entry.pop("creation_date"))
    assert made.utcoffset() == timedelta(hours=2)
    assert sent == Sent(message_id=entry.pop("message_id"), credit="1")
    assert entry == {
        "provider": "lefoka",
        "to": ["+27637885448"],
        "text": "You wrote: hello & «ça va»? ~100%",
        "source": None,
        "client_reference": "ref 1",
        "schedule": None,
        "status": "pending",
        "credit": 1,
        "delivery_date": None,
    }
    assert simulated.balance["lefoka"] == simulated.balance["smsbox"] - 1
    assert lefoka.balance().amount == simulated.balance["lefoka"]


def test_a_scheduled_sms_is_edited_and_deleted(lefoka: Lefoka, simulated: ProviderApi) -> None:
    sent = lefoka.send(sms(schedule=TOMORROW))
    assert sent.message_id
    assert sent.credit == "0"
    made = lefoka.get(sent.message_id)
    assert (made.status, made.schedule) == (Status.SCHEDULED, TOMORROW)
    later = TOMORROW + timedelta(hours=1)
    changed = lefoka.edit(
        sent.message_id,
        recipients=[f"+{OTHER}", f"+{NUMBER}"],
        text="later & dearer",
        schedule=later,
        client_reference="ref",
    )
    assert changed == lefoka.get(sent.message_id)
    assert (changed.recipients, changed.text) == ((f"+{OTHER}", f"+{NUMBER}"), "later & dearer")
    assert (changed.schedule, changed.client_reference) == (later, "ref")
    lefoka.delete(sent.message_id)
    assert lefoka.get(sent.message_id).status is Status.CANCELLED
    for again in (lefoka.delete, lambda known: lefoka.edit(known, text="x")):
        with pytest.raises(PermanentDeliveryError, match="Only scheduled"):
            again(sent.message_id)
    assert simulated.balance["lefoka"] == simulated.balance["smsbox"]


def test_all_pages_of_the_list_are_read_whatever_commas_are_wrong(
    lefoka: Lefoka, simulated: ProviderApi
) -> None:
    for n in range(23):
        lefoka.send(sms(f"<script>{n}</script>", client_reference=f"ref {n}"))
    simulated.sent[5] |= {"status": "delivered", "delivery_date": "2026-03-01T10:00:00+02:00"}
    lefoka.send(sms("to another", recipients=(f"+{OTHER}",)))
    texts = [message.text for message in lefoka.messages(limit=10)]
    assert texts == ["to another", *(f"<script>{n}</script>" for n in reversed(range(23)))]
    assert [m.client_reference for m in lefoka.messages(status=Status.DELIVERED)] == ["ref 5"]
    assert [m.text for m in lefoka.messages(recipient="00055555")] == ["to another"]
    assert [m.client_reference for m in lefoka.messages(search=">7<")] == ["ref 7"]
    assert len(list(lefoka.messages(limit=10, page=2))) == 14
    assert list(lefoka.messages(page=2)) == []
    assert list(lefoka.messages(search="nothing")) == []


def test_what_became_of_an_sms_is_asked_and_listed_with_the_same_ids(
    lefoka: Lefoka, simulated: ProviderApi
) -> None:
    began = datetime.now(UTC) - timedelta(minutes=1)
    sent = lefoka.send(sms(recipients=(f"+{NUMBER}", f"+{OTHER}"), client_reference="ref"))
    simulated.sent[0] |= {"status": "delivered", "delivery_date": datetime.now(UTC).isoformat()}
    stamp = Stamp(lefoka.account, "asked", datetime.now(UTC))
    asked = lefoka.status(Asked(message_id=sent.message_id or ""), stamp)
    assert [(report.recipient, report.status) for report in asked] == [
        (f"+{NUMBER}", Status.DELIVERED),
        (f"+{OTHER}", Status.DELIVERED),
    ]
    assert tuple(lefoka.history(began, stamp)) == asked
    found = lefoka.find(sms(client_reference="ref"), began)
    assert found == sent
    assert lefoka.find(sms(client_reference="another"), began) is None


def test_an_empty_account_sends_nothing_but_schedules(
    lefoka: Lefoka, simulated: ProviderApi
) -> None:
    simulated.balance["lefoka"] = 0
    with pytest.raises(PermanentDeliveryError) as error:
        lefoka.send(sms())
    assert error.value.code == "INSUFFICIENT_BALANCE"
    assert simulated.sent == []
    lefoka.send(sms(schedule=TOMORROW))
    assert len(simulated.sent) == 1


SEND = {"recipient": [NUMBER], "message": "x"}
FAULTS: dict[str, list[Any]] = {
    "RECIPIENT_MISSING_PARAMETER": [{"message": "x"}],
    "RECIPIENT_EMPTY_PARAMETER": [{"recipient": [], "message": "x"}],
    "BATCH_LIMIT_EXCEEDED": [{**SEND, "recipient": [NUMBER] * 501}],
    "MESSAGE_MISSING_PARAMETER": [{"recipient": [NUMBER]}],
    "MESSAGE_EMPTY_PARAMETER": [{**SEND, "message": ""}],
    "MESSAGE_LIMIT_EXCEEDED": [{**SEND, "message": "x" * 441}],
    "CLIENT_REFERENCE_LIMIT_EXCEEDED": [{**SEND, "client_reference": "x" * 101}],
    "INVALID_RECIPIENT_ENTRY": [{**SEND, "recipient": [f"+{NUMBER}"]}, {**SEND, "recipient": "2"}],
    "SCHEDULE_EMPTY_PARAMETER": [{**SEND, "schedule": ""}, {**SEND, "schedule": None}],
    "DATE_TIME_INVALID": [
        {**SEND, "schedule": when}
        for when in (
            "tomorrow",
            "2023-08-07T04:41:08+02:00",
            "2026-02-31T04:41:08",
            (TOMORROW + timedelta(days=7)).isoformat(),
            (TOMORROW - timedelta(days=1)).isoformat(),
            TOMORROW.isoformat(sep=" "),
            7,
        )
    ],
    "SIGNATURE_MISSING": [SEND],
    "JSON_MALFORMED": [[], "x"],
    "JSON_INVALID_SYNTAX": [b"{,}", b""],
    "JSON_MALFORMED_UTF8": [b'{"message": "\xff"}'],
    "JSON_ERROR_CTRL_CHAR": [b'{"message": "a\x01b"}'],
    "JSON_EXCEEDED": [b'{"a":' * 513 + b"1" + b"}" * 513, b"[" * 200_000],
}


@pytest.mark.parametrize("code", FAULTS)
def test_its_errors_have_their_documented_names(simulated: ProviderApi, code: str) -> None:
    for body in FAULTS[code]:
        answer = call(simulated, body)
        assert answer.status_code == 400
        assert f'"message": "{code}"' in answer.text or f'"message": {code},' in answer.text
        assert '"description": "' in answer.text
        assert '"documentation_url": "https://developer.lefoka.co.za/' in answer.text
    assert simulated.sent == []


def test_a_wrong_signature_is_a_mismatch_for_an_edit_as_well(simulated: ProviderApi) -> None:
    assert "SIGNATURE_MISMATCH" in call(simulated, SEND, "message=x").text
    when = TOMORROW.isoformat()
    line = f"message=x&recipient[]={NUMBER}&schedule={when.replace(':', '%3A').replace('+', '%2B')}"
    made = call(simulated, {**SEND, "schedule": when}, line)
    one = f"{PATH}/{made.json['id']}"
    assert set(made.json["_links"]) == {"self", "edit", "delete"}
    wrong = call(simulated, {"message": "y"}, "message=z", "PATCH", one)
    assert (wrong.status_code, wrong.json["error"]["message"]) == (400, "SIGNATURE_MISMATCH")
    assert call(simulated, {"message": "y"}, "message=y", "PATCH", one).json["message"] == "y"
    as_printed = call(simulated, {"message": "z"}, None, "PATCH", one)
    assert as_printed.json["message"] == "z"


@pytest.mark.parametrize(
    ("auth", "code"),
    [
        (None, "UNAUTHORIZED"),
        ((KEY, "not blank"), "INVALID_API_KEY"),
        (("x", ""), "INVALID_API_KEY"),
    ],
)
def test_it_wants_the_key_alone(simulated: ProviderApi, auth: Any, code: str) -> None:
    for method, path in (("POST", PATH), ("GET", PATH), ("GET", f"{PATH}/balance"), ("GET", "/x")):
        answer = call(simulated, SEND, "", method, path, auth=auth)
        assert answer.status_code == (404 if path == "/x" else 401)
        assert (code in answer.text) == (path != "/x")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", PATH, 405),
        ("DELETE", PATH, 405),
        ("POST", f"{PATH}/balance", 405),
        ("DELETE", f"{PATH}/balance", 405),
        ("POST", f"{PATH}/f8cf", 405),
        ("GET", f"{PATH}/f8cf", 404),
        ("PATCH", f"{PATH}/f8cf", 404),
        ("DELETE", f"{PATH}/f8cf", 404),
        ("GET", f"{PATH}/balance/x", 404),
        ("GET", PATH, 404),
    ],
)
def test_other_methods_and_places_are_refused(
    simulated: ProviderApi, method: str, path: str, status: int
) -> None:
    answer = call(simulated, {}, None, method, path)
    code = {405: "INVALID_HTTP_REQUEST_METHOD", 404: "NOT_FOUND"}[status]
    expected = "NO_SMS_MESSAGES" if (method, path) == ("GET", PATH) else code
    assert (answer.status_code, answer.json["error"]["message"]) == (status, expected)


def test_its_signature_is_the_documents_own(simulated: ProviderApi) -> None:
    body = {"recipient": [NUMBER, OTHER], "message": "test", "client_reference": "your reference"}
    line = (
        "client_reference=your%20reference&message=test"
        "&recipient[]=27637885448&recipient[]=27800055555"
    )
    answer = call(simulated, body, line)
    assert (answer.status_code, answer.json["credit"]) == (201, 2)
    assert answer.json["schedule"] is None
    assert set(answer.json["_links"]) == {"self"}
    assert simulated.sent[0]["to"] == ["+27637885448", "+27800055555"]


def test_it_takes_a_form_as_well(simulated: ProviderApi) -> None:
    form = b"message=hi+there&recipient%5B%5D=27637885448"
    line = "message=hi%20there&recipient[]=27637885448"
    kind = "application/x-www-form-urlencoded"
    assert call(simulated, form, line, content_type=kind).status_code == 201
    assert simulated.sent[0]["text"] == "hi there"


def test_its_list_has_the_faults_of_the_documents_sample(simulated: ProviderApi) -> None:
    assert call(simulated, SEND, f"message=x&recipient[]={NUMBER}").status_code == 201
    simulated.sent[0] |= {"status": "delivered", "delivery_date": "2023-05-01T05:07:50+02:00"}
    text = call(simulated, method="GET", query_string={"limit": "1000"}).text
    assert '+02:00"\n"delivery_date": "2023-05-01T05:07:50+02:00",' in text
    assert '"method": "GET"\n},\n}\n}' in text
    assert '"limit": 100,\n "total_pages": 1,\n "total_items": 1,' in text
