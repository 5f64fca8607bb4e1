"""A shop as a user writes it, which notes each run of its handlers; it is copied to a folder."""

from __future__ import annotations

import os
import time
from pathlib import Path

from flask import Flask

from receiver import DeliveryReport, GiveUp, InboundMessage, Receiver, RetryLater

HERE = Path(__file__).parent

app = Flask(__name__)
app.config.from_prefixed_env()
receiver = Receiver(app)


def note(what: str, handler: str, key: str) -> None:
    """Append a line, in one step that outlives this process."""
    line = f"{what} {handler} {key} {os.getpid()} {time.monotonic_ns()}\n"
    file = os.open(HERE / "runs", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, line.encode())
    os.close(file)


def do_the_work(key: str) -> None:
    """Stand for what a handler is there for."""


def never_asked_before(key: str) -> bool:
    """Tell whether this is asked for the first time."""
    try:
        (HERE / f"asked-{key}").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


@receiver.fallback()
def answer(message: InboundMessage) -> str:
    """Answer; some messages have to come again, and some wait for an operator."""
    key = str(message.message_id)
    note("begin", "answer", key)
    if message.text.startswith("later") and never_asked_before(key):
        note("later", "answer", key)
        raise RetryLater(0.2)
    if message.text.startswith("broken") and not (HERE / "mended").exists():
        note("gave-up", "answer", key)
        raise GiveUp("the shop is broken")
    do_the_work(key)
    note("end", "answer", key)
    return f"answer to {key}"


@receiver.every()
def watch(message: InboundMessage) -> None:
    """Look on."""
    note("begin", "watch", str(message.message_id))
    do_the_work(str(message.message_id))
    note("end", "watch", str(message.message_id))


@receiver.report()
def book(report: DeliveryReport) -> None:
    """Keep books."""
    key = f"{report.message_id}/{report.recipient}"
    note("begin", "book", key)
    do_the_work(key)
    note("end", "book", key)
