"""Lefoka's side of GET /v1/messages: its filters and pages, printed with the text's own faults.

Source: https://developer.lefoka.co.za/docs/sms/reference, section "Returns a list of SMS messages":
a comma is missing before ``delivery_date``, and one too many stands in ``_links``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from .api_lefoka_fields import DOCUMENT, refusal

_DEFAULT_LIMIT, _MAX_LIMIT = 10, 100
_HREF = "https://api.lefoka.co.za/v1/messages"


def listed(sent: Sequence[dict[str, Any]], asked: Mapping[str, str]) -> str:
    """Give one page of what was taken, newest first, as JSON that is almost valid."""
    found = [sms for sms in reversed(sent) if _fits(sms, asked)]
    limit = min(_number(asked.get("limit"), _DEFAULT_LIMIT), _MAX_LIMIT)
    page = _number(asked.get("page"), 1)
    shown = found[(page - 1) * limit : page * limit]
    if not shown:
        raise refusal(404, "NO_SMS_MESSAGES", "No SMS messages.")
    pages = math.ceil(len(found) / limit)
    rest = {
        "page": page,
        "limit": limit,
        "total_pages": pages,
        "total_items": len(found),
        "_links": _links(asked, page, pages),
        "documentation_url": f"{DOCUMENT}#send",
    }
    objects = ",\n".join(map(_printed, shown))
    return f'{{\n"list": [\n{objects}\n],\n{json.dumps(rest, indent=1)[1:].lstrip()}'


def _fits(sms: Mapping[str, Any], asked: Mapping[str, str]) -> bool:
    """All filters look for a part, but the status for a word."""
    number, status = asked.get("recipient", ""), asked.get("status", "")
    return (
        any(number in to for to in sms["to"])
        and status in ("", sms["status"])
        and asked.get("search", "") in sms["text"]
    )


def _printed(sms: Mapping[str, Any]) -> str:
    fields = {
        "id": sms["message_id"],
        "type": "sms",
        "recipient": [number.lstrip("+") for number in sms["to"]],
        "message": sms["text"],
        "client_reference": sms["client_reference"],
        "schedule": sms["schedule"],
        "status": sms["status"],
        "credit": sms["credit"],
        "creation_date": sms["creation_date"],
    }
    told = {name: value for name, value in fields.items() if name != "client_reference" or value}
    delivery = sms["delivery_date"]
    lines = [
        json.dumps(told, indent=1)[:-2] + ("" if delivery else ","),
        *([f'"delivery_date": {json.dumps(delivery)},'] if delivery else []),
        f'"_links": {{\n"self": {{\n"href": "{_HREF}",\n"method": "GET"\n}},\n}}\n}}',
    ]
    return "\n".join(lines)


def _links(asked: Mapping[str, str], page: int, pages: int) -> dict[str, dict[str, str]]:
    ahead = {"next": page + 1, "last": pages} if page < pages else {}
    kept = {name: value for name, value in asked.items() if name != "page"}
    links = {name: f"{_HREF}?{urlencode({**kept, 'page': to})}" for name, to in ahead.items()}
    return {
        name: {"href": href, "method": "GET"} for name, href in {"self": _HREF, **links}.items()
    }


def _number(text: str | None, default: int) -> int:
    fit = text is not None and text.isascii() and text.isdecimal() and int(text) > 0
    return int(text) if fit and text else default
