"""Every call and every error that the panel's text documents, seen from the wire.

Source: "API Documentation" of the panel (keyed). `CALLS` and `ERRORS` are written off the text;
a row that is missing, or one too many, fails.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from exchange import Answer, Api, Exchange

from receiver.errors import DeliveryError, PermanentDeliveryError, TemporaryDeliveryError
from receiver.providers.base import Balance, Sent, Sms
from receiver.providers.keyed import Keyed, PanelKey

HOST = "http://localhost"
KEY, USER, PASSWORD = "panel-key-0001", "user123", "pass123"
SMS = Sms(
    recipients=("+254701234567", "+254712345678"), text="Hello, this is a test message.", key="k"
)
JSON = {"content-type": "application/json", "accept": "application/json"}
KEYED = {**JSON, "x-api-key": KEY}
QUEUED = Answer('{"message": "queued", "data": {"message_id": "m-1"},}')
V2_BODY = (
    b'{"numbers":"+254701234567,+254712345678","message_body":"Hello, this is a test message."}'
)

# "Endpoint" of the first part, then "Endpoints", in the order of the text.
CALLS = [
    "POST /v1/sms/send",
    "GET api/v2",
    "GET api/oauth2-callback",
    "GET api/v2/sms/send",
    "POST api/v2/sms/send",
    "GET api/v2/account/balance",
    "POST api/generate-key",
    "POST api/revoke-key",
    "POST api/regenerate-key",
]

# What no method makes, and why.
NOT_OURS = {
    "GET api/oauth2-callback": (
        "a page that the panel's own Swagger window sends a browser back to: it answers a script"
    )
}

V1: dict[str, Any] = {
    "api_secret": PASSWORD,
    "base_url": HOST,
    "region": "KE",
    "options": {"version": 1, "username": USER},
}
V2: dict[str, Any] = {"api_keys": (KEY,), "base_url": HOST}


def by(account: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {**account, "options": {**account.get("options", {}), **options}}


ROWS: dict[str, tuple[dict[str, Any], Exchange]] = {
    "POST /v1/sms/send": (
        V1,
        Exchange(
            do=lambda keyed: keyed.send(SMS),
            method="POST",
            url=f"{HOST}/v1/sms/send",
            headers={"content-type": "application/x-www-form-urlencoded"},
            body=b"numbers=%2B254701234567%2C%2B254712345678"
            b"&message_body=Hello%2C+this+is+a+test+message.&username=user123&password=pass123",
            answer=QUEUED,
            gives=Sent(message_id="m-1"),
        ),
    ),
    "POST /v1/sms/send: numbers as in the sample": (
        by(V1, numbers="national"),
        Exchange(
            do=lambda keyed: keyed.send(SMS),
            method="POST",
            url=f"{HOST}/v1/sms/send",
            body=b"numbers=0701234567%2C0712345678"
            b"&message_body=Hello%2C+this+is+a+test+message.&username=user123&password=pass123",
            answer=QUEUED,
            gives=Sent(message_id="m-1"),
        ),
    ),
    "GET api/v2": (
        V2,
        Exchange(
            do=lambda keyed: keyed.documentation(),
            method="GET",
            url=f"{HOST}/api/v2",
            headers=JSON,
            answer=Answer("<title>Swagger</title>"),
            gives="<title>Swagger</title>",
        ),
    ),
    "GET api/v2/sms/send": (
        by(V2, method="GET"),
        Exchange(
            do=lambda keyed: keyed.send(SMS),
            method="GET",
            url=f"{HOST}/api/v2/sms/send?numbers=%2B254701234567%2C%2B254712345678"
            "&message_body=Hello%2C+this+is+a+test+message.",
            headers=KEYED,
            answer=QUEUED,
            gives=Sent(message_id="m-1"),
        ),
    ),
    "POST api/v2/sms/send": (
        V2,
        Exchange(
            do=lambda keyed: keyed.send(SMS),
            method="POST",
            url=f"{HOST}/api/v2/sms/send",
            headers=KEYED,
            body=V2_BODY,
            answer=QUEUED,
            gives=Sent(message_id="m-1"),
        ),
    ),
    "GET api/v2/account/balance": (
        V2,
        Exchange(
            do=lambda keyed: keyed.balance(),
            method="GET",
            url=f"{HOST}/api/v2/account/balance",
            headers=KEYED,
            answer=Answer('{"data": {"balance": "1,204.50", "currency": "KES"}}'),
            gives=Balance(amount=Decimal("1204.50"), unit="money"),
        ),
    ),
    "POST api/generate-key": (
        V2,
        Exchange(
            do=lambda keyed: keyed.generate_key(3),
            method="POST",
            url=f"{HOST}/api/generate-key",
            headers=KEYED,
            body=b'{"expiry_days":3}',
            answer=Answer('{"data": {"api_key": "new-key-0002"}}', 201),
            gives=PanelKey(value="new-key-0002"),
        ),
    ),
    "POST api/generate-key: expiry_days is optional": (
        V2,
        Exchange(
            do=lambda keyed: keyed.generate_key(),
            method="POST",
            url=f"{HOST}/api/generate-key",
            headers=KEYED,
            answer=Answer('{"token": "new-key-0002"}'),
            gives=PanelKey(value="new-key-0002"),
        ),
    ),
    "POST api/generate-key: the first key of all": (
        {"api_secret": PASSWORD, "base_url": HOST, "options": {"username": USER}},
        Exchange(
            do=lambda keyed: keyed.generate_key(365),
            method="POST",
            url=f"{HOST}/api/generate-key",
            headers=JSON,
            body=b'{"expiry_days":365,"username":"user123","password":"pass123"}',
            answer=Answer('{"key": "new-key-0002"}'),
            gives=PanelKey(value="new-key-0002"),
        ),
    ),
    "POST api/revoke-key": (
        V2,
        Exchange(
            do=lambda keyed: keyed.revoke_key(),
            method="POST",
            url=f"{HOST}/api/revoke-key",
            headers=KEYED,
            answer=Answer('{"message": "revoked"}'),
            gives=None,
        ),
    ),
    "POST api/regenerate-key": (
        V2,
        Exchange(
            do=lambda keyed: keyed.regenerate_key(9),
            method="POST",
            url=f"{HOST}/api/regenerate-key",
            headers=KEYED,
            body=b'{"expiry_days":9}',
            answer=Answer('{"key": "new-key-0002"}'),
            gives=PanelKey(value="new-key-0002"),
        ),
    ),
}


def test_the_table_has_every_documented_call_and_no_other() -> None:
    assert {name.partition(":")[0] for name in ROWS} | {*NOT_OURS} == {*CALLS}
    assert not {*ROWS} & {*NOT_OURS}
    assert all(NOT_OURS.values())


@pytest.mark.parametrize(("account", "row"), ROWS.values(), ids=ROWS)
def test_a_call_leaves_as_documented_and_gives_what_came(
    account: dict[str, Any], row: Exchange
) -> None:
    row.check(Keyed, **account)


HELP = "Provide X-API-Key header or api_key parameter"

# "Responses" and each "Example response" that is an error: status, body.
ERRORS = [
    (400, '{ "error": "Invalid phone number format." }'),
    (401, '{ "error": "Unauthorized." }'),
    (401, '{\n    "error": "API key is required",\n    "help": "' + HELP + '"\n}'),
    (500, '{\n    "message": "Server Error"\n}'),
]

ERROR_ROWS: dict[str, tuple[int, str, type[DeliveryError], str, str]] = {
    "Invalid phone number format.": (*ERRORS[0], PermanentDeliveryError, "400", "Write numbers"),
    "Unauthorized.": (*ERRORS[1], PermanentDeliveryError, "401", "Check username and api_secret"),
    "API key is required": (*ERRORS[2], PermanentDeliveryError, "401", HELP),
    "Server Error": (*ERRORS[3], TemporaryDeliveryError, "500", "Try again later"),
}

WRAPPINGS: dict[str, Any] = {
    "as-printed": lambda status, body: Answer(body, status),
    "in-data": lambda status, body: Answer(f'{{"status": false, "data": {body}}}', status),
    "in-a-list": lambda status, body: Answer(f"[{body}]", status),
    "commas-trail": lambda status, body: Answer(body.rstrip()[:-1] + ",\n}", status),
    "inside-a-success": lambda status, body: Answer(body, 200),
    "in-data-inside-a-success": lambda status, body: Answer(f'{{"data": {body}}}', 200),
}

DOINGS: dict[str, tuple[dict[str, Any], Any]] = {
    "v1-send": (V1, lambda keyed: keyed.send(SMS)),
    "v2-send": (V2, lambda keyed: keyed.send(SMS)),
    "v2-send-by-get": (by(V2, method="GET"), lambda keyed: keyed.send(SMS)),
    "balance": (V2, lambda keyed: keyed.balance()),
    "generate-key": (V2, lambda keyed: keyed.generate_key()),
    "revoke-key": (V2, lambda keyed: keyed.revoke_key()),
    "regenerate-key": (V2, lambda keyed: keyed.regenerate_key()),
}


def test_the_table_has_every_documented_error_and_no_other() -> None:
    assert [row[:2] for row in ERROR_ROWS.values()] == ERRORS
    assert {name.strip(" .").lower() for name in ERROR_ROWS} == {*Keyed.ERRORS}


@pytest.mark.parametrize("wrapped", WRAPPINGS.values(), ids=WRAPPINGS)
@pytest.mark.parametrize(("account", "do"), DOINGS.values(), ids=DOINGS)
@pytest.mark.parametrize("name", ERROR_ROWS)
def test_an_error_is_typed_in_every_wrapping_and_says_what_to_do(
    name: str, account: dict[str, Any], do: Any, wrapped: Any
) -> None:
    status, body, kind, code, mend = ERROR_ROWS[name]
    answer = wrapped(status, body)
    api = Api(Keyed, answer, **account)
    with pytest.raises(DeliveryError) as caught:
        do(api.provider)
    error = caught.value
    assert (type(error), error.code) == (kind, code)
    assert error.reason == f"{name} (HTTP {answer.status})"
    assert error.mend.startswith(mend)
    assert len(api.requests) == 1


def test_the_page_that_fails_in_the_text_is_temporary() -> None:
    with pytest.raises(TemporaryDeliveryError) as caught:
        Api(Keyed, Answer(ERRORS[3][1], 500), **V2).provider.documentation()
    assert (caught.value.code, caught.value.reason) == ("500", "Server Error (HTTP 500)")
