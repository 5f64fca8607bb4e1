"""What no webhook brought, made good: a provider's own list, held against what arrived.

The list gives the same events with the same ids as webhooks do, so that what did arrive is known.
Nothing here decides when: `cli` names a time, and the supervisor asks what is due.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from .accounts import Retentions
from .errors import ReceiverError
from .events import DeliveryReport, InboundMessage
from .intake import Intake, outcome_of
from .providers.base import Provider, Stamp
from .store.connection import Connection

Listed = InboundMessage | DeliveryReport

_BATCH = 100
_LEAST_LOOKBACK = timedelta(hours=1)
_WEBHOOK_MAY_COME = timedelta(minutes=5)
_MOST_MARGIN = timedelta(hours=1)  # what is about to be forgotten would be taken for new

_log = logging.getLogger(__name__)


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a provider's list showed: ``seen`` entries, and those ``events`` that were missing.

    ``since``: from when on the list was asked for, aware. They became events, but in a dry run.
    """

    account: str
    since: datetime
    seen: int
    events: tuple[Listed, ...] = field(repr=False)

    @property
    def missing(self) -> Mapping[str, int]:
        """How many were missing: by status for reports, as ``message`` for messages."""
        return Counter(_what(event) for event in self.events)

    @property
    def ids(self) -> list[str]:
        """The ids of the missing events."""
        return [event.id for event in self.events]


class Reconciler:
    """Reconcile the accounts of one deployment; ``retentions`` tell what is remembered."""

    def __init__(
        self,
        providers: Mapping[str, Provider],
        intake: Intake,
        connection: Connection,
        namespace: str,
        retentions: Retentions,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self._providers = providers
        self._intake = intake
        self._connection = connection
        self._namespace = namespace
        self._retentions = retentions
        self._clock = clock

    def reconcile(self, account: str, since: datetime, *, dry_run: bool = False) -> Findings:
        """Make events of all that a provider lists since a time and that no webhook brought.

        Not beyond the retention: what is forgotten would be handled again. Raises `ReceiverError`
        where the account cannot be asked, `DeliveryError` where the provider does not answer, and
        `RedisError`; what was found until then became events, and is known the next time.
        """
        provider = self._asked(account)
        oldest = self._oldest(account)
        since = max(since, oldest)
        return self._compare(provider, since, oldest, None, dry_run)

    def due_accounts(self, every: int) -> list[str]:
        """Claim the accounts that were last caught up with more than ``every`` seconds ago.

        One that is seen for the first time has missed nothing yet.
        """
        found = []
        for account, provider in self._providers.items():
            key = f"{self._namespace}:reconciling:{account}"
            if provider.has_history and self._client.set(key, 1, nx=True, ex=every):
                now = self._clock().isoformat()
                if not self._client.hsetnx(self._first, account, now):
                    found.append(account)
        return found

    def catch_up(self, account: str, every: int) -> Findings:
        """Reconcile an account that is due, since twice ``every`` seconds ago, or an hour.

        Where earlier runs failed, since before the last that did not. Never since before the
        account was first due here: a new installation has not missed what came before it. What
        is younger than five minutes is left alone, as its webhook may be on its way. Raises as
        `reconcile` does.
        """
        provider = self._asked(account)
        now, period = self._clock(), timedelta(seconds=every)
        first, last = self._time(self._first, account), self._time(self._last, account)
        since = min(now - max(2 * period, _LEAST_LOOKBACK), (last or now) - period)
        oldest = max(self._oldest(account), first or now)
        findings = self._compare(
            provider, max(since, oldest), oldest, now - _WEBHOOK_MAY_COME, dry_run=False
        )
        self._client.hset(self._last, account, now.isoformat())
        return findings

    @property
    def _first(self) -> str:
        return f"{self._namespace}:reconcile-first"

    @property
    def _last(self) -> str:
        return f"{self._namespace}:reconcile-last"

    @property
    def _client(self) -> Any:
        return self._connection.client

    def _asked(self, account: str) -> Provider:
        provider = self._providers.get(account)
        if provider is None:
            known = ", ".join(sorted(self._providers))
            raise ReceiverError(f"there is no account {account}; there are: {known}")
        if not provider.has_history:
            raise ReceiverError(
                f"{provider.name} does not list what it sent, so that account {account} cannot be"
                " reconciled"
            )
        return provider

    def _oldest(self, account: str) -> datetime:
        kept = timedelta(seconds=self._retentions.of(account))
        return self._clock() - kept + min(_MOST_MARGIN, kept / 10)

    def _time(self, key: str, account: str) -> datetime | None:
        found = self._client.hget(key, account)
        return datetime.fromisoformat(found.decode("ascii")) if found else None

    def _compare(
        self,
        provider: Provider,
        since: datetime,
        oldest: datetime,
        newest: datetime | None,
        dry_run: bool,
    ) -> Findings:
        """Hold the list against what arrived, leaving out what happened before or after."""
        account = provider.account
        stamp = Stamp(account, "asked", self._clock())
        seen, missing = 0, dict[str, Listed]()
        for batch in _batches(provider.history(since, stamp)):
            seen += len(batch)
            wanted = [event for event in batch if _is_between(event, oldest, newest)]
            fresh = list(self._unknown(wanted))
            if not dry_run:
                self._intake.take(account, fresh)
            missing |= {event.id: event for event in fresh}
        _log.log(
            logging.WARNING if missing and not dry_run else logging.INFO,
            "event=reconciled account=%s seen=%d missing=%d",
            account.name,
            seen,
            len(missing),
        )
        return Findings(
            account=account.name, since=since, seen=seen, events=tuple(missing.values())
        )

    def _unknown(self, events: Sequence[Listed]) -> Iterator[Listed]:
        """Give those that did not come before, as the intake will judge it; changes nothing."""
        with self._client.pipeline(transaction=False) as pipeline:
            for event in events:
                pipeline.exists(f"{self._namespace}:event:{event.id}")
                name, word, _ = outcome_of(event)
                pipeline.hexists(f"{self._namespace}:outcome:{name}", word)
            found = pipeline.execute()
        for event, came, told in zip(events, found[::2], found[1::2], strict=True):
            if not came and not told:
                yield event


def _is_between(event: Listed, oldest: datetime, newest: datetime | None) -> bool:
    if isinstance(event, DeliveryReport):
        when = event.delivered_at or event.created_at
    else:
        when = event.sent_at
    return when is None or (oldest <= when and (newest is None or when <= newest))


def _what(event: Listed) -> str:
    return str(event.status) if isinstance(event, DeliveryReport) else event.kind


def _batches(events: Iterable[Listed]) -> Iterator[list[Listed]]:
    waiting = iter(events)
    while batch := list(islice(waiting, _BATCH)):
        yield batch
