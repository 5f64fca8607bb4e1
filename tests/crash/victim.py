"""Runs a command as a user does, and kills it at one marked step: `python -m victim flask …`.

It wraps one function in its own process and in what that forks; the code under test knows nothing
of it. The moment is a call of that function, and no matter of luck or time.
"""

from __future__ import annotations

import itertools
import json
import os
import runpy
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import wraps
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, Literal

from redis import exceptions

ITSELF = 0
ITS_GROUP = -1

_STEP = "CRASH_STEP"
_MARK = "killed-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A moment of a process: right before or after a function's ``call``-th call.

    ``within``: after what the function was given to call, before it goes on itself. ``unanswered``:
    after the call, and the caller does not learn what it gave. ``only`` names the calls that count,
    out of `CALLS`. As many processes as ``most`` says die of it, one after the other. ``kills`` is
    `ITSELF`, `ITS_GROUP` or another process's id. ``spares_the_new``: who was forked after a kill
    goes on, since a server may take two deaths in a row for a fault of the app.
    """

    function: str
    when: Literal["before", "within", "after", "unanswered"]
    call: int = 1
    only: str = "any"
    most: int = 1
    kills: int = ITSELF
    spares_the_new: bool = False

    def environment(self) -> dict[str, str]:
        """Give what `main` reads."""
        return {_STEP: json.dumps(asdict(self))}


@dataclass(frozen=True, slots=True)
class Kill:
    """What was killed, by whom, and when: nanoseconds of the host's monotonic clock."""

    pid: int
    target: int
    at: int


def kills(folder: Path) -> list[Kill]:
    """Give the kills of a run in this folder, in order."""
    marks = sorted(folder.glob(f"{_MARK}*"))
    return [Kill(**json.loads(mark.read_text())) for mark in marks]


def _marks(folder: Path) -> range:
    return range(len(list(folder.glob(f"{_MARK}*"))))


def _script(name: str) -> Callable[[tuple[Any, ...], Any], bool]:
    return lambda args, _: args[1] == name


def _turn(place: int, *words: str) -> Callable[[tuple[Any, ...], Any], bool]:
    """Count the turns of a worker in which this argument of the script is there, or is a word."""

    def told(args: tuple[Any, ...], _: Any) -> bool:
        given = args[3][place : place + 1] if args[1] == "turn" else []
        return given != [] and (given[0] in words if words else given[0] != "")

    return told


def _notes(field: str, words: str) -> Callable[[tuple[Any, ...], Any], bool]:
    def told(args: tuple[Any, ...], _: Any) -> bool:
        return args[1] == "note" and args[3][0].startswith(field) and words in args[3][1]

    return told


def _something_is_due(args: tuple[Any, ...], _: Any) -> bool:
    connection, name, keys, _ = args
    return name == "due" and bool(connection.client.zcount(keys[0], "-inf", time.time()))


# Which calls count: told by the arguments and, after the call, by what it gave.
CALLS: Mapping[str, Callable[[tuple[Any, ...], Any], bool]] = {
    "any": lambda args, _: True,
    "accept": _script("accept"),
    "begins": _turn(3),
    "revive": _script("revive"),
    "sweep": _script("sweep"),
    "a reply is on its way": _notes("reply:", '"state":"sending"'),
    "settles": _turn(10, "done"),
    "settles for later": _turn(10, "later"),
    "claims": _script("claim"),
    "keeps a callback": lambda args, _: "_commit" in args[1].__qualname__,
    "something is due": _something_is_due,
    "queued what was due": lambda args, moved: args[1] == "due" and moved > 0,
}


def mark(step: Step, folder: Path) -> None:
    """Wrap the step's function; a mark in ``folder`` tells of each kill."""
    owner, name = place(step.function)
    real: Callable[..., Any] = getattr(owner, name)
    numbers = itertools.count(1)

    spared: list[int] = []
    if step.spares_the_new:
        os.register_at_fork(after_in_child=lambda: spared.extend(_marks(folder)))

    def strike(args: tuple[Any, ...], result: Any = None) -> bool:
        if spared:
            return False
        counts = CALLS[step.only](args, result) and next(numbers) >= step.call
        return counts and _strike(step, folder)

    @wraps(real)
    def marked(*args: Any, **options: Any) -> Any:
        if step.when == "before":
            strike(args)
        if step.when == "within":
            args = (*args[:-1], _followed(args[-1], lambda: strike(args)))
        result = real(*args, **options)
        if step.when == "after":
            strike(args, result)
        if step.when == "unanswered" and strike(args, result):
            raise exceptions.ConnectionError("killed before it answered")
        return result

    setattr(owner, name, marked)


def place(function: str) -> tuple[Any, str]:
    """Give where a function is to be found, and its name there."""
    module, _, path = function.partition(":")
    owner, _, name = path.rpartition(".")
    return resolve_name(f"{module}:{owner}"), name


def _followed(work: Callable[..., Any], then: Callable[[], object]) -> Callable[..., Any]:
    @wraps(work)
    def followed(*args: Any) -> Any:
        result = work(*args)
        then()
        return result

    return followed


def _strike(step: Step, folder: Path) -> bool:
    """Kill, unless as many as wanted are dead: a mark is made whole, and by one process."""
    target = os.getpid() if step.kills == ITSELF else step.kills
    kill = Kill(os.getpid(), target, time.monotonic_ns())
    draft = folder / f"draft-{kill.pid}-{kill.at}"
    draft.write_text(json.dumps(asdict(kill)))
    for number in range(step.most):
        with suppress(FileExistsError):
            (folder / f"{_MARK}{number}").hardlink_to(draft)
            if step.kills == ITS_GROUP:
                os.killpg(os.getpgrp(), signal.SIGKILL)
            os.kill(target, signal.SIGKILL)
            while alive(target):
                time.sleep(0)
            return True
    return False


def alive(pid: int) -> bool:
    """Tell whether a process is there and no corpse."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def main() -> None:
    """Mark the step that the environment names, and be the command of the arguments."""
    mark(Step(**json.loads(os.environ[_STEP])), Path.cwd())
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
