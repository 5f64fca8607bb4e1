"""SMSBox's side: query_sender_names and request_sender_name.

Source: section "Sender names" of the SMS API documentation at https://smsbox.devotek.africa. The
account has the three names of the sample there; what is requested is checked, and not kept.
"""

from __future__ import annotations

import json
import re

from .api_call import Call, Outcome
from .api_smsbox_body import body_of
from .api_smsbox_codes import conflict, refused

_FIELDS = ("id", "sending_name", "status", "created")
_NAMES = (
    ("1", "testing", "pending", "2025-04-09 15:33:29"),
    ("2", "ttere", "approved", "2025-03-18 17:25:29"),
    ("3", "agaba", "approved", "2025-03-15 12:48:00"),
)
_NAME = re.compile(r"[A-Za-z0-9 .-]{1,11}", re.ASCII)
_SHORTEST, _LONGEST = 15, 170
_TOO_SHORT = "Sender Name sample content should be minimum of 15 characters"
_LISTED = """{{
    "status": true,
    "code": 200,
    "message": "Message Scheduled Successfully",

   "data": [
{}
    ]

}}"""
_MADE = """{
    "status": true,
    "code": 200,
    "message": "SenderID 299 created Successfully",
    "data": "[]",
  }"""


def query_names(call: Call) -> Outcome:
    """List names, a comma behind each; ``q`` and ``status`` choose among them."""
    search, status = call.request.args.get("q", ""), call.request.args.get("status", "")
    rows = [
        f"        {json.dumps(dict(zip(_FIELDS, each, strict=True)))},"
        for each in _NAMES
        if search.lower() in each[1] and status in ("", each[2])
    ]
    return Outcome(body=_LISTED.format("\n".join(rows)))


def request_name(call: Call) -> Outcome:
    """Take the request for a name, or refuse it with HTTP 409."""
    data = body_of(call.request)
    name, sample = data.get("senderid"), data.get("sample_content")
    if not isinstance(name, str) or not isinstance(sample, str):
        raise refused(104)
    if not _NAME.fullmatch(name):
        raise conflict(121)
    if name.lower() in (known for _, known, _, _ in _NAMES):
        raise conflict(122)
    if len(sample) > _LONGEST:
        raise conflict(124)
    if len(sample) < _SHORTEST:
        raise conflict(124, _TOO_SHORT)
    return Outcome(body=_MADE)
