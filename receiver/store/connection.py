"""One Redis client for a process: made on first use, and never shared over a fork."""

from __future__ import annotations

import codecs
import hashlib
import os
import threading
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Any
from weakref import WeakSet

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError
from redis.retry import Retry

from . import sentinel
from .exchange import Line, borrowed, exchange, pack
from .together import Call, Together

CONNECT_SECONDS = 0.25
ANSWER_SECONDS = 1.0

codecs.lookup("idna")  # loaded at the first connection otherwise: by a thread, while another forks

_SHARED = "enqueue"  # the Lua function that the other scripts call

# All of this process, so that a fork finds them.
_CONNECTIONS: WeakSet[Connection] = WeakSet()


class NotReplicated(RedisError):
    """A write was made, and may be lost with the master: it is to be kept elsewhere as well."""


class Connection:
    """A lazy client; ``answer`` is how many seconds Redis may take to answer one command."""

    def __init__(self, url: str, answer: float = ANSWER_SECONDS) -> None:
        self._url = url
        self._has_sentinels = sentinel.is_sentinel(url)
        self._answer = answer
        self._client: Redis | None = None
        self._safe: sentinel.SafeWrites | None = None
        self._line: Line | None = None
        self._lock = threading.Lock()
        self._together = Together(self._run_all)
        _CONNECTIONS.add(self)

    @property
    def place(self) -> str:
        """Where Redis is, without user and password; not for logs: a query may hold another."""
        head, _, rest = self._url.rpartition("@")
        return hashlib.sha256((head.partition("://")[0] + rest).encode()).hexdigest()[:16]

    @property
    def client(self) -> Redis:
        """The client of this process; nothing is connected before its first command."""
        if self._client is None:
            with self._lock:
                if self._client is None:
                    self._client = connect(self._url, self._answer)
        return self._client

    def forget(self) -> None:
        """Let go of the parent's client in a forked process: its sockets are closed here only."""
        self._client = None
        self._safe = None
        self._line = None
        self._lock = threading.Lock()  # a thread of the parent may have held it

    def close(self) -> None:
        """Close the sockets of this process; the next command opens new ones."""
        if self._client is not None:
            self._client.connection_pool.disconnect()

    def run(self, script: str, keys: list[str], args: list[Any]) -> Any:
        """Run one of our scripts, in one round trip with those of other threads of this process.

        Two where Redis has not met it yet.
        """
        sha, text = _script(script)
        if not self._has_sentinels:
            packed = pack("EVALSHA", sha, len(keys), *keys, *args)
            return self._together.run((packed, text, keys, args))
        try:
            return self.client.evalsha(sha, len(keys), *keys, *args)
        except NoScriptError:
            return self.client.eval(text, len(keys), *keys, *args)

    def run_durably(self, script: str, keys: list[str], args: list[Any]) -> Any:
        """Run one of our scripts as `run` does; under Sentinel, have a replica confirm it as well.

        Raises `NotReplicated` where none did in time. Without Sentinel there is no failover, and
        this is `run`.
        """
        if not self._has_sentinels:
            return self.run(script, keys, args)
        safe = self._safe_writes
        sha, text = _script(script)
        try:
            reply, is_safe = safe.write("EVALSHA", sha, len(keys), *keys, *args)
        except NoScriptError:
            reply, is_safe = safe.write("EVAL", text, len(keys), *keys, *args)
        if not is_safe:
            raise NotReplicated("no replica confirmed the write")
        return reply

    def _run_all(self, calls: Sequence[Call]) -> list[Any]:
        """Run several scripts in one round trip, two where Redis has not met one yet.

        One thread at a time. Gives an answer or an error for each call: what Redis says against
        one is nobody else's.
        """
        if self._line is None:
            self._line = Line(self.client.connection_pool)
        answers = self._line.exchange([packed for packed, *_ in calls])
        new = [n for n, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
        if new:
            commands = [("EVAL", text, len(keys), *keys, *args) for _, text, keys, args in calls]
            told = self._line.exchange([pack(*commands[n]) for n in new])
            for number, answer in zip(new, told, strict=True):
                answers[number] = answer
        return answers

    @property
    def is_confirmed(self) -> bool:
        """Tell whether `run_durably` has a replica confirm each write."""
        return self._has_sentinels

    def run_in_one(self, script: str, calls: Sequence[tuple[list[str], list[Any]]]) -> list[Any]:
        """Run one of our scripts for several keys and arguments, in one transaction.

        What Redis lacks, such as memory, it lacks for all of them, so that none overtakes an
        earlier one that failed. Where it refuses one of them, the answer to that is the error.
        """
        sha, text = _script(script)
        heads = [("EVAL", text), *[("EVALSHA", sha)] * (len(calls) - 1)]  # it may not know it yet
        commands = [
            pack(*head, len(keys), *keys, *args)
            for head, (keys, args) in zip(heads, calls, strict=True)
        ]
        with borrowed(self.client.connection_pool) as connection:
            *_, answers = exchange(connection, [pack("MULTI"), *commands, pack("EXEC")])
        if isinstance(answers, RedisError):
            raise answers
        return list(answers)

    def slow(self, answer: float) -> Connection:
        """Give a connection to the same Redis that waits longer: for blocking commands."""
        return Connection(self._url, answer)

    @property
    def _safe_writes(self) -> sentinel.SafeWrites:
        client = self.client
        if self._safe is None:
            with self._lock:
                if self._safe is None:
                    self._safe = sentinel.SafeWrites(client)
        return self._safe


def connect(url: str, answer: float) -> Redis:
    """Make a client that says at once what is wrong instead of trying again by itself."""
    options = {
        "socket_connect_timeout": CONNECT_SECONDS,
        "socket_timeout": answer,
        "retry": Retry(NoBackoff(), 0),
        "health_check_interval": 0,
        "protocol": 2,
    }
    if sentinel.is_sentinel(url):
        return sentinel.connect(url, options)
    return Redis.from_url(url, **options)


def _after_fork() -> None:
    for connection in _CONNECTIONS:
        connection.forget()


os.register_at_fork(after_in_child=_after_fork)


@lru_cache
def _script(name: str) -> tuple[str, str]:
    folder = files(__package__) / "scripts"
    shared = (folder / f"{_SHARED}.lua").read_text("utf-8")
    text = f"{shared}\n{(folder / f'{name}.lua').read_text('utf-8')}"
    # Redis names a script by its SHA-1
    return hashlib.sha1(text.encode("utf-8"), usedforsecurity=False).hexdigest(), text
