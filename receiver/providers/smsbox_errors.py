"""Every code of SMSBox: what it means, what to do about it, and whether to try again.

Source: section "Error codes" of the SMS API documentation at https://smsbox.devotek.africa; 401
and 403 are of section "Change SMS info". How an answer is read is another file's.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import DeliveryError, PermanentDeliveryError
from ..msisdn import mask
from ..words import printable
from .wire import GATEWAY_TIMEOUT, LOOK_IT_UP, delivery_error, temporary_by_status

if TYPE_CHECKING:
    import httpx


@dataclass(frozen=True, slots=True)
class Code:
    """One code: SMSBox's own words for it, and what its explanation there comes to as advice."""

    meaning: str
    mend: str = ""
    is_temporary: bool = False
    is_success: bool = False


_KEYS = "Check api_key and api_secret of the account, both from API Setup on the portal."
_SCHEDULE = "Give a time to come, as an aware datetime."
_ENCODING = "Leave encoding at 0, its default: no other is supported."

CODES: Mapping[str, Code] = {
    "101": Code("Invalid phone number", "Write recipients in E.164, as +22660000001."),
    "102": Code("Insufficient balance", "Top up the account."),
    "103": Code("Network timeout", "Try again later.", is_temporary=True),
    "104": Code(
        "Please provide all required parameters",
        "Give a source_addr, a text and at least one recipient.",
    ),
    "105": Code("Account not found", _KEYS),
    "106": Code(
        "No route mapping to your account",
        "Ask SMSBox to open a route to these networks for the account.",
    ),
    "107": Code("No authorization headers", "Set api_key and api_secret of the account."),
    "108": Code("Invalid token", _KEYS),
    "109": Code("Invalid Message", "Send a text that is not empty."),
    "110": Code(
        "Message contains special characters",
        "Send plain text only: no emoji, and no script or accent outside its alphabet.",
    ),
    "111": Code(
        "Invalid Sender ID", "Set source_addr to a sender ID that is active on the portal."
    ),
    "112": Code("The message cannot be scheduled for a date/time in the past", _SCHEDULE),
    "113": Code("Invalid request format", "Try the account's format json, or xml, instead."),
    "114": Code("Recipients exceed the Limit of 1000", "Send to at most 1000 recipients at once."),
    "115": Code("Destination Number is Missing", "Give each recipient a number."),
    "116": Code(
        "Missing/Invalid Reference Id",
        "Ask SMSBox which reference id it wants: its text describes none.",
    ),
    "117": Code("Invalid Scheduled Time", _SCHEDULE),
    "118": Code("Missing encoding type", _ENCODING),
    "119": Code("Missing recipient(s) tag", "Give at least one recipient."),
    "120": Code("Invalid Authentication Parameters", _KEYS),
    "121": Code(
        "Invalid Senderid",
        "Take at most 11 characters: letters, digits, space, dot and hyphen.",
    ),
    "122": Code("Duplicate senderid", "Take another sender name: this one exists."),
    "123": Code("Invalid template_id", "Take the id of a template that exists on the portal."),
    "124": Code("Sender Name sample content limit", "Write a sample of 15 to 170 characters."),
    "125": Code("SMS Template Updated Successfully", is_success=True),
    "126": Code("SMS Template Created Successfully", is_success=True),
    "127": Code("SMS Template Delete Failed", "See on the portal whether the template exists."),
    "128": Code("SMS Template Deleted Successfully", is_success=True),
    "200": Code("Message Scheduled Successfully", is_success=True),
    "401": Code("Unauthorized", _KEYS),
    "403": Code(
        "Message not found",
        "Give the message_id that sending gave, of an SMS that has not left yet.",
    ),
}
_BY_STATUS = {
    401: _KEYS,
    403: _KEYS,
    404: "Check base_url of the account.",
    405: "Check base_url of the account.",
    429: "Try again later, and more slowly.",
    504: "Try again later.",
}
_MEND = "Its documentation does not list this answer: see the portal, or ask SMSBox."
_UNKNOWN = Code("SMSBox refused the request")
_LATE = Code("SMSBox did not answer in time")
_LONGEST = 200
_CODE = re.compile(r"[A-Za-z0-9_-]{1,6}", re.ASCII)  # what is longer may be a number to hide
_NUMBER = re.compile(r"(?<![\w-])\+?[0-9]{7,}(?!\w)", re.ASCII)


def own_refusal(code: str | None, reason: str, mend: str = "") -> PermanentDeliveryError:
    """Make the error for what does not leave, with the code that SMSBox itself would give."""
    known = CODES[code].mend if code else ""
    return PermanentDeliveryError(reason, code=code, mend=mend or known)


def refusal(
    response: httpx.Response,
    answer: Mapping[str, Any],
    *,
    asks: bool,
    in_doubt: str = LOOK_IT_UP,
    private: Collection[str] = (),
) -> DeliveryError:
    """Make the error for an answer that says no; ``answer`` is its body, out of its wrapping.

    ``private`` is what must not be quoted; ``asks`` and ``in_doubt`` as in `Wire.request`.
    """
    words = _words(answer)
    code = _code(answer.get("code"), words)
    unknown = _LATE if response.status_code == GATEWAY_TIMEOUT else _UNKNOWN
    known = CODES.get(code or "", unknown)
    known = unknown if known.is_success else known  # and still no: something else was wrong
    quoted = any(secret and secret in words for secret in private)
    quotable = 0 < len(words) <= _LONGEST and not quoted
    reason = _NUMBER.sub(lambda found: mask(found[0]), printable(words))
    reason = reason if quotable else known.meaning
    mend = known.mend or _BY_STATUS.get(response.status_code, _MEND)
    code = code or str(response.status_code)
    temporary = known.is_temporary or temporary_by_status(response)
    return delivery_error(
        response,
        temporary=temporary,
        reason=reason,
        code=code,
        mend=mend,
        asks=asks,
        in_doubt=in_doubt,
    )


def _words(answer: Mapping[str, Any]) -> str:
    said = answer.get("message") or answer.get("error")
    return said.strip() if isinstance(said, str) else ""


def _code(given: Any, words: str) -> str | None:
    """Give the code of an answer; one that has none may say a code's own words."""
    if given is not None:
        code = str(given).strip()
        return code if _CODE.fullmatch(code) else None
    for code, known in CODES.items():
        if known.meaning.lower() == words.lower() and not known.is_success:
            return code
    return None
