"""Every error this package raises, as one tree; HTTP codes and log lines are made elsewhere.

ReceiverError
├── ConfigurationError         the operator mends it: each wrong setting, by name
├── Refused                    the caller did not prove who it is
├── Unreadable                 an authentic callback that is not what the provider documents
├── StorageUnavailable         neither Redis nor the disk can take the event now
├── KeyLost                    a value is encrypted with a key that is not configured here
├── RetryLater                 raised by a handler: run me again
├── GiveUp                     raised by a handler: do not run me again
└── DeliveryError              an SMS did not leave
    ├── TemporaryDeliveryError try again
    │   └── AnswerLostError    the provider may have sent it, and is asked before it is sent again
    └── PermanentDeliveryError trying again changes nothing
        └── UncertainDeliveryError  the provider may have sent it: ask before sending again
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .sms import Sent

_CODE = re.compile(r"[A-Z][A-Z_]{1,40}[0-9]{0,4}|[0-9]{1,4}", re.ASCII)


class ReceiverError(Exception):
    """Base of all errors of this package."""


class ConfigurationError(ReceiverError):
    """Report everything that is wrong with the settings at once.

    ``problems`` holds one sentence for each, beginning with the setting's name.
    """

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        text = "\n  ".join([f"{len(self.problems)} settings are wrong:", *self.problems])
        super().__init__(self.problems[0] if len(self.problems) == 1 else text)


class Refused(ReceiverError):
    """Say why a caller was turned away: ``reason``, and ``looked_in``, the places searched."""

    def __init__(self, reason: str, looked_in: Sequence[str] = ()) -> None:
        self.reason = reason
        self.looked_in = tuple(looked_in)
        super().__init__(reason)


class Unreadable(ReceiverError):
    """Say what of an authentic body could not be read; never quotes the body."""


class StorageUnavailable(ReceiverError):
    """Neither Redis nor the spool on disk takes the event now."""


class KeyLost(ReceiverError):
    """A value at rest is encrypted with a key that is not among those configured here."""


class RetryLater(ReceiverError):
    """Raise in a handler to run it again, ``seconds`` from now; counts as an attempt.

    Without ``seconds`` the usual back-off applies.
    """

    def __init__(self, seconds: float | None = None, reason: str = "") -> None:
        if seconds is not None and seconds < 0:
            raise ValueError(f"RetryLater(seconds={seconds}): seconds must not be negative")
        self.seconds = seconds
        self.reason = reason
        super().__init__(reason or "the handler asked to be run later")


class GiveUp(ReceiverError):
    """Raise in a handler to end in a dead letter at once, with ``reason``."""

    def __init__(self, reason: str = "") -> None:
        self.reason = reason
        super().__init__(reason or "the handler gave up")


class DeliveryError(ReceiverError):
    """An SMS did not leave, or nobody knows: see `UncertainDeliveryError`.

    ``code`` is the provider's own word or number (``None`` where it gave none), ``reason`` what
    happened, ``mend`` what to do about it. ``sent``: where some of several recipients were sent to,
    what the provider said of those.
    """

    sent: Sent | None = None

    def __init__(self, reason: str, *, code: str | None = None, mend: str = "") -> None:
        self.code = code
        self.reason = reason
        self.mend = mend
        text = f"{code}: {reason}" if code else reason
        super().__init__(f"{text.removesuffix('.')}. {mend}" if mend else text)


class TemporaryDeliveryError(DeliveryError):
    """Try again, after ``retry_after`` seconds where the provider named a time."""

    def __init__(
        self,
        reason: str,
        *,
        code: str | None = None,
        mend: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(reason, code=code, mend=mend)
        self.retry_after = retry_after


class PermanentDeliveryError(DeliveryError):
    """Trying again changes nothing: mend the cause first."""


class AnswerLostError(TemporaryDeliveryError):
    """The request left and its answer was lost; another attempt asks first, so that none is double.

    What was sent with a key is to be tried again with the same key.
    """


class UncertainDeliveryError(PermanentDeliveryError):
    """The request left and its answer was lost: the SMS may be on its way, so it stays at that."""


def without_values(error: BaseException) -> ReceiverError:
    """Keep class and traceback of an error for the log, and drop its words: they may quote a text.

    The source lines of a traceback are code, which holds no number and no text.
    """
    return ReceiverError(type(error).__name__).with_traceback(error.__traceback__)


def code_for_logs(code: str | None) -> str | None:
    """Show a provider's code where it is one: a sloppy provider may quote a number or a text."""
    return code if code is None or _CODE.fullmatch(code) else "(not a code)"
