"""The blocks of docs/scaling.md, from the JSON of ``python -m bench.scaling`` alone: arithmetic.

Each figure has the command that measures it beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .page import markdown, told
from .plot import Curve
from .programs import BenchError
from .scaling_curves import curves_of
from .table import shown

MILLION = 1_000_000

# What the examples take for granted; a reader puts in numbers of his own.
BACKLOG = 100_000  # events that wait at worst
A_DAY = 100_000  # events
RETENTION_DAYS = 7  # RECEIVER_RETENTION's default
PRICE, CORES, MEMORY_GB = 40.0, 4, 16  # of a machine: its price a month, in any currency
CORES_USED, MEMORY_USED = 0.3, 0.5  # the shares that are in use, of the memory by Redis
MONTH_SECONDS, MONTH_DAYS = 2_628_000, 30.4

_COMMAND = "python -m bench.scaling --only"
_COSTS = f"`{_COMMAND} costs`"

Cells = list[str]


def blocks_of(found: Mapping[str, Any]) -> dict[str, str]:
    """Give every block of the page. Raises `BenchError` where a part was not measured."""
    missing = [part for part in ("workers", "hosts", "waiting", "costs") if part not in found]
    if missing:
        raise BenchError(f"the page needs all parts, and these were not measured: {missing}")
    curves = {curve.name: curve for curve in curves_of(found)}
    costs = found["costs"]
    tables: Mapping[str, Callable[[], str]] = {
        "workers": lambda: _compared(curves["workers"], "workers"),
        "hosts": lambda: _compared(curves["hosts"], "hosts"),
        "waiting": lambda: _waiting(curves),
        "memory": lambda: _memory(costs),
        "cost": lambda: _cost(costs),
        "price": lambda: _price(costs),
        "ceiling": lambda: _ceiling(costs),
        "measured-on": lambda: told(found["facts"]),
    }
    return {name: draw() for name, draw in tables.items()}


def _compared(curve: Curve, part: str) -> str:
    first = curve.points[0][1]
    rows = [
        [f"{x:,.0f}", shown(y, curve.unit), f"{y / first:.2f} ×", f"`{_COMMAND} {part}`"]
        for x, y in curve.points
    ]
    return markdown([[curve.across, curve.up, "to the first", "command"], *rows])


def _waiting(curves: Mapping[str, Curve]) -> str:
    drawn = [curves[f"waiting-{name}"] for name in ("acks", "p99", "handled")]
    rows = [
        [
            f"{points[0][0]:,.0f}",
            *(shown(y, curve.unit) for (_, y), curve in zip(points, drawn, strict=True)),
            f"`{_COMMAND} waiting`",
        ]
        for points in zip(*(curve.points for curve in drawn), strict=True)
    ]
    head = ["events waiting", "acks", "p99 of acks", "handled by one worker process", "command"]
    return markdown([head, *rows])


def _memory(costs: Mapping[str, Any]) -> str:
    waits, kept = (costs["handle"][name] for name in ("waiting_bytes", "kept_bytes"))
    whole = waits * BACKLOG + kept * A_DAY * RETENTION_DAYS
    example = f"{BACKLOG:,} × {waits:,.0f} + {A_DAY:,} × {RETENTION_DAYS} × {kept:,.0f}"
    return _table(
        ("one event that waits, 160 characters", f"{waits:,.0f} bytes"),
        ("one that was handled, until its retention ends", f"{kept:,.0f} bytes"),
        ("a million that wait", _gb(waits * MILLION)),
        ("a million that were handled, until their retention ends", _gb(kept * MILLION)),
        (f"{BACKLOG:,} wait, {A_DAY:,} a day, {RETENTION_DAYS} days: {example}", _gb(whole)),
    )


def _cost(costs: Mapping[str, Any]) -> str:
    accept, handle, paced = costs["accept"], costs["handle"], costs["paced"]
    full = accept["redis_us"] + handle["redis_us"]
    head = [
        "CPU seconds a million events",
        "at full load",
        f"at {paced['per_second']:,.0f} a second",
    ]
    rows = [
        ("web", accept["web_us"], paced["web_us"]),
        ("worker, beside your handler", handle["worker_us"], paced["worker_us"]),
        ("Redis", full, paced["redis_us"]),
        ("**all**", _full_us(costs), _paced_us(costs)),
    ]
    # a microsecond each is a second a million
    return markdown(
        [
            [*head, "command"],
            *([name, f"{a:,.0f} s", f"{b:,.0f} s", _COSTS] for name, a, b in rows),
        ]
    )


def _price(costs: Mapping[str, Any]) -> str:
    seconds, kept = _paced_us(costs), costs["handle"]["kept_bytes"] * MILLION / 1e9
    by_cores = CORES * CORES_USED * MONTH_SECONDS / seconds
    by_memory = MEMORY_GB * MEMORY_USED * MONTH_DAYS / (RETENTION_DAYS * kept)
    least = min(by_cores, by_memory)
    machine = f"{CORES} cores, {MEMORY_GB} GB, {PRICE:g} a month, in any currency"
    return _table(
        ("**taken for granted:** the machine", machine),
        ("its cores in use; its memory for Redis", f"{CORES_USED:.0%}; {MEMORY_USED:.0%}"),
        ("`RECEIVER_RETENTION`", f"{RETENTION_DAYS} days"),
        ("**it takes a month** by its cores", f"{by_cores:,.0f} million"),
        ("by its memory", f"{by_memory:,.0f} million"),
        (f"**price of a million**, with {least:,.0f} million a month", f"{PRICE / least:.2f}"),
        ("with one million a month", f"{PRICE / min(1.0, least):.2f}"),
    )


def _ceiling(costs: Mapping[str, Any]) -> str:
    accept, handle = costs["accept"], costs["handle"]
    both = accept["main_us"] + handle["main_us"]
    file = accept["file_bytes"] + handle["file_bytes"]
    return _table(
        ("one accept costs Redis' thread", f"{accept['main_us']:.0f} µs"),
        ("one event handled costs it", f"{handle['main_us']:.0f} µs"),
        ("so one Redis accepts at most", f"{MILLION / accept['main_us']:,.0f}/s"),
        ("and accepts and handles at most", f"**{MILLION / both:,.0f}/s**"),
        ("a million events accepted, in the append-only file", _mb(accept["file_bytes"] * MILLION)),
        ("and handled", _mb(handle["file_bytes"] * MILLION)),
        ("both", _mb(file * MILLION)),
    )


def _full_us(costs: Mapping[str, Any]) -> float:
    accept, handle = costs["accept"], costs["handle"]
    both = float(accept["redis_us"]) + float(handle["redis_us"])
    return both + float(accept["web_us"]) + float(handle["worker_us"])


def _paced_us(costs: Mapping[str, Any]) -> float:
    return sum(float(costs["paced"][name]) for name in ("web_us", "worker_us", "redis_us"))


def _table(*rows: tuple[str, str]) -> str:
    told_of: Sequence[Cells] = [[name, value, _COSTS] for name, value in rows]
    return markdown([["figure", "value", "command"], *told_of])


def _gb(count: float) -> str:
    return f"{count / 1e9:.2f} GB"


def _mb(count: float) -> str:
    return f"{count / 1e6:,.0f} MB"
