"""What leaves for SMSBox, written and checked before it does; the client that sends it is not here.

Source: sections "Sending SMS", "Change SMS info", "Sender names" and "Error codes" of the SMS API
documentation at https://smsbox.devotek.africa. Only what SMSBox would surely refuse is refused
here, with its own code. Which characters are "special" (110) it does not say, so that is left to
it; so is whether a sender ID is active (111).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from ..accounts import Account
from ..sms import Sms
from .payload import mend_surrogates
from .smsbox_errors import own_refusal
from .smsbox_xml import sms_as_xml

NAME_STATUSES = ("approved", "rejected", "pending")

_RECEIVER_NAME = "[{RECEIVERNAME}]"
_MAX_RECIPIENTS = 1_000
_MAX_SENDER_ID = 11
_MAX_MSISDN = 15
_SAMPLE_LENGTHS = range(15, 171)
_SENDER_NAME = re.compile(r"[A-Za-z0-9 .-]{1,11}", re.ASCII)
_MINUTE = timedelta(minutes=1)


def check_keys(account: Account) -> None:
    """Refuse an account that cannot identify itself."""
    if not account.api_keys or not account.api_secret:
        raise own_refusal(
            None,
            f"account {account.name} has no api_key or no api_secret",
            "SMSBox wants both; add them to RECEIVER_ACCOUNTS.",
        )


def sms_as_json(sms: Sms, source: str | None) -> dict[str, object]:
    """Give the body of a ``send_sms``, checked."""
    sender, when, text, recipients = _checked(sms, source)
    return {
        "source_addr": sender,
        "schedule_time": when,
        "encoding": 0,
        "message": text,
        "recipients": [{"recipient_name": name, "dest_addr": to} for name, to in recipients],
    }


def sms_as_bytes(sms: Sms, source: str | None) -> bytes:
    """Give the body of a ``send_sms`` as XML, checked; its sample has no ``encoding``."""
    return sms_as_xml(*_checked(sms, source))


def change_as_query(
    message_id: str,
    *,
    suspended: bool | None,
    schedule: datetime | None,
    at_once: bool,
    text: str | None,
    source: str | None,
) -> dict[str, str]:
    """Give the query of a ``change_sms_info``, checked.

    What stays as it is is left out: an empty ``schedule_time`` means at once.
    """
    if not message_id.strip():
        raise own_refusal("104", "there is no message id", "Give the message_id of what was sent.")
    if at_once and schedule is not None:
        raise own_refusal("117", "both a time and at once", "Give schedule, or at_once, not both.")
    query = {"message_id": message_id.strip()}
    if suspended is not None:
        query["scheduled_status"] = "0" if suspended else "1"
    if at_once or schedule is not None:
        query["schedule_time"] = _schedule_time(schedule)
    if text is not None:
        query["message"] = _text(text)
    if source is not None:
        query["source_addr"] = _source_addr(source)
    if len(query) == 1:
        raise own_refusal("104", "nothing is to be changed", "Say what to change.")
    return query


def names_query(search: str | None, status: str | None) -> dict[str, str]:
    """Give the query of a ``query_sender_names``, checked."""
    if status is not None and status not in NAME_STATUSES:
        mend = f"Take one of {', '.join(NAME_STATUSES)}."
        raise own_refusal(None, "there is no such status of a sender name", mend)
    query = {"q": search, "status": status}
    return {name: mend_surrogates(value) for name, value in query.items() if value}


def name_as_json(name: str, sample: str) -> dict[str, str]:
    """Give the body of a ``request_sender_name``, checked; blanks around both are dropped."""
    name, sample = name.strip(), mend_surrogates(sample).strip()
    if not name:
        raise own_refusal("104", "there is no sender name", "Give one of 1 to 11 characters.")
    if not _SENDER_NAME.fullmatch(name):
        raise own_refusal("121", "the sender name is too long, or has a character it may not have")
    if len(sample) not in _SAMPLE_LENGTHS:
        raise own_refusal("124", f"the sample has {len(sample)} characters")
    return {"senderid": name, "sample_content": sample}


def _checked(sms: Sms, source: str | None) -> tuple[str, str, str, list[tuple[str, str]]]:
    """Give source, time, text, and the name and number of each recipient."""
    sender, text = _source_addr(source or ""), _text(sms.text)
    when = "" if sms.schedule is None else _schedule_time(sms.schedule)
    count = len(sms.recipients)
    if not count:
        raise own_refusal("119", "there is no recipient")
    if count > _MAX_RECIPIENTS:
        raise own_refusal("114", f"{count} recipients, {_MAX_RECIPIENTS} allowed")
    recipients = [(mend_surrogates(sms.names.get(to, "")).strip(), to) for to in sms.recipients]
    if not all(to.strip() for _, to in recipients):
        raise own_refusal("115", "a recipient has no number")
    nameless = sum(not name for name, _ in recipients)
    if nameless and _RECEIVER_NAME in text:
        mend = f"Give each recipient its name in Sms.names, or leave {_RECEIVER_NAME} out."
        reason = f"the text names its reader, and {nameless} of {count} recipients have no name"
        raise own_refusal("104", reason, mend)
    return sender, when, text, recipients


def _source_addr(source: str) -> str:
    """Write the sender without its plus: a number or short code, or an ID of 11 characters."""
    sender = mend_surrogates(source).strip().removeprefix("+")
    if not sender:
        raise own_refusal("111", "there is no sender ID")
    is_number = sender.isascii() and sender.isdecimal()
    longest = _MAX_MSISDN if is_number else _MAX_SENDER_ID
    if len(sender) > longest:
        kind = "number" if is_number else "sender ID"
        mend = f"Take a {kind} of at most {longest} characters that is active on the portal."
        raise own_refusal("111", f"a {kind} of {len(sender)} characters", mend)
    return sender


def _text(text: str) -> str:
    if not text:
        raise own_refusal("109", "the text is empty")
    return mend_surrogates(text)


def _schedule_time(when: datetime | None) -> str:
    """Write a time in GMT, never before the time that was asked for; ``None`` is at once."""
    if when is None:
        return ""
    if when.utcoffset() is None:
        raise own_refusal("117", "the time has no time zone")
    if when <= datetime.now(UTC):
        raise own_refusal("112", "the time has passed")
    try:
        exact = when.astimezone(UTC)
        whole = exact.replace(second=0, microsecond=0)
        whole = whole if whole == exact else whole + _MINUTE
    except OverflowError as error:
        raise own_refusal("117", "the time is beyond all calendars") from error
    return whole.strftime("%Y-%m-%d %H:%M")
