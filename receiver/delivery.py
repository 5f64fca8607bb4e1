"""One SMS to one provider, once: where an answer was lost, it is asked before it is sent again.

What is kept of it, and who may be written to, is the callers' business.
"""

from __future__ import annotations

from datetime import UTC, datetime

from .errors import (
    AnswerLostError,
    PermanentDeliveryError,
    TemporaryDeliveryError,
    UncertainDeliveryError,
)
from .providers.base import Provider, Sent, Sms

_LISTED_AFTER = 30.0  # seconds until a provider is sure to list what it took
_LOOK_IT_UP = "Look it up at the provider before sending it again."
_SAME_KEY = "Try again with the same key: it is not sent twice."


def deliver(
    provider: Provider, sms: Sms, doubt: datetime | None, latest: datetime | None = None
) -> Sent:
    """Send an SMS; ``doubt``: when an earlier attempt began whose answer nobody knows, if one did.

    ``latest``: when the last such attempt began, where there were several. Raises
    `DeliveryError`: `AnswerLostError` where this is to be tried again, in doubt, and
    `UncertainDeliveryError` where nobody can say and so nothing is repeated.
    """
    if doubt is not None and not provider.is_idempotent:
        found = _find(provider, sms, doubt, latest or doubt)
        if found is not None:
            return found
        doubt = None
    try:
        return provider.send(sms)
    except UncertainDeliveryError as error:
        if not (provider.is_idempotent or provider.can_find):
            raise
        raise _in_doubt(error, None) from error
    except TemporaryDeliveryError as error:
        if doubt is None:
            raise
        raise _in_doubt(error, error.retry_after) from error


def _find(provider: Provider, sms: Sms, doubt: datetime, latest: datetime) -> Sent | None:
    """Ask for an SMS that may have arrived, once it would be listed."""
    if not provider.can_find:
        raise UncertainDeliveryError(
            "an earlier attempt was cut short, and may have been sent", mend=_LOOK_IT_UP
        )
    wait = _LISTED_AFTER - (datetime.now(UTC) - latest).total_seconds()
    if wait > 0:
        raise AnswerLostError(
            "the provider is asked whether it got this", mend=_SAME_KEY, retry_after=wait
        )
    try:
        return provider.find(sms, doubt)
    except TemporaryDeliveryError as error:
        raise _in_doubt(error, error.retry_after) from error
    except PermanentDeliveryError as error:
        reason = f"the provider does not say whether it got this: {error.reason}"
        raise UncertainDeliveryError(reason, code=error.code, mend=_LOOK_IT_UP) from error


def _in_doubt(
    error: TemporaryDeliveryError | UncertainDeliveryError, retry_after: float | None
) -> AnswerLostError:
    after = _LISTED_AFTER if retry_after is None else retry_after
    return AnswerLostError(error.reason, code=error.code, mend=_SAME_KEY, retry_after=after)
