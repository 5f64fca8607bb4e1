"""What `up` shows: how to begin, then each event, its handlers and its replies, in clear."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from ..events import Alarm, InboundMessage
from ..store.journal import Journal, Record
from ..words import printable

_WIDTH = 10  # of the column of names
_WINDOW = 200  # events that are looked at again
_LONGEST_ID = 16
_TROUBLE = re.compile(r"\b(WARNING|ERROR|CRITICAL)\b[\]: ]*(.*)")
_BAD = ("failed", "unknown", "refused")


@dataclass(slots=True)
class _Shown:
    """What of one event has been shown already, or was there before us: ``named`` if it was."""

    named: bool = False
    resends: int = 0
    outcomes: dict[str, str] = field(default_factory=dict)

    def changed(self, name: str, found: Mapping[str, Any]) -> bool:
        """Tell whether this is something new, and remember it."""
        mark = f"{found['state']} {found.get('attempts')}"
        before, self.outcomes[name] = self.outcomes.get(name), mark
        return before != mark


class Screen:
    """Print what is new in the journal since a time and what was sent, each thing once.

    ``sent``: the SMS that the simulated provider took, or ``None`` where real ones take them; then
    a reply is shown when its provider has accepted it.
    """

    def __init__(
        self, journal: Journal, sent: list[dict[str, Any]] | None, since: datetime
    ) -> None:
        self._journal = journal
        self._since = since
        self._sent = sent
        self._sms = 0
        self._events: dict[str, _Shown] = {}

    def show(self) -> None:
        """Print what has come since the last call; an SMS always below the event it answers."""
        sms = len(self._sent or ())
        ids = list(self._journal.ids(limit=_WINDOW))
        for record in reversed(list(self._journal.records(ids))):
            self._show_record(record)
        self._events = {id_: self._events[id_] for id_ in ids if id_ in self._events}
        for entry in (self._sent or ())[self._sms : sms]:
            for to in entry["to"]:
                self._line(entry["provider"], _sms(to, entry["text"]), fg="cyan")
        self._sms = sms

    def _show_record(self, record: Record) -> None:
        event = record.event
        shown = self._events.get(event.id)
        if shown is None:
            shown = self._events[event.id] = _Shown()
            if event.received_at < self._since:
                _take_as_shown(record, shown)
        if not shown.named and (event.received_at >= self._since or _has_news(record, shown)):
            shown.named = True
            self._line(event.account, _what(record), when=event.received_at, bold=True)
        if record.resends > shown.resends:
            shown.resends = record.resends
            self._line("", f"came again ({record.resends}x): handled once", dim=True)
        if record.routed is not None and not record.routed["to"] and not shown.outcomes:
            shown.outcomes[""] = "unhandled"
            self._line("", "no handler takes it", fg="yellow")
        for name, outcome in record.handlers.items():
            if shown.changed(name, outcome):
                self._outcome(name, outcome)
        for name, reply in record.replies.items():
            if shown.changed(f"reply of {name}", reply):
                self._reply(name, reply)

    def _outcome(self, name: str, outcome: Mapping[str, Any]) -> None:
        state = outcome["state"]
        if state == "done":
            milliseconds = float(outcome.get("seconds", 0)) * 1000
            self._line(name, f"done in {milliseconds:.0f} ms", fg="green")
        elif state != "running":
            self._line(name, f"{state}: {_why(outcome)}", fg="red")

    def _reply(self, name: str, reply: Mapping[str, Any]) -> None:
        state = reply["state"]
        if state == "sent" and self._sent is None:
            self._line("", _sms(reply.get("to"), reply["text"]), fg="cyan")
        elif state == "retrying" or state in _BAD:
            self._line(name, f"reply {state}: {_why(reply)}", fg="red")

    def _line(self, name: str, text: str, when: datetime | None = None, **style: Any) -> None:
        time = when.astimezone().strftime("%H:%M:%S") if when else " " * 8
        click.echo(f"{time}  {name:{_WIDTH}}  {click.style(printable(text), **style)}")


class Trouble:
    """Print the warnings and errors that come into a log; ``serious``: only errors."""

    def __init__(self, name: str, log: Path, *, serious: bool) -> None:
        self._name = name
        self._log = log
        self._levels = ("ERROR", "CRITICAL") if serious else ("WARNING", "ERROR", "CRITICAL")
        self._position = 0

    def show(self) -> None:
        """Print what has come since the last call."""
        with self._log.open("rb") as file:
            file.seek(self._position)
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._position += len(whole)
        for line in whole.decode("utf-8", "replace").splitlines():
            found = _TROUBLE.search(line)
            if found is not None and found[1] in self._levels:
                text = click.style(printable(f"{found[1]} {found[2]}"), fg="yellow")
                click.echo(f"{' ' * 8}  {self._name:{_WIDTH}}  {text}")


def _take_as_shown(record: Record, shown: _Shown) -> None:
    """Say nothing of what became of an event before we looked."""
    shown.resends = record.resends
    if record.routed is not None and not record.routed["to"]:
        shown.outcomes[""] = "unhandled"
    for name, found in _outcomes(record).items():
        shown.changed(name, found)


def _has_news(record: Record, shown: _Shown) -> bool:
    seen = _Shown(outcomes=dict(shown.outcomes))
    changed = [seen.changed(name, found) for name, found in _outcomes(record).items()]
    return record.resends > shown.resends or any(changed)


def _outcomes(record: Record) -> dict[str, Mapping[str, Any]]:
    """Give what became of an event, by the names that `_Shown` remembers."""
    replies = {f"reply of {name}": reply for name, reply in record.replies.items()}
    return {**record.handlers, **replies}


def _what(record: Record) -> str:
    event = record.event
    if isinstance(event, InboundMessage):
        sender = event.sender or f"one of {', '.join(event.candidates) or 'unknown'}"
        to = f" to {event.recipient}" if event.recipient else ""
        again = ", which looks like an earlier one" if event.duplicate_of else ""
        return f"SMS from {sender}{to}: {event.text}{again}"
    if isinstance(event, Alarm):
        return f"alarm: {event.text}"
    id_ = event.message_id or "-"
    short = id_ if len(id_) <= _LONGEST_ID else f"{id_[:_LONGEST_ID]}…"
    return f"report: {event.recipient} {event.status} (message {short})"


def _why(found: Mapping[str, Any]) -> str:
    reason, error = found.get("reason"), found.get("error")
    if error is not None and error != reason:  # a KeyError says no more than its key
        reason = f"{error}: {reason}"
    parts = [found.get("code"), reason, found.get("mend")]
    again = found.get("next_in")
    parts.append(None if again is None else f"(again in {again:.0f} s)")
    return " ".join(str(part) for part in parts if part)


def _sms(to: str | None, text: str) -> str:
    return f"SMS to {to}: {text}"
