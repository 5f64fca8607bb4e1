"""The last step before the ack: a callback into Redis, with one job for each event, or the spool.

Left of this line nothing knows handlers; right of it nothing knows HTTP.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from typing import Any

from redis.exceptions import RedisError

from . import traces
from .accounts import Account, Retentions
from .arrivals import count_kept
from .draining import Call, Draining
from .errors import Unreadable
from .events import AnyEvent, DeliveryReport, InboundMessage, event_id, to_json
from .measures import ODD, word
from .outage import Outage
from .parcel import Parcel
from .providers.base import Provider, Received, WebhookRequest
from .store.connection import Connection
from .store.packing import pack
from .store.quarantine import Quarantined
from .store.queue import JobMaker, rq_time
from .store.spool import Spool
from .store.tally import Tally
from .vault import PLAIN, Vault

_log = logging.getLogger(__name__)

# Kept beside the raw body; anything else may carry a key.
_KEPT_HEADERS = ("content-type", "user-agent")


class Intake:
    """Accept what providers push; ``afterwards`` runs when something new was accepted.

    ``asked`` tells of a text whether it is an opt-out or an opt-in.
    """

    def __init__(
        self,
        connection: Connection,
        jobs: JobMaker,
        retentions: Retentions,
        spool: Spool,
        tally: Tally,
        afterwards: Callable[[], None] | None = None,
        asked: Callable[[str], str | None] = lambda text: None,
        vault: Vault = PLAIN,
    ) -> None:
        self._connection = connection
        self.home = (jobs.namespace, connection.place)
        self._namespace = jobs.namespace
        self._retentions = retentions
        self._vault = vault
        self._jobs = jobs
        self._spool = spool
        self._tally = tally
        self._afterwards = afterwards
        self._asked = asked
        self.draining = Draining(connection, self.home, vault, tally, self.store, self._call)
        probe = f"{self._namespace}:probe"
        self.outage = Outage(connection, spool, self.draining.take_page, probe)

    def accept(self, received: Received, request: WebhookRequest, account: Account) -> int | None:
        """Store and queue, in one atomic round trip; gives how many events were new.

        Where Redis cannot take them now, they wait in the spool, and that is ``None``. Raises
        `StorageUnavailable` where the spool cannot either: then nothing is half-written.
        """
        parcel = _parcel(received, request, account, self.home)
        traces.keep_begins()
        if self.outage.open or self.outage.is_behind(self._spool.behind):
            self._set_aside(parcel, "redis_is_away")
            return None
        try:
            fresh = self.store(parcel)
        except RedisError as error:
            self.outage.trip()
            self._set_aside(parcel, type(error).__name__)
            return None
        if fresh and self._afterwards is not None:
            self._afterwards()
        return fresh

    def store(self, parcel: Parcel) -> int:
        """Put a parcel into Redis; harmless if it is there already. Raises `RedisError`."""
        if parcel.unreadable is not None:
            self._quarantine(parcel, parcel.unreadable)
            return 0
        return self._accept(parcel)

    def take(self, account: Account, events: Sequence[AnyEvent], body: bytes = b"") -> int:
        """Put events that no webhook brought on the same way; gives how many were new.

        They were asked for, or noticed by us: their ``trust`` says so. Raises `RedisError`.
        """
        if not events:
            return 0
        parcel = Parcel(
            home=self.home,
            account=account.name,
            provider=account.provider,
            trust=events[0].trust,
            received_at=events[0].received_at,
            body=body,
            events=tuple(events),
        )
        with traces.receiving("take") as traced:
            traced.note(account=account.name, provider=account.provider)
            fresh = self._accept(parcel)
        if fresh and self._afterwards is not None:
            self._afterwards()
        return fresh

    def replay(self, found: Quarantined, provider: Provider) -> int:
        """Read a body of the quarantine again and queue its events; gives how many were new.

        Raises `Unreadable` where today's code cannot read it either, and `RedisError`.
        """
        received = provider.reread(found.raw, found.trust, found.received_at, found.id)
        if received.unreadable is not None:
            raise Unreadable(received.unreadable)
        parcel = Parcel(
            home=self.home,
            account=found.account,
            provider=found.provider,
            trust=found.trust,
            received_at=found.received_at,
            body=found.raw,
            headers=found.headers,
            events=received.events,
            alike=received.alike,
        )
        with traces.receiving("replay") as traced:
            traced.note(account=found.account, provider=found.provider)
            return self._accept(parcel)

    def watch_spool(self) -> None:
        """See to it that what an earlier process left in the spool is drained."""
        if self.outage.waiting():
            self.outage.watch()

    def _set_aside(self, parcel: Parcel, reason: str) -> None:
        """Keep a parcel on disk, and see to it that somebody drains it."""
        self._spool.put(self._vault.seal(parcel.to_bytes()))
        self.outage.drain_soon()
        callback, count = parcel.callback(), len(parcel.events)
        traces.kept("spool", callback, count, None)
        line = "event=spooled callback=%s account=%s events=%d reason=%s"
        _log.info(line, callback, parcel.account, count, reason)

    def _accept(self, parcel: Parcel) -> int:
        """One script for everything: neither a crash nor a resend can come between its parts."""
        told: list[int] = self._connection.run_durably("accept", *self._call(parcel))
        count_kept(self._tally, parcel, told)
        callback, count, fresh = parcel.callback(told), len(told), sum(told)
        traces.kept("accept", callback, count, fresh)
        line = "event=accepted callback=%s account=%s events=%d new=%d"
        _log.info(line, callback, parcel.account, count, fresh)
        return fresh

    def _call(self, parcel: Parcel) -> Call:
        """Give the keys and the arguments of the script ``accept``."""
        kept = self._retentions
        retention, own = kept.of(parcel.account), "keep" if parcel.account in kept.own else ""
        args: list[Any] = [self._namespace, retention, parcel.milliseconds, rq_time()]
        asked = "asked" if parcel.trust == "asked" else ""
        texts = [to_json(event) for event in parcel.events]
        alone = texts[0] if len(texts) == 1 else None
        packed = pack(parcel.body, parcel.headers, alone)
        if self._vault.is_on:
            packed, texts = self._vault.seal(packed), list(map(self._vault.seal_text, texts))
        args += [packed, asked, kept.longest, own]
        for event, text in zip(parcel.events, texts, strict=True):
            job = self._jobs.route(event.id, event.kind, self._lane(event))
            args += [event.id, text, parcel.alike.get(event.id, "")]
            args += [*outcome_of(event), *job.args()]
        return [f"{self._namespace}:events", self._jobs.ledger], args

    def _lane(self, event: AnyEvent) -> str | None:
        """Name whose messages are handled in turn; who says STOP waits for nothing else."""
        if not isinstance(event, InboundMessage) or not event.contact or self._asked(event.text):
            return None
        return self._jobs.lane(event.account, event.contact)

    def _quarantine(self, parcel: Parcel, reason: str) -> None:
        body_id = event_id(parcel.account, "quarantine", parcel.body.hex())
        keys = [f"{self._namespace}:quarantine:{body_id}", f"{self._namespace}:quarantine"]
        retention = self._retentions.of(parcel.account)
        args: list[Any] = [body_id, retention, parcel.milliseconds]
        args += [parcel.account, parcel.provider, reason, self._vault.seal(parcel.body)]
        args += [self._vault.seal_text(json.dumps(dict(parcel.headers)))]
        args += [parcel.received_at.isoformat(), parcel.trust, self._retentions.longest]
        if self._connection.run_durably("quarantine", keys, args):
            _log.warning(
                "event=quarantined account=%s id=%s reason=%r bytes=%d",
                parcel.account,
                body_id,
                reason,
                len(parcel.body),
            )
        traces.kept("quarantine", None, 0, None)


def _parcel(
    received: Received, request: WebhookRequest, account: Account, home: tuple[str, str]
) -> Parcel:
    headers = {name: request.headers[name] for name in _KEPT_HEADERS if name in request.headers}
    return Parcel(
        home=home,
        account=account.name,
        provider=account.provider,
        trust=received.trust,
        received_at=request.received_at,
        body=request.body,
        headers=headers,
        events=received.events,
        alike=received.alike,
        unreadable=received.unreadable,
    )


def outcome_of(event: AnyEvent) -> tuple[str, str, str]:
    """Name the message and recipient that a report is about, its word, and whether it is final."""
    if not isinstance(event, DeliveryReport) or event.message_id is None:
        return "", "", "0"
    name = event_id(event.account, "outcome", event.message_id, event.recipient)
    said = event.provider_status.strip().lower() or str(event.status)
    # it becomes a field's name: what is no word may hold a number
    return name, said if word(said) != ODD else event_id(said), "1" if event.final else "0"
