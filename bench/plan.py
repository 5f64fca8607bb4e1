"""How much is measured: the seconds and repeats of each run, and how many events wait."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """``seconds`` of each run, ``repeats`` of each, ``waiting`` events for a backlog."""

    seconds: int = 5
    repeats: int = 3
    waiting: int = 1_000_000
    kept: int = 10_000  # events whose memory is measured
    rate: int = 400  # requests a second, where all get the same


WHOLE = Plan()
QUICK = Plan(seconds=1, repeats=1, waiting=50_000)
