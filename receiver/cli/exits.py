"""How a command ends: its exit status, and the error that says what to do about it.

Nothing here prints but `Fault`, and only when click shows it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import click
from redis.exceptions import RedisError

from ..errors import (
    ConfigurationError,
    ReceiverError,
    StorageUnavailable,
    TemporaryDeliveryError,
)

OK = 0
WRONG = 1
USAGE = 2
NOT_FOUND = 3
NOT_NOW = 75  # EX_TEMPFAIL of sysexits: the same command may do later

MEANINGS = {
    OK: "done",
    WRONG: "something is wrong: what check found, a setting, what a provider refused",
    USAGE: "the command line is wrong; nothing was done",
    NOT_FOUND: "what was named is not there: an account, an event, a key",
    NOT_NOW: "not now: Redis or the provider is away; the same command may do later",
}

_SETTINGS_MEND = (
    "give the settings, as FLASK_RECEIVER_… in the environment where nothing else reads them;"
    " `up` needs none"
)
_OF_UP = Path(".receiver", "env")  # what an `up` that runs in this folder has others read
_ABSENT = (": is missing", ": there is none")


class Fault(click.ClickException):
    """End a command: ``message`` says what is wrong, ``mend`` what to do. Exit status `WRONG`."""

    exit_code = WRONG

    def __init__(self, message: str, mend: str = "") -> None:
        super().__init__(message.removesuffix("."))
        self.mend = mend

    def show(self, file: IO[Any] | None = None) -> None:
        """Print ``Error: …`` and, below it, ``Try: …``."""
        click.echo(click.style("Error:", fg="red") + f" {self.message}", file=file, err=True)
        if self.mend:
            click.echo(click.style("Try:", fg="green") + f" {self.mend}", file=file, err=True)


class UsageFault(Fault):
    """The command line is wrong, in a way that only the command knows. Exit status `USAGE`."""

    exit_code = USAGE


class NotFound(Fault):
    """What was named is not there. Exit status `NOT_FOUND`."""

    exit_code = NOT_FOUND


class NotNow(Fault):
    """What is needed is away; the same command may do later. Exit status `NOT_NOW`."""

    exit_code = NOT_NOW


def not_found(what: str, name: str, known: Iterable[str]) -> NotFound:
    """Make the error that there is no such account, handler or key: what there is, what is close.

    >>> not_found("account", "lefka", ["lefoka", "smsbox"]).message
    'there is no account lefka; there are: lefoka, smsbox'
    >>> not_found("account", "lefka", ["lefoka", "smsbox"]).mend
    'lefoka'
    """
    names = list(known)
    close = close_to(name, names)
    there = ", ".join(names) or "none"
    return NotFound(f"there is no {what} {name}; there are: {there}", " or ".join(close))


def close_to(name: str, known: Iterable[str]) -> list[str]:
    """Give the names that somebody who typed this may have meant, the closest first.

    >>> close_to("evnts", ["events", "failed"])
    ['events']
    """
    whole = {known_name.casefold(): known_name for known_name in known}
    return [whole[found] for found in difflib.get_close_matches(name.casefold(), whole, 3)]


def _settings_mend(error: ConfigurationError) -> str:
    """Say where missing settings come from; what is wrong with others is said with its mend."""
    if not any(sign in problem for problem in error.problems for sign in _ABSENT):
        return ""
    return f". {_OF_UP}, for the settings of the `up` here" if _OF_UP.is_file() else _SETTINGS_MEND


@contextmanager
def faults() -> Iterator[None]:
    """Make a `Fault` of whatever error of ours or of Redis a command ends in."""
    try:
        yield
    except RedisError as error:
        mend = "check, which says what is the matter; RECEIVER_REDIS_URL says where Redis is"
        raise NotNow(f"Redis: {type(error).__name__}", mend) from error
    except StorageUnavailable as error:
        raise NotNow(str(error), "check, and see to RECEIVER_SPOOL_DIR") from error
    except ConfigurationError as error:
        raise Fault(str(error), _settings_mend(error)) from error
    except TemporaryDeliveryError as error:
        raise NotNow(str(error), "the same again, later") from error
    except ReceiverError as error:
        raise Fault(str(error)) from error
