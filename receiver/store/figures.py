"""Reading what `tally` counted: totals since the beginning, and series over time for charts.

All hosts and processes together, up to about a second ago. What waits or lives now is looked up
elsewhere.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import inf
from typing import Any, Literal

from ..measures import MEASURES, Measure
from .connection import Connection
from .counted import SUM, part_name

Labels = tuple[str, ...]
Span = Literal["hour", "day", "week"]

# The width of a point in seconds, one of `counted.STEPS`, and how many points there are.
SPANS: Mapping[Span, tuple[int, int]] = {"hour": (60, 60), "day": (900, 96), "week": (7200, 84)}


@dataclass(frozen=True, slots=True)
class Histogram:
    """How long something took: ``counts`` up to each of ``bounds`` alone and beyond the last.

    ``bounds`` and ``sum`` in seconds.
    """

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    sum: float = 0.0

    @property
    def count(self) -> int:
        """Give how many there were."""
        return sum(self.counts)

    def quantile(self, share: float) -> float | None:
        """Give the seconds that ``share`` (0 to 1) of all stayed below, ``None`` where none was.

        Within a bucket an even spread is assumed; beyond the last bound the bound is given.

        >>> Histogram((0.1, 1.0), (90, 10, 0)).quantile(0.95)
        0.55
        """
        wanted, below, low = share * self.count, 0, 0.0
        for bound, count in zip((*self.bounds, inf), self.counts, strict=True):
            if count and below + count >= wanted:
                return low if bound == inf else low + (bound - low) * (wanted - below) / count
            below, low = below + count, min(bound, self.bounds[-1])
        return None

    def __add__(self, other: Histogram) -> Histogram:
        counts = tuple(map(sum, zip(self.counts, other.counts, strict=True)))
        return Histogram(self.bounds, counts, self.sum + other.sum)


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """All since the beginning, by name and then by the values of the labels, in their order."""

    counters: Mapping[str, Mapping[Labels, float]]
    histograms: Mapping[str, Mapping[Labels, Histogram]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One figure over time: ``times`` are the beginnings of ``step`` seconds, oldest first.

    ``values``, of a counter or a gauge, hold a number for each time, by the values of ``labels``;
    a gauge has ``None`` where nobody looked. Of a histogram they are how many there were, and
    ``histograms`` has the rest. The last time is still going on.
    """

    name: str
    labels: tuple[str, ...]
    step: int
    times: tuple[datetime, ...]
    values: Mapping[Labels, tuple[float | None, ...]]
    histograms: Mapping[Labels, tuple[Histogram, ...]] = field(default_factory=dict)

    def by(self, label: str) -> dict[str, tuple[float | None, ...]]:
        """Give the values by one label alone, the others added up."""
        place = self.labels.index(label)
        found: dict[str, tuple[float | None, ...]] = {}
        for labels, values in self.values.items():
            before = found.get(labels[place])
            found[labels[place]] = values if before is None else _added([before, values])
        return found

    def total(self) -> tuple[float | None, ...]:
        """Give the values of all sets of labels, added up."""
        return _added(list(self.values.values())) if self.values else (None,) * len(self.times)

    def quantile(self, share: float) -> tuple[float | None, ...]:
        """Give a quantile at each time, in seconds, over all sets of labels; see `Histogram`."""
        columns = zip(*self.histograms.values(), strict=True)
        found = tuple(_merged(column).quantile(share) for column in columns)
        return found or (None,) * len(self.times)


