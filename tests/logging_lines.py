"""Log lines as an operator reads them: what a formatter writes while a test goes on."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any

from receiver.logs import JsonFormatter


@contextmanager
def lines_of(*names: str, formatter: logging.Formatter | None = None) -> Iterator[StringIO]:
    """Write the lines of these loggers, from INFO on, into a text."""
    written = StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(formatter or JsonFormatter())
    handler.setLevel(logging.INFO)
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(min(logger.level or logging.INFO, logging.INFO))
    try:
        yield written
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)


def entries(text: str) -> list[dict[str, Any]]:
    """Read lines of JSON, each by itself."""
    return [json.loads(line) for line in text.splitlines()]
