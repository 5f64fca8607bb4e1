"""A provider that keeps sending: distinct callbacks, at a steady rate, re-sent as Lefoka does it."""

from __future__ import annotations

import http.client
import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from conftest import LEFOKA_KEY
from processes import until
from servers import Web, is_ack
from support import message, report

LEAST = 200  # callbacks, however short the trouble is

_SENDERS = 2
_PAUSE = 0.02  # seconds between two callbacks of one sender
_ATTEMPTS = {"lefoka": 4, "smsbox": 1}  # Lefoka: anything but 200 is re-sent at once, three times


@dataclass(frozen=True, slots=True)
class Callback:
    """What is sent, and the runs that it is to lead to: handlers and what they are called with."""

    provider: str
    body: dict[str, Any]
    runs: tuple[tuple[str, str], ...]


class Traffic:
    """``acked`` are the callbacks that got their exact ack; ``sent`` are all of them.

    ``broken`` mixes in messages that no handler can handle before an operator has mended the shop.
    """

    def __init__(self, web: Web, *, broken: bool = False) -> None:
        self.acked: list[Callback] = []
        self.sent: list[Callback] = []
        self._web = web
        self._texts = ("hello", "later", "hello", "broken" if broken else "hello")
        self._numbers = itertools.count()
        self._enough = threading.Event()

    @contextmanager
    def flowing(self) -> Iterator[None]:
        """Send while the block runs, and until at least `LEAST` were sent."""
        with ThreadPoolExecutor(_SENDERS) as pool:
            senders = [pool.submit(self._send) for _ in range(_SENDERS)]
            try:
                yield
                until(lambda: len(self.sent) >= LEAST, "enough callbacks")
            finally:
                self._enough.set()
            for sender in senders:
                sender.result()

    def _send(self) -> None:
        while not self._enough.wait(_PAUSE):
            callback = self._make(next(self._numbers))
            self.sent.append(callback)
            if any(self._is_acked(callback) for _ in range(_ATTEMPTS[callback.provider])):
                self.acked.append(callback)

    def _is_acked(self, callback: Callback) -> bool:
        path = f"/webhooks/{callback.provider}"
        try:
            if callback.provider == "lefoka":
                answer = self._web.post(path, callback.body, key=LEFOKA_KEY)
                return (answer.status, answer.body) == (200, b"")
            return is_ack(self._web.post(path, callback.body), callback.body["transaction_id"])
        except (OSError, http.client.HTTPException):
            return False

    def _make(self, number: int) -> Callback:
        """Three messages, each with two handlers, then a report on two recipients."""
        key = f"n{number}"
        if number % 4 == 3:
            numbers = [f"2763788{number:04}", f"2763789{number:04}"]
            runs = tuple(("book", f"{key}/+{found}") for found in numbers)
            return Callback("lefoka", report("delivered", *numbers, id=key), runs)
        word = self._texts[number // 4 % len(self._texts)]
        sender = f"+25571{number:07}"
        body = message(key, **{"from": sender, "message": {"text": f"{word} {number}"}})
        return Callback("smsbox", body, (("answer", key), ("watch", key)))