class Figures:
    """Read the figures of one namespace; ``clock`` gives seconds since the epoch."""

    def __init__(
        self, connection: Connection, namespace: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._connection = connection
        self._namespace = namespace
        self._clock = clock

    def totals(self) -> Totals:
        """Give all totals, in one round trip. Raises `RedisError`."""
        client: Any = self._connection.client
        counters: dict[str, dict[Labels, float]] = {}
        histograms: dict[str, dict[Labels, Histogram]] = {}
        for name, labels, parts in _read(client.hgetall(f"{self._namespace}:totals")):
            measure = MEASURES[name]
            if measure.kind == "histogram":
                histograms.setdefault(name, {})[labels] = _histogram(measure, parts)
            else:
                counters.setdefault(name, {})[labels] = parts.get("", 0.0)
        return Totals(counters=counters, histograms=histograms)

    def series(self, name: str, span: Span) -> Series:
        """Give one figure over the last hour, day or week, in one round trip. Raises `RedisError`.

        ``name`` is one of `MEASURES` that ``is_charted``.

        >>> Figures(connection, "receiver").series("acks", "hour").by("answer")  # doctest: +SKIP
        {'200': (12.0, 9.0, …), 'duplicate': (0.0, 1.0, …)}
        """
        return self.several([name], span)[name]

    def several(self, names: Iterable[str], span: Span) -> dict[str, Series]:
        """Give several figures over the same time, in one round trip; see `series`."""
        measures = [MEASURES[name] for name in names]
        step, points = SPANS[span]
        last = int(self._clock()) // step
        slots = range(last - points + 1, last + 1)
        pipeline: Any = self._connection.client.pipeline(transaction=False)
        for measure in measures:
            for slot in slots:
                pipeline.hgetall(f"{self._namespace}:series:{step}:{slot}:{measure.name}")
        answers = iter(pipeline.execute())
        times = tuple(datetime.fromtimestamp(slot * step, UTC) for slot in slots)
        return {
            measure.name: _series(measure, step, times, [next(answers) for _ in slots])
            for measure in measures
        }


def _series(
    measure: Measure,
    step: int,
    times: tuple[datetime, ...],
    answers: Sequence[Mapping[bytes, bytes]],
) -> Series:
    found: dict[Labels, list[Mapping[str, float]]] = {}
    for place, answer in enumerate(answers):
        for _, labels, parts in _read(answer):
            found.setdefault(labels, [{}] * len(times))[place] = parts
    about: dict[str, Any] = {"name": measure.name, "labels": measure.labels}
    about |= {"step": step, "times": times}
    if measure.kind == "histogram":
        histograms = {
            labels: tuple(_histogram(measure, parts) for parts in row)
            for labels, row in found.items()
        }
        counts = {
            labels: tuple(float(histogram.count) for histogram in row)
            for labels, row in histograms.items()
        }
        return Series(**about, values=counts, histograms=histograms)
    nothing = None if measure.kind == "gauge" else 0.0
    values = {
        labels: tuple(parts.get("", nothing) for parts in row) for labels, row in found.items()
    }
    return Series(**about, values=values)


def _read(answer: Mapping[bytes, bytes]) -> list[tuple[str, Labels, dict[str, float]]]:
    """Give name, labels and parts of all that a hash holds; what a newer version wrote is left."""
    found: dict[str, dict[str, float]] = {}
    for written, amount in answer.items():
        head, end, part = written.decode("utf-8").rpartition("]")
        found.setdefault(head + end, {})[part] = float(amount)
    read = []
    for key, parts in found.items():
        name, *labels = json.loads(key)
        measure = MEASURES.get(name)
        if measure is not None and len(measure.labels) == len(labels):
            read.append((name, tuple(labels), parts))
    return read


def _histogram(measure: Measure, parts: Mapping[str, float]) -> Histogram:
    counts = tuple(int(parts.get(part_name(bound), 0)) for bound in (*measure.buckets, inf))
    return Histogram(measure.buckets, counts, parts.get(SUM, 0.0))


def _merged(histograms: Sequence[Histogram]) -> Histogram:
    first, *others = histograms
    for other in others:
        first = first + other
    return first


def _added(rows: Sequence[Sequence[float | None]]) -> tuple[float | None, ...]:
    columns = ([v for v in column if v is not None] for column in zip(*rows, strict=True))
    return tuple(sum(column) if column else None for column in columns)
