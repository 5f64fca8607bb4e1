"""The load: `wrk`, a compiled program, with a callback of its own for each request.

Each run is checked: an answer that is not 2xx, a broken connection or a time-out ends the bench.
"""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from .programs import BenchError, need

_SCRIPT = Path(__file__).with_name("callback.lua")
_ANSWER_SECONDS = 30
_MEASURED = re.compile(r"^measured (.*)$", re.M)

# Each run has a number that no other has, in this process or an earlier one.
_RUNS = itertools.count(int(time.time()) * 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What to send: ``seconds`` of callbacks from so many ``connections``.

    ``pause``: milliseconds between two requests of a connection, on average; 0 for none.
    ``check``: read each answer, as ``status`` or as ``ack``; it slows the load a little.
    ``kind``: ``smsbox``, or ``lefoka`` for a report to 500 recipients.
    """

    seconds: int
    connections: int
    pause: int = 0
    check: str = ""
    kind: str = "smsbox"
    key: str = "bench-smsbox-key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What came of a load; times in milliseconds."""

    requests: int
    per_second: float
    p50: float
    p99: float
    most: float


def send(url: str, load: Load, stamps: Path | None = None) -> Measured:
    """Send a load; ``stamps``: a file for the time of each ack. Raises `BenchError`."""
    path = f"{url}/webhooks/{load.kind}"
    command = [need("wrk", "wrk"), "--threads", "1", "--connections", str(load.connections)]
    command += ["--duration", f"{load.seconds}s"]
    command += ["--timeout", f"{_ANSWER_SECONDS}s", "--script", str(_SCRIPT), path, "--"]
    command += [load.kind, str(next(_RUNS)), load.key, str(load.pause), str(stamps or "-")]
    environment = {**os.environ, **({"CHECK": load.check} if load.check else {})}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return read(done.stdout + done.stderr, path)


def read(output: str, path: str) -> Measured:
    """Read what our script for `wrk` printed. Raises `BenchError` where an answer was not right."""
    found = _MEASURED.search(output)
    if found is None:
        raise BenchError(f"wrk failed on {path}:\n{output}")
    values = {name: int(value) for name, value in (p.split("=") for p in found[1].split())}
    bad = {name: values[name] for name in ("faults", "status", "wrong") if values[name]}
    if bad or not values["requests"]:
        raise BenchError(f"of {values['requests']} requests to {path} some failed: {bad}")
    return Measured(
        requests=values["requests"],
        per_second=values["requests"] / (values["us"] / 1e6),
        p50=values["p50"] / 1000,
        p99=values["p99"] / 1000,
        most=values["max"] / 1000,
    )
