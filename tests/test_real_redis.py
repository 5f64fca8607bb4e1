"""The same straight line on Debian's Redis, as many deployments have it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import need
from flask import Flask
from processes import until
from redis import Redis
from redis.exceptions import ConnectionError as RedisAway
from test_jobs import make_all_due, only_record, post

from receiver import InboundMessage, Receiver, RetryLater

MakeApp = Callable[..., Flask]


@pytest.fixture
def real_redis(tmp_path: Path) -> Iterator[str]:
    command = [need("redis-server"), "--port", "0", "--unixsocket", str(tmp_path / "s")]
    options = ["--save", "", "--appendonly", "yes", "--dir", str(tmp_path)]
    process = subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL)
    url = f"unix://{tmp_path / 's'}?db=0"
    until(lambda: _answers(url), "Redis")
    yield url
    process.terminate()
    process.wait()


def test_a_message_is_handled_retried_and_handled(
    real_redis: str, make_app: MakeApp, run_jobs: Any
) -> None:
    ran: list[str] = []

    def register(receiver: Receiver) -> None:
        @receiver.fallback()
        def second_time(message: InboundMessage) -> None:
            ran.append(message.id)
            if len(ran) == 1:
                raise RetryLater(60)

        @receiver.every()
        def watcher(message: InboundMessage) -> None:
            ran.append("watched")

    app = make_app(handlers=register, REDIS_URL=real_redis)
    post(app)
    post(app)
    run_jobs(app)
    with Redis.from_url(real_redis, decode_responses=True) as client:
        assert make_all_due(client) == 1
    run_jobs(app)
    record = only_record(app)
    assert sorted(ran) == sorted([record.event.id, "watched", record.event.id])
    assert record.resends == 1
    assert {outcome["state"] for outcome in record.handlers.values()} == {"done"}


def _answers(url: str) -> bool:
    try:
        with Redis.from_url(url) as client:
            return bool(client.ping())
    except RedisAway:
        return False
