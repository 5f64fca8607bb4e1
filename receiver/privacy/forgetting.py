"""Erasing a number, step by step: each step may be done again, so that a kill costs nothing.

What happened stays as a fact without a person: an event's record is a tombstone, by which a resend
is known and not handled again. Of an opt-out a pseudonym stays, so that nothing is sent to who said
STOP. Logs need no erasing: no line has ever held a number.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import KeyLost
from ..events import to_json
from ..store.census import Census, Progress
from ..store.conversations import SEALED
from ..store.record import FORGOTTEN, HANDLER, REPLY, Record, read_record, to_stored
from .places import Hit, Place, told, waits, whose
from .remains import bare, tombstone, without
from .search import PSEUDONYMS, Search
from .wishes import note_wish, suppress_as, wishes

_AT_WORK = ("running", "sending")
_RAW = (b"raw", b"packed_with", b"headers")
_PATIENCE = 15.0  # seconds for a worker to end what it has in hand
_PAUSE = 0.2

# An event goes last: by it whoever goes on after a kill finds what belongs to it.
_ORDER = {Place.RAW: 0, Place.DEAD_LETTER: 0, Place.EVENT: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was found, by place; ``waiting`` events are still to be handled.

    ``left``: what could not be erased, in sentences that say what to do.
    """

    found: Mapping[str, int]
    waiting: int
    erased: bool
    left: tuple[str, ...] = field(default=())


