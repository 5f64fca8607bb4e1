"""SMSBox's side: what came in a body, JSON or XML, and the checks that sending and changing share.

Source: section "Sending SMS" of the SMS API documentation at https://smsbox.devotek.africa.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any
from xml.etree.ElementTree import ParseError

from defusedxml.ElementTree import fromstring
from werkzeug.wrappers import Request

from .api_smsbox_codes import refused

_MAX_SENDER_ID = 11
_SENDER_ID = re.compile(r"[A-Za-z0-9 .-]+", re.ASCII)
_PLAIN = frozenset(  # the alphabet of GSM 03.38, which a text without "Unicode" is made of
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà\f^{}\\[~]|€"
)
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}", re.ASCII)


def is_xml(request: Request) -> bool:
    """Tell whether a request says that it is XML."""
    return request.mimetype == "application/xml"


def body_of(request: Request) -> dict[str, Any]:
    """Read a body as what its Content-Type says; ``<recipients>`` become a list, as in JSON."""
    if is_xml(request):
        return _from_xml(request.get_data())
    if request.mimetype != "application/json":
        raise refused(113)
    try:
        data = json.loads(request.get_data())
    except ValueError:
        raise refused(113) from None
    if not isinstance(data, dict):
        raise refused(113)
    return data


def _from_xml(body: bytes) -> dict[str, Any]:
    try:
        root = fromstring(body, forbid_dtd=True)
    except (ParseError, ValueError):
        raise refused(113) from None
    data: dict[str, Any] = {}
    for element in root:
        if element.tag == "recipients":
            data["recipients"] = [{part.tag: part.text or "" for part in each} for each in element]
        else:
            data[element.tag] = element.text or ""
    return data


def source_in(data: dict[str, Any]) -> str:
    """Read the sender: an ID of 11 characters at most, or a number without its plus."""
    source = data["source_addr"]
    if not isinstance(source, str) or not _SENDER_ID.fullmatch(source):
        raise refused(111)
    if not source.isdigit() and len(source) > _MAX_SENDER_ID:
        raise refused(111)
    return source


def text_in(data: dict[str, Any]) -> str:
    """Read the message: plain text."""
    text = data["message"]
    if not isinstance(text, str) or not text.strip():
        raise refused(109)
    if not _PLAIN.issuperset(text):
        raise refused(110)
    return text


def schedule_in(data: dict[str, Any]) -> str | None:
    """Read the time, in GMT, as it was written; ``None`` for at once."""
    when = data.get("schedule_time")
    if when in (None, ""):
        return None
    if not _TIME.fullmatch(str(when)):
        raise refused(117)
    try:
        due = time_of(str(when))
    except ValueError:
        raise refused(117) from None
    if due <= datetime.now(UTC):
        raise refused(112)
    return str(when)


def time_of(when: str) -> datetime:
    """Give a documented time as an aware one."""
    return datetime.strptime(when, "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
