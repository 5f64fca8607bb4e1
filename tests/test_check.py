"""The doctor: each planted fault is found, and its mend is named."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import ACCOUNTS
from flask import Flask
from redis import Redis
from servers import own_valkey, url_of
from test_cli import invoke
from test_jobs import post
from test_outbox import echo

from receiver.worker import Worker

MakeApp = Callable[..., Flask]

SECRET = "the-secret-key-of-this-deployment"


def findings(app: Flask) -> list[dict[str, Any]]:
    lines = invoke(app, "check", "--json").output.split("\n")
    return [json.loads(line) for line in lines if line.startswith("{")]


def faults(app: Flask) -> list[str]:
    """What the doctor says is wrong; each comes with a mend."""
    wrong = [found for found in findings(app) if not found["ok"]]
    assert all(found["mend"] for found in wrong)
    return [found["what"] for found in wrong]


@contextmanager
def healthy(app: Flask) -> Iterator[None]:
    """Workers for all queues, as their registry shows them."""
    client = app.extensions["receiver"].connection.client
    for queue in ("messages", "reports", "sends"):
        client.sadd(f"rq:workers:receiver-{queue}", f"rq:worker:{queue}")
        client.hset(f"rq:worker:{queue}", "name", queue)
    yield


@pytest.fixture
def settings() -> Iterator[dict[str, Any]]:
    """Settings with nothing wrong: a Redis of the test's own that keeps what it is given."""
    with own_valkey() as server:
        yield {"REDIS_URL": url_of(server), "handlers": echo}


def test_a_healthy_deployment_has_no_fault(make_app: MakeApp, settings: dict[str, Any]) -> None:
    app = make_app(**settings)
    with healthy(app):
        assert faults(app) == []
        assert invoke(app, "check").exit_code == 0


SAME_KEY = {**ACCOUNTS, "other": {**ACCOUNTS["lefoka"], "provider": "lefoka"}}
WRONG_SETTINGS: dict[str, tuple[dict[str, Any], str]] = {
    "Redis is away": ({"REDIS_URL": "redis://127.0.0.1:1/0"}, "Redis: does not answer"),
    "a short secret": ({"SECRET_KEYS": ["short"]}, "secret keys: one is short"),
    "a broken plugin": ({"HANDLERS": ["no_such_module"]}, "no_such_module failed to load"),
    "inline": ({"INLINE": True}, "RECEIVER_INLINE is set"),
    "no handler": ({"handlers": None}, "handlers: 0 loaded"),
    "one key for two": ({"ACCOUNTS": SAME_KEY}, "accounts lefoka and other have the same api_key"),
}


@pytest.mark.parametrize(("wrong", "fault"), WRONG_SETTINGS.values(), ids=WRONG_SETTINGS)
def test_a_wrong_setting_is_found(
    make_app: MakeApp, settings: dict[str, Any], wrong: dict[str, Any], fault: str
) -> None:
    app = make_app(**{**settings, **wrong})
    assert [what for what in faults(app) if fault in what]
    assert invoke(app, "check").exit_code == 1


def no_append_only_file(redis: Any, app: Flask) -> None:
    redis.config_set("appendonly", "no")


def eviction(redis: Any, app: Flask) -> None:
    redis.config_set("maxmemory-policy", "allkeys-lru")


def nearly_full(redis: Any, app: Flask) -> None:
    redis.config_set("maxmemory", int(redis.info()["used_memory"] * 1.02))


def a_replica(redis: Any, app: Flask) -> None:
    redis.replicaof("127.0.0.1", 1)


def no_worker_for_sends(redis: Any, app: Flask) -> None:
    redis.delete("rq:worker:sends")


def a_forged_job(redis: Any, app: Flask) -> None:
    redis.hset("rq:job:x", mapping={"data": '["os.getpid", null, [], {}]', "status": "failed"})
    redis.zadd("rq:failed:receiver-messages", {"x": 4e9})


def a_stuck_queue(redis: Any, app: Flask) -> None:
    post(app)
    job_id = redis.lindex("rq:queue:receiver-messages", 0)
    redis.hset(f"rq:job:{job_id}", "enqueued_at", "2026-01-01T00:00:00.000000Z")


def a_damaged_spool(redis: Any, app: Flask) -> None:
    folder = Path(app.extensions["receiver"].settings.spool_dir)
    (folder / "spool.db").write_bytes(b"this is no database at all" * 100)
    app.extensions["receiver"].spool.put(b"x")
    app.extensions["receiver"].spool.drain(lambda parcel: True)


