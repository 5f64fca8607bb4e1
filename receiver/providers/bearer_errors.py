"""What the bearer API refused, as our errors: the code decides, and the HTTP status after it.

Source: "Error Codes Reference", section "Error Response Format". Of a code of the catalogue only
the catalogue's words are said: ``message`` and ``details`` may quote what was sent.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from ..errors import (
    DeliveryError,
    PermanentDeliveryError,
    TemporaryDeliveryError,
    UncertainDeliveryError,
)
from .bearer_codes import ALIKE, CATALOGUE, DUPLICATE, OK, PAUSE, Meaning, Retry
from .undocumented import Answer, error_in, quoted
from .wire import retry_after, temporary_by_status

if TYPE_CHECKING:
    import httpx

_LONGEST_CODE = 40
_MOST_DIGITS = 5
_UNLISTED = "Review the API's documentation, or contact its support."


def refusal(
    response: httpx.Response, answer: Answer, hidden: Iterable[str | None], *, asks: bool = False
) -> DeliveryError:
    """Make the error of an answer; ``hidden`` is never quoted; ``asks`` as in `Wire.request`."""
    error, status = error_in(answer), str(response.status_code)
    code = _code(error.get("code"))
    listed = _listed(code)
    meaning = listed or _listed(status)
    said = "" if listed else quoted(error.get("message"), hidden)
    reason = said or (_words(meaning) if meaning else _unlisted(response))
    retry = meaning.retry if meaning else _by_status(response)
    if asks and retry is Retry.SENT:  # nothing was to be changed
        retry = Retry.YES
    return _error(
        retry,
        response,
        reason=f"{reason} (HTTP {status})",
        code=code or status,
        mend=meaning.solution if meaning else _UNLISTED,
    )


def is_of_one_number(error: DeliveryError) -> bool:
    """Tell whether a refusal is of one recipient, so that the others may still be sent to.

    What the account, the address or the text is refused for, is refused for all of them.
    """
    if isinstance(error, UncertainDeliveryError):
        return error.code == DUPLICATE
    return isinstance(error, PermanentDeliveryError) and error.code not in ALIKE


def own_refusal(code: str, reason: str) -> PermanentDeliveryError:
    """Make the error for what does not leave, since the API would refuse it with that code."""
    return PermanentDeliveryError(reason, code=code, mend=CATALOGUE[code].solution)


def _error(
    retry: Retry, response: httpx.Response, *, reason: str, code: str, mend: str
) -> DeliveryError:
    match retry:
        case Retry.NO:
            return PermanentDeliveryError(reason, code=code, mend=mend)
        case Retry.SENT:
            return UncertainDeliveryError(reason, code=code, mend=mend)
        case Retry.YES | Retry.PAUSED:
            after = retry_after(response)
            if after is None and retry is Retry.PAUSED:
                after = PAUSE
            return TemporaryDeliveryError(reason, code=code, mend=mend, retry_after=after)


def _by_status(response: httpx.Response) -> Retry:
    if response.status_code == HTTPStatus.GATEWAY_TIMEOUT:  # what is behind it may have sent it
        return Retry.SENT
    return Retry.YES if temporary_by_status(response) else Retry.NO


def _unlisted(response: httpx.Response) -> str:
    late = response.status_code == HTTPStatus.GATEWAY_TIMEOUT
    return "the provider did not answer in time" if late else "the provider refused the request"


def _listed(code: str | None) -> Meaning | None:
    """Find what a code means; the 200 of an error means nothing."""
    return CATALOGUE.get(code) if code and code != OK else None


def _words(meaning: Meaning) -> str:
    return f"{meaning.message}: {meaning.description}"


def _code(value: Any) -> str | None:
    """Read a code, a number or a word; what may be a phone number, or a text, is none."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return None
    code = str(value).strip()
    if code.isdecimal():
        return code if len(code) <= _MOST_DIGITS and code != OK else None
    plain = code.replace("_", "").replace("-", "")
    return code if plain.isascii() and plain.isalpha() and len(code) <= _LONGEST_CODE else None
