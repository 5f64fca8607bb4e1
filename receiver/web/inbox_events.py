"""The pages of events: all as they come, one whole, and a contact's conversation.

A number or a text that is looked for arrives by POST, and leads to a URL without either.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flask import Response, redirect, request
from werkzeug.exceptions import NotFound

from ..events import InboundMessage, Status, to_dict
from ..store.browse import Contact, Look, Place
from ..store.contacts import numbers_of
from ..store.journal import Record
from .inbox_desk import Desk, url
from .inbox_filter import KINDS, RANGES, Filter, Wish, minute
from .inbox_outcomes import OUTCOMES, REPLIES, chip, of_handler, outcome_of
from .inbox_rows import Row, conversation, row, title

TEXTS = "receiver_inbox_find"  # the cookie that holds the texts which are looked for

_A_PAGE = 50
_MOST_NEW = 50  # rows that a page takes in at once; else it is shown anew
_MOST_ROWS = 200
_MOST_MARKS = _MOST_ROWS + _MOST_NEW  # no page of ours shows more
_LOOKED_BACK = 60_000  # ms: an event may arrive by way of another host, or of the spool
_NEWEST = 200
_TALK = 100  # events of a conversation on one page


class EventPages:
    """The views over events of one app."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._browse = desk.browse

    def events(self) -> Response:
        """List the events that a URL asks for."""
        return self._list(self.wish(Filter.read(request.args)))

    def find(self) -> Response:
        """Take a filter by POST, and lead to the URL that says it without numbers and texts."""
        form = {name: value for name, value in request.form.items() if value}
        offset = form.get("offset", "")
        for name in ("since", "until"):
            form[name] = minute(form.get(name, ""), offset)
        form |= dict.fromkeys(("who", "to"), "")
        asked, number = Filter.read(form), form.get("number", "").strip()
        if number:
            found = self._people(number, asked.account) or self._ours(number, asked.account)
            if not found:
                return self._list(self.wish(asked), unknown=number)
            form |= found
        cookie, text = None, form.get("text", "").strip()
        if text:
            kept = request.cookies.get(TEXTS)
            form["find"], cookie = self._desk.access.sessions.keep_text(kept, text)
        answer = redirect(url("events", **Filter.read(form).args()), 303)
        if cookie is not None:
            self._keep(answer, cookie)
        return answer  # type: ignore[return-value] # what redirect makes is Flask's own

    def live(self) -> Response:
        """Give what is new to a page of events, and what became of those that it shows."""
        wish, since = self.wish(Filter.read(request.args)), request.args.get("at", 0, type=int)
        marks = request.args.getlist("r")[:_MOST_MARKS]
        shown = {event: word for event, _, word in (mark.partition(".") for mark in marks)}
        known = {event_id[:12] for event_id in shown}
        last = Place.read(request.args.get("last")) or Place(0, "")
        newest = self._browse.newest(max(last.at, since - _LOOKED_BACK), _NEWEST)
        fresh = [place for place in newest if place.id[:12] not in known and place > last]
        open_ = [Place(0, event_id) for event_id, outcome in shown.items() if outcome]
        records = self._browse.at([*fresh, *open_])
        there = [(place, records[place.id]) for place in fresh if place.id in records]
        rows = [row(place, record) for place, record in there if self._takes(wish, record)]
        changed = [
            row(place, records[place.id])
            for place in open_
            if place.id in records and outcome_of(records[place.id]) != shown[place.id]
        ]
        at = newest[0].at if newest else since
        if not rows and not changed and at <= since:
            return Response(status=204)
        if len(rows) > _MOST_NEW or len(rows) + len(shown) > _MOST_ROWS:
            answer = self._list(wish, again=True)
            answer.headers.update({"HX-Retarget": "#events", "HX-Reselect": "#events"})
            answer.headers["HX-Reswap"] = "outerHTML"
            return answer
        return self._desk.page(
            "live.html", rows=rows, changed=changed, at=at, wish=wish, last=request.args.get("last")
        )

    def event(self, event_id: str) -> Response:
        """Show one event whole."""
        record = self._record(event_id)
        journal, event = self._desk.parts.journal, record.event
        beside = journal.load(record.raw_in) if record.raw_in else None
        raw = journal.load_raw(record)
        fields = {
            name: value
            for name, value in to_dict(event).items()
            if name not in ("kind", "text", "id", "candidates")
        }
        return self._desk.page(
            "event.html",
            attention=self._desk.attention(),
            record=record,
            event=event,
            title=title(record),
            row=row(Place(0, event.id), record),
            outcome=OUTCOMES[outcome_of(record)],
            fields=fields,
            numbers=numbers_of(event),
            raw=None if raw is None else raw.decode("utf-8", "backslashreplace"),
            headers=(beside or record).headers,
            handlers=[(n, of_handler(found), found) for n, found in record.handlers.items()],
            waiting=[n for n in (record.routed or {}).get("to", ()) if n not in record.handlers],
            replies=[(n, chip(REPLIES, str(r.get("state"))), r) for n, r in record.replies.items()],
            letters=self._browse.letters_of(record),
        )

    def conversation(self, event_id: str) -> Response:
        """Show the conversation that an event belongs to; ``n`` says with which of its numbers."""
        contact = self._contact(event_id, request.args.get("n", 0, type=int))
        if contact is None:
            raise NotFound
        account, number = contact
        before = Place.read(request.args.get("before"))
        span = Filter().span(_now(), before)
        look = self._browse.look(_any, span, _TALK, contacts=[contact])
        return self._desk.page(
            "conversation.html",
            attention=self._desk.attention(),
            account=account,
            number=number,
            event_id=event_id,
            n=request.args.get("n", 0, type=int),
            bubbles=conversation(look.records, number),
            optout=self._desk.parts.optouts.find(account, number),
            older=look.end if look.more else None,
            is_newest=before is None,
        )

    def wish(self, asked: Filter) -> Wish:
        """Give what a filter of a URL stands for."""
        kept = request.cookies.get(TEXTS)
        text = self._desk.access.sessions.text(kept, asked.find) if asked.find else None
        found = (self._contact(event_id, n) for event_id, n in asked.people)
        contacts = [one for one in found if one is not None]
        named = self._desk.parts.journal.load(asked.to) if asked.to else None
        recipient = getattr(named.event, "recipient", None) if named else None
        return Wish(filter=asked, text=text, contacts=contacts, recipient=recipient)

    def _list(self, wish: Wish, unknown: str = "", again: bool = False) -> Response:
        before = Place.read(request.args.get("before"))
        look = self._look(wish, before)
        rows: list[Row] = [row(place, record) for place, record in look.found]
        newest = self._browse.newest(0, 1) if before is None else []
        return self._desk.page(
            "events.html",
            attention=self._desk.attention(),
            wish=wish,
            rows=rows,
            look=look,
            at=newest[0].at if newest else 0,
            last=look.end if look.more else None,
            is_live=before is None and not wish.filter.until and not unknown,
            unknown=unknown,
            lost_text=bool(wish.filter.find) and wish.text is None,
            again=again,
            accounts=self._desk.accounts,
            choices={"kind": KINDS, "status": list(Status), "range": list(RANGES)},
            outcomes=OUTCOMES,
            is_filtered=bool(wish.filter.args()),
            active=wish.words(),
        )

    def _look(self, wish: Wish, before: Place | None) -> Look:
        span = wish.filter.span(_now(), before)
        if wish.is_lost:
            return Look(found=(), looked=0, end=None, more=False)
        return self._browse.look(wish, span, _A_PAGE, contacts=wish.contacts)

    def _takes(self, wish: Wish, record: Record) -> bool:
        """Tell whether a new event belongs on a page; contacts are looked up elsewhere."""
        if wish.is_lost:
            return False
        if wish.contacts:
            theirs = {(record.event.account, number) for number in numbers_of(record.event)}
            if theirs.isdisjoint(wish.contacts):
                return False
        return wish(record)

    def _people(self, number: str, account: str) -> dict[str, str]:
        """Find a number of theirs, however it is written: an event of each account it is in."""
        found = []
        for contact in self._readings(number, account):
            look = self._browse.look(_any, Filter().span(_now()), 1, contacts=[contact])
            for record in look.records:
                found.append(f"{record.event.id}.{numbers_of(record.event).index(contact[1])}")
        return {"who": ",".join(found[:10])} if found else {}

    def _ours(self, number: str, account: str) -> dict[str, str]:
        """Find a number of ours, such as a short code, that one of the newest messages came to."""
        wanted = set(self._readings(number, account))

        def came_to(record: Record) -> bool:
            event = record.event
            return isinstance(event, InboundMessage) and (event.account, event.recipient) in wanted

        look = self._browse.look(came_to, Filter().span(_now()), 1)
        return {"to": look.records[0].event.id} if look.records else {}

    def _readings(self, number: str, account: str) -> list[Contact]:
        providers = self._desk.parts.providers.items()
        return [(name, one.number(number)) for name, one in providers if account in ("", name)]

    def _contact(self, event_id: str, n: int) -> Contact | None:
        record = self._desk.parts.journal.load(event_id)
        numbers = numbers_of(record.event) if record else ()
        if record is None or not 0 <= n < len(numbers):
            return None
        return record.event.account, numbers[n]

    def _record(self, event_id: str) -> Record:
        record = self._desk.parts.journal.load(event_id)
        if record is None:
            raise NotFound
        return record

    def _keep(self, answer: Any, cookie: str) -> None:
        answer.set_cookie(
            TEXTS,
            cookie,
            path=request.script_root + self._desk.parts.settings.inbox_url,
            secure=request.is_secure,
            httponly=True,
            samesite="Strict",
        )


def _any(record: Record) -> bool:
    return True


def _now() -> datetime:
    return datetime.now(UTC)
