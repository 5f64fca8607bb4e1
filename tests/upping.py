"""One run of `up` as a user has it: a process of its own, in a folder, read by what it prints."""

from __future__ import annotations

import os
import signal
import subprocess
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SECONDS = 60.0  # the most that anything may take

SMS_RECEIVER = Path(sysconfig.get_path("scripts")) / "sms-receiver"


def clean_environment(**more: str) -> dict[str, str]:
    """The environment without any setting of ours, and with our commands on the path."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("FLASK_", "RECEIVER_"))}
    return {**kept, "PATH": f"{SMS_RECEIVER.parent}{os.pathsep}{kept['PATH']}", **more}


def eventually(holds: Callable[[], Any], why: Callable[[], str] = str) -> Any:
    """Give the first true value; fail where there is none in time."""
    deadline = time.monotonic() + SECONDS
    while not (found := holds()):
        assert time.monotonic() < deadline, why()
        time.sleep(0.02)
    return found


class Running:
    """A command that runs; ``output`` is what it has printed so far."""

    def __init__(self, folder: Path, command: list[str], **more: str) -> None:
        self.folder = folder
        self.output = ""
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env=clean_environment(**more),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def see(self, text: str) -> None:
        """Wait until a text has been printed."""
        eventually(
            lambda: text in self.output or not self._reader.is_alive(),
            lambda: f"{text!r} is not in:\n{self.output}",
        )
        assert text in self.output, self.output

    def ready(self) -> Running:
        """Wait for the end of the welcome."""
        self.see("Good to know:")
        return self

    def lines(self, beginning: str) -> list[str]:
        """The lines to copy that begin so."""
        found = [line.strip() for line in self.output.splitlines()]
        return [line for line in found if line.startswith(beginning)]

    def shell(self, line: str) -> str:
        """Run a line in a shell, in the same folder, as in another terminal."""
        return subprocess.run(
            ["sh", "-c", line],
            cwd=self.folder,
            env=clean_environment(),
            capture_output=True,
            check=True,
            text=True,
            timeout=SECONDS,
        ).stdout

    def find(self, *words: str) -> list[int]:
        """The processes of this run whose command line has all the words, the oldest first."""
        found = eventually(
            lambda: [p for p, line in self.family() if all(w in line for w in words)]
        )
        return sorted(found)

    def family(self) -> list[tuple[int, str]]:
        """All living processes of this run's session: pid and command line."""
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdecimal():
                continue
            try:
                _, _, rest = (entry / "stat").read_text().rpartition(")")
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            state, _, _, session = rest.split()[:4]
            if int(session) == self.process.pid and state != "Z":
                found.append((int(entry.name), line))
        return found

    def end(self, number: int = signal.SIGINT) -> int:
        """Signal the run, and give its exit status."""
        self.process.send_signal(number)
        return self.status()

    def status(self) -> int:
        """Wait for the end, and give the exit status; nothing may be left behind."""
        status = self.process.wait(SECONDS)
        eventually(lambda: not self.family(), lambda: f"left behind: {self.family()}")
        self._reader.join(SECONDS)
        return status

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            for line in stream:
                self.output += line


@contextmanager
def running(folder: Path, *words: str, **more: str) -> Iterator[Running]:
    """Run `sms-receiver up` on a free port; it is killed, whole, if the test has not ended it."""
    line = [str(SMS_RECEIVER), "up", "--port", "0", *words]
    with _killed(Running(folder, line, **more)) as run:
        yield run


@contextmanager
def running_flask(folder: Path, *words: str, **more: str) -> Iterator[Running]:
    """Run a `flask` command."""
    line = [str(SMS_RECEIVER.with_name("flask")), *words]
    with _killed(Running(folder, line, **more)) as run:
        yield run


@contextmanager
def _killed(run: Running) -> Iterator[Running]:
    try:
        yield run
    finally:
        for pid, _ in run.family():
            os.kill(pid, signal.SIGKILL)
        run.process.wait(SECONDS)
        run._reader.join(SECONDS)
