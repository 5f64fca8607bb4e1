"""Silence: an account from which nothing comes is noticed once, and a quiet hour is none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from redis import Redis
from test_jobs import post

from receiver import Receiver
from receiver.accounts import Account
from receiver.events import Alarm
from receiver.providers.base import Provider
from receiver.providers.smsbox import SMSBox
from receiver.silence import Silence, is_silent, usual_gap
from receiver.store.journal import Journal
from receiver.testing import inbound

MakeApp = Callable[..., Flask]
RunJobs = Callable[[Flask], int]

MINUTE, HOUR, DAY = 60, 3600, 86_400
MONDAY = datetime(2026, 11, 2, tzinfo=UTC)  # and midnight

Hours = Iterable[tuple[int, float, float]]  # the day from Monday on, and hours from and until


def at(day: int, hour: float) -> float:
    """A time, by days since that Monday."""
    return (MONDAY + timedelta(days=day, hours=hour)).timestamp()


def coming(hours: Hours, every: float = 5 * MINUTE) -> list[float]:
    """The times at which something came."""
    return sorted(
        at(day, start) + step * every
        for day, start, end in hours
        for step in range(int((end - start) * HOUR / every))
    )


def working(days: Iterable[int], start: float = 8, end: float = 20) -> Iterator[Any]:
    return ((day, start, end) for day in days if day % 7 < 5)


OFFICE = [*working(range(11)), (11, 8, 12)]  # until the second Friday at noon
DAILY = [(day, 8.0, 20.0) for day in range(10)]
ALWAYS = [(day, 0.0, 24.0) for day in range(10)]
LUNCH = [
    *((day, *part) for day in range(10) for part in ((8.0, 12.0), (13.0, 17.0))),
    (10, 8.0, 11.1),
]
MAILING = [(0, 10.0, 13.0), (7, 10.0, 13.0)]

ROWS: dict[str, tuple[Hours, float, bool]] = {
    "the first hour and a half of it": (OFFICE, at(11, 13.4), False),
    "after three times half an hour": (OFFICE, at(11, 13.6), True),
    "a night": (DAILY, at(10, 7.9), False),
    "a day that begins a little later": (DAILY, at(10, 9), False),
    "a day that does not begin": (DAILY, at(10, 9.6), True),
    "a single message at night, a week ago": ([*DAILY, (3, 2, 2.1)], at(10, 7.9), False),
    "a day that ended half an hour earlier": (
        [*((day, 8, 20) for day in range(10)), (10, 8, 19.5)],
        at(11, 7.5),
        False,
    ),
    "a pause that is usual": (LUNCH, at(10, 13.02), False),
    "a pause that is usual, and a little more": (LUNCH, at(10, 13.1), True),
    "a weekend, a week later": (list(working(range(12))), at(12, 12), False),
    "a Monday after it": (list(working(range(12))), at(14, 10), True),
    "a weekly mailing is over": (MAILING, at(12, 12), False),
    "a weekly mailing does not come": (MAILING, at(14, 11.6), True),
    "the second day, by night": (DAILY[:2], at(2, 6), False),
    "the second day, at noon": ([(0, 8, 20), (1, 8, 11)], at(1, 13), True),
    "the first day": ([(0, 8, 12)], at(0, 18), False),
    "somebody who is never quiet": (ALWAYS, at(10, 1.6), True),
}


@pytest.mark.parametrize(("hours", "now", "silent"), ROWS.values(), ids=ROWS)
def test_silence_is_told_from_a_quiet_hour(hours: Hours, now: float, silent: bool) -> None:
    assert is_silent(coming(hours), now) is silent


def test_who_writes_seldom_is_waited_for_longer() -> None:
    times = coming(ALWAYS, every=2 * HOUR)
    assert usual_gap(times) == 2 * HOUR
    assert not is_silent(times, times[-1] + 5.9 * HOUR)
    assert is_silent(times, times[-1] + 6.1 * HOUR)


def test_too_few_callbacks_say_nothing() -> None:
    times = coming(ALWAYS, every=DAY / 2)[:19]
    assert not is_silent(times, times[-1] + 30 * DAY)


# --- with Redis


def test_a_webhook_is_heard_of_once_a_worker_has_it(
    make_app: MakeApp, run_jobs: RunJobs, redis: Redis
) -> None:
    app = make_app()
    post(app)
    run_jobs(app)
    assert redis.keys("receiver:heard:*") == ["receiver:heard:smsbox"]


class Clock:
    """The time, as a test sets it."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return datetime.fromtimestamp(self.now, UTC)


class Shop:
    """An app, its watcher, and what its handlers were told."""

    def __init__(self, make_app: MakeApp, redis: Any) -> None:
        self.alarms: list[Alarm] = []
        self.app = make_app(handlers=self._register)
        self.parts = self.app.extensions["receiver"]
        self.redis = redis
        self.clock = Clock(at(10, 0))
        self.silence = self.watcher()

    def _register(self, receiver: Receiver) -> None:
        @receiver.router.alarm()
        def note(alarm: Alarm) -> None:
            self.alarms.append(alarm)

    def watcher(self, providers: Any = None) -> Silence:
        parts = self.parts
        providers = parts.providers if providers is None else providers
        where = (parts.connection, "receiver", providers, parts.journal, parts.intake)
        return Silence(*where, self.clock)

    def hear(self, times: Iterable[float], **more: Any) -> None:
        for time in times:
            when = datetime.fromtimestamp(time, UTC)
            self.silence.heard(inbound(**{"account": "smsbox", "received_at": when, **more}))

    def check(self, silence: Silence | None = None) -> int:
        """Check as the supervisor does, every five minutes, at the clock's time."""
        self.redis.delete("receiver:silence")
        self.redis.set("receiver:silence-checked", self.clock.now - 300)
        return (silence or self.silence).check_when_due()


