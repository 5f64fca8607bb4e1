"""The page of figures: what came and left, how fast, what waits and what fails, over time.

Each chart is a table; the browser draws it. What the figures are is decided in `measures`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import Response, request

from ..store.figures import SPANS, Series, Span
from .inbox_desk import Desk

_NAMES = (
    *("messages", "sends", "reports", "ack_seconds", "backlog", "handlers", "network_reports"),
)
_WORDS: Mapping[Span, str] = {"hour": "last hour", "day": "last day", "week": "last week"}
_MOST_LINES = 6
_OTHERS = "others"
_QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
_FAILED = ("failed", "retrying")

Values = Sequence[float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One chart: its ``lines`` by name, a value for each time; ``kind`` is ``bars`` or ``line``."""

    name: str
    title: str
    unit: str
    kind: str
    times: Sequence[datetime]
    lines: Mapping[str, Values]
    summary: str

    @property
    def rows(self) -> list[tuple[datetime, list[float | None]]]:
        """The values of each time, in the order of the lines."""
        columns = list(self.lines.values())
        return [(at, [column[n] for column in columns]) for n, at in enumerate(self.times)]

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing was counted in this time; that nothing waited is something."""
        values = [value for line in self.lines.values() for value in line if value is not None]
        return not (values if self.kind == "line" else any(values))


class FigurePages:
    """The view over the figures of one app."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def figures(self) -> Response:
        """Show the charts of the hour, day or week that a URL names."""
        asked = request.args.get("span")
        span: Span = next((known for known in SPANS if known == asked), "hour")
        found = self._desk.parts.figures.several(_NAMES, span)
        return self._desk.page(
            "figures.html",
            attention=self._desk.attention(),
            span=span,
            spans=_WORDS,
            charts=[draw(found) for draw in _CHARTS],
        )


def _traffic(found: Mapping[str, Series]) -> Chart:
    came = found["messages"].total()
    left = found["sends"].by("result").get("sent", (0.0,) * len(came))
    return _chart(
        found["messages"],
        title="Messages in and out",
        lines={"in": came, "out": left},
        summary=f"{_sum(came):,} came, {_sum(left):,} {'was' if _sum(left) == 1 else 'were'} sent.",
    )


def _reports(found: Mapping[str, Series]) -> Chart:
    lines = found["reports"].by("status")
    total = sum(map(_sum, lines.values()))
    return _chart(
        found["reports"],
        title="Delivery reports by status",
        lines=_most(lines),
        summary=f"{total:,} came" + _largest(lines) + ".",
    )


def _latency(found: Mapping[str, Series]) -> Chart:
    series = found["ack_seconds"]
    lines = {
        name: tuple(None if value is None else value * 1000 for value in series.quantile(share))
        for name, share in _QUANTILES.items()
    }
    known = [value for value in lines["p99"] if value is not None]
    worst = f"p99 was {max(known):,.1f} ms at most." if known else "Nothing was acknowledged."
    return _chart(
        series,
        title="How fast callbacks are acknowledged",
        lines=lines,
        summary=worst,
        unit="ms",
        kind="line",
    )


def _backlog(found: Mapping[str, Series]) -> Chart:
    lines = found["backlog"].by("queue")
    known = [value for values in lines.values() for value in values if value is not None]
    jobs = "job" if known and int(max(known)) == 1 else "jobs"
    most = f"{int(max(known)):,} {jobs} waited at most." if known else "No worker looked."
    return _chart(
        found["backlog"], title="Jobs that wait", lines=_most(lines), summary=most, kind="line"
    )


def _failures(found: Mapping[str, Series]) -> Chart:
    series = found["handlers"]
    lines: dict[str, Values] = {}
    for (handler, outcome), values in series.values.items():
        if outcome in _FAILED:
            lines[handler] = _plus(lines.get(handler), values)
    total = sum(map(_sum, lines.values()))
    attempts = "attempt" if total == 1 else "attempts"
    said = f"{total:,} {attempts} failed{_largest(lines)}." if total else "No attempt failed."
    return _chart(series, title="Failures by handler", lines=_most(lines), summary=said)


def _networks(found: Mapping[str, Series]) -> Chart:
    series = found["network_reports"]
    all_, delivered = series.by("network"), dict[str, Values]()
    for (network, status), values in series.values.items():
        if status == "delivered":
            delivered[network] = _plus(delivered.get(network), values)
    largest = sorted(all_, key=lambda name: -_sum(all_[name]))[:_MOST_LINES]
    nothing = (0.0,) * len(series.times)
    lines = {name: _share(delivered.get(name, nothing), all_[name]) for name in largest}
    total = sum(map(_sum, all_.values()))
    arrived = sum(map(_sum, delivered.values()))
    said = (
        f"{100 * arrived / total:.1f} % of {total:,} arrived." if total else "No final report came."
    )
    return _chart(
        series,
        title="Delivered, by network",
        lines=lines,
        summary=said,
        unit="%",
        kind="line",
    )


_CHARTS: Sequence[Callable[[Mapping[str, Series]], Chart]] = (
    _traffic,
    _reports,
    _latency,
    _backlog,
    _failures,
    _networks,
)


def _chart(
    series: Series,
    *,
    title: str,
    lines: Mapping[str, Values],
    summary: str,
    unit: str = "",
    kind: str = "bars",
) -> Chart:
    return Chart(
        name=series.name,
        title=title,
        unit=unit,
        kind=kind,
        times=series.times,
        lines=lines,
        summary=summary,
    )


def _most(lines: Mapping[str, Values]) -> dict[str, Values]:
    """Keep the largest, and add up the others."""
    ordered = sorted(lines, key=lambda name: -_sum(lines[name]))
    if len(ordered) <= _MOST_LINES:
        return {name: lines[name] for name in ordered}
    kept = {name: lines[name] for name in ordered[: _MOST_LINES - 1]}
    for name in ordered[_MOST_LINES - 1 :]:
        kept[_OTHERS] = _plus(kept.get(_OTHERS), lines[name])
    return kept


def _plus(before: Values | None, values: Values) -> Values:
    if before is None:
        return values
    return tuple((a or 0) + (b or 0) for a, b in zip(before, values, strict=True))


def _share(part: Values, whole: Values) -> Values:
    pairs = zip(part, whole, strict=True)
    return tuple(100 * (some or 0) / every if every else None for some, every in pairs)


def _sum(values: Values) -> int:
    return int(sum(value or 0 for value in values))


def _largest(lines: Mapping[str, Values]) -> str:
    """Name what more than half are, if there is anything like that."""
    sums = {name: _sum(values) for name, values in lines.items()}
    total = sum(sums.values())
    name = max(sums, key=lambda found: sums[found], default="")
    if not total or 2 * sums[name] <= total:
        return ""
    words = name.replace("_", " ")
    return f": {words}" if total == 1 else f", {'all' if sums[name] == total else 'most'} {words}"
