"""SMSBox's side: its errors, as its text words and wraps them.

Source: section "Error codes" of the SMS API documentation at https://smsbox.devotek.africa, and
the sample responses of each call there.
"""

from __future__ import annotations

from .api_call import Refusal

_MEANINGS = {
    101: "Invalid phone number",
    102: "Insufficient balance",
    104: "Please provide all required parameters",
    108: "Invalid token",
    109: "Invalid Message",
    110: "Message contains special characters",
    111: "Invalid Sender Id",
    112: "The message cannot be scheduled for a date/time in the past",
    113: "Invalid request format",
    114: "Recipients exceed the Limit of 1000",
    115: "Destination Number is Missing",
    117: "Invalid Scheduled Time",
    118: "Missing encoding type",
    119: "Missing recipient(s) tag",
    120: "Invalid Authentication Parameters",
    121: "Sender Name Should Not Exceed 11 Characters and can have only numbers, letters and the"
    " following special characters . - and space",
    122: "Senderid exist, please try another one",
    124: "Sender Name sample content should not exceed 170 characters",
}


def refused(code: int, status: int = 400, message: str | None = None) -> Refusal:
    """Make an error as most of the text has it: ``{"code": …, "message": …}``."""
    return Refusal(status, {"code": code, "message": message or _MEANINGS[code]})


def conflict(code: int, message: str | None = None) -> Refusal:
    """Make an error of "Request sender name": HTTP 409, and all of it in ``data``."""
    return Refusal(409, {"data": {"code": code, "message": message or _MEANINGS[code]}})


def without_headers() -> Refusal:
    """Make the answer to a request that names nobody: no code, and a comma too many."""
    return Refusal(400, '{\n   "error": "No authorization headers",\n}')