@pytest.fixture
def shop(make_app: MakeApp, redis: Redis) -> Shop:
    return Shop(make_app, redis)


def test_a_silence_raises_one_alarm_that_a_handler_takes(shop: Shop, run_jobs: RunJobs) -> None:
    shop.hear(coming(ALWAYS, 20 * MINUTE))
    shop.clock.now = at(10, 1)
    assert shop.check() == 0
    shop.clock.now = at(10, 3)
    assert shop.check() == 1
    shop.clock.now = at(10, 9)
    assert shop.check() == 0
    run_jobs(shop.app)
    (alarm,) = shop.alarms
    assert (alarm.what, alarm.account, alarm.provider) == ("silent", "smsbox", "smsbox")
    assert alarm.trust == "own"
    assert alarm.since is not None
    assert alarm.since.timestamp() == at(9, 24) - 20 * MINUTE
    assert alarm.text == (
        "nothing came from account smsbox for 3 h 20 min; usually something comes within 20 min"
    )


def test_the_next_silence_is_another_alarm(shop: Shop, run_jobs: RunJobs) -> None:
    shop.hear(coming(ALWAYS, 20 * MINUTE))
    shop.clock.now = at(10, 3)
    assert shop.check() == 1
    shop.hear([at(10, 1)])  # waited in a spool, and belongs to the same silence
    assert shop.check() == 0
    shop.hear([at(10, 4)])
    shop.clock.now = at(10, 6)
    assert shop.check() == 1
    run_jobs(shop.app)
    assert len({alarm.id for alarm in shop.alarms}) == 2


def test_two_hosts_raise_the_same_alarm(shop: Shop, run_jobs: RunJobs) -> None:
    shop.hear(coming(ALWAYS, 20 * MINUTE))
    shop.clock.now = at(10, 3)
    assert shop.check() == 1
    shop.redis.delete("receiver:silent")  # the other one has not seen it
    shop.clock.now = at(10, 3.01)
    assert shop.check(shop.watcher()) == 0
    run_jobs(shop.app)
    assert len(shop.alarms) == 1


def test_what_waits_for_a_worker_is_no_silence(shop: Shop) -> None:
    now = datetime.now(UTC).timestamp()
    shop.hear(now - 2 * HOUR - step * 20 * MINUTE for step in reversed(range(10 * 72)))
    shop.clock.now = now + 1
    post(shop.app)
    assert shop.check() == 0
    assert shop.alarms == []
    shop.redis.delete(*shop.redis.keys("receiver:event:*"))
    shop.clock.now += 2 * HOUR
    assert shop.check() == 1


def test_workers_that_are_late_do_not_turn_the_time_back(shop: Shop, redis: Any) -> None:
    shop.hear([at(0, 0) + 200])
    shop.silence = shop.watcher()  # in another process
    shop.hear([at(0, 0) + 100])
    ((_, last),) = redis.zrange("receiver:heard:smsbox", 0, -1, withscores=True)
    assert last == at(0, 0) + 200


@pytest.mark.parametrize(
    "more", [{"trust": "asked"}, {"trust": "own"}, {"replay": True}], ids=["asked", "own", "again"]
)
def test_only_what_is_pushed_is_a_sign_of_life(shop: Shop, more: Any) -> None:
    shop.hear(coming(ALWAYS, 20 * MINUTE))
    shop.hear([at(10, 2.9)], **more)
    shop.clock.now = at(10, 3)
    assert shop.check() == 1


def test_the_first_check_after_a_pause_raises_nothing(shop: Shop) -> None:
    shop.hear(coming(ALWAYS, 20 * MINUTE))
    shop.clock.now = at(10, 3)
    assert shop.silence.check_when_due() == 0
    assert shop.silence.check_when_due() == 0  # not due
    shop.redis.delete("receiver:silence")
    shop.redis.set("receiver:silence-checked", at(10, 2))
    assert shop.silence.check_when_due() == 0
    shop.redis.delete("receiver:silence")
    assert shop.silence.check_when_due() == 1


def test_a_provider_that_pushes_nothing_has_no_silence(shop: Shop) -> None:
    class Mute(SMSBox):
        pushes = False

    mute: Provider = Mute(
        Account(name="smsbox", provider="smsbox"), shop.parts.providers["smsbox"]._door
    )
    silence = shop.watcher({"smsbox": mute})
    shop.hear(coming(ALWAYS, 20 * MINUTE))
    shop.clock.now = at(10, 3)
    assert shop.check(silence) == 0
    assert shop.check() == 1


def test_a_busy_account_is_noted_once_a_minute_and_kept_small(shop: Shop, redis: Any) -> None:
    shop.hear(at(0, 0) + step for step in range(3_600))
    before = redis.info("commandstats")["cmdstat_zadd"]["calls"]
    shop.hear(at(0, 1) + step for step in range(3_600))
    assert redis.info("commandstats")["cmdstat_zadd"]["calls"] - before <= 60
    assert redis.zcard("receiver:heard:smsbox") == 24
    shop.hear([at(20, 0)])
    assert redis.zcard("receiver:heard:smsbox") == 1
    assert 0 < redis.ttl("receiver:heard:smsbox") <= 15 * DAY


def test_the_alarm_is_an_event_as_others_are(shop: Shop, run_jobs: RunJobs) -> None:
    shop.hear(coming(ALWAYS, 20 * MINUTE))
    shop.clock.now = at(10, 3)
    shop.check()
    run_jobs(shop.app)
    journal: Journal = shop.parts.journal
    record = journal.load(shop.alarms[0].id)
    assert record is not None
    assert record.handlers["app.note"]["state"] == "done"
