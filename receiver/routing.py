"""How handlers are registered: by keyword, pattern, conversation, status, and as fallback.

A `Router` is a named list of handlers; which of them an event goes to is `table`'s.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypedDict, TypeVar, Unpack

from .errors import ConfigurationError
from .events import Alarm, DeliveryReport, InboundMessage, Status
from .words import first_word, words_in

MessageHandler = Callable[[InboundMessage], str | None]
Watcher = Callable[[InboundMessage], str | None]  # not object: an async function gives one, too
ReportHandler = Callable[[DeliveryReport], None]
AlarmHandler = Callable[[Alarm], None]
Kind = Literal[
    "opted_out", "opted_in", "expects", "keyword", "pattern", "fallback", "every", "report", "alarm"
]

M = TypeVar("M", bound=MessageHandler)
W = TypeVar("W", bound=Watcher)
R = TypeVar("R", bound=ReportHandler)
A = TypeVar("A", bound=AlarmHandler)

DEFAULT_TIMEOUT = 60

_MOST_SECONDS = 86_400
_MOST_RETRIES = 50
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_NOT_PLAIN = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)


class Options(TypedDict, total=False):
    """What every decorator takes: see `Router`."""

    provider: str
    account: str
    retries: int
    timeout: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """One registered function: what it takes, and how often and how long it may try.

    ``name`` is ``router.function``; ``timeout`` in seconds; ``retries`` after the first attempt,
    ``None`` for the deployment's own number.
    """

    name: str
    function: Callable[[Any], object]
    kind: Kind
    words: frozenset[str] = frozenset()
    pattern: re.Pattern[str] | None = None
    statuses: frozenset[Status] = frozenset()
    expected: str | None = None
    provider: str | None = None
    account: str | None = None
    retries: int | None = None
    timeout: float = DEFAULT_TIMEOUT

    @property
    def replies(self) -> bool:
        """Tell whether the returned text is the reply SMS."""
        return self.kind not in ("every", "report", "alarm")


class Router:
    """A named list of handlers, in the order in which they are tried.

    >>> router = Router("balance")
    >>> @router.keyword("BALANCE")
    ... def balance(message: InboundMessage) -> str:
    ...     return "You have 5 left."

    All decorators take ``provider=`` and ``account=`` (only events of that one), ``retries=``
    (attempts after the first) and ``timeout=`` (seconds).
    """

    def __init__(self, name: str) -> None:
        if not _NAME.fullmatch(name):
            raise ConfigurationError(
                f"Router({name!r}): a name holds letters, digits, - and _ only, 64 at most"
            )
        self.name = name
        self.handlers: list[Handler] = []

    def __repr__(self) -> str:
        return f"Router({self.name!r})"

    def keyword(self, *words: str, **options: Unpack[Options]) -> Callable[[M], M]:
        """Take messages whose first word is one of these, in any case and punctuation.

        >>> router = Router("optout")
        >>> @router.keyword("STOP", "ARRÊT")
        ... def stop(message: InboundMessage) -> str:
        ...     return "You will get no more messages."
        """
        if not words:
            raise ConfigurationError(f"{self!r}.keyword(): name at least one word")
        for word in words:
            if not isinstance(word, str) or words_in(word) != [first_word(word)]:
                raise ConfigurationError(
                    f"{self!r}.keyword({word!r}): a keyword is one word; use matching() for more"
                )
        return self._decorator("keyword", options, words=frozenset(map(first_word, words)))

    def matching(
        self, pattern: str | re.Pattern[str], **options: Unpack[Options]
    ) -> Callable[[M], M]:
        """Take messages that begin with a pattern; its groups are in ``message.groups``.

        A string ignores case; pass a compiled pattern for anything else.

        >>> router = Router("balance")
        >>> @router.matching(r"BAL (?P<account>\\d+)")
        ... def balance_of(message: InboundMessage) -> str:
        ...     return f"Account {message.groups['account']} has 5 left."
        """
        try:
            compiled = re.compile(pattern, re.I) if isinstance(pattern, str) else pattern
            compiled.match("")  # a pattern of bytes, or no pattern at all, ends here
        except (re.error, OverflowError, TypeError, AttributeError) as error:
            raise ConfigurationError(
                f"{self!r}.matching({pattern!r}): is no pattern for text; {error}"
            ) from error
        return self._decorator("pattern", options, pattern=compiled)

    def expects(self, name: str, **options: Unpack[Options]) -> Callable[[M], M]:
        """Take the next message of a conversation that expects this; see `conversation`.

        It comes before keywords and patterns, and after opt-outs.

        >>> router = Router("orders")
        >>> @router.expects("size")
        ... def size(message: InboundMessage) -> str:
        ...     return f"Size {message.text}, then."
        """
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ConfigurationError(
                f"{self!r}.expects({name!r}): a name is of letters, digits, - and _, 64 at most"
            )
        return self._decorator("expects", options, expected=name)

    def opted_out(self, **options: Unpack[Options]) -> Callable[[M], M]:
        """Take the messages by which somebody opted out, such as STOP; the reply is the last one.

        >>> router = Router("optout")
        >>> @router.opted_out()
        ... def stop(message: InboundMessage) -> str:
        ...     return "You will get no more messages."
        """
        return self._decorator("opted_out", options)

    def opted_in(self, **options: Unpack[Options]) -> Callable[[M], M]:
        """Take the messages by which somebody opted in again, such as START.

        >>> router = Router("optout")
        >>> @router.opted_in()
        ... def start(message: InboundMessage) -> str:
        ...     return "You will get messages again."
        """
        return self._decorator("opted_in", options)

    def fallback(self, **options: Unpack[Options]) -> Callable[[M], M]:
        """Take the messages that no keyword and no pattern took.

        >>> router = Router("help")
        >>> @router.fallback()
        ... def explain(message: InboundMessage) -> str:
        ...     return "Send BALANCE or STOP."
        """
        return self._decorator("fallback", options)

    def every(self, **options: Unpack[Options]) -> Callable[[W], W]:
        """Take every message, beside the one handler that answers; what it returns is no reply.

        >>> router = Router("audit")
        >>> @router.every()
        ... def count(message: InboundMessage) -> None:
        ...     pass
        """
        return self._decorator("every", options)

    def report(self, *statuses: Status, **options: Unpack[Options]) -> Callable[[R], R]:
        """Take delivery reports of these statuses, or all of them where none is named.

        >>> router = Router("alarm")
        >>> @router.report(Status.FAILED, Status.EXPIRED)
        ... def warn(report: DeliveryReport) -> None:
        ...     pass
        """
        try:
            wanted = frozenset(map(Status, statuses))
        except ValueError as error:
            known = ", ".join(status.name for status in Status)
            raise ConfigurationError(f"{self!r}.report(): {error}; there are {known}") from error
        return self._decorator("report", options, statuses=wanted)

    def alarm(self, **options: Unpack[Options]) -> Callable[[A], A]:
        """Take what somebody should look at: an account that fell silent.

        >>> router = Router("pager")
        >>> @router.alarm()
        ... def page(alarm: Alarm) -> None:
        ...     pass
        """
        return self._decorator("alarm", options)

    def _decorator(self, kind: Kind, options: Options, **what: Any) -> Callable[[Any], Any]:
        given: Any = {name: value for name, value in options.items() if value is not None}
        unknown = ", ".join(given.keys() - Options.__optional_keys__)
        if unknown:
            known = ", ".join(sorted(Options.__optional_keys__))
            raise ConfigurationError(f"{self!r}: unknown option {unknown}; there are {known}")

        def register(function: Callable[[Any], object]) -> Callable[[Any], object]:
            name = f"{self.name}.{getattr(function, '__name__', '')}"
            _check_function(function, name)
            _check_options(name, given)
            handler = Handler(name=name, function=function, kind=kind, **what, **given)
            if any(known.name == name for known in self.handlers):
                raise two_of_one_name(name)
            self.handlers.append(handler)
            return function

        return register


def _check_function(function: Callable[[Any], object], name: str) -> None:
    own = name.partition(".")[2]
    if not callable(function) or not own.isidentifier():
        raise _wrong(name, "has no name of its own; define it with def, not with lambda")
    if not _NAME.fullmatch(own):  # it becomes part of a job's id
        raise _wrong(name, "the function's name holds letters from a to z, digits and _ only")
    if any(is_one(function) for is_one in _NOT_PLAIN):
        raise _wrong(name, "must be a plain function; no async, no yield, only return")
    try:
        inspect.signature(function).bind(object())
    except TypeError as error:
        raise _wrong(name, f"must take one argument, the event; def {own}(event)") from error
    except ValueError:  # a function in C that does not tell
        return


def _check_options(name: str, options: Mapping[str, Any]) -> None:
    for option in ("provider", "account"):
        if not isinstance(options.get(option, ""), str):
            raise _wrong(name, f"{option} must be one name, as text")
    timeout, retries = options.get("timeout", DEFAULT_TIMEOUT), options.get("retries", 0)
    if not isinstance(timeout, int | float) or not 0 < timeout <= _MOST_SECONDS:
        raise _wrong(name, f"timeout must be seconds, over 0 and at most {_MOST_SECONDS}")
    if not isinstance(retries, int) or not 0 <= retries <= _MOST_RETRIES:
        raise _wrong(name, f"retries must be a whole number from 0 to {_MOST_RETRIES}")


def _wrong(name: str, what: str) -> ConfigurationError:
    return ConfigurationError(f"handler {name}: {what}")


def two_of_one_name(name: str) -> ConfigurationError:
    """Make the error for two handlers that could not be told apart."""
    return _wrong(name, "there are two of this name; rename one, or the router of one")
