"""A real worker process that is killed at a place of one handler, for each event once.

It is forked, as a supervisor forks its workers, and kills itself with SIGKILL: no `finally` runs,
no socket is closed in peace, and what it had in hand stays claimed until another worker takes over.
"""

from __future__ import annotations

import inspect
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from types import CodeType, FrameType
from typing import Any

from ..routing import Handler, Router
from ..store.claims import Claims
from ..store.journal import HANDLER
from ..table import Table
from ..worker import Worker
from .stage import Stage

_MOST_WORKERS = 200


@dataclass(frozen=True, slots=True)
class Place:
    """Where a worker dies: before the handler's line number ``line`` of those that it runs."""

    line: int

    @property
    def words(self) -> str:
        """Say it for people."""
        if self is BEFORE:
            return "before the handler's first line"
        if self is AFTER_RETURN:
            return "when the handler had returned, before that was noted"
        if self is AFTER_NOTED:
            return "right after the handler's outcome was noted"
        return f"inside the handler, after {self.line} of the lines that it runs"


BEFORE, AFTER_RETURN, AFTER_NOTED = Place(0), Place(-1), Place(-2)


class Victim:
    """The workers of one trial, one after the other; ``handler`` is where they are killed."""

    def __init__(
        self, stage: Stage, handler: str, in_worker: Callable[[], object] | None = None
    ) -> None:
        self._stage = stage
        self._handler = handler
        self._in_worker = in_worker
        self._folder = stage.folder / "victims"
        self._folder.mkdir(exist_ok=True)
        self.lines = 0

    def work(self, place: Place | None) -> None:
        """Have all jobs be run, by as many workers as it takes."""
        for mark in self._folder.iterdir():
            mark.unlink()
        for number in range(_MOST_WORKERS):
            name = f"{self._stage.parts.settings.namespace}-{number}"
            status = self._fork(name, place)
            if os.WIFEXITED(status):
                break
            assert os.WTERMSIG(status) == signal.SIGKILL, f"the worker ended with {status}"
            self._take_for_dead(name)
        broken = self._folder / "broken"
        assert not broken.exists(), f"the worker failed:\n{broken.read_text()}"
        with suppress(FileNotFoundError):
            self.lines = max(map(int, (self._folder / "lines").read_text().split()))

    def outcomes(self) -> list[tuple[str, Any]]:
        """Give what each handler made of each event, by its name."""
        journal = self._stage.parts.journal
        records = journal.records(journal.ids())
        return [pair for record in records for pair in record.handlers.items()]

    def _fork(self, name: str, place: Place | None) -> int:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # that there are threads: so be it
            pid = os.fork()
        if pid:
            return os.waitpid(pid, 0)[1]
        try:
            if self._in_worker is not None:
                self._in_worker()
            self._mark(place)
            Worker(self._stage.app, name=name).burst()
        except BaseException:  # noqa: BLE001 - this process ends here, whatever it is
            (self._folder / "broken").write_text(traceback.format_exc())
        finally:
            os._exit(0)

    def _take_for_dead(self, name: str) -> None:
        """Let the half minute pass after which a worker that is not heard of is dead."""
        client: Any = self._stage.parts.connection.client
        client.delete(f"rq:worker:{name}")
        client.srem("rq:workers", f"rq:worker:{name}")

    def _mark(self, place: Place | None) -> None:
        """Change this process alone: it is a copy, and ends soon."""
        parts = self._stage.parts
        router = Router("marked")
        router.handlers += [
            replace(handler, function=self._marked(handler, place))
            if handler.name == self._handler
            else handler
            for handler in parts.loaded.table
        ]
        parts.loaded = replace(parts.loaded, table=Table([router]))
        vars(parts).pop("desk", None)
        if place is AFTER_NOTED:
            _wrap_turn(self._handler, self._die)

    def _marked(self, handler: Handler, place: Place | None) -> Callable[[Any], object]:
        code = _code_of(handler.function)

        def marked(event: Any) -> object:
            if place is BEFORE:
                self._die(event.id)
            lines = _Lines(code, place, lambda: self._die(event.id))
            sys.settrace(lines.enter)
            try:
                answer = handler.function(event)
            finally:
                sys.settrace(None)
            if place is None:
                with (self._folder / "lines").open("a") as file:
                    file.write(f"{lines.count}\n")
            if place is AFTER_RETURN:
                self._die(event.id)
            return answer

        return marked

    def _die(self, event_id: str) -> None:
        """End this process at once, unless one died of this event before."""
        with suppress(FileExistsError):
            (self._folder / event_id).touch(exist_ok=False)
            os.kill(os.getpid(), signal.SIGKILL)


class _Lines:
    """Counts the lines that a handler runs, and strikes after some of them."""

    def __init__(self, code: CodeType, place: Place | None, strike: Callable[[], None]) -> None:
        self._code = code
        self._place = place
        self._strike = strike
        self.count = 0

    def enter(self, frame: FrameType, event: str, argument: Any) -> Any:
        return self._line if frame.f_code is self._code else None

    def _line(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            if self._place is not None and self._place.line == self.count > 0:
                self._strike()
            self.count += 1
        return self._line


def _code_of(function: Callable[..., object]) -> CodeType:
    found: Any = inspect.unwrap(function)
    code: CodeType = getattr(found, "__code__", _code_of.__code__)
    return code


def _wrap_turn(handler: str, die: Callable[[str], None]) -> None:
    """Die once the step is made that writes the handler's outcome."""
    turn = Claims.turn
    name = HANDLER + handler

    def marked(self: Claims, ended: Any, *args: Any) -> Any:
        noted = turn(self, ended, *args)
        if ended is not None and ended.note is not None and ended.note.name == name:
            die(ended.event_id)
        return noted

    Claims.turn = marked  # type: ignore[assignment, method-assign] # this process is killed by it
