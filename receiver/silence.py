"""An account that fell silent: nothing comes any more from a provider that always called back.

Workers note when something came, by slots of five minutes, for two weeks; a check that runs now and
then judges by that alone. Nothing of it is on the web side's way, and nothing is asked elsewhere.
"""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from .events import Alarm, Event
from .intake import Intake
from .providers.base import Provider, Stamp
from .store.connection import Connection
from .store.journal import Journal

CHECK_SECONDS = 300

_LOCK_SECONDS = 150  # less: a check that was late must not be in the way of the next
_SLOT = 300  # seconds
_LEAST_SECONDS = 60.0  # between two notes of one process
_DAY, _WEEK = 86_400.0, 604_800.0
_MEMORY = 2 * _WEEK + _DAY
_LEAST_CALLBACKS = 20
_LEAST_GAP = 1_800.0
_TIMES = 3
_PERCENTILE = 0.95
_PAUSED = 3 * CHECK_SECONDS  # without a check, Redis or the workers were away
_LOOKED_AT = 20_000

_log = logging.getLogger(__name__)


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """When something came last from an account, and the usual gap in seconds, once it is known."""

    account: str
    last: datetime | None
    usual: float | None
    is_silent: bool


class Silence:
    """Learn how often something comes from each account, and raise an alarm where nothing does.

    ``providers`` by account name; those that push nothing have no silence.
    """

    def __init__(
        self,
        connection: Connection,
        namespace: str,
        providers: Mapping[str, Provider],
        journal: Journal,
        intake: Intake,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self._connection = connection
        self._namespace = namespace
        self._providers = providers
        self._journal = journal
        self._intake = intake
        self._clock = clock
        self._noted: dict[str, float] = {}

    def heard(self, event: Event) -> None:
        """Note that a webhook came; at most one short round trip a minute for each account.

        What was asked for, or is handled again, is no sign of life. Raises `RedisError`.
        """
        at = event.received_at.timestamp()
        if not _is_pushed(event) or at - self._noted.get(event.account, 0.0) < _LEAST_SECONDS:
            return
        key = self._key(event.account)
        with self._client.pipeline(transaction=False) as pipeline:
            # the slot keeps its last time; of several workers each may be late
            pipeline.zadd(key, {str(int(at // _SLOT)): at}, gt=True)
            pipeline.zremrangebyscore(key, "-inf", at - _MEMORY)
            pipeline.expire(key, int(_MEMORY))
            pipeline.execute()
        self._noted[event.account] = at

    def accounts(self) -> list[Heard]:
        """Say of each account that pushes how it is now, by name. Raises `RedisError`."""
        now = self._clock().timestamp()
        names = sorted(provider.account.name for provider in self._pushing())
        with self._client.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.zrange(self._key(name), 0, -1, withscores=True)
            answers = pipeline.execute()
        return [
            _heard(name, [score for _, score in scores], now)
            for name, scores in zip(names, answers, strict=True)
        ]

    def check_when_due(self) -> int:
        """Check, unless somebody did in the last minutes; gives how many alarms were raised.

        To be called every `CHECK_SECONDS`. The first check after a time without any raises none:
        what came then may still be waiting in a spool or a queue. Raises `RedisError`.
        """
        if not self._client.set(f"{self._namespace}:silence", 1, nx=True, ex=_LOCK_SECONDS):
            return 0
        now = self._clock().timestamp()
        before = self._client.set(f"{self._namespace}:silence-checked", now, get=True)
        if before is None or now - float(before) > _PAUSED:
            return 0
        return sum(map(self._check, self._pushing()))

    def _pushing(self) -> Iterator[Provider]:
        return (provider for provider in self._providers.values() if provider.pushes)

    def _check(self, provider: Provider) -> bool:
        """Raise an alarm for one account where it is due; the same one from every host."""
        account, now = provider.account.name, self._clock().timestamp()
        scores = self._client.zrange(self._key(account), 0, -1, withscores=True)
        times = [score for _, score in scores]
        told = self._client.hget(self._told, account)
        if not is_silent(times, now) or (told is not None and float(told) >= times[-1]):
            return False
        waiting = self._not_noted(account, times[-1])
        if waiting is not None:
            self.heard(waiting)
            return False
        alarm = _alarm(provider, times, self._clock())
        fresh = bool(self._intake.take(provider.account, [alarm]))
        self._client.hset(self._told, account, now)
        if fresh:
            _log.warning("event=%s account=%s alarm=silent", alarm.id, account)
        return fresh

    def _not_noted(self, account: str, since: float) -> Event | None:
        """Find what came since, though no worker has noted it yet: the queue may be long."""
        start = datetime.fromtimestamp(since + _LEAST_SECONDS, UTC)
        ids = self._journal.ids(since=start, limit=_LOOKED_AT)
        events = (record.event for record in self._journal.records(ids))
        return next((e for e in events if e.account == account and _is_pushed(e)), None)

    @property
    def _told(self) -> str:
        return f"{self._namespace}:silent"

    @property
    def _client(self) -> Any:
        return self._connection.client

    def _key(self, account: str) -> str:
        return f"{self._namespace}:heard:{account}"


def _heard(account: str, times: Sequence[float], now: float) -> Heard:
    known = len(times) >= _LEAST_CALLBACKS
    return Heard(
        account=account,
        last=datetime.fromtimestamp(times[-1], UTC) if times else None,
        usual=max(usual_gap(times), float(_SLOT)) if known else None,
        is_silent=is_silent(times, now),
    )


def usual_gap(times: Sequence[float]) -> float:
    """Give the seconds that nineteen of twenty gaps between two signs of life do not exceed."""
    gaps = sorted(later - earlier for earlier, later in pairwise(times))
    return gaps[int(len(gaps) * _PERCENTILE)] if gaps else 0.0


def is_silent(times: Sequence[float], now: float) -> bool:
    """Tell whether nothing came for three times the usual gap; ``times`` in seconds, in order.

    The usual gap is half an hour at least. Only hours count in which something came a week or two
    ago, other than now and then: nights, weekends and weekly mailings are no silence. In its first
    week an account is held against the same hours of each day so far.
    """
    if len(times) < _LEAST_CALLBACKS:
        return False
    first, last = times[0], times[-1]
    gap = max(usual_gap(times), _LEAST_GAP)
    if now - last < _TIMES * gap:
        return False

    def missed(ago: float) -> bool:
        return _lively(times, last - ago, now - ago, gap) >= _TIMES * gap

    weeks = [_WEEK * n for n in (1, 2) if last - _WEEK * n >= first]
    if weeks:
        return any(map(missed, weeks))
    days = [_DAY * n for n in range(1, 7) if last - _DAY * n >= first]
    return bool(days) and all(map(missed, days))


def _lively(times: Sequence[float], after: float, until: float, gap: float) -> float:
    """Give for how many seconds of a span things came.

    A longer pause than the usual one counts as that, and not at all where it was a silence.
    """
    came = times[bisect_right(times, after) : bisect_right(times, until)]
    pauses = (later - earlier for earlier, later in pairwise([after, *came]))
    return sum(min(pause, gap) for pause in pauses if pause < _TIMES * gap)


def _alarm(provider: Provider, times: Sequence[float], now: datetime) -> Alarm:
    since = datetime.fromtimestamp(times[-1], UTC)
    usual = timedelta(seconds=max(usual_gap(times), _SLOT))
    return Alarm(
        **Stamp(provider.account, "own", now)(Alarm.kind, ["silent", since.isoformat()]),
        what="silent",
        text=(
            f"nothing came from account {provider.account.name} for {_words(now - since)};"
            f" usually something comes within {_words(usual)}"
        ),
        since=since,
    )


def _words(span: timedelta) -> str:
    hours, minutes = divmod(int(span.total_seconds()) // 60, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def _is_pushed(event: Event) -> bool:
    return event.trust in ("key", "token") and not event.replay
