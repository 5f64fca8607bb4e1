"""What one process counted in one minute, on its way to Redis; how it is written there.

A set of labels is written as JSON of the figure's name and the labels' values; what a histogram
has of it follows behind. When it leaves is `tally`'s business.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf
from typing import Any

from ..measures import MEASURES, OTHER, Measure

Key = tuple[str, ...]  # the name of a figure, then the values of its labels

SUM = "sum"
STEPS = {60: 2 * 3600 + 120, 900: 26 * 3600, 7200: 8 * 86_400}  # seconds, and how long each is kept

_json = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


@dataclass(slots=True)
class Counted:
    """What was counted in one ``minute`` since the epoch, the times observed, the samples taken.

    ``number``: of the batch, once it was sent; from then on nothing is added.
    """

    minute: int
    counts: dict[Key, float] = field(default_factory=dict)
    times: dict[Key, list[float]] = field(default_factory=dict)
    samples: dict[Key, float] = field(default_factory=dict)
    number: int | None = None

    def __bool__(self) -> bool:
        return bool(self.counts or self.times or self.samples)

    def note(self, key: Key, by: int, value: float) -> None:
        """Take in one count, or how long something took, or a sample."""
        measure = MEASURES[key[0]]
        if measure.kind == "counter":
            self.counts[key] = self.counts.get(key, 0) + by
        elif measure.kind == "gauge":
            self.samples[key] = value
        else:
            found = self.times.get(key)
            if found is None:
                found = self.times[key] = [0.0] * (len(measure.buckets) + 2)
            found[bisect_left(measure.buckets, value)] += 1
            found[-1] += value

    def add(self, other: Counted) -> None:
        """Take over what another batch holds."""
        for key, amount in other.counts.items():
            self.counts[key] = self.counts.get(key, 0) + amount
        for key, more in other.times.items():
            found = self.times.get(key)
            self.times[key] = more if found is None else [*map(sum, zip(found, more, strict=True))]
        for key, value in other.samples.items():
            self.samples[key] = max(value, self.samples.get(key, value))

    def args(self) -> list[Any]:
        """Give it as the script takes it."""
        args: list[Any] = [self.minute * 60, len(STEPS)]
        args += [part for step in STEPS.items() for part in step]
        for key, amount in self.counts.items():
            args += _set_of_labels(key, [("", str(amount))])
        for key, times in self.times.items():
            args += _set_of_labels(key, _parts(MEASURES[key[0]].buckets, times))
        for key, value in self.samples.items():
            args += _set_of_labels(key, [("", repr(float(value)))])
        return args


def part_name(bound: float) -> str:
    """Name the part of a histogram that counts what is up to a bound, as Prometheus does."""
    return "+Inf" if bound == inf else repr(bound)


def too_many(measure: Measure) -> Key:
    """Give the set of labels that stands for all that are too many."""
    return (measure.name, *[OTHER] * len(measure.labels))


def _parts(buckets: tuple[float, ...], times: list[float]) -> list[tuple[str, str]]:
    counted = zip((*buckets, inf), times[:-1], strict=True)
    found = [(part_name(bound), str(int(count))) for bound, count in counted if count]
    return [*found, (SUM, f"{times[-1]:.9f}")]


def _set_of_labels(key: Key, parts: Iterable[tuple[str, str]]) -> list[Any]:
    measure, listed = MEASURES[key[0]], list(parts)
    head = [measure.kind, measure.name, measure.most, _json(key), _json(too_many(measure))]
    flat = [text for part in listed for text in part]
    return [*head, "1" if measure.is_charted else "", len(listed), *flat]