def a_spool_nobody_drains(redis: Any, app: Flask) -> None:
    spool = app.extensions["receiver"].spool
    spool.put(b"{}")
    spool.drain(lambda parcel: False)
    found = Path(app.extensions["receiver"].settings.spool_dir) / "spool.db"
    with sqlite3.connect(found) as database:
        database.execute("UPDATE parcels SET put_at = put_at - 1000")
    database.close()


PLANTED: dict[str, tuple[Callable[[Any, Flask], None], str]] = {
    "no append-only file": (no_append_only_file, "append-only file off"),
    "eviction": (eviction, "maxmemory-policy allkeys-lru"),
    "nearly full": (nearly_full, "of maxmemory used"),
    "a replica": (a_replica, "is a replica"),
    "no worker for a queue": (no_worker_for_sends, "workers for sends: 0"),
    "forged jobs": (a_forged_job, "1 were refused"),
    "a stuck queue": (a_stuck_queue, "jobs for messages: 1, the first waits"),
    "a damaged spool": (a_damaged_spool, "1 damaged files were set aside"),
    "a spool nobody drains": (a_spool_nobody_drains, "spool: 1 callbacks wait"),
}


@pytest.mark.parametrize(("plant", "fault"), PLANTED.values(), ids=PLANTED)
def test_a_fault_of_a_running_deployment_is_found(
    make_app: MakeApp,
    settings: dict[str, Any],
    plant: Callable[[Any, Flask], None],
    fault: str,
) -> None:
    app = make_app(**settings)
    with (
        healthy(app),
        Redis.from_url(settings["REDIS_URL"], decode_responses=True) as redis,
    ):
        plant(redis, app)
        (found,) = faults(app)
    assert fault in found


def test_redis_that_refuses_us_is_told_from_one_that_is_away(
    make_app: MakeApp, settings: dict[str, Any]
) -> None:
    with Redis.from_url(settings["REDIS_URL"]) as redis:
        redis.config_set("requirepass", "a-password")
        (found,) = faults(make_app(**settings))
        assert "Redis: refuses us" in found


URL = "https://api.example.org"
JUDGED = {
    "lefoka": ({"api_key": "k" * 20}, True, "cannot send: no api_secret"),
    "smsbox": ({"api_key": "k" * 20, "api_secret": "s"}, True, "has what sending takes"),
    "kobomobile": ({"api_key": "u", "api_secret": "p"}, False, "cannot send: no source_addr"),
    "bearer": ({"api_key": "k" * 20, "base_url": URL}, True, "has no webhook, has what sending"),
    "keyed": ({"api_key": "k" * 20, "base_url": URL}, True, "has no webhook, has what sending"),
}


@pytest.mark.parametrize("provider", JUDGED)
def test_an_account_is_judged_by_what_its_provider_takes(
    make_app: Callable[..., Flask], provider: str
) -> None:
    account, ok, said = JUDGED[provider]
    app = make_app(ACCOUNTS={provider: account})
    result = app.test_cli_runner().invoke(args=["receiver", "check", "--json"])
    findings = [json.loads(line) for line in result.output.splitlines()]
    [found] = [f for f in findings if f["what"].startswith(f"account {provider}")]
    assert found["ok"] is ok
    assert said in found["what"]


OTHERS = "another-secret-key-of-some-length"


@pytest.mark.parametrize(
    ("theirs", "found"),
    [
        pytest.param([OTHERS], 1, id="another deployment"),
        pytest.param([SECRET], 0, id="ours"),
        pytest.param([SECRET, OTHERS], 0, id="ours, with an older key"),
    ],
)
def test_workers_of_another_deployment_in_our_namespace_are_found(
    make_app: MakeApp, settings: dict[str, Any], theirs: list[str], found: int
) -> None:
    app = make_app(**settings, SECRET_KEYS=[SECRET])
    worker = Worker(make_app(**settings, SECRET_KEYS=theirs))
    with healthy(app):
        worker._sign_on()
        wrong = faults(app)
        worker._sign_off()
        assert faults(app) == []
    assert wrong == found * [
        "workers: 1 of another deployment use our namespace, with other secret keys"
    ]


def test_a_key_that_is_on_its_way_out_is_ours_as_well(
    make_app: MakeApp, settings: dict[str, Any]
) -> None:
    app = make_app(**settings, SECRET_KEYS=[OTHERS, SECRET])
    worker = Worker(make_app(**settings, SECRET_KEYS=[SECRET]))
    with healthy(app):
        worker._sign_on()
        assert faults(app) == []
        worker._sign_off()
