"""What was sent through us: to be asked about where no webhook tells, and known again in replies.

``<namespace>:sent:<hash>`` is a sorted set of numbers by the time that they were written to, one
for a message id and one for a client reference. ``<namespace>:polls`` holds by due time what is to
be asked about, ``<namespace>:poll:<hash>`` (JSON) whom and what. No number stands in a key. Where
encryption is on, polls are sealed, and pseudonyms stand in the place of numbers.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from ..errors import KeyLost
from ..events import event_id
from ..sms import Sent, Sms
from ..vault import PLAIN, Vault
from .connection import Connection
from .pseudonyms import Pseudonyms

FIRST_POLL = timedelta(minutes=1)  # after the send

_POLL_LIFE = timedelta(days=4)  # longer than anything is asked about
_PAUSED = "polls-paused"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """One SMS to ask about: ``recipients`` are those whose final status is not known yet.

    ``sent_at``: aware; for a scheduled SMS the time it was scheduled for. ``refusals``: how often
    the provider would not tell. ``kept``: the text that it was read from, if it was.
    """

    account: str
    message_id: str
    recipients: tuple[str, ...] = field(repr=False)
    client_reference: str | None = None
    sent_at: datetime
    refusals: int = 0
    kept: bytes = field(default=b"", repr=False, compare=False)

    @property
    def id(self) -> str:
        """The id of the poll, the same for each writing of the SMS."""
        return _sent_as(self.account, self.message_id)

    def to_json(self) -> str:
        """Give the poll as one line of JSON."""
        content = {name: getattr(self, name) for name in self.__slots__ if name != "kept"}
        return json.dumps({**content, "sent_at": self.sent_at.isoformat()})

    @classmethod
    def from_json(cls, text: bytes) -> Poll:
        """Read what `to_json` wrote."""
        content: dict[str, Any] = json.loads(text)
        content["recipients"] = tuple(content["recipients"])
        content["sent_at"] = datetime.fromisoformat(content["sent_at"])
        return cls(**content)


class SentBox:
    """What one namespace sent; ``retention`` in seconds, for how long replies are recognised."""

    def __init__(
        self, connection: Connection, namespace: str, retention: int, vault: Vault = PLAIN
    ) -> None:
        self._connection = connection
        self._namespace = namespace
        self._retention = retention
        self._vault = vault
        self._pseudonyms = Pseudonyms(connection, namespace, vault)

    def keep(self, account: str, sms: Sms, sent: Sent, *, poll: bool) -> None:
        """Note that a provider took an SMS; ``poll`` has it asked what became of it.

        One round trip, all or nothing, and harmless when it is done again. Two where encryption is
        on.
        """
        now = datetime.now(UTC)
        numbers = tuple(n for n in sms.recipients if n not in sent.refused)
        by_id = _by_message_id(sent, numbers)
        names = {_sent_as(account, message_id): whom for message_id, whom in by_id.items()}
        if sent.message_id is not None:
            names[_sent_as(account, sent.message_id)] = numbers
        if sms.client_reference:
            names[_referred_to_as(account, sms.client_reference)] = numbers
        known = self._pseudonyms.of(numbers, make=True) if self._vault.is_on else {}
        with self._client.pipeline(transaction=True) as pipeline:
            for name, whom in names.items():
                self._remember(pipeline, name, [known.get(n, n) for n in whom], now)
            for message_id, whom in by_id.items() if poll else ():
                asked = Poll(
                    account=account,
                    message_id=message_id,
                    recipients=whom,
                    client_reference=sms.client_reference,
                    sent_at=max(now, sms.schedule or now),
                )
                life = asked.sent_at - now + _POLL_LIFE
                due = asked.sent_at + FIRST_POLL
                text = self._vault.seal_text(asked.to_json())
                pipeline.set(self._key("poll", asked.id), text, nx=True, ex=life)
                pipeline.zadd(self._polls, {asked.id: due.timestamp()}, nx=True)
            pipeline.execute()

    def recipients_of(
        self,
        account: str,
        message_id: str | None,
        client_reference: str | None,
        among: Collection[str],
    ) -> frozenset[str]:
        """Give who ``among`` these was sent an SMS of this id, or else of this reference, by us.

        Empty where that is nobody, or nobody knows. A reference may be that of a whole campaign:
        only the numbers in question are read.
        """
        names = [_sent_as(account, message_id)] if message_id else []
        names += [_referred_to_as(account, client_reference)] if client_reference else []
        if not names or not among:
            return frozenset()
        known = self._pseudonyms.of(among, make=False) if self._vault.is_on else {}
        wanted = {**{number: number for number in among}, **{p: n for n, p in known.items()}}
        with self._client.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.zmscore(self._key("sent", name), list(wanted))
            found = [_hits(list(wanted.values()), scores) for scores in pipeline.execute()]
        return next(filter(None, found), frozenset())

    def is_due(self, now: datetime) -> bool:
        """Tell whether anything is to be asked about; one cheap round trip."""
        until = now.timestamp()
        return bool(self._client.zrangebyscore(self._polls, "-inf", until, start=0, num=1))

    def due(self, now: datetime, limit: int, lease: float) -> list[Poll]:
        """Claim what is to be asked about, the longest due first, for ``lease`` seconds.

        What is not settled by then is due again.
        """
        args = [self._namespace, now.timestamp(), limit, now.timestamp() + lease]
        found: Sequence[bytes] = self._connection.run("polls_due", [self._polls], args)
        return [poll for text in found[1::2] if (poll := self._read(text)) is not None]

    def settle(self, poll: Poll, due_at: datetime | None) -> None:
        """Put a claimed poll off until a time, as it stands now; ``None`` ends it.

        Does nothing where somebody else ended it meanwhile.
        """
        key = self._key("poll", poll.id)
        if due_at is not None:
            args = [poll.id, due_at.timestamp(), poll.kept, self._vault.seal_text(poll.to_json())]
            self._connection.run("poll_settle", [key, self._polls], args)
            return
        with self._client.pipeline(transaction=True) as pipeline:
            pipeline.delete(key)
            pipeline.zrem(self._polls, poll.id)
            pipeline.execute()

    def pause(self, account: str, until: datetime) -> None:
        """Ask about nothing of an account before a time: its provider wants to be left alone."""
        self._client.set(self._key(_PAUSED, account), until.isoformat(), exat=_upwards(until))

    def paused_until(self, account: str) -> datetime | None:
        """Give the time before which nothing of an account is asked about, if there is one."""
        found = self._client.get(self._key(_PAUSED, account))
        return datetime.fromisoformat(found.decode("ascii")) if found else None

    @property
    def _polls(self) -> str:
        return f"{self._namespace}:polls"

    @property
    def _client(self) -> Any:
        return self._connection.client

    def _key(self, kind: str, name: str) -> str:
        return f"{self._namespace}:{kind}:{name}"

    def _read(self, text: bytes) -> Poll | None:
        """Read a poll; one that another release wrote otherwise must not hold up the rest."""
        try:
            return replace(Poll.from_json(self._vault.open(text)), kept=text)
        except KeyLost:
            _log.error("event=key_lost polls=1 help='see check'")
        except (ValueError, TypeError, LookupError):
            pass
        return None

    def _remember(self, pipeline: Any, name: str, numbers: Sequence[str], now: datetime) -> None:
        """A reference that is used every day must not keep its numbers for ever."""
        if not numbers:
            return
        key, at = self._key("sent", name), now.timestamp()
        pipeline.zadd(key, dict.fromkeys(numbers, at))
        pipeline.zremrangebyscore(key, "-inf", at - self._retention)
        pipeline.expire(key, self._retention)


def _by_message_id(sent: Sent, numbers: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    """Give the numbers of each id that the provider can be asked by."""
    if not sent.message_ids:
        return {sent.message_id: tuple(numbers)} if sent.message_id and numbers else {}
    found: dict[str, tuple[str, ...]] = {}
    for number in numbers:
        message_id = sent.message_ids.get(number)
        if message_id:
            found[message_id] = (*found.get(message_id, ()), number)
    return found


def _hits(wanted: Sequence[str], scores: Sequence[float | None]) -> frozenset[str]:
    return frozenset(n for n, score in zip(wanted, scores, strict=True) if score is not None)


def _sent_as(account: str, message_id: str) -> str:
    return event_id(account, "sent", message_id)


def _referred_to_as(account: str, client_reference: str) -> str:
    return event_id(account, "reference", client_reference)


def _upwards(when: datetime) -> int:
    return int(when.timestamp()) + 1
