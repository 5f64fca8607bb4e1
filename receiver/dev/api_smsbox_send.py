"""SMSBox's side: send_sms and change_sms_info, and how long an SMS can be changed.

Source: sections "Sending SMS" and "Change SMS info" of the SMS API documentation at
https://smsbox.devotek.africa. What has left is no longer found: its text speaks of scheduled
messages alone.
"""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime
from typing import Any

from .api_call import Call, Outcome
from .api_smsbox_body import body_of, is_xml, schedule_in, source_in, text_in, time_of
from .api_smsbox_codes import refused

_MAX_RECIPIENTS = 1_000
_MSISDN = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
_STATUSES = {"0": True, "1": False}  # is it suspended?
_SENT = """{{
    "status": true,
    "code": 200,
    "message": "Message Scheduled Successfully",
    "data": "message_id:{}",
  }}"""
_CHANGED = """{{
    "status": true,
    "code": 200,
    "message": "Message {0} Updated Successfully!",
    "data": "message_id:{0}",
  }}"""
_NOT_FOUND = """{{
    "status": true,
    "code": 403,
    "message": "Message {} not found",

  }}"""


def send(call: Call) -> Outcome:
    """Take an SMS; ``schedule`` and ``names`` are kept where they are given."""
    data = body_of(call.request)
    for name in ("source_addr", "message"):
        if name not in data:
            raise refused(104)
    _check_encoding(data, is_xml(call.request))
    source, text, schedule = source_in(data), text_in(data), schedule_in(data)
    names = _recipients(data)
    if len(names) > call.balance:
        raise refused(102)
    now = datetime.now(UTC).strftime("%Y%m%d%H%M%S")
    message_id = f"sms-{now}{secrets.token_hex(9)}"
    sms: dict[str, Any] = {
        "to": [number for number, _ in names],
        "text": text,
        "source": source,
        "client_reference": None,
        "message_id": message_id,
    }
    if schedule is not None:
        sms["schedule"] = schedule
    if any(name for _, name in names):
        sms["names"] = dict(names)
    return Outcome(body=_SENT.format(message_id), sms=sms, credit=len(names))


def change(call: Call) -> Outcome:
    """Change what waits; an id that is not found is a failure with HTTP 200 and status true."""
    query: dict[str, Any] = call.request.args.to_dict()
    message_id = query.get("message_id")
    if not message_id or len(query) == 1:
        raise refused(104)
    found = [sms for sms in call.sent if sms["message_id"] == message_id and _waits(sms)]
    if not found:
        return Outcome(body=_NOT_FOUND.format(_harmless(message_id)))
    new: dict[str, Any] = {}
    if "scheduled_status" in query:
        if query["scheduled_status"] not in _STATUSES:
            raise refused(113)
        new["suspended"] = _STATUSES[query["scheduled_status"]]
    if "schedule_time" in query:
        new["schedule"] = schedule_in(query)
    if "message" in query:
        new["text"] = text_in(query)
    if "source_addr" in query:
        new["source"] = source_in(query)
    found[0].update(new)
    return Outcome(body=_CHANGED.format(message_id))


def _harmless(text: str) -> str:
    """Write a stranger's text so that the JSON around it stays whole."""
    return re.sub(r"[^\w.:-]", "?", text)


def _waits(sms: dict[str, Any]) -> bool:
    when = sms.get("schedule")
    return bool(sms.get("suspended")) or (when is not None and time_of(when) > datetime.now(UTC))


def _check_encoding(data: dict[str, Any], as_xml: bool) -> None:
    """The XML sample has none."""
    if "encoding" not in data and as_xml:
        return
    if str(data.get("encoding")) != "0":
        raise refused(118)


def _recipients(data: dict[str, Any]) -> list[tuple[str, str]]:
    """Read numbers and names."""
    entries = data.get("recipients")
    if not isinstance(entries, list) or not entries:
        raise refused(119)
    if len(entries) > _MAX_RECIPIENTS:
        raise refused(114)
    if not all(isinstance(entry, dict) and entry.get("dest_addr") for entry in entries):
        raise refused(115)
    names = [(str(each["dest_addr"]), str(each.get("recipient_name") or "")) for each in entries]
    if not all(_MSISDN.fullmatch(number) for number, _ in names):
        raise refused(101)
    return names
