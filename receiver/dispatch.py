"""What an event is, before anything runs: who wrote it, what it asks for, which handlers take it."""

from __future__ import annotations

from dataclasses import dataclass

from .events import AnyEvent
from .table import Guard, Match, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """Find the handlers of one deployment's events."""

    table: Table

    def matches(self, event: AnyEvent, guard: Guard) -> list[Match]:
        """Give the handlers that take an event, the one that answers first; see `Table.match`."""
        return self.table.match(event, guard)
