"""Real processes of a user's app, and waiting for what they do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from private import private_in

_SERVERS = ("granian", "gunicorn", "flask")  # whose log is an operator's

PATIENCE = 30.0  # seconds until a test gives up; nothing is asserted about time


def until(found: Callable[[], Any], what: str) -> Any:
    """Wait for a condition to hold, and give what it gave."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        value = found()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited {PATIENCE:g} seconds for {what}")


@contextmanager
def running(*command: str, folder: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Python module in a session of its own; whatever is left of it is killed at the end."""
    log = (folder / "process.log").open("ab")
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=folder,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    try:
        yield process
        if command[0] in _SERVERS:
            assert private_in((folder / "process.log").read_text(errors="replace")) == []
    finally:
        for pid in members(process.pid):
            os.kill(pid, signal.SIGKILL)
        process.wait()
        log.close()


def members(session: int) -> list[int]:
    """Give the living processes of a session."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(entry.parent.name))
    return found


def children(parent: int) -> list[int]:
    """Give the living children of a process."""
    text = Path(f"/proc/{parent}/task/{parent}/children").read_text()
    return [int(pid) for pid in text.split()]
