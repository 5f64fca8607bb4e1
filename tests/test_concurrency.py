"""One callback, sent many times at once to a real server: one event, one run, one reply."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from servers import SERVERS, Answer, Web, serve_shop, shop_environment, work_off
from support import ACK, KEYS, MESSAGE
from wire import serve

TIMES = 50
CONNECTIONS = 16


def send_at_once(web: Web, times: int, connections: int) -> list[Answer]:
    """Send the same callback from several connections, all opened before the first one sends."""
    start = threading.Barrier(connections)

    def send(share: int) -> list[Answer]:
        client = web.client()
        start.wait()
        try:
            return [web.post("/webhooks/smsbox", MESSAGE, client=client) for _ in range(share)]
        finally:
            client.close()

    shares = [times // connections + (i < times % connections) for i in range(connections)]
    with ThreadPoolExecutor(connections) as pool:
        return [answer for answers in pool.map(send, shares) for answer in answers]


@pytest.mark.parametrize("server", SERVERS)
def test_fifty_callbacks_at_once_are_fifty_acks_one_run_and_one_reply(
    server: str, redis_url: str, redis: Any
) -> None:
    with serve() as api:
        account = {"api_key": KEYS["smsbox"], "api_secret": "s", "base_url": api.url}
        environment = shop_environment(redis_url, ACCOUNTS={"smsbox": account})
        with serve_shop(SERVERS[server], **environment) as web:
            answers = send_at_once(web, TIMES, CONNECTIONS)
            assert [(answer.status, answer.json) for answer in answers] == [(200, ACK)] * TIMES
            events = redis.zrange("receiver:events", 0, -1)
            assert len(events) == 1
            assert redis.hget(f"receiver:event:{events[0]}", "resends") == str(TIMES - 1)
            work_off(web, workers=2)
            assert web.handled() == events
        assert api.texts() == ["You wrote hello"]
