"""Every call that Lefoka's text has, request and answer: none left out.

Source: https://developer.lefoka.co.za/docs/sms/reference. The two lists below are transcribed from
it: `CALLS` are made here, and `CODES` are met in `test_lefoka_errors`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from exchange import Answer, Exchange
from lefoka_samples import (
    ACCOUNT,
    BALANCE,
    KEY,
    LIST,
    LISTED,
    MESSAGE,
    NUMBERS,
    SCHEDULED,
    SCHEDULED_ID,
    SCHEDULED_MESSAGE,
    SECRET,
    SENT,
    SENT_ID,
)

from receiver.events import Status
from receiver.providers.base import Balance, Sent, Sms
from receiver.providers.lefoka import SANDBOX_URL, Lefoka

CALLS = [
    ("GET", "/v1/messages/balance", "live"),
    ("GET", "/v1/messages/balance", "sandbox"),
    ("POST", "/v1/messages", "immediate"),
    ("POST", "/v1/messages", "immediate, without a client_reference"),
    ("POST", "/v1/messages", "scheduled"),
    ("POST", "/v1/messages", "scheduled, without an offset"),
    ("PATCH", "/v1/messages/MESSAGE_ID", "recipient"),
    ("PATCH", "/v1/messages/MESSAGE_ID", "message"),
    ("PATCH", "/v1/messages/MESSAGE_ID", "schedule"),
    ("PATCH", "/v1/messages/MESSAGE_ID", "client_reference"),
    ("PATCH", "/v1/messages/MESSAGE_ID", "all of them"),
    ("DELETE", "/v1/messages/MESSAGE_ID", ""),
    ("GET", "/v1/messages/MESSAGE_ID", ""),
    ("GET", "/v1/messages", "no filter"),
    ("GET", "/v1/messages", "recipient"),
    ("GET", "/v1/messages", "recipient, a part"),
    *[
        ("GET", "/v1/messages", f"status {word}")
        for word in (
            *("delivered", "undelivered", "expired", "blist", "submitted"),
            *("staged", "cancelled", "noroute", "failed"),
        )
    ],
    ("GET", "/v1/messages", "search"),
    ("GET", "/v1/messages", "page"),
    ("GET", "/v1/messages", "limit"),
    ("GET", "/v1/messages", "all of them"),
]
CODES = [
    "CONNECTION_INSECURE",
    "UNAUTHORIZED",
    "INVALID_API_KEY",
    "INVALID_HTTP_REQUEST_METHOD",
    "SIGNATURE_MISSING",
    "RECIPIENT_MISSING_PARAMETER",
    "MESSAGE_MISSING_PARAMETER",
    "RECIPIENT_EMPTY_PARAMETER",
    "BATCH_LIMIT_EXCEEDED",
    "MESSAGE_EMPTY_PARAMETER",
    "MESSAGE_LIMIT_EXCEEDED",
    "CLIENT_REFERENCE_LIMIT_EXCEEDED",
    "INVALID_RECIPIENT_ENTRY",
    "SIGNATURE_MISMATCH",
    "INSUFFICIENT_BALANCE",
    "SCHEDULE_EMPTY_PARAMETER",
    "DATE_TIME_INVALID",
    "INTERNAL_SERVER_ERROR",
    "NO_SMS_MESSAGES",
    "JSON_EXCEEDED",
    "JSON_MALFORMED",
    "JSON_ERROR_CTRL_CHAR",
    "JSON_INVALID_SYNTAX",
    "JSON_MALFORMED_UTF8",
    "JSON_UNKNOWN",
    *("HTTP_400", "HTTP_401", "HTTP_402", "HTTP_403", "HTTP_404", "HTTP_405", "HTTP_429"),
    *("HTTP_500", "HTTP_502", "HTTP_503", "HTTP_504"),  # printed as "503, 502, 503, 504"
]

LIVE = "https://api.lefoka.co.za"
BASIC = "Basic " + base64.b64encode(f"{KEY}:".encode()).decode()
GMT2 = timezone(timedelta(hours=2))
WHEN = datetime.now(GMT2).replace(microsecond=0) + timedelta(days=2)
ISO = WHEN.strftime("%Y-%m-%dT%H:%M:%S+02:00")
ENCODED = ISO.replace(":", "%3A").replace("+", "%2B")


def hmac_of(line: str) -> str:
    return hmac.new(SECRET.encode(), line.encode(), hashlib.sha256).hexdigest()


def sms(**more: Any) -> Sms:
    return Sms(**{"recipients": NUMBERS, "text": "test", "key": "k", **more})


def signed(line: str) -> dict[str, Any]:
    json_ = "application/json"
    return {
        "headers": {"authorization": BASIC, "content-type": json_, "signature": hmac_of(line)},
    }


def unsigned(**headers: Any) -> dict[str, Any]:
    return {"headers": {"authorization": BASIC, "signature": None, **headers}}


TO = '"recipient":["27637885448","27800055555"]'
SIGNED_TO = "recipient[]=27637885448&recipient[]=27800055555"
REFERENCE = '"client_reference":"your reference"'
SIGNED_REFERENCE = "client_reference=your%20reference"
WANTED = "client_reference=your%20reference&message=test&" + SIGNED_TO


def sending(do: Any, body: str, line: str, answer: str, message_id: str, credit: str) -> Exchange:
    return Exchange(
        do=do,
        method="POST",
        url=f"{LIVE}/v1/messages",
        body=f"{{{body}}}".encode(),
        answer=Answer(answer, 201),
        gives=Sent(message_id=message_id, credit=credit),
        **signed(line),
    )


def editing(body: str, line: str, **fields: Any) -> Exchange:
    return Exchange(
        do=lambda lefoka: lefoka.edit(SCHEDULED_ID, **fields),
        method="PATCH",
        url=f"{LIVE}/v1/messages/{SCHEDULED_ID}",
        body=f"{{{body}}}".encode(),
        answer=Answer(SCHEDULED),
        gives=SCHEDULED_MESSAGE,
        **signed(line),
    )


def listing(query: str, **filters: Any) -> Exchange:
    return Exchange(
        do=lambda lefoka: next(lefoka.messages(**filters)),
        method="GET",
        url=f"{LIVE}/v1/messages?{query}",
        answer=Answer(LIST),
        gives=LISTED,
        **unsigned(),
    )


def asking_balance(base: str) -> Exchange:
    return Exchange(
        do=lambda lefoka: lefoka.balance(),
        method="GET",
        url=f"{base}/v1/messages/balance",
        answer=Answer(BALANCE),
        gives=Balance(amount=Decimal(44), unit="credits"),
        **unsigned(),
    )


ONE, ALL = "/v1/messages/MESSAGE_ID", "/v1/messages"
EXCHANGES: dict[tuple[str, str, str], Exchange] = {
    ("GET", "/v1/messages/balance", "live"): asking_balance(LIVE),
    ("GET", "/v1/messages/balance", "sandbox"): asking_balance("https://sandbox.lefoka.co.za"),
    ("POST", ALL, "immediate"): sending(
        lambda lefoka: lefoka.send(sms(client_reference="your reference")),
        f'{TO},"message":"test",{REFERENCE}',
        WANTED,
        *(SENT, SENT_ID, "2"),
    ),
    ("POST", ALL, "immediate, without a client_reference"): sending(
        lambda lefoka: lefoka.send(sms()),
        f'{TO},"message":"test"',
        f"message=test&{SIGNED_TO}",
        *(SENT, SENT_ID, "2"),
    ),
    ("POST", ALL, "scheduled"): sending(
        lambda lefoka: lefoka.send(sms(client_reference="your reference", schedule=WHEN)),
        f'{TO},"message":"test",{REFERENCE},"schedule":"{ISO}"',
        f"{WANTED}&schedule={ENCODED}",
        *(SCHEDULED, SCHEDULED_ID, "0"),
    ),
    ("POST", ALL, "scheduled, without an offset"): sending(
        lambda lefoka: lefoka.send(sms(schedule=WHEN.replace(tzinfo=None))),
        f'{TO},"message":"test","schedule":"{ISO}"',
        f"message=test&{SIGNED_TO}&schedule={ENCODED}",
        *(SCHEDULED, SCHEDULED_ID, "0"),
    ),
    ("PATCH", ONE, "recipient"): editing(TO, SIGNED_TO, recipients=NUMBERS),
    ("PATCH", ONE, "message"): editing('"message":"test"', "message=test", text="test"),
    ("PATCH", ONE, "schedule"): editing(
        f'"schedule":"{ISO}"', f"schedule={ENCODED}", schedule=WHEN.astimezone(UTC)
    ),
    ("PATCH", ONE, "client_reference"): editing(
        REFERENCE, SIGNED_REFERENCE, client_reference="your reference"
    ),
    ("PATCH", ONE, "all of them"): editing(
        f'{TO},"message":"test",{REFERENCE},"schedule":"{ISO}"',
        f"{WANTED}&schedule={ENCODED}",
        recipients=NUMBERS,
        text="test",
        schedule=WHEN,
        client_reference="your reference",
    ),
    ("DELETE", ONE, ""): Exchange(
        do=lambda lefoka: lefoka.delete(SCHEDULED_ID),
        method="DELETE",
        url=f"{LIVE}/v1/messages/{SCHEDULED_ID}",
        answer=Answer('{\n"status": "successful"\n}'),
        gives=None,
        **unsigned(**{"content-type": "application/json"}),
    ),
    ("GET", ONE, ""): Exchange(
        do=lambda lefoka: lefoka.get(SENT_ID),
        method="GET",
        url=f"{LIVE}/v1/messages/{SENT_ID}",
        answer=Answer(SENT),
        gives=MESSAGE,
        **unsigned(),
    ),
    ("GET", ALL, "no filter"): listing("page=1&limit=100"),
    ("GET", ALL, "recipient"): listing(
        "recipient=27637885448&page=1&limit=100", recipient=NUMBERS[0]
    ),
    ("GET", ALL, "recipient, a part"): listing(
        "recipient=12345&page=1&limit=100", recipient="12345"
    ),
    **{
        ("GET", ALL, f"status {word}"): listing(f"status={word}&page=1&limit=100", status=status)
        for word, status in (
            ("delivered", Status.DELIVERED),
            ("undelivered", "undelivered"),
            ("expired", Status.EXPIRED),
            ("blist", Status.BLOCKED),
            ("submitted", "Submitted"),
            ("staged", "staged"),
            ("cancelled", Status.CANCELLED),
            ("noroute", Status.NO_ROUTE),
            ("failed", "failed"),
        )
    },
    ("GET", ALL, "search"): listing("search=a+%26+b&page=1&limit=100", search="a & b"),
    ("GET", ALL, "page"): listing("page=2&limit=100", page=2),
    ("GET", ALL, "limit"): listing("page=1&limit=10", limit=10),
    ("GET", ALL, "all of them"): listing(
        "recipient=27637885448&status=blist&search=x&page=3&limit=5",
        recipient="27637885448",
        status="blist",
        search="x",
        page=3,
        limit=5,
    ),
}


def test_no_documented_call_is_left_out() -> None:
    assert sorted(EXCHANGES) == sorted(CALLS)


@pytest.mark.parametrize("call", CALLS, ids=" ".join)
def test_a_call_is_the_one_of_the_document(call: tuple[str, str, str]) -> None:
    sandbox = {"base_url": SANDBOX_URL} if call[2] == "sandbox" else {}
    EXCHANGES[call].check(Lefoka, **ACCOUNT, **sandbox)
