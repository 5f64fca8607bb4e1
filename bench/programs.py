"""Programs that the bench starts: each in a session of its own, its log in a file, and ended."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).parents[1]

_PATIENCE = 60.0  # seconds until a start counts as failed
_MERCY = 10.0  # seconds between asking a program to end and ending it
_LOG_LINES = 20


class BenchError(Exception):
    """What keeps the bench from measuring; the message says what to do."""


def need(program: str, package: str) -> str:
    """Give the path of a program; ``package`` is where it is to be had."""
    path = find(program)
    if path is None:
        raise BenchError(f"{program} is not installed: apt-get install {package}")
    return path


def find(program: str) -> str | None:
    """Give the path of a program, also of one that is root's on some systems."""
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


@contextmanager
def scratch() -> Iterator[Path]:
    """Give a folder with a short name, for sockets; it is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="bch"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running(
    command: Sequence[str | Path], folder: Path, environment: Mapping[str, str], name: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program while the block runs; `log` tells what it wrote, by its ``name``."""
    with log_of(folder, name).open("ab") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask a program to end, and then end what is left of its session."""
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_MERCY)
    for pid in session(process.pid):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def session(leader: int) -> list[int]:
    """Give the living processes of a session."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = entry.read_text().rpartition(")")[2].split()
            if int(fields[3]) == leader and fields[0] != "Z":
                found.append(int(entry.parent.name))
    return sorted(found)


def log_of(folder: Path, name: str) -> Path:
    """Tell where the log of a program is."""
    return folder / f"{name}.log"


def wait_until(
    found: Callable[[], bool],
    what: str,
    log: Path | None = None,
    *,
    every: float = 0.02,
    patience: float = _PATIENCE,
) -> None:
    """Wait for something to be so; raises `BenchError` with the log's end where it never is."""
    until = time.monotonic() + patience
    while not found():
        if time.monotonic() > until:
            lines = log.read_text(errors="replace").splitlines()[-_LOG_LINES:] if log else []
            raise BenchError("\n".join([f"waited {patience:g} s for {what}", *lines]))
        time.sleep(every)
