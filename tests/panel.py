"""A provider at the wire that pushes nothing, and a deployment that asks it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from flask import Flask

from receiver import DeliveryReport, InboundMessage, Receiver, Status
from receiver.accounts import Account
from receiver.polling import Polling
from receiver.providers.base import Ack, Asked, Provider, Stamp
from receiver.providers.payload import Payload
from receiver.security import Door
from receiver.signing import SignedUrls
from receiver.sms import Sent, Sms
from receiver.store.connection import Connection
from receiver.store.sentbox import SentBox

ONE, TWO = "+27637885448", "+27637885449"
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
WEEK = 604_800


class Panel(Provider):
    """A provider that pushes nothing: ``statuses`` by message id is what its API would tell."""

    name = "panel"
    pushes = False
    is_polled: ClassVar[bool] = True

    def __init__(self, account: Account, door: Door) -> None:
        super().__init__(account, door)
        self.statuses: dict[str, dict[str, Status] | Exception] = {}
        self.asked: list[Asked] = []

    def parse(self, payload: Payload, stamp: Stamp) -> Iterable[InboundMessage | DeliveryReport]:
        return ()

    def ack(self, payload: Payload, problem: str | None) -> Ack:
        return Ack()

    def status(self, asked: Asked, stamp: Stamp) -> tuple[DeliveryReport, ...]:
        self.asked.append(asked)
        known = self.statuses.get(asked.message_id, {})
        if isinstance(known, Exception):
            raise known
        return tuple(
            DeliveryReport(
                **stamp(DeliveryReport.kind, [asked.message_id, status, number]),
                message_id=asked.message_id,
                recipient=number,
                status=status,
                provider_status=str(status),
            )
            for number, status in known.items()
            if number in asked.recipients
        )


def panel(name: str = "panel", cls: type[Panel] = Panel) -> Panel:
    account = Account(name=name, provider="panel")
    return cls(account, Door(account, SignedUrls(["x"])))


class Desk:
    """An app whose handler notes reports, the polling of two accounts, and a clock to turn."""

    def __init__(self, make_app: Callable[..., Flask], redis_url: str) -> None:
        self.reports: list[DeliveryReport] = []
        self.app = make_app(handlers=self._register)
        self.panel, self.other = panel(), panel("other")
        self.providers: dict[str, Provider] = {"panel": self.panel, "other": self.other}
        self.box = SentBox(Connection(redis_url), "receiver", WEEK)
        self.now = datetime.now(UTC)
        intake = self.app.extensions["receiver"].intake
        self.polling = Polling(self.box, self.providers, intake, lambda: self.now)

    def _register(self, receiver: Receiver) -> None:
        @receiver.report()
        def note(report: DeliveryReport) -> None:
            self.reports.append(report)

    def send(self, message_id: str, *numbers: str, account: str = "panel", **more: Any) -> None:
        sms = Sms(recipients=numbers or (ONE,), text="hello", key="k", **more)
        self.box.keep(account, sms, Sent(message_id=message_id), poll=True)
        self.now = datetime.now(UTC)

    def wait(self, time: timedelta = timedelta(seconds=61)) -> None:
        self.now += time

    def times(self, redis: Any) -> list[int]:
        """Turn the clock to whatever is due next, as long as there is something: in minutes."""
        start, found = self.now, []
        while redis.zcard("receiver:polls"):
            ((_, due),) = redis.zrange("receiver:polls", 0, -1, withscores=True)
            self.now = datetime.fromtimestamp(due, UTC) + timedelta(milliseconds=1)
            assert self.polling.poll_once() == 1
            found.append(round((self.now - start) / MINUTE))
        return found
