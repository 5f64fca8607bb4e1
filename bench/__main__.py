"""``python -m bench``: all figures side by side in one run, as a table and as JSON.

It starts Redis, the servers, the workers and the load itself, and ends all of them. Needs `wrk`
and a Redis (``apt-get install wrk redis-server``).
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from . import acks, backlog, handling, latency, spooling, starting
from .machine import command_of, facts
from .page import blocks_of, read_json, rewrite
from .plan import QUICK, WHOLE, Plan
from .programs import BenchError, need
from .rows import ROWS
from .servers import redis_server
from .table import Line, report, text

MEASURES: Mapping[str, Callable[[Plan], list[Line]]] = {
    "acks-64": acks.at_64,
    "acks-8": acks.at_8,
    "ack-p99": acks.at_one_rate,
    "handled": handling.handled,
    "ack-to-handler": latency.ack_to_handler,
    "report-500": acks.of_a_report,
    "backlog": backlog.with_many_waiting,
    "memory": backlog.memory_of_one,
    "spool": spooling.down_and_back,
    "start": starting.first_ack_and_memory,
}


def options(given: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the options."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short runs: does everything work?")
    parser.add_argument("--only", action="append", choices=list(MEASURES), help="this row alone")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report there as well")
    parser.add_argument("--seconds", type=int, help="of each run")
    parser.add_argument("--repeats", type=int, help="of each run")
    parser.add_argument("--waiting", type=int, help="events of the backlog")
    parser.add_argument("--page", type=Path, metavar="PAGE", help="write the table into its block")
    parser.add_argument("--from", type=Path, metavar="FILE", dest="source", help="report to write")
    chosen = parser.parse_args(given)
    if (chosen.page is None) != (chosen.source is None):
        parser.error("--page PAGE and --from FILE go together: nothing is measured then")
    return chosen


def planned(chosen: argparse.Namespace) -> Plan:
    """Give the plan that the options ask for."""
    base = QUICK if chosen.quick else WHOLE
    return Plan(
        seconds=chosen.seconds or base.seconds,
        repeats=chosen.repeats or base.repeats,
        waiting=chosen.waiting or base.waiting,
    )


def run(plan: Plan, names: Sequence[str], path: Path | None) -> bool:
    """Measure the rows of these names, print the table, write the report; tell whether all went.

    A row that cannot be measured is told, and the others are measured all the same.
    """
    need("wrk", "wrk")
    known = facts(plan, redis_server(), command_of("bench", sys.argv[1:]))
    measured = dict[str, list[Line]]()
    wanted = [row for row in ROWS if row.name in names]
    for row in wanted:
        began = time.monotonic()
        print(f"{row.number}. {row.figure} …", file=sys.stderr, end=" ", flush=True)
        try:
            measured[row.name] = MEASURES[row.name](plan)
        except BenchError as error:
            print(f"not measured: {error}", file=sys.stderr, flush=True)
            continue
        print(f"{time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        if path is not None:
            path.write_text(json.dumps(report(ROWS, measured, known), indent=1) + "\n")
    print("\n".join(f"{name}: {value}" for name, value in known.items()), end="\n\n")
    print(text(ROWS, measured))
    return len(measured) == len(wanted)


def main() -> int:
    """Run what the options ask for; gives the exit status."""
    chosen = options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # whoever ends us ends what we started
    try:
        if chosen.page is not None:
            rewrite(chosen.page, blocks_of(read_json(chosen.source)))
            return 0
        return 0 if run(planned(chosen), chosen.only or list(MEASURES), chosen.json) else 1
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
