"""Reports without webhooks: what was sent to a provider that pushes nothing is asked about.

Nothing here waits or loops: the supervisor sees that something is due and queues one job for a
batch. What the provider answers goes the way of a webhook, with the same ids.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from .errors import DeliveryError, TemporaryDeliveryError, code_for_logs, without_values
from .events import DeliveryReport
from .intake import Intake
from .providers.base import Asked, Provider, Stamp
from .store.sentbox import FIRST_POLL, Poll, SentBox

# After the send: minutes first, then hours that thin out; nothing is asked later.
SCHEDULE = (
    FIRST_POLL,
    *(timedelta(minutes=minutes) for minutes in (5, 15)),
    *(timedelta(hours=hours) for hours in (1, 2, 4, 8, 16, 32, 64, 72)),
)

_BATCH_SECONDS = 60.0  # what is left by then is for the next batch: other jobs wait, too
_LEASE_SECONDS = 600.0  # a batch and a slow last answer
_PAUSE_SECONDS = 60.0  # of an account whose provider is away and names no time
_LONGEST_PAUSE_SECONDS = 3600.0  # whatever the provider asks for
_MOST_REFUSALS = 5  # one after the other: about two hours, to mend wrong credentials

_log = logging.getLogger(__name__)


def _now() -> datetime:
    return datetime.now(UTC)


class Polling:
    """Ask providers what became of what was sent; ``providers`` by account name."""

    def __init__(
        self,
        sentbox: SentBox,
        providers: Mapping[str, Provider],
        intake: Intake,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self._sentbox = sentbox
        self._providers = providers
        self._intake = intake
        self._clock = clock

    def is_due(self) -> bool:
        """Tell whether a batch is to be worked off; one cheap round trip."""
        return self._sentbox.is_due(self._clock())

    def poll_once(self, limit: int = 100) -> int:
        """Work off one batch of what is due; gives how many SMS were in it.

        Raises `RedisError`: what was not settled then is due again ten minutes later, and a report
        that was handed on already is known by its id.
        """
        polls = self._sentbox.due(self._clock(), limit, _LEASE_SECONDS)
        until = time.monotonic() + _BATCH_SECONDS
        for account in dict.fromkeys(poll.account for poll in polls):
            self._work_off(account, [poll for poll in polls if poll.account == account], until)
        return len(polls)

    def _work_off(self, account: str, batch: Sequence[Poll], until: float) -> None:
        provider = self._providers.get(account)
        if provider is None or not provider.is_polled:
            for poll in batch:
                self._sentbox.settle(poll, None)
            why = "not_polled" if provider else "account_unknown"
            _log.warning(
                "event=polls_dropped account=%s reason=%s sms=%d", account, why, len(batch)
            )
            return
        for poll in batch:
            paused_until = self._sentbox.paused_until(account)
            if paused_until is not None and paused_until > self._clock():
                self._sentbox.settle(poll, paused_until)
            elif time.monotonic() >= until:
                self._sentbox.settle(poll, self._clock())
            else:
                self._ask(provider, poll)

    def _ask(self, provider: Provider, poll: Poll) -> None:
        """Ask about one SMS and say when to ask again."""
        try:
            reports = self._status(provider, poll)
        except TemporaryDeliveryError as error:
            self._pause(poll.account, error)
        except DeliveryError as error:
            poll = replace(poll, refusals=poll.refusals + 1)
            _log.warning(
                "event=poll_refused account=%s code=%s times=%d",
                poll.account,
                code_for_logs(error.code),
                poll.refusals,
            )
        else:
            self._intake.take(provider.account, reports)
            poll = replace(poll, recipients=_open(poll, reports), refusals=0)
        self._sentbox.settle(poll, self._next(poll))

    def _status(self, provider: Provider, poll: Poll) -> tuple[DeliveryReport, ...]:
        asked = Asked(
            message_id=poll.message_id,
            recipients=poll.recipients,
            client_reference=poll.client_reference,
        )
        try:
            return provider.status(asked, Stamp(provider.account, "asked", self._clock()))
        except DeliveryError:
            raise
        except Exception as error:  # noqa: BLE001 - must not hold up the SMS behind this one
            _log.error("event=poll_failed account=%s", poll.account, exc_info=without_values(error))
            raise DeliveryError(f"{provider.name} failed: {type(error).__name__}") from None

    def _pause(self, account: str, error: TemporaryDeliveryError) -> None:
        """Leave the account alone for as long as its provider says: others wait behind this SMS."""
        seconds = error.retry_after
        seconds = _PAUSE_SECONDS if seconds is None else min(seconds, _LONGEST_PAUSE_SECONDS)
        self._sentbox.pause(account, self._clock() + timedelta(seconds=seconds))
        _log.warning(
            "event=polls_paused account=%s code=%s seconds=%d",
            account,
            code_for_logs(error.code),
            seconds,
        )

    def _next(self, poll: Poll) -> datetime | None:
        """Give when to ask again: the next time of the schedule; ``None`` where that is never."""
        if not poll.recipients:
            return None
        now = self._clock()
        later = (poll.sent_at + after for after in SCHEDULE if poll.sent_at + after > now)
        due = next(later, None)
        if due is None or poll.refusals >= _MOST_REFUSALS:
            _log.warning(
                "event=polling_ended account=%s reason=%s message_id=%r",
                poll.account,
                "no_final_status" if due is None else "refused",
                poll.message_id,
            )
            return None
        return due


def _open(poll: Poll, reports: Iterable[DeliveryReport]) -> tuple[str, ...]:
    final = {report.recipient for report in reports if report.final}
    return tuple(number for number in poll.recipients if number not in final)
