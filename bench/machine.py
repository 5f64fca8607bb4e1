"""What the figures were measured on: the machine, the programs and the peers' versions."""

from __future__ import annotations

import os
import platform
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from .plan import Plan
from .programs import need
from .venvs import PEERS, python_of, versions

# The packages whose versions are told: where a peer has an environment of its own, those there.
_OURS = ("Flask", "rq", "redis", "granian", "gunicorn")
_THEIRS = {
    "flask_celery": ("celery",),
    "flask_huey": ("huey",),
    "fastapi_arq": ("fastapi", "arq"),
    "dramatiq_actor": ("dramatiq",),
}


# The options that name a file or a folder of whoever measures: nobody else's business.
_PATHS = ("--json", "--plot", "--page", "--from")


def facts(plan: Plan, redis_server: str, command: str, peers: bool = True) -> dict[str, str]:
    """Give what somebody must know to judge the figures, in the order of telling.

    ``peers``: also the versions of what was measured beside us.
    """
    return {
        "when": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "command": command,
        "machine": f"{os.cpu_count()} cores, {_memory()}, {platform.machine()}",
        "processor": _processor(),
        "load before": "{:.2f} {:.2f} {:.2f}".format(*os.getloadavg()),
        "fsync of 4 KB": f"{_fsync_ms():.2f} ms",
        "Python": platform.python_version(),
        "Redis": _first_line(redis_server, "--version"),
        "wrk": _first_line(need("wrk", "wrk"), "--version"),
        "versions": _versions(peers),
        "runs": f"{plan.repeats} of {plan.seconds} s each, in turns; medians",
    }


def command_of(module: str, given: Sequence[str]) -> str:
    """Give the command that measured, without the files that it was to write."""
    kept, skip = ["python", "-m", module], False
    for word in given:
        name = word.partition("=")[0]
        if not skip and name not in _PATHS:
            kept.append(word)
        skip = not skip and word in _PATHS
    return shlex.join(kept)


def _processor() -> str:
    """Name the processor as the kernel does; its family where the kernel does not."""
    named = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.M)
    return " ".join(named[1].split()) if named else platform.machine()


def _memory() -> str:
    text = Path("/proc/meminfo").read_text()
    return f"{int(text.partition('MemTotal:')[2].split()[0]) / 1024**2:.0f} GB"


def _fsync_ms() -> float:
    times = []
    with tempfile.NamedTemporaryFile() as file:
        for _ in range(100):
            began = time.perf_counter()
            os.write(file.fileno(), bytes(4096))
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - began) * 1000)
    return median(times)


def _first_line(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (
        (done.stdout + done.stderr).splitlines()[0].partition(" Copyright")[0].partition(" sha=")[0]
    )


def _versions(peers: bool) -> str:
    known = versions(sys.executable)
    found = [f"{name} {known.get(name, '-')}" for name in _OURS]
    for peer, names in _THEIRS.items() if peers else ():
        theirs = versions(python_of(peer))
        found += [f"{name} {theirs.get(name, '-')}" for name in names]
    return ", ".join(found)


def peers() -> list[str]:
    """Name the peers, as their files are named."""
    return sorted(file.stem for file in PEERS.glob("*_*.py"))
