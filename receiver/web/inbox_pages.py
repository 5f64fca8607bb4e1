"""The pages beside the events: dead letters, quarantine, and how the whole system is."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from flask import Response, request
from werkzeug.exceptions import NotFound

from ..errors import KeyLost, StorageUnavailable
from ..store.deadletters import DeadLetter
from ..store.keyring import days
from ..store.quarantine import Quarantined
from .inbox_desk import Desk

MOST_LOOKED = 1_000  # dead letters that a page looks at

_A_PAGE = 50


class Pages:
    """The views of one app that are not about events."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def failed(self) -> Response:
        """List the dead letters, and what they have in common."""
        asked = letter_filter(request.args)
        letters = self._desk.parts.deadletters
        places = letters.newest(MOST_LOOKED + 1)
        found = list(letters.read([place for place, _ in places[:MOST_LOOKED]]))
        chosen = [letter for letter in found if is_asked(letter, asked)]
        groups = Counter((letter.handler or "-", letter.why) for letter in chosen)
        return self._desk.page(
            "failed.html",
            attention=self._desk.attention(),
            asked=asked,
            letters=chosen[:_A_PAGE],
            count=len(chosen),
            more=len(places) > MOST_LOOKED,
            groups=groups.most_common(10),
            accounts=self._desk.accounts,
        )

    def quarantine(self) -> Response:
        """List the bodies that nobody could read."""
        account = request.args.get("account", "")
        newest = self._desk.parts.quarantine.newest(MOST_LOOKED)
        found = [body_id for body_id, of in newest.items() if account in ("", of)]
        return self._desk.page(
            "quarantine.html",
            attention=self._desk.attention(),
            account=account,
            bodies=list(filter(None, map(self._open, found[:_A_PAGE]))),
            count=len(found),
            accounts=self._desk.accounts,
        )

    def body(self, body_id: str) -> Response:
        """Show one body of the quarantine, as it came."""
        found = self._desk.parts.quarantine.load(body_id)
        if found is None:
            raise NotFound
        raw = found.raw.decode("utf-8", "backslashreplace")
        return self._desk.page("body.html", attention=self._desk.attention(), body=found, raw=raw)

    def system(self) -> Response:
        """Show how workers, queues, spool, accounts and keys are."""
        parts = self._desk.parts
        records, at = parts.keybook.records(), time.time()
        return self._desk.page(
            "system.html",
            attention=self._desk.attention(),
            queues=self._desk.workforce.queues(),
            workers=self._desk.workforce.alive(),
            spool=spool_of(self._desk),
            heard=parts.silence.accounts(),
            optouts=[(name, parts.optouts.count(name)) for name in self._desk.accounts],
            keys=[(key, key.state(at).value, days(key.good_until - at)) for key in records],
        )

    def _open(self, body_id: str) -> Quarantined | None:
        with suppress(KeyLost):
            return self._desk.parts.quarantine.load(body_id)
        return None


def letter_filter(given: Mapping[str, str]) -> dict[str, str]:
    """Read what dead letters are asked for: by handler, error, account, job."""
    names = ("handler", "why", "account", "job")
    return {name: given.get(name, "")[:200] for name in names}


def is_asked(letter: DeadLetter, asked: Mapping[str, str]) -> bool:
    """Tell whether a dead letter is asked for."""
    account = letter.record.event.account if letter.record else ""
    return (
        asked["handler"] in ("", letter.handler or "-")
        and asked["why"] in ("", letter.why)
        and asked["account"] in ("", account)
        and asked["job"] in ("", letter.job.job_id)
    )


def spool_of(desk: Desk) -> Any:
    """Give how the spool of this host is; its trouble as text where it cannot be read."""
    try:
        return desk.parts.spool.status()
    except (StorageUnavailable, OSError) as error:
        return type(error).__name__
