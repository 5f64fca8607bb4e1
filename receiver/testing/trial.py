"""One trial of a user's app: callbacks come in, handlers run at once, and nothing leaves.

The app is the user's own, and so are its handlers and accounts; only Redis, the spool and the
network are others while it lasts. `plugin` makes one for each test, as the fixture `sms`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask import Flask

from ..accounts import Account
from ..events import AnyEvent
from ..store.journal import Record
from ..store.queue import QUEUES
from ..worker import Worker
from . import callbacks
from .callbacks import Callback
from .door import Answered
from .faults import Faults
from .happened import Happened
from .idempotence import Claim, Snapshot
from .stage import Stage, staged


class Trial(Stage):
    """What the fixture `sms` is; see `trial`.

    ``sent`` and ``events`` tell of the whole test, what a method returns of its own step. An
    exception of a handler is raised from the method that ran it, unless ``raising`` is set to
    False; `RetryLater`, `GiveUp` and delivery errors are no faults.
    """

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage.app, stage.parts, stage.outside, stage.folder)
        self.raising = True
        self._faults = Faults()
        with self.app.app_context():
            broken = [
                f"{failure.name} ({failure.reason})" for failure in self.parts.loaded.failures
            ]
            assert not broken, f"handlers failed to load: {', '.join(broken)}"
            self.parts.loaded = self._faults.heard_in(self.parts.loaded)

    @property
    def events(self) -> list[AnyEvent]:
        """All that came, the oldest first."""
        return [record.event for record in self._records().values()]

    def receive(
        self,
        text: str,
        *,
        sender: str | None = None,
        account: str | None = None,
        recipient: str | None = None,
        id: str | None = None,  # noqa: A002 - the field's name
    ) -> Happened:
        """Have somebody write to us: post it as the account's provider does, and run the handlers.

        ``account`` may be left out where only one can be meant.
        """
        chosen = self.choose(account, {"lefoka", "smsbox"})
        more: dict[str, Any] = {"sender": sender, "id": id}
        if chosen.provider == "smsbox":
            more["recipient"] = recipient
        make: dict[str, Callable[..., Callback]] = {
            "smsbox": callbacks.smsbox.inbound,
            "lefoka": callbacks.lefoka.reply,
        }
        if chosen.provider not in make:
            raise _nothing_known(chosen, "inbound")
        given = {name: value for name, value in more.items() if value is not None}
        return self.post(make[chosen.provider](text, **given), account=chosen.name)

    def report(
        self,
        status: str = "delivered",
        *,
        recipient: str | tuple[str, ...] = "+27637885448",
        account: str | None = None,
        id: str | None = None,  # noqa: A002
    ) -> Happened:
        """Have a delivery report come; ``id`` is that of the message, as `sent` has it."""
        chosen = self.choose(account, {"lefoka"})
        if chosen.provider != "lefoka":
            raise _nothing_known(chosen, "report")
        made = callbacks.lefoka.report(status=status, recipient=recipient, id=id)
        return self.post(made, account=chosen.name)

    def post(self, callback: Callback, *, account: str | None = None) -> Happened:
        """Post a callback to the app, with the account's key, and run the handlers."""
        return self._step(lambda: self.knock(callback, account=account))

    def take(self, event: AnyEvent) -> Happened:
        """Put an event in behind the webhooks, such as ``report(account="kobo")``, and run it."""
        return self._step(lambda: self.put(event))

    def run(self) -> Happened:
        """Do now what is due later: each retry that waits, and asking for what became of an SMS.

        Each is done once. What a simulated provider answers is set in ``outside.api.sent``.
        """
        client: Any = self.parts.connection.client
        scheduled = [f"rq:scheduled:{self.parts.jobs.queue(queue)}" for queue in QUEUES]
        for key in (*scheduled, f"{self.parts.settings.namespace}:polls"):
            for waiting in client.zrange(key, 0, -1):
                client.zadd(key, {waiting: 0}, xx=True)
        return self._step(lambda: None, changed=True)

    def assert_idempotent(
        self,
        handler: Callable[..., object] | str,
        *events: Callback | AnyEvent,
        snapshot: Snapshot | None = None,
        reset: Callable[[], object] | None = None,
        in_worker: Callable[[], object] | None = None,
    ) -> None:
        """Fail unless a handler that runs again leaves what one clean run leaves.

        See `receiver.testing.idempotence` for what is done and what it proves.
        """
        Claim(self, handler, events, snapshot, reset, in_worker).check()

    def _step(self, act: Callable[[], Answered | None], *, changed: bool = False) -> Happened:
        """Do something, run what follows from it, and tell what was new."""
        before, sent_before = self._records(), len(self.sent)
        answered = act()
        Worker(self.app).burst()
        records = self._records()
        new = {
            event_id: record
            for event_id, record in records.items()
            if event_id not in before or (changed and record != before[event_id])
        }
        happened = Happened.made_of(answered, list(new.values()), self.sent[sent_before:])
        self._faults.raise_first(self.raising)
        return happened

    def _records(self) -> dict[str, Record]:
        journal = self.parts.journal
        found = journal.records(journal.ids(newest_first=False))
        return {record.event.id: record for record in found}


@contextmanager
def trial(app: Flask, redis_url: str, folder: Path) -> Iterator[Trial]:
    """Try an app out for the length of the block, on this Redis and in this folder."""
    with staged(app, redis_url, folder) as stage:
        yield Trial(stage)


def _nothing_known(account: Account, what: str) -> AssertionError:
    return AssertionError(
        f"what {account.provider} would post is not known here: sms.post(Callback(…)) it, or put"
        f" it in behind the webhook with sms.take({what}(account={account.name!r}, …))"
    )
