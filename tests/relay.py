"""A relay in front of Redis: it counts what goes over the socket."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit


class Relay:
    """A TCP relay in front of a Redis, which keeps what either side wrote, in order.

    ``redis_url`` names a unix socket and a database; ``url`` leads to the same one. What Redis
    answers while ``loses_answers`` arrives nowhere.
    """

    def __init__(self, redis_url: str) -> None:
        parts = urlsplit(redis_url)
        self._path, self._query = parts.path, parts.query
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.said: list[tuple[str, bytes]] = []
        self.loses_answers = False

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """The URL that a client of this relay is given."""
        return f"redis://127.0.0.1:{self.port}?{self._query}"

    def commands(self) -> list[bytes]:
        """The names of the Redis commands that the clients sent."""
        sent = b"".join(data for who, data in self.said if who == "client")
        found = []
        while sent:
            count, _, sent = sent[1:].partition(b"\r\n")
            for number in range(int(count)):
                size, _, sent = sent[1:].partition(b"\r\n")
                if number == 0:
                    found.append(sent[: int(size)])
                sent = sent[int(size) + 2 :]
        return found

    def round_trips(self) -> int:
        """How often a client spoke after it had been silent."""
        speakers = ["server", *(who for who, _ in self.said)]
        return sum(pair == ("server", "client") for pair in pairwise(speakers))

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._path)
                self._open += [client, server]
                self._start(self._copy, client, server, "client")
                self._start(self._copy, server, client, "server")

    def _copy(self, source: socket.socket, target: socket.socket, who: str) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                self.said.append((who, data))
                if who == "server" and self.loses_answers:
                    continue
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def _start(self, work: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=work, args=args)
        self._threads.append(thread)
        thread.start()

    def __enter__(self) -> Relay:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        # shutting down wakes up the threads that wait in these sockets
        for found in (self._listener, *self._open):
            with suppress(OSError):
                found.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for found in (self._listener, *self._open):
            found.close()
