"""What SMSBox would surely refuse does not leave; the rest does, as it was written.

Source: the SMS API documentation at https://smsbox.devotek.africa, sections "Sending SMS", "Change
SMS info", "Sender names" and "Error codes".
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from xml.etree.ElementTree import fromstring

import pytest
from exchange import Api
from marshmallow import ValidationError
from smsbox_calls import (
    ACCOUNT,
    ALEX,
    EVERY_CALL,
    IN_XML,
    THOMAS,
    Do,
    changing,
    naming,
    refusal,
    sending,
    sms,
)
from smsbox_samples import ACCEPTED, ID

from receiver.errors import PermanentDeliveryError
from receiver.providers.base import Asked, Stamp
from receiver.providers.smsbox import SMSBox

PAST = datetime(2017, 6, 14, 7, 0, tzinfo=UTC)
TO_COME = datetime(2999, 5, 1, 12, 0, tzinfo=UTC)

NAMED = "Hello [{RECEIVERNAME}]"
REFUSED: dict[str, tuple[Do, str | None]] = {
    "a sender ID of 12 characters": (sending(source="TWELVE CHARS"), "111"),
    "a number of 16 digits": (sending(source="+2267162514212345"), "111"),
    "a blank sender": (sending(source=" "), "111"),
    "a time in the past": (sending(schedule=PAST), "112"),
    "a time without a zone": (sending(schedule=datetime(2999, 5, 1)), "117"),
    "a time beyond the calendar": (
        sending(schedule=datetime.max.replace(tzinfo=timezone(timedelta(hours=-2)))),
        "117",
    ),
    "a blank recipient": (sending(recipients=(ALEX, " ")), "115"),
    "a name for nobody": (sending(text=NAMED), "104"),
    "a name for one of two": (
        sending(text=NAMED, recipients=(ALEX, THOMAS), names={ALEX: "Alex"}),
        "104",
    ),
    "a blank name": (sending(text=NAMED, names={ALEX: " "}), "104"),
    "a change of nothing": (changing(), "104"),
    "a change without an id": (changing(" ", suspended=True), "104"),
    "a change to no text": (changing(text=""), "109"),
    "a change into the past": (changing(schedule=PAST), "112"),
    "a change to two times": (changing(schedule=TO_COME, at_once=True), "117"),
    "a change to a long sender ID": (changing(source="TWELVE CHARS"), "111"),
    "a status of names that is none": (lambda box: box.sender_names(status="new"), None),
    "a sender name of 12 characters": (naming("TWELVE CHARS"), "121"),
    "a sender name with a sign": (naming("SHOP!"), "121"),
    "a sender name in another script": (naming("МАГАЗИН"), "121"),
    "no sender name": (naming(" "), "104"),
    "a sample of 14 characters": (naming(sample="a" * 14), "124"),
    "a sample of 171 characters": (naming(sample="a" * 171), "124"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_surely_refused_does_not_leave(case: str) -> None:
    do, code = REFUSED[case]
    error, api = refusal(do)
    assert (type(error), error.code) == (PermanentDeliveryError, code)
    assert len(error.mend) > 10
    assert api.requests == []


@pytest.mark.parametrize("missing", [{"api_keys": ()}, {"api_secret": None}], ids=str)
@pytest.mark.parametrize("do", EVERY_CALL)
def test_no_call_leaves_without_both_keys(do: str, missing: dict[str, Any]) -> None:
    error, api = refusal(EVERY_CALL[do], **missing)
    assert type(error) is PermanentDeliveryError
    assert "RECEIVER_ACCOUNTS" in error.mend
    assert api.requests == []


ALLOWED: dict[str, tuple[Do, str]] = {
    "a short code": (sending(source="15000"), '"source_addr":"15000"'),
    "a number of 15 digits": (sending(source="+226716251421234"), '"226716251421234"'),
    "a sender ID of 11 characters": (sending(source="ELEVEN CHAR"), '"ELEVEN CHAR"'),
    "a second before the minute": (
        sending(schedule=TO_COME - timedelta(seconds=1)),
        '"schedule_time":"2999-05-01 12:00"',
    ),
    "a moment after the minute": (
        sending(schedule=TO_COME + timedelta(microseconds=1)),
        '"schedule_time":"2999-05-01 12:01"',
    ),
    "names without their place": (sending(names={ALEX: "Zoé"}), '"recipient_name":"Zoé"'),
    "special characters": (sending(text="é 👍🏽"), '"message":"é 👍🏽"'),
    "a sender name of 11 characters": (naming("My-Shop 2.0"), '"senderid":"My-Shop 2.0"'),
    "a sample of 15 characters": (naming(sample="a" * 15), '"aaaaaaaaaaaaaaa"'),
    "a sample of 170 characters": (naming(sample="a" * 170), f'"{"a" * 170}"'),
}


@pytest.mark.parametrize("case", ALLOWED)
def test_what_may_be_taken_leaves_as_it_is(case: str) -> None:
    do, part = ALLOWED[case]
    api = Api(SMSBox, ACCEPTED, **ACCOUNT)
    do(api.provider)
    assert part in api.requests[0].content.decode()


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("a < b & c > d", "a < b & c > d"),
        ("]]> <!-- <![CDATA[", "]]> <!-- <![CDATA["),
        ("&amp; &#0; &lt;", "&amp; &#0; &lt;"),
        ("\"quoted\" 'twice'", "\"quoted\" 'twice'"),
        ("two\r\nlines\rthree\n", "two\r\nlines\rthree\n"),
        ("  é 👍🏽 مرحبا\t", "  é 👍🏽 مرحبا\t"),
        ("a\x00b\x07c\x1bd\uffffe\ud83df", "a\ufffdb\ufffdc\ufffdd\ufffde\ufffdf"),
        ("\ud83d\udc4d", "👍"),
    ],
)
def test_a_text_survives_its_way_through_xml(text: str, read: str) -> None:
    api = Api(SMSBox, ACCEPTED, **IN_XML)
    api.provider.send(sms(text, names={ALEX: "<&>"}))
    sent = fromstring(api.requests[0].content)
    assert sent.findtext("message") == read
    assert sent.findtext(".//recipient_name") == "<&>"


def test_the_format_of_an_account_is_json_or_xml() -> None:
    schema = SMSBox.account_schema()
    assert schema.load({"provider": "smsbox", "format": "xml"})["options"] == {"format": "xml"}
    assert schema.load({"provider": "smsbox", "format": "json"})["options"] == {"format": "json"}
    with pytest.raises(ValidationError, match="format"):
        schema.load({"provider": "smsbox", "format": "yaml"})


def test_a_status_cannot_be_asked_for() -> None:
    api = Api(SMSBox, **ACCOUNT)
    stamp = Stamp(api.account, "own", datetime.now(UTC))
    assert not SMSBox.is_polled
    with pytest.raises(PermanentDeliveryError, match="portal"):
        api.provider.status(Asked(message_id=ID), stamp)
    assert api.requests == []
