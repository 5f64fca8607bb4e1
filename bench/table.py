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

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> Line:
        """Take a line out of a report."""
        runs = entry["runs"]
        return cls(
            what=entry["what"],
            unit=entry["unit"],
            ours=runs["ours"],
            peer=entry["peer"] or "",
            theirs=runs["theirs"],
            must=entry["must"],
            goal=entry["goal"],
            more_is_better=entry["more_is_better"],
            absolute=bool(runs["theirs"]) and entry["of"] == "ours",
        )

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


def read(
    given: Mapping[str, Any],
) -> tuple[list[Row], dict[str, list[Line]], dict[str, str]]:
    """Take a report apart again: its rows, the lines of those that were measured, and the facts."""
    rows, measured = [], {}
    for entry in given["rows"]:
        named = {name: entry[name] for name in ("name", "figure", "must")}
        rows.append(Row(number=entry["row"], **named))
        if entry["lines"]:
            measured[entry["name"]] = [Line.from_dict(line) for line in entry["lines"]]
    return rows, measured, dict(given["facts"])


def text(rows: Sequence[Row], measured: Mapping[str, Sequence[Line]]) -> str:
    """Give the table of what was measured, as Markdown whose columns stand below each other."""
    table = cells_of([row for row in rows if measured.get(row.name)], measured)
    widths = [max(len(cells[column]) for cells in table) for column in range(len(_HEAD))]
    drawn = [_drawn(cells, widths) for cells in table]
    return "\n".join([drawn[0], _drawn(["-" * width for width in widths], widths), *drawn[1:]])


def cells_of(
    rows: Sequence[Row], measured: Mapping[str, Sequence[Line]], *, wanted: bool = False
) -> list[list[str]]:
    """Give the table's cells, its head first; ``wanted``: with what each row must reach."""
    table = [list(_HEAD)]
    for row in rows:
        title = f"**{row.number}. {row.figure}**" + (f": {row.must}" if wanted else "")
        lines = measured.get(row.name, ())
        last = "" if lines else "not measured"
        table.append([title, *[""] * (len(_HEAD) - 2), last])
        table += [line.cells() for line in lines]
    return table


def shown(value: float, unit: str) -> str:
    """Write a value with its unit: two decimals for a few, none for many."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}{'' if unit.startswith('/') else ' '}{unit}"


def _drawn(cells: Sequence[str], widths: Sequence[int]) -> str:
    first = cells[0].ljust(widths[0])
    others = (cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))
    return "| " + " | ".join([first, *others]) + " |"