class Forgetting:
    """Forget one number; ``drop_waiting``: also what nobody has handled yet.

    ``also_optouts``: that it opted out, too. Then it may be written to again.
    """

    def __init__(
        self, search: Search, *, drop_waiting: bool = False, also_optouts: bool = False
    ) -> None:
        self._search = search
        self._parts = search.parts
        self._census: Census = search.parts.census
        self._drop_waiting = drop_waiting
        self._also_optouts = also_optouts
        self._left: list[str] = []

    def count(self, progress: Progress = lambda keys: None) -> Outcome:
        """Say what there is, and change nothing."""
        hits = self._hits(progress)
        return Outcome(found=_counts(hits), waiting=_waiting(hits), erased=False)

    def run(
        self, progress: Progress = lambda keys: None, erasing: Progress = lambda hits: None
    ) -> Outcome:
        """Erase all that is found; nothing at all where events wait, unless they may be dropped.

        ``erasing`` is told of each hit that was dealt with. Raises `RedisError` and
        `StorageUnavailable`: run it again then.
        """
        self._parts.spool.drain_by_pages(self._parts.intake.draining.take_page)
        hits = self._hits(progress)
        found, waiting = _counts(hits), _waiting(hits)
        if waiting and not self._drop_waiting:
            return Outcome(found=found, waiting=waiting, erased=False)
        self._erase_all(hits, erasing)
        if waiting:  # what a worker had in hand may have written on, until its event was erased
            self._erase_all(self._hits(lambda keys: None), lambda hits: None)
        self._parts.spool.scrub()
        return Outcome(
            found=found, waiting=waiting, erased=True, left=tuple(dict.fromkeys(self._left))
        )

    def _hits(self, progress: Progress) -> list[Hit]:
        hits = list(self._search.hits(progress))
        return hits + self._dead_letters(hits)

    def _erase_all(self, hits: Iterable[Hit], erasing: Progress) -> None:
        noted = self._noted(list(hits))
        for hit in sorted(noted, key=lambda hit: _ORDER.get(hit.place, 1)):
            self._erase(hit)
            erasing(1)

    def _noted(self, hits: list[Hit]) -> list[Hit]:
        """Note what these say of opting out, before it goes; what cannot be noted is left out."""
        try:
            events = wishes(hits, self._parts)
            if self._also_optouts:
                events = [e for e in events if whose(e, self._search.mentions) is not Place.EVENT]
            numbers = {(event.account, note_wish(event, self._parts)) for event in events}
        except KeyLost:
            self._left.append(
                "what waits opts out, and that cannot be noted: put the key back (see check), and"
                " forget again"
            )
            return [hit for hit in hits if not _waiting([hit])]
        for account, number in numbers:
            if number and self._search.mentions.in_text(number):
                suppress_as(number, self._search.number, account, self._parts)
        return hits

    def _erase(self, hit: Hit) -> None:
        steps: Mapping[Place, Callable[[Hit], None]] = {
            Place.EVENT: self._erase_record,
            Place.CANDIDATE: self._erase_record,
            Place.MENTION: self._erase_record,
            Place.RAW: self._erase_raw,
            Place.DEAD_LETTER: self._erase_dead_letter,
            Place.QUARANTINE: self._erase_quarantined,
            Place.CONVERSATION: self._erase_conversation,
            Place.OPT_OUT: self._erase_optout,
            Place.SUPPRESSED: self._erase_optout,
            Place.SENT: self._erase_sent,
            Place.SEND: self._erase_send,
            Place.POLL: self._erase_poll,
            Place.CONTACT: self._delete,
            Place.SPOOL: self._erase_spooled,
            Place.DAMAGED: self._leave_damaged,
            Place.UNREADABLE: self._leave_unreadable,
        }
        if hit.place in steps:
            steps[hit.place](hit)

    def _erase_record(self, hit: Hit) -> None:
        """Erase what a record says of the number, as soon as no worker has it in hand."""
        key, until = self._census.key("event", hit.name), time.monotonic() + _PATIENCE
        while True:
            fields: Mapping[bytes, bytes] = self._client.hgetall(key)
            record = read_record(fields, self._parts.vault)
            if record is None or record.forgotten:
                return
            if not self._is_at_work(record) and self._amend(key, fields, self._changes(record)):
                return
            if time.monotonic() > until:
                self._left.append(f"event {hit.name[:8]} is at work: forget again when it is done")
                return
            time.sleep(_PAUSE)

    def _changes(self, record: Record) -> dict[str, str]:
        """Give the fields of a record that change, as they shall be; empty for those that go."""
        own = whose(record.event, self._search.mentions) is Place.EVENT
        event = tombstone(record.event) if own else without(record.event, self._search.mentions)
        changes: dict[str, str] = {FORGOTTEN: "1"} if own else {}
        if event != record.event:
            changes["event"] = self._parts.vault.seal_text(to_json(event))
        for prefix, found in ((HANDLER, record.handlers), (REPLY, record.replies)):
            for name, value in found.items():
                cleaned = self._search.mentions.cleaned(told(value))
                is_reply = prefix == REPLY
                later = bare(value, is_reply=is_reply) if own else {**value, **cleaned}
                if later != value:
                    changes[prefix + name] = to_stored(later, self._parts.vault).kept
        if "event" in changes or self._search.names_it(record.packed):
            changes |= dict.fromkeys((name.decode() for name in _RAW), "")
        return changes

    def _is_at_work(self, record: Record) -> bool:
        for found in (*record.handlers.values(), *record.replies.values()):
            worker = found.get("by")
            if found.get("state") in _AT_WORK and self._client.exists(f"rq:worker:{worker}"):
                return True
        return False

    def _amend(self, key: str, fields: Mapping[bytes, bytes], changes: Mapping[str, str]) -> bool:
        """Change fields of a hash where all of it is as it was read; True as well if it is gone."""
        args: list[Any] = [len(fields)]
        for name, later in changes.items():
            args += [name, fields.get(name.encode("utf-8"), b""), later]
        return bool(self._parts.connection.run("amend", [key], args) >= 0)

    def _erase_raw(self, hit: Hit) -> None:
        self._client.hdel(self._census.key("event", hit.name), *_RAW)

    def _dead_letters(self, hits: Iterable[Hit]) -> list[Hit]:
        own = {hit.name for hit in hits if hit.place is Place.EVENT}
        return [
            Hit(place=Place.DEAD_LETTER, name=letter.job.job_id, content=letter)
            for letter in self._parts.deadletters
            if letter.call is not None
            and (letter.call.event_id in own or (letter.record and letter.record.forgotten))
        ]

    def _erase_dead_letter(self, hit: Hit) -> None:
        self._parts.deadletters.drop(hit.content)

    def _erase_quarantined(self, hit: Hit) -> None:
        """Keep the record, by which a resend is known, without what came in it."""
        key = self._census.key("quarantine", hit.name)
        self._client.hdel(key, "raw", "headers")
        self._client.zrem(key.rpartition(":")[0], hit.name)

    def _erase_conversation(self, hit: Hit) -> None:
        if not hit.fields:
            self._parts.conversations.forget(hit.name, hit.spelled)
            return
        self._clean(self._census.key("talk", hit.name), SEALED, {"version": f"forgot-{hit.name}"})

    def _erase_send(self, hit: Hit) -> None:
        self._clean(self._census.key("send", hit.name), ("sent",), {})

    def _clean(self, key: str, names: Sequence[str], more: Mapping[str, str]) -> None:
        """Take the number out of the JSON in a hash's fields, however often it changes meanwhile.

        ``more`` is written with it: by another version whoever has a conversation open is told.
        """
        for _ in range(100):
            fields: Mapping[bytes, bytes] = self._client.hgetall(key)
            changes = dict(more)
            for name in names:
                text = self._parts.vault.open(fields.get(name.encode(), b""))
                cleaned = json.dumps(self._search.mentions.cleaned(json.loads(text or b"null")))
                if text and json.loads(cleaned) != json.loads(text):
                    changes[name] = self._parts.vault.seal_text(cleaned)
            if changes.keys() == more.keys() or self._amend(key, fields, changes):
                return

    def _erase_optout(self, hit: Hit) -> None:
        number, drop = self._search.number, self._also_optouts
        suppress_as(hit.spelled, number, hit.name, self._parts, drop=drop)

    def _erase_sent(self, hit: Hit) -> None:
        self._client.zrem(self._census.key("sent", hit.name), *self._search.known)

    def _erase_poll(self, hit: Hit) -> None:
        poll, key = hit.content, self._census.key("poll", hit.name)
        mentions = self._search.mentions
        left = tuple(n for n in poll.recipients if not mentions.in_text(n))
        if left:
            reference = mentions.cleaned(poll.client_reference)
            poll = replace(poll, recipients=left, client_reference=reference)
            text = self._parts.vault.seal_text(poll.to_json())
            self._client.set(key, text, xx=True, keepttl=True)
            return
        self._client.delete(key)
        self._client.zrem(f"{self._parts.namespace}:polls", hit.name)

    def _delete(self, hit: Hit) -> None:
        self._client.delete(hit.name)

    def _erase_spooled(self, hit: Hit) -> None:
        """Drop a callback that Redis refused; one that is another app's is left to that."""
        if self._is_anothers(hit.content):
            self._left.append("a callback of another app waits in the spool: forget it there, too")
        else:
            self._parts.spool.change(int(hit.name), hit.content, None)

    def _is_anothers(self, data: bytes) -> bool:
        with suppress(KeyLost, ValueError, LookupError, TypeError):
            return self._parts.intake.draining.open(data).home != self._parts.intake.home
        return False

    def _leave_damaged(self, hit: Hit) -> None:
        self._left.append(
            f"{hit.name} is damaged, and may name the number: spool recover it, delete it, and"
            " forget again"
        )

    def _leave_unreadable(self, hit: Hit) -> None:
        if hit.name == PSEUDONYMS:
            self._left.append(
                "nobody can tell whether it opted out: put the key back (check), and forget again"
            )
            return
        self._left.append(
            "some values cannot be decrypted: put the key back (see check), and forget again"
        )

    @property
    def _client(self) -> Any:
        return self._parts.connection.client


def _counts(hits: Iterable[Hit]) -> Mapping[str, int]:
    """Count each thing once, in the order of the places."""
    found = Counter(place for place, _ in {(hit.place, hit.name) for hit in hits})
    return {str(place): found[place] for place in Place if found[place]}


def _waiting(hits: Iterable[Hit]) -> int:
    events = {hit.name for hit in hits if isinstance(hit.content, Record) and waits(hit.content)}
    return len(events) + sum(hit.place is Place.SPOOL for hit in hits)
