"""A reader at a terminal: types what a page shows, in a folder of its own, against real parts.

What a page cannot know is put in: a free port for 8000, this test's Redis for the usual one, a key
for each `…`. No SMS leaves: the addresses of the providers are those of the simulated one.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from conftest import LEFOKA_KEY, SMSBOX_KEY
from docs_pages import Block
from upping import SECONDS, Running, clean_environment, eventually

from receiver.dev.ports import port_of, take_port
from receiver.dev.provider_api import ProviderApi, serving

SECRET = "a-secret-key-of-some-length"
PAIRS = {
    "lefoka": {LEFOKA_KEY: "lefoka-secret"},
    "smsbox": {SMSBOX_KEY: "smsbox-secret"},
    "kobomobile": {"kobo-user": "kobo-password"},
}
ACCOUNTS = {
    name: {"api_key": key, "api_secret": secret}
    for name, pairs in PAIRS.items()
    for key, secret in pairs.items()
}
_MODULES = ("lefoka_api", "smsbox", "kobomobile")
_KEYS = re.compile(r'"api_key": "([^"…]+)", "api_secret": "([^"…]+)"')
_NAMED = re.compile(r'"(\w+)": \{"api_key": "…", "api_secret": "…"')
_MOST_QUESTIONS = 3
_PATIENCE = 10.0  # seconds, until it is killed
_USUAL_REDIS = "redis://localhost:6379/0"


class Terminal:
    """One reader of one page; ``folder`` is where everything is typed."""

    def __init__(self, folder: Path, redis_url: str, api_url: str, ports: Sequence[int]) -> None:
        self.folder = folder
        self._redis_url = redis_url
        self._ports = dict(zip(("8000", "8001"), map(str, ports), strict=True))
        self._state = folder.parent / "state"
        self._running: dict[str, tuple[Running, list[int]]] = {}
        ours = folder.parent / "ours"
        ours.mkdir()
        lines = [f"import receiver.providers.{m} as m; m.LIVE_URL = {api_url!r}" for m in _MODULES]
        (ours / "sitecustomize.py").write_text("\n".join(lines))
        self._more = {"PYTHONPATH": str(ours), "PYTHONDONTWRITEBYTECODE": "1"}
        self.settings: dict[str, str] = {}
        self.password = ""

    def set_up(self) -> None:
        """Be in a deployment that has its settings already."""
        self.settings = {
            "FLASK_SECRET_KEY": SECRET,
            "FLASK_RECEIVER_ACCOUNTS": json.dumps(ACCOUNTS),
            "FLASK_RECEIVER_REDIS_URL": self._redis_url,
        }

    def type(self, code: str, answer: str = "") -> subprocess.CompletedProcess[str]:
        """Run a few lines to their end; what they export is there for the next ones.

        ``answer`` is what is typed where they ask, however often.
        """
        return subprocess.run(
            ["sh", "-c", self._script(code, keep=True)],
            cwd=self.folder,
            env=clean_environment(**self._more, **self.settings),
            input=f"{answer}\n" * _MOST_QUESTIONS if answer else "",
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )

    def stay(self, block: Block) -> None:
        """Start what goes on until the page ends; the same once more is a restart."""
        before = self._running.pop(block.code, None)
        if before is not None:
            _end(before[0], signal.SIGINT)
        script = self._script(block.code, keep=False)
        run = Running(self.folder, ["sh", "-c", script], **self._more, **self.settings)
        self._running[block.code] = (run, [0])
        for port in self._ports.values():
            if port in script:
                eventually(lambda port=port: _listens(int(port)), lambda: run.output)
        wanted = shlex.split(block.note)[1:]
        if wanted:
            run.see(wanted[0])

    def see(self, lines: list[str], where: str) -> None:
        """Wait until a terminal that is open shows these lines, in order, after those seen."""

        def holds() -> bool:
            return any(_found(run.output, seen, lines) for run, seen in self._running.values())

        def why() -> str:
            shown = "\n".join(run.output for run, _ in self._running.values())
            return f"{where}: {lines} is not shown in:\n{shown}"

        eventually(holds, why)

    def close(self) -> None:
        """End whatever is open: `up` as Ctrl-C does, since it tidies up, the others by force."""
        for code, (run, _) in self._running.items():
            _end(run, *([signal.SIGINT] if " up" in code else []))

    def filled(self, code: str) -> str:
        """Put in what the page cannot know."""
        code = _NAMED.sub(lambda m: json.dumps({m[1]: ACCOUNTS[m[1]]})[1:-2], code)
        code = code.replace("FLASK_SECRET_KEY=…", f"FLASK_SECRET_KEY={SECRET}")
        code = code.replace(_USUAL_REDIS, self._redis_url)
        serving_lines = r"(?m)^((?:granian|flask|sms-receiver) (?:.*\S )??(?:up|run|\w+:app))\b"
        code = re.sub(serving_lines, r"\1 --port 8000", code)
        return re.sub(r"\b800[01]\b", lambda found: self._ports[found[0]], code)

    def _script(self, code: str, *, keep: bool) -> str:
        """Go on where the last lines ended; what is ``kept`` are the variables of these ones."""
        state = shlex.quote(str(self._state))
        end = f"trap 'export -p > {state}' EXIT\n" if keep else ""
        return f"set -e\n[ ! -f {state} ] || . {state}\n{end}{self.filled(code)}\n"


@contextmanager
def reader(page: Sequence[Block], folder: Path, redis_url: str) -> Iterator[Terminal]:
    """Sit down before a page: its folder is empty, its provider simulated."""
    pairs = {name: dict(known) for name, known in PAIRS.items()}
    for key, secret in _KEYS.findall("".join(block.code for block in page)):
        for known in pairs.values():
            known[key] = secret
    (folder / "shop").mkdir()
    with serving(ProviderApi(pairs)) as api_url:
        terminal = Terminal(folder / "shop", redis_url, api_url, [_free_port(), _free_port()])
        try:
            yield terminal
        finally:
            terminal.close()


def pattern_of(line: str) -> re.Pattern[str]:
    """Read a line that is shown: `…` is any text, or none, and spaces are any number of spaces."""
    parts = [re.escape(part) for part in re.split(r" ?… ?", " ".join(line.split()))]
    return re.compile(".*".join(parts))


def matches(expected: list[str], output: str) -> bool:
    """Tell whether an output is just these lines; a line `…` is any number of lines."""
    wanted, lines = list(expected), [" ".join(line.split()) for line in output.splitlines()]
    skipping = False
    for line in [line for line in lines if line]:
        if wanted and wanted[0].strip() == "…":
            wanted.pop(0)
            skipping = True
        if wanted and pattern_of(wanted[0]).fullmatch(line):
            wanted.pop(0)
            skipping = False
        elif not skipping:
            return False
    return [line for line in wanted if line.strip() != "…"] == []


def python() -> str:
    """The interpreter that runs the tests."""
    return sys.executable


def _end(run: Running, *asked: signal.Signals) -> None:
    """Ask all of it to end; what does not is killed, and whoever it starts anew meanwhile."""
    for number in asked:
        os.killpg(run.process.pid, number)
        patient = time.monotonic() + _PATIENCE
        while run.family() and time.monotonic() < patient:
            time.sleep(0.02)
    eventually(lambda: not [os.kill(pid, signal.SIGKILL) for pid, _ in run.family()])
    run.process.wait(SECONDS)
    run._reader.join(SECONDS)


def _found(output: str, seen: list[int], lines: list[str]) -> bool:
    at = seen[0]
    shown = output.splitlines()
    for line in lines:
        pattern = pattern_of(line)
        while at < len(shown) and not pattern.search(" ".join(shown[at].split())):
            at += 1
        if at == len(shown):
            return False
        at += 1
    seen[0] = at
    return True


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    held, _ = take_port(0, 0)
    with held:
        return port_of(held)
