"""Processes that end together: when told to, when one of them dies, when their parent is killed.

All are in one process group of their own, so that Ctrl-C reaches the parent alone. A warden in that
group reads a pipe whose other end only the parent holds: the kernel closes it however the parent
ends, and the warden kills the group.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from ..errors import ReceiverError

_WARDEN = "import os, signal, sys; sys.stdin.read(); os.killpg(0, signal.SIGKILL)"
_TICK_SECONDS = 0.02
_GRACE_SECONDS = 10.0
_SWEEP_SECONDS = 2.0
_LAST_LINES = 12


class PartDied(ReceiverError):
    """Name the part that died, how it ended, and the last lines of its log."""


class Stopped(ReceiverError):
    """We were told to stop while something was being waited for."""


@dataclass(frozen=True, slots=True)
class Part:
    """One process and its log."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def obituary(self) -> str:
        """Say how the process ended, with the last lines of its log."""
        code = self.process.returncode
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended: status {code}"
        return f"the {self.name} {how}{self.last_lines()}"

    def last_lines(self) -> str:
        """Give the end of the log, indented, below a line that says where it is."""
        text = self.log.read_text("utf-8", "replace") if self.log.is_file() else ""
        lines = text.rstrip().splitlines()[-_LAST_LINES:]
        if not lines:
            return ""
        return "\n    ".join([f". The end of {self.log}:", *lines])


class Parts:
    """Start processes and end them all; a context manager, which never leaves one behind.

    ``stopping`` is set from outside (a signal handler may) and ends every wait; ``hurry`` also ends
    the wait for processes that are finishing their work.
    """

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self.hurry = False
        self._parts: list[Part] = []
        self._group: int | None = None
        self._warden: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Parts:
        self._warden = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _WARDEN], stdin=subprocess.PIPE, process_group=0
        )
        self._group = self._warden.pid
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def warden(self) -> int | None:
        """The warden's process, as long as there is one."""
        return None if self._warden is None else self._warden.pid

    def start(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        keep: Iterable[int] = (),
    ) -> Part:
        """Start a process; ``keep`` are the file descriptors that it inherits."""
        with log.open("wb") as output:
            process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=None if env is None else dict(env),
                cwd=cwd,
                pass_fds=tuple(keep),
                process_group=self._group,
            )
        part = Part(name, process, log)
        self._parts.append(part)
        return part

    def check(self) -> None:
        """Raise `PartDied` if any of the processes has ended, which none should by itself."""
        for part in self._parts:
            if part.process.poll() is not None:
                raise PartDied(part.obituary())
        if self._warden_died():
            raise PartDied("the warden of the processes was killed")

    def wait_until(self, ready: Callable[[], bool], what: str, seconds: float) -> None:
        """Wait for something; raises `PartDied`, `Stopped`, or a plain error after ``seconds``."""
        deadline = time.monotonic() + seconds
        while not ready():
            self.check()
            if self.stopping.wait(_TICK_SECONDS):
                raise Stopped("stopped while starting")
            if time.monotonic() > deadline:
                ends = "".join(part.last_lines() for part in self._parts)
                raise ReceiverError(f"{what} after {seconds:g} seconds{ends}")

    def stop(self) -> None:
        """End all: the first that was started last, since the others stand on it."""
        first, others = self._parts[:1], self._parts[1:]
        self._end(others)
        self._end(first)
        self._sweep()
        self._parts.clear()

    def _end(self, parts: Sequence[Part]) -> None:
        for part in parts:
            part.process.terminate()
        deadline = time.monotonic() + _GRACE_SECONDS
        while any(part.process.poll() is None for part in parts):
            if self.hurry or time.monotonic() > deadline:
                return
            time.sleep(_TICK_SECONDS)

    def _sweep(self) -> None:
        """Kill what is left of the group, grandchildren and warden included, and see it gone."""
        if self._warden is None or self._group is None:
            return
        _signal(self._group, signal.SIGKILL)
        self._warden.communicate()
        deadline = time.monotonic() + _SWEEP_SECONDS
        while time.monotonic() < deadline:
            left = [part for part in self._parts if part.process.poll() is None]
            if not left and not _signal(self._group, 0):
                break
            time.sleep(_TICK_SECONDS)
        self._warden = self._group = None

    def _warden_died(self) -> bool:
        """Look at the pipe: a dead warden is not reaped yet, so that its group stays ours."""
        if self._warden is None or self._warden.stdin is None:
            return False
        pipe = select.poll()
        pipe.register(self._warden.stdin, 0)  # an error is always reported
        return bool(pipe.poll(0))


def _signal(group: int, number: int) -> bool:
    """Signal a process group; tells whether there was anything of it left."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):  # macOS: only zombies are left
        return False
    return True
