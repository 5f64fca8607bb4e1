"""What was measured, as a table and as JSON: medians, ratios, and whether a line is reached.

Only arithmetic and text: nothing here starts or measures anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

_HEAD = ("figure", "ours", "beside it", "theirs", "ratio", "must", "goal", "reached")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One comparison: ``ours`` and ``theirs`` hold a value for each repeat.

    ``must`` and ``goal`` are of the ratio ours : theirs; of our value where there is no peer, or
    with ``absolute``. ``unit`` is that of both values.
    """

    what: str
    unit: str
    ours: Sequence[float]
    peer: str = ""
    theirs: Sequence[float] = ()
    must: float | None = None
    goal: float | None = None
    more_is_better: bool = True
    absolute: bool = False

    @property
    def value(self) -> float:
        """The median of ours."""
        return median(self.ours)

    @property
    def ratio(self) -> float | None:
        """The median of ours to the median of theirs; ``None`` without a peer that did anything."""
        if not self.theirs or not median(self.theirs):
            return None
        return self.value / median(self.theirs)

    @property
    def reached(self) -> str:
        """Tell ``goal``, ``must`` or ``no``; nothing where nothing is asked."""
        if self.goal is not None and self._holds(self.goal):
            return "goal"
        if self.must is not None:
            return "must" if self._holds(self.must) else "no"
        return "" if self.goal is None else "not yet"

    def as_dict(self) -> dict[str, Any]:
        """Give the line as the report has it."""
        return {
            "what": self.what,
            "unit": self.unit,
            "ours": self.value,
            "peer": self.peer or None,
            "theirs": median(self.theirs) if self.theirs else None,
            "ratio": self.ratio,
            "must": self.must,
            "goal": self.goal,
            "of": "ratio" if self._of_ratio else "ours",
            "more_is_better": self.more_is_better,
            "reached": self.reached,
            "runs": {"ours": list(self.ours), "theirs": list(self.theirs)},
        }

    def cells(self) -> list[str]:
        """Give the line as the table has it."""
        theirs = shown(median(self.theirs), self.unit) if self.theirs else ""
        ratio = f"{self.ratio:.2f} ×" if self.ratio is not None else ""
        asked = [self._asked(self.must), self._asked(self.goal)]
        ours = shown(self.value, self.unit)
        return [self.what, ours, self.peer, theirs, ratio, *asked, self.reached]

    def _holds(self, limit: float) -> bool:
        value = self.ratio if self._of_ratio else self.value
        if value is None:
            return False
        return value >= limit if self.more_is_better else value <= limit

    def _asked(self, limit: float | None) -> str:
        if limit is None:
            return ""
        sign = "≥" if self.more_is_better else "≤"
        return f"{sign} {limit:.2f} ×" if self._of_ratio else f"{sign} {shown(limit, self.unit)}"

    @property
    def _of_ratio(self) -> bool:
        return bool(self.theirs) and not self.absolute


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure that is promised: its number, a short name, and what it must reach, in words."""

    number: int
    name: str
    figure: str
    must: str


def report(
    rows: Sequence[Row], measured: Mapping[str, Sequence[Line]], facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Give all as JSON takes it; a row that was not measured is there without lines."""
    found = [
        {
            "row": row.number,
            "name": row.name,
            "figure": row.figure,
            "must": row.must,
            "lines": [line.as_dict() for line in measured.get(row.name, ())],
        }
        for row in rows
    ]
    return {"facts": dict(facts), "rows": found}


def text(rows: Sequence[Row], measured: Mapping[str, Sequence[Line]]) -> str:
    """Give the table of what was measured, as Markdown."""
    table = [list(_HEAD)]
    for row in rows:
        lines = measured.get(row.name, ())
        if lines:
            table.append([f"**{row.number}. {row.figure}**", *[""] * (len(_HEAD) - 1)])
            table += [line.cells() for line in lines]
    widths = [max(len(cells[column]) for cells in table) for column in range(len(_HEAD))]
    drawn = [_drawn(cells, widths) for cells in table]
    return "\n".join([drawn[0], _drawn(["-" * width for width in widths], widths), *drawn[1:]])


def shown(value: float, unit: str) -> str:
    """Write a value with its unit: two decimals for a few, none for many."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}{'' if unit.startswith('/') else ' '}{unit}"


def _drawn(cells: Sequence[str], widths: Sequence[int]) -> str:
    first = cells[0].ljust(widths[0])
    others = (cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))
    return "| " + " | ".join([first, *others]) + " |"
