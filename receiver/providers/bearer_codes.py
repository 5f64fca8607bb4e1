"""The catalogue of the bearer API: each code with its meaning, its solution, and whether to retry.

Source: "Error Codes Reference" of the API, sections "HTTP Status Codes", "SMS API Error Codes" and
"OTP API Error Codes".
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final, NamedTuple


class Retry(Enum):
    """What a code says about another try: no, yes, yes after a pause, or that it was sent."""

    NO = "no"
    YES = "yes"
    PAUSED = "paused"
    SENT = "sent"


class Meaning(NamedTuple):
    """One row of the catalogue: its columns, and what it means for us."""

    message: str
    description: str
    solution: str
    retry: Retry = Retry.NO


OK: Final = "200"
DUPLICATE: Final = "1005"
PAUSE = 60.0  # seconds, after 429 and 503 without a Retry-After

# Duplicate Message (1005): the number has this text already, be it by an attempt of ours whose
# answer was lost. Another try gives the person either nothing or the text twice.
CATALOGUE: Mapping[str, Meaning] = {
    OK: Meaning("OK", "Request successful", "No action needed"),
    "400": Meaning(
        "Bad Request",
        "Invalid request parameters",
        "Check your request format and parameters",
    ),
    "401": Meaning(
        "Unauthorized",
        "Invalid or missing API key",
        "Check your API key in the Authorization header",
    ),
    "403": Meaning("Forbidden", "You don't have permission", "Check your account permissions"),
    "404": Meaning("Not Found", "Resource not found", "Check the resource ID or endpoint URL"),
    "429": Meaning(
        "Too Many Requests",
        "Rate limit exceeded",
        "Wait before making more requests",
        Retry.PAUSED,
    ),
    "500": Meaning(
        "Internal Server Error", "Server error", "Try again later or contact support", Retry.YES
    ),
    "503": Meaning(
        "Service Unavailable", "Server temporarily unavailable", "Try again later", Retry.PAUSED
    ),
    "1001": Meaning(
        "Invalid Phone Number",
        "Phone number format is invalid",
        "Use international format: +254712345678",
    ),
    "1002": Meaning(
        "Message Too Long",
        "Message exceeds 160 characters",
        "Shorten your message or split into multiple SMS",
    ),
    "1003": Meaning(
        "Insufficient Balance", "Account balance is too low", "Add credit to your account"
    ),
    "1004": Meaning(
        "Invalid Sender ID",
        "Sender ID is not approved",
        "Use an approved sender ID or request approval",
    ),
    DUPLICATE: Meaning(
        "Duplicate Message",
        "Message was already sent recently",
        "Wait a moment before resending",
        Retry.SENT,
    ),
    "1006": Meaning(
        "Invalid Message Type",
        "Message type is not supported",
        "Use a supported message type (SMS, OTP, etc.)",
    ),
    "1007": Meaning("Network Error", "Network error occurred", "Try again later", Retry.YES),
    "1008": Meaning(
        "Invalid Schedule Time", "Schedule time is in the past", "Use a future timestamp"
    ),
    "2001": Meaning(
        "Invalid OTP Length", "OTP length must be between 4 and 8", "Set length between 4-8"
    ),
    "2002": Meaning(
        "Invalid Expiry Time",
        "Expiry time must be between 60 and 3600 seconds",
        "Set expiry between 60-3600 seconds",
    ),
    "2003": Meaning("OTP Not Found", "OTP code not found", "Generate a new OTP"),
    "2004": Meaning("OTP Expired", "OTP code has expired", "Generate a new OTP"),
    "2005": Meaning("Invalid OTP Code", "OTP code is incorrect", "Enter the correct OTP code"),
    "2006": Meaning("Max Attempts Exceeded", "Too many failed OTP attempts", "Generate a new OTP"),
}

# Whoever the recipient is, the answer is the same: the account, its address or the text is wrong.
ALIKE: Final = frozenset(
    {*map(str, range(300, 400)), "401", "402", "403", "404", "405"}
    | {"1002", "1003", "1004", "1006", "1008"}
)
