"""What is left in Redis of events that were handled and are past their retention: nothing?

Messages, reports, dead letters and unreadable bodies, in waves, each worked off by real workers.
Then all is waited for that expires, and one sweep is made.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from flask import Flask
from redis import Redis
from servers import own_valkey, shop_environment, url_of
from support import KEYS, message, report

from receiver import Receiver
from receiver.accounts import Retentions
from receiver.sweeper import Sweeper

SHOP = """
from flask import Flask

from receiver import GiveUp, Receiver

app = Flask(__name__)
app.config.from_prefixed_env()
receiver = Receiver(app)


@receiver.fallback()
def note(message):
    if message.message_id.endswith("00"):
        raise GiveUp("one in a hundred is a dead letter")


@receiver.report()
def count(report):
    pass
"""

_RETENTION = 60  # seconds, the least that there is
_WAVE = 5_000  # events: handled well within the retention
_REPORTED_AT_ONCE = 100
_WORKERS = 2
_PATIENCE = 600.0  # seconds


class Shop:
    """An app in this process that accepts, workers beside it, and their Redis."""

    def __init__(self, folder: Path, url: str, redis: Redis) -> None:
        (folder / "shop.py").write_text(SHOP)
        self._folder = folder
        self._environment = shop_environment(url, RETENTION=str(_RETENTION))
        app = Flask("shop", instance_path=str(folder / "instance"))
        for name, value in self._environment.items():
            app.config[name.removeprefix("FLASK_")] = _typed(value)
        Receiver(app)
        self._parts = app.extensions["receiver"]
        self._client = app.test_client()
        self.redis = redis
        self.accepted = 0

    def accept(self, events: int) -> None:
        """Take so many events through the door: one half messages, the other reports."""
        for _ in range(events // 2 // _REPORTED_AT_ONCE):
            numbers = [f"27{600_000_000 + self.accepted + n}" for n in range(_REPORTED_AT_ONCE)]
            self._post("lefoka", report("delivered", *numbers, id=f"m-{self.accepted}"))
            self._post("lefoka", {"type": f"nothing of ours {self.accepted}"})
            self.accepted += _REPORTED_AT_ONCE
            for _ in range(_REPORTED_AT_ONCE):
                self._post("smsbox", message(f"t-{self.accepted}"))
                self.accepted += 1

    def work_off(self) -> None:
        """Let real workers handle all that waits."""
        command = [sys.executable, "-m", "flask", "--app", "shop", "receiver", "worker", "--burst"]
        environment = {**os.environ, **self._environment}
        with (self._folder / "log").open("a") as log:
            started = [
                subprocess.Popen(command, cwd=self._folder, env=environment, stdout=log, stderr=log)
                for _ in range(_WORKERS)
            ]
            if any(worker.wait() for worker in started):
                raise RuntimeError("a worker failed")

    def sweep(self) -> None:
        """Make one sweep, as the supervisor does every half minute."""
        Sweeper(self._parts.connection, self._parts.jobs, Retentions(_RETENTION)).sweep()

    def used(self) -> float:
        """Give the memory that Redis uses, in MB."""
        self.redis.memory_purge()
        return int(self.redis.info("memory")["used_memory"]) / 1e6

    def waiting(self) -> int:
        """Give how many jobs are not settled."""
        return int(self.redis.zcard("receiver:open"))

    def expiring(self) -> int:
        """Give how many keys of events have a time to live, once what has expired is gone."""
        found = sum(database["expires"] for database in self.redis.info("keyspace").values())
        return found - len(self.apart())

    def apart(self) -> list[str]:
        """Name the keys whose number does not grow with that of the events: figures, accounts."""
        patterns = ("receiver:series:*", "receiver:tally:*", "receiver:heard:*")
        return [str(key) for pattern in patterns for key in self.redis.scan_iter(pattern, 1000)]

    def _post(self, name: str, body: dict[str, object]) -> None:
        headers = {"x-api-key": KEYS[name]}
        answer = self._client.post(f"/webhooks/{name}", json=body, headers=headers)
        if answer.status_code != 200:
            raise RuntimeError(f"status {answer.status_code}")


def _typed(value: str) -> object:
    try:
        return json.loads(value)
    except ValueError:
        return value


@contextmanager
def shop() -> Iterator[Shop]:
    """Run a shop on a Redis of its own."""
    with (
        own_valkey(appendonly="no") as valkey,
        Redis.from_url(url_of(valkey), decode_responses=True) as redis,
        tempfile.TemporaryDirectory() as folder,
    ):
        yield Shop(Path(folder), url_of(valkey), redis)


def wait_for(found: Callable[[], bool]) -> None:
    """Wait for something to be so, with patience."""
    until = time.monotonic() + _PATIENCE
    while not found() and time.monotonic() < until:
        time.sleep(1)


def forget_all(shop: Shop) -> float:
    """Wait until nothing expires any more, sweep, and give the memory used then."""
    wait_for(lambda: shop.expiring() == 0)
    shop.sweep()
    used = [shop.used()]
    # Redis gives its tables back little by little
    wait_for(lambda: used.append(shop.used()) or used[-1] >= used[-2])
    return used[-1]


def run(events: int) -> bool:
    """Handle them and print the figures; tell whether no key of an event is left."""
    with shop() as found:
        found.accept(_REPORTED_AT_ONCE * 2)
        found.work_off()
        before = forget_all(found)
        print(f"before: {before:.2f} MB, {found.redis.dbsize()} keys", flush=True)
        peak, began = before, time.monotonic()
        start = found.accepted
        while found.accepted - start < events:
            found.accept(min(_WAVE, events - found.accepted + start))
            peak = max(peak, found.used())
            found.work_off()
        waiting, took = found.waiting(), time.monotonic() - began
        dead = sum(found.redis.zcard(key) for key in found.redis.keys("rq:failed:*"))
        print(f"{found.accepted - start} events handled in {took:.0f} s, {waiting} jobs are left")
        print(f"peak: {peak:.2f} MB; at the end {found.redis.dbsize()} keys, {dead} dead letters")
        after = forget_all(found)
        apart = found.apart()
        left = {str(key): str(found.redis.type(key)) for key in found.redis.keys("*")}
        left = {key: kind for key, kind in left.items() if key not in apart}
        print(f"after: {after:.2f} MB ({after - before:+.2f}), {len(left)} keys")
        print(f"  and {len(apart)} of figures and accounts")
        for key, kind in sorted(left.items()):
            print(f"  {key} ({kind})")
        return waiting == 0 and not any(":event:" in key or ":job:" in key for key in left)


def main() -> int:
    """Read the options; gives the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    options = parser.parse_args()
    logging.getLogger("receiver").setLevel(logging.CRITICAL)  # each unreadable body is a warning
    return 0 if run(options.events) else 1


if __name__ == "__main__":
    sys.exit(main())
