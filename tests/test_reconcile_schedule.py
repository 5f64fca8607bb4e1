"""Reconciling any provider that keeps a list, at once or on a schedule."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from flask import Flask
from redis import Redis

from receiver import DeliveryReport, InboundMessage, Status
from receiver.accounts import Account, Retentions
from receiver.errors import ReceiverError, TemporaryDeliveryError
from receiver.providers.base import Ack, Provider, Stamp
from receiver.providers.payload import Payload
from receiver.reconcile import Reconciler
from receiver.security import Door
from receiver.signing import SignedUrls

MakeApp = Callable[..., Flask]

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
WEEK = 604_800
ONE = "+27637885448"


class Ledger(Provider):
    """A provider whose list is what a test puts into it."""

    name = "ledger"
    has_history: ClassVar[bool] = True

    def __init__(self, account: Account, door: Door) -> None:
        super().__init__(account, door)
        self.listed: list[tuple[str, datetime | None]] = []
        self.asked: list[datetime] = []
        self.fails_after: int | None = None

    def parse(self, payload: Payload, stamp: Stamp) -> Iterable[InboundMessage | DeliveryReport]:
        return ()

    def ack(self, payload: Payload, problem: str | None) -> Ack:
        return Ack()

    def history(self, since: datetime, stamp: Stamp) -> Iterator[InboundMessage | DeliveryReport]:
        self.asked.append(since)
        for number, (message_id, when) in enumerate(self.listed):
            if number == self.fails_after:
                raise TemporaryDeliveryError("away", code="503")
            yield DeliveryReport(
                **stamp(DeliveryReport.kind, [message_id]),
                message_id=message_id,
                recipient=ONE,
                status=Status.DELIVERED,
                delivered_at=when,
            )


class Desk:
    """A ledger, its reconciler, and a clock to turn."""

    def __init__(self, app: Flask) -> None:
        account = Account(name="ledger", provider="ledger")
        self.ledger = Ledger(account, Door(account, SignedUrls(["x"])))
        parts = app.extensions["receiver"]
        self.now = datetime.now(UTC)
        providers: dict[str, Provider] = {**parts.providers, "ledger": self.ledger}
        providers.pop("lefoka")
        where = (providers, parts.intake, parts.connection, "receiver", Retentions(WEEK))
        self.reconciler = Reconciler(*where, lambda: self.now)

    def has(self, *ages: timedelta | None) -> None:
        start = len(self.ledger.listed)
        when = [None if age is None else self.now - age for age in ages]
        self.ledger.listed += [(f"m-{start + n}", time) for n, time in enumerate(when)]

    def catch_up(self, every: int = 3600) -> Sequence[str | None]:
        found = self.reconciler.catch_up("ledger", every)
        return [event.message_id for event in found.events]


@pytest.fixture
def desk(make_app: MakeApp, redis: Redis) -> Desk:
    return Desk(make_app())


def test_what_was_found_before_the_provider_went_away_is_kept(desk: Desk) -> None:
    desk.has(*[HOUR] * 250)
    desk.ledger.fails_after = 220
    since = desk.now - 2 * HOUR
    with pytest.raises(TemporaryDeliveryError):
        desk.reconciler.reconcile("ledger", since)
    desk.ledger.fails_after = None
    findings = desk.reconciler.reconcile("ledger", since)
    assert (findings.seen, len(findings.events)) == (250, 50)


def test_a_page_that_moved_on_while_it_was_read_counts_once(desk: Desk) -> None:
    desk.has(*[HOUR] * 100)
    desk.ledger.listed += desk.ledger.listed[-3:]
    for dry_run in (True, False):
        findings = desk.reconciler.reconcile("ledger", desk.now - 2 * HOUR, dry_run=dry_run)
        assert (findings.seen, len(findings.events)) == (103, 100)


WRONG = {
    "smsbox": "smsbox does not list what it sent, so that account smsbox cannot be reconciled",
    "ledgr": "there is no account ledgr; there are: ledger, smsbox",
}


@pytest.mark.parametrize(("account", "said"), WRONG.items(), ids=WRONG)
def test_an_account_that_cannot_be_asked_is_named(desk: Desk, account: str, said: str) -> None:
    with pytest.raises(ReceiverError, match=said):
        desk.reconciler.reconcile(account, desk.now)


# --- on a schedule


def test_each_account_with_a_list_is_due_once_in_a_while(desk: Desk, redis: Any) -> None:
    assert desk.reconciler.due_accounts(3600) == []  # seen for the first time
    assert 0 < redis.ttl("receiver:reconciling:ledger") <= 3600
    for _ in range(2):
        redis.delete("receiver:reconciling:ledger")
        assert desk.reconciler.due_accounts(3600) == ["ledger"]
        assert desk.reconciler.due_accounts(3600) == []


def test_a_new_installation_resurrects_nothing(desk: Desk) -> None:
    desk.has(3 * 24 * HOUR, 20 * MINUTE)
    desk.reconciler.due_accounts(3600)
    assert desk.catch_up() == []
    desk.now += HOUR
    desk.has(30 * MINUTE)
    assert desk.catch_up() == ["m-2"]


def test_a_webhook_that_may_be_on_its_way_is_waited_for(desk: Desk) -> None:
    desk.reconciler.due_accounts(3600)
    desk.now += HOUR
    desk.has(4 * MINUTE, 6 * MINUTE, None)
    assert desk.catch_up() == ["m-1", "m-2"]
    desk.now += HOUR
    assert desk.catch_up() == ["m-0"]
    desk.has(MINUTE)
    found = desk.reconciler.reconcile("ledger", desk.now - HOUR)
    assert [event.message_id for event in found.events] == ["m-3"]  # a command waits for nothing


@pytest.mark.parametrize(
    ("every", "back"), [(600, HOUR), (3600, 2 * HOUR), (12 * 3600, 24 * HOUR)], ids=str
)
def test_it_looks_back_over_twice_the_time(desk: Desk, every: int, back: timedelta) -> None:
    desk.reconciler.due_accounts(every)
    for _ in range(4):
        desk.now += timedelta(seconds=every)
        desk.catch_up(every)
    desk.now += 3 * 24 * HOUR - timedelta(seconds=every)
    desk.catch_up(every)
    desk.now += timedelta(seconds=every)
    desk.catch_up(every)
    assert desk.now - desk.ledger.asked[-1] == back


def test_what_came_while_the_provider_was_away_is_caught_up_with(desk: Desk) -> None:
    desk.reconciler.due_accounts(3600)
    desk.catch_up()
    desk.has(timedelta(0))
    happened, desk.ledger.fails_after = desk.now, 0
    for _ in range(10):
        desk.now += HOUR
        with pytest.raises(TemporaryDeliveryError):
            desk.catch_up()
    desk.ledger.fails_after = None
    assert desk.catch_up() == ["m-0"]
    assert desk.ledger.asked[-1] <= happened
