"""``python -m bench.scaling``: how the product grows, as curves, and what an event costs.

By worker processes, by web hosts and by events that wait; then the processor time, memory and disk
of one event. ``--from FILE`` measures nothing: it draws and writes what FILE has. Needs `wrk` and a
Redis, as ``python -m bench`` does.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from . import page_scaling, scaling_costs, scaling_curves
from .machine import command_of, facts
from .page import read_json, rewrite
from .plan import QUICK, WHOLE, Plan
from .plot import svg
from .programs import BenchError, need
from .servers import redis_server

MEASURES: Mapping[str, Callable[[Plan], Mapping[str, Any]]] = {
    "workers": scaling_curves.by_workers,
    "hosts": scaling_curves.by_hosts,
    "waiting": scaling_curves.by_waiting,
    "costs": scaling_costs.of_one_event,
}


def options(given: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the options."""
    parser = argparse.ArgumentParser(prog="python -m bench.scaling", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short runs: does everything work?")
    parser.add_argument("--only", action="append", choices=list(MEASURES), help="this alone")
    parser.add_argument("--seconds", type=int, help="of each run")
    parser.add_argument("--repeats", type=int, help="of each run")
    parser.add_argument("--waiting", type=int, help="the most events that wait")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was measured there")
    parser.add_argument("--from", type=Path, metavar="FILE", dest="source", help="measure nothing")
    parser.add_argument("--plot", type=Path, metavar="FOLDER", help="draw the curves there, as SVG")
    parser.add_argument(
        "--page", type=Path, metavar="FILE", help="write the figures into its blocks"
    )
    return parser.parse_args(given)


def planned(chosen: argparse.Namespace) -> Plan:
    """Give the plan that the options ask for."""
    base = QUICK if chosen.quick else WHOLE
    return Plan(
        seconds=chosen.seconds or base.seconds,
        repeats=chosen.repeats or base.repeats,
        waiting=chosen.waiting or base.waiting,
    )


def measure(plan: Plan, names: Sequence[str], command: str, path: Path | None) -> dict[str, Any]:
    """Measure what is named, and give all of it; what cannot be measured is told and left out.

    ``path``: written after each, so that what was measured is there whatever comes next.
    """
    need("wrk", "wrk")
    found: dict[str, Any] = {"facts": facts(plan, redis_server(), command, peers=False)}
    for name in (name for name in MEASURES if name in names):
        began = time.monotonic()
        print(f"{name} …", file=sys.stderr, end=" ", flush=True)
        try:
            found[name] = MEASURES[name](plan)
        except BenchError as error:
            print(f"not measured: {error}", file=sys.stderr, flush=True)
            continue
        print(f"{time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        if path is not None:
            path.write_text(json.dumps(found, indent=1) + "\n")
    return found


def show(found: Mapping[str, Any], plots: Path | None, page: Path | None) -> None:
    """Print what was measured; draw it and write it into the page, where that is asked for."""
    curves = scaling_curves.curves_of(found)
    for curve in curves:
        print(curve.summary)
    print(json.dumps(found.get("costs", {}), indent=1))
    if plots is not None:
        plots.mkdir(parents=True, exist_ok=True)
        for curve in curves:
            (plots / f"{curve.name}.svg").write_text(svg(curve))
    if page is not None:
        rewrite(page, page_scaling.blocks_of(found))


def main() -> int:
    """Run what the options ask for; gives the exit status."""
    chosen = options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # whoever ends us ends what we started
    names = chosen.only or list(MEASURES)
    try:
        if chosen.source is not None:
            found, names = read_json(chosen.source), []
        else:
            command = command_of("bench.scaling", sys.argv[1:])
            found = measure(planned(chosen), names, command, chosen.json)
        show(found, chosen.plot, chosen.page)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    return 0 if set(names) <= found.keys() else 1


if __name__ == "__main__":
    sys.exit(main())
