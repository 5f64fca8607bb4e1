"""Our side as a user has it: a minimal app with one handler that does nothing.

With BENCH_STAMPS in the environment, a file, the handler writes there when it began.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from flask import Flask

from receiver import DeliveryReport, InboundMessage, Receiver

app = Flask(__name__, instance_path=str(Path.cwd() / "instance"))
app.config.from_prefixed_env()
receiver = Receiver(app)

_STAMPS = os.environ.get("BENCH_STAMPS")

if _STAMPS:

    @receiver.fallback()
    def stamp(message: InboundMessage) -> None:
        """Write when the handler of a message began."""
        now = time.time()
        with Path(str(_STAMPS)).open("a") as stamps:
            stamps.write(f"{message.message_id} {now:.6f}\n")

else:

    @receiver.fallback()
    def take(message: InboundMessage) -> None:
        """Do nothing."""


@receiver.report()
def note(report: DeliveryReport) -> None:
    """Do nothing."""
