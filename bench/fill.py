"""Put events into Redis through our own accept: ``python -m bench.fill COUNT FIRST CHARACTERS``.

Each is a callback of its own, from a contact of its own, and goes the way of a webhook but for
HTTP; `fill` runs one such process for each core.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from receiver.deployment import Deployment
from receiver.providers.base import WebhookRequest

from .programs import BenchError, wait_until
from .servers import SMSBOX_KEY

_THREADS = 8
_CHUNK = 500
_TEXT = "BALANCE please, for my account. "


def fill(folder: Path, environment: Mapping[str, str], count: int, characters: int = 30) -> None:
    """Let so many events wait, each text of so many characters; nothing handles them."""
    processes = os.cpu_count() or 1
    share = -(-count // processes)
    starts = range(0, count, share)
    started = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "bench.fill",
                str(min(share, count - n)),
                str(n),
                str(characters),
            ],
            cwd=folder,
            env={**os.environ, **environment},
        )
        for n in starts
    ]
    codes = [process.wait() for process in started]
    if any(codes):
        raise BenchError("the queue could not be filled: see the lines above")


def accept(parts: Deployment, first: int, count: int, characters: int) -> None:
    """Accept so many callbacks in this process."""
    provider = parts.providers["smsbox"]
    for number in range(first, first + count):
        callback = _callback(number, characters)
        received = provider.receive(callback)
        parts.intake.accept(received, callback, provider.account)


def _callback(number: int, characters: int) -> WebhookRequest:
    text = (_TEXT * (characters // len(_TEXT) + 1))[:characters]
    body = {
        "from": f"+2557{number:08d}",
        "to": "15000",
        "channel": "sms",
        "timeUTC": "Wed, 14 Jun 2017 07:00:00 GMT",
        "transaction_id": f"fill-{number}",
        "message": {"text": text, "media": {}, "custom": {}},
        "billing": {"currency": "TZS", "subscriber_price": "0", "billing_price": "0"},
    }
    return WebhookRequest(
        body=json.dumps(body).encode(),
        headers={"x-api-key": SMSBOX_KEY, "content-type": "application/json"},
        query=[],
        token=None,
        remote_addr="127.0.0.1",
        received_at=datetime.now(UTC),
    )


def main(count: int, first: int, characters: int) -> None:
    """Accept from several threads at once, as a web process does."""
    from bench.ours import app  # reads its settings from the environment

    parts = app.extensions["receiver"]
    with ThreadPoolExecutor(_THREADS) as threads:
        starts = range(first, first + count, _CHUNK)
        jobs = [
            threads.submit(accept, parts, n, min(_CHUNK, first + count - n), characters)
            for n in starts
        ]
        for job in jobs:
            job.result()
    # a disk that stalls Redis for a second sends some by way of the spool
    wait_until(lambda: not parts.intake.outage.waiting(), "the spool to drain")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
