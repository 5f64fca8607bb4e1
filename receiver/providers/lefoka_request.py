"""What leaves for Lefoka: the fields of a send or an edit, checked as its text says, and signed.

Source: https://developer.lefoka.co.za/docs/sms/reference, sections "Send", "Schedule", "Edit" and
"Signature". Nothing here is sent.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote

from ..errors import PermanentDeliveryError
from .lefoka_errors import own
from .payload import mend_surrogates

LOCAL_TIME = timezone(timedelta(hours=2))  # "Schedule": without an offset, GMT+2 is assumed

_MAX_RECIPIENTS = 500
_MAX_TEXT = 440
_MAX_REFERENCE = 100
_SOONEST, _LATEST = timedelta(minutes=15), timedelta(days=7)
_MSISDN = re.compile(r"\+?(27[0-9]{9})", re.ASCII)
_MESSAGE_ID = re.compile(r"(?!balance\Z)[\w-]{1,200}", re.ASCII)


def body_of(
    *,
    recipients: Sequence[str] | None,
    text: str | None,
    schedule: datetime | None,
    client_reference: str | None,
) -> dict[str, Any]:
    """Write the fields that are given, or raise `PermanentDeliveryError` with Lefoka's own code.

    Recipients are E.164. Where limits contradict each other, the generous one is held here and
    Lefoka holds the other. A blank reference is left out: text and PHP sign it differently.
    """
    body: dict[str, Any] = {}
    if recipients is not None:
        body["recipient"] = _numbers(recipients)
    if text is not None:
        body["message"] = _text(text)
    if client_reference:
        if len(client_reference) > _MAX_REFERENCE:
            raise own("CLIENT_REFERENCE_LIMIT_EXCEEDED", f"{_MAX_REFERENCE} characters allowed")
        body["client_reference"] = mend_surrogates(client_reference)
    if schedule is not None:
        body["schedule"] = _time(schedule)
    return body


def is_msisdn(number: str) -> bool:
    """Tell whether this is a number that Lefoka sends to."""
    return _MSISDN.fullmatch(number) is not None


def path_of(message_id: str) -> str:
    """Give the path of a message; an id that would lead elsewhere is refused."""
    if not _MESSAGE_ID.fullmatch(message_id):
        raise PermanentDeliveryError(
            "this is no id of a message at Lefoka", mend="Take the one that send() gave."
        )
    return f"/v1/messages/{message_id}"


def sign(body: Mapping[str, Any], secret: str) -> str:
    """Sign a request as section "Signature" does in PHP: HMAC-SHA256 over sorted pairs, in hex.

    Values are encoded as RFC 3986 says, lists stand as ``name[]=``, blank values are left out.
    """
    pairs = []
    for name in sorted(body):
        value = body[name]
        if isinstance(value, list | tuple):
            pairs += [f"{name}[]={quote(str(item), safe='')}" for item in value]
        elif value not in (None, ""):
            pairs.append(f"{name}={quote(str(value), safe='')}")
    return hmac.new(secret.encode(), "&".join(pairs).encode(), hashlib.sha256).hexdigest()


def _numbers(recipients: Sequence[str]) -> list[str]:
    if not recipients:
        raise own("RECIPIENT_EMPTY_PARAMETER", "there is no recipient")
    if len(recipients) > _MAX_RECIPIENTS:
        count = len(recipients)
        raise own("BATCH_LIMIT_EXCEEDED", f"{count} recipients, {_MAX_RECIPIENTS} allowed")
    found = [_MSISDN.fullmatch(number) for number in recipients]
    if not all(found):
        raise own("INVALID_RECIPIENT_ENTRY", "Lefoka sends to South African numbers only")
    return [number[1] for number in found if number]


def _text(text: str) -> str:
    if not text:
        raise own("MESSAGE_EMPTY_PARAMETER", "the text is empty")
    if len(text) > _MAX_TEXT:
        raise own("MESSAGE_LIMIT_EXCEEDED", f"{len(text)} characters, {_MAX_TEXT} allowed")
    return mend_surrogates(text)


def _time(schedule: datetime) -> str:
    """Write ``YYYY-MM-DDTHH:MM:SS+02:00``; a time without an offset is GMT+2, as the text says."""
    naive = schedule.utcoffset() is None
    when = schedule.replace(tzinfo=LOCAL_TIME) if naive else schedule
    ahead = when - datetime.now(UTC)
    if ahead < _SOONEST:
        raise own("DATE_TIME_INVALID", "the schedule is less than 15 minutes ahead")
    if ahead > _LATEST:
        raise own("DATE_TIME_INVALID", "the schedule is more than 7 days ahead")
    return when.astimezone(LOCAL_TIME).isoformat(timespec="seconds")
