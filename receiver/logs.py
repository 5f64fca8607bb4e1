"""Log lines: which callback they are about, and how they are written, as key=value or as JSON.

A line of ours is ``key=value`` pairs and nothing else. In a job it also names the callback that all
of it began with, by the id of the callback's first event. Where lines go is the app's business.
"""

from __future__ import annotations

import ast
import json
import logging
import math
import re
from collections.abc import Mapping, MutableMapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, NamedTuple

FORMATS = ("logfmt", "json")

_PAIR = re.compile(
    r"""([A-Za-z_][\w.-]*)=('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^\s'"]\S*|)(?:\s+|\Z)"""
)
_NUMBERS = re.compile(r"([A-Za-z_][\w.-]*)=%[.\d]*([df])")
_TAKEN = frozenset({"time", "level", "logger", "message", "traceback"})


class Trail(NamedTuple):
    """What is worked on: a callback, by the id of its first event, and one event of it."""

    callback: str
    event: str


_trail: ContextVar[Trail | None] = ContextVar("trail", default=None)


class one_job:  # noqa: N801 - it stands behind ``with``, and is half as dear as a generator
    """Have what `follow` says end with a job."""

    def __enter__(self) -> None:
        self._token = _trail.set(None)

    def __exit__(self, *_: object) -> None:
        _trail.reset(self._token)


def follow(callback: str, event: str) -> None:
    """Say which callback and event all lines are about, from here to the end of the job."""
    _trail.set(Trail(callback, event))


def callback() -> str | None:
    """Give the id of the callback that the job at hand is about, once it is known."""
    trail = _trail.get()
    return None if trail is None else trail.callback


def job_logger(name: str) -> logging.LoggerAdapter[logging.Logger]:
    """Give a logger whose lines name the callback at hand, whatever formats them."""
    return _JobLogger(logging.getLogger(name))


class _JobLogger(logging.LoggerAdapter[logging.Logger]):
    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        trail = _trail.get()
        return msg if trail is None else f"{msg} callback={trail.callback}", kwargs


class CallbackFilter(logging.Filter):
    """Give each record ``callback`` and ``event``: what the job at hand is about, else empty.

    Add it to a handler of your own logging, and name ``%(callback)s`` in its format.

    >>> handler = logging.StreamHandler()
    >>> handler.addFilter(CallbackFilter())
    >>> handler.setFormatter(logging.Formatter("%(message)s callback=%(callback)s"))
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, with what it is about."""
        about = _about(record)
        record.callback, record.event = about.get("callback", ""), about.get("event", "")
        return True


class LogfmtFormatter(logging.Formatter):
    """Write time, level and message; a line that a handler logs names callback and event, too."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        """Write the first line."""
        about = _about(record).items()
        missing = [f"{name}={id_}" for name, id_ in about if f"{name}=" not in record.message]
        return " ".join([super().formatMessage(record), *missing])


class JsonFormatter(logging.Formatter):
    """Write a record as one line of ASCII JSON, for your own handlers as well.

    ``time`` (ISO 8601, UTC), ``level``, ``logger``, and the ``key=value`` pairs of the message, all
    text but for what was logged by ``%d`` or ``%f``; a message that is anything else is
    ``message``. ``callback`` and ``event`` where the line is logged in a job; ``traceback``.

    >>> record = logging.makeLogRecord({"msg": "event=paused reason=%r for=%d", "name": "shop"})
    >>> record.args = ("out of credit", 60)
    >>> JsonFormatter().format(record).partition('"logger": ')[2]
    '"shop", "event": "paused", "reason": "out of credit", "for": 60}'
    """

    def format(self, record: logging.LogRecord) -> str:
        """Write the one line."""
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        entry: dict[str, Any] = {"time": when, "level": record.levelname, "logger": record.name}
        entry |= {**_about(record), **_content(record)}
        trace = [self.formatException(record.exc_info)] if record.exc_info else []
        trace += [self.formatStack(record.stack_info)] if record.stack_info else []
        if trace:
            entry["traceback"] = "\n".join(trace)
        return json.dumps(entry)


def formatter(name: object) -> logging.Formatter:
    """Give the formatter of one of `FORMATS`; what is none of them is judged by the settings."""
    return JsonFormatter() if name == "json" else LogfmtFormatter()


def write_to_stderr(format_: object) -> None:
    """Write all lines of the process there, unless it has set up logging already."""
    handler = logging.StreamHandler()
    handler.setFormatter(formatter(format_))
    logging.basicConfig(handlers=[handler])


def pairs(text: str) -> dict[str, str] | None:
    """Take a line of ``key=value`` apart; ``None`` where it holds anything else.

    >>> pairs("event=refused reason='no key, \\\\'at all\\\\'' looked_in=basic,query")
    {'event': 'refused', 'reason': "no key, 'at all'", 'looked_in': 'basic,query'}
    """
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        match = _PAIR.match(text, at)
        if match is None or match[1] in found or match[1] in _TAKEN:
            return None
        found[match[1]] = _unquoted(match[2])
        at = match.end()
    return found or None


def _unquoted(value: str) -> str:
    if value[:1] not in ("'", '"'):
        return value
    try:
        return str(ast.literal_eval(value))
    except (SyntaxError, ValueError):
        return value[1:-1]


def _content(record: logging.LogRecord) -> Mapping[str, Any]:
    text = record.getMessage()
    found = pairs(text)
    if found is None:
        return {"message": text}
    content: dict[str, Any] = dict(found)
    for name, kind in _NUMBERS.findall(str(record.msg)):
        if name in found:
            content[name] = _number(found[name], int if kind == "d" else float)
    return content


def _number(text: str, kind: type[int] | type[float]) -> int | float | str:
    try:
        number = kind(text)
    except ValueError:
        return text
    return number if math.isfinite(number) else text


def _about(record: logging.LogRecord) -> Mapping[str, str]:
    """Say what a record is about: what a filter saw, in another thread perhaps, or what is now."""
    if isinstance(getattr(record, "callback", None), str):
        seen = {"callback": vars(record)["callback"], "event": vars(record).get("event")}
        return {name: str(value) for name, value in seen.items() if value}
    trail = _trail.get()
    return {} if trail is None else trail._asdict()
