"""A curve as a picture: SVG that is read in any browser, by people, programs and screen readers.

The same points give the same file, byte for byte. Nothing is measured here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from .table import shown

WIDTH, HEIGHT = 720, 400
LIGHT = {"ground": "#ffffff", "ink": "#1f2328", "grid": "#d1d9e0", "curve": "#0550ae"}
DARK = {"ground": "#0d1117", "ink": "#e6edf3", "grid": "#3d444d", "curve": "#79c0ff"}

_LEFT, _RIGHT, _TOP, _BOTTOM = 96, 48, 64, 72
_STEPS = (1, 2, 2.5, 5, 10)
_MOST_TICKS = 5
_HEADROOM = 1.1  # for the value above the highest point


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """What is drawn: ``points`` of x and y, the words at the axes, the unit of y.

    ``log``: the same way to the right is ten times as many, from 1 on.
    """

    name: str
    title: str
    across: str
    up: str
    unit: str
    points: Sequence[tuple[float, float]]
    log: bool = False

    @property
    def summary(self) -> str:
        """All points in words, for who cannot see them."""
        found = (f"{shown(y, self.unit)} at {x:,.0f}" for x, y in self.points)
        return f"{self.up}, by {self.across}: {'; '.join(found)}."


def svg(curve: Curve) -> str:
    """Draw a curve."""
    highest = max(y for _, y in curve.points) * _HEADROOM
    ticks = ticks_to(highest)
    placed = [(_across(curve, x), _up(y, ticks[-1])) for x, y in curve.points]
    parts = [
        *_head(curve),
        *(line for tick in ticks for line in _grid(tick, ticks[-1], curve.unit)),
        *_axis(curve, placed),
        f'<polyline class="curve" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in placed)}"/>',
        *_dots(curve, placed),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def ticks_to(highest: float) -> list[float]:
    """Give round values from 0 to one that is no lower, a few of them."""
    rough = (highest or 1.0) / _MOST_TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(step * power for step in _STEPS if step * power >= rough * (1 - 1e-9))
    return [step * number for number in range(math.ceil(highest / step - 1e-9) + 1)]


def _head(curve: Curve) -> list[str]:
    title, summary = escape(curve.title), escape(curve.summary)
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        f' aria-labelledby="{curve.name}-title {curve.name}-desc">',
        f'<title id="{curve.name}-title">{title}</title>',
        f'<desc id="{curve.name}-desc">{summary}</desc>',
        f"<style>{_style()}</style>",
        f'<rect class="ground" width="{WIDTH}" height="{HEIGHT}"/>',
        _text(_LEFT, 30, title, "start", "title"),
    ]


def _style() -> str:
    """Colours for light and dark; the ground is drawn too, whatever page is around it."""
    dark = _colours(DARK)
    return (
        "text{font:13px system-ui,sans-serif}.title{font-size:16px;font-weight:600}"
        ".value{font-weight:600;paint-order:stroke;stroke-width:4px}.grid{stroke-width:1}.curve{fill:none;stroke-width:2.5}"
        f"{_colours(LIGHT)}@media (prefers-color-scheme:dark){{{dark}}}"
    )


def _colours(palette: dict[str, str]) -> str:
    return (
        f".ground{{fill:{palette['ground']}}}text{{fill:{palette['ink']}}}"
        f".value{{stroke:{palette['ground']}}}"
        f".grid{{stroke:{palette['grid']}}}.curve{{stroke:{palette['curve']}}}"
        f".dot{{fill:{palette['curve']}}}"
    )


def _grid(tick: float, top: float, unit: str) -> list[str]:
    y = _up(tick, top)
    return [
        f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>',
        _text(_LEFT - 10, y + 4, _tick(tick, unit), "end"),
    ]


def _axis(curve: Curve, placed: Sequence[tuple[float, float]]) -> list[str]:
    bottom = HEIGHT - _BOTTOM
    named = [
        _text(at, bottom + 22, f"{x:,.0f}")
        for (x, _), (at, _) in zip(curve.points, placed, strict=True)
    ]
    scale = " (logarithmic)" if curve.log else ""
    middle = (_LEFT + WIDTH - _RIGHT) / 2
    return [
        *named,
        _text(middle, HEIGHT - 20, escape(curve.across + scale)),
        _text(_LEFT, _TOP - 12, escape(curve.up), "start"),
    ]


def _dots(curve: Curve, placed: Sequence[tuple[float, float]]) -> list[str]:
    found = []
    for (_, value), (x, y) in zip(curve.points, placed, strict=True):
        found.append(f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>')
        found.append(_text(x, y - 10, escape(shown(value, curve.unit)), "middle", "value"))
    return found


def _text(x: float, y: float, written: str, anchor: str = "middle", kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{written}</text>'


def _tick(value: float, unit: str) -> str:
    space = "" if unit.startswith("/") else " "
    return f"{value:,.10g}{space}{unit}"


def _across(curve: Curve, x: float) -> float:
    """Place a point between the left, which is 1 or 0, and the right, which is the last one."""
    last = curve.points[-1][0]
    share = math.log10(x) / math.log10(last) if curve.log and last > 1 else x / last
    inset = 32 if curve.log else 0  # the first value stands in the middle above its point
    return _LEFT + inset + share * (WIDTH - _LEFT - _RIGHT - inset)


def _up(value: float, top: float) -> float:
    return HEIGHT - _BOTTOM - value / top * (HEIGHT - _TOP - _BOTTOM)
