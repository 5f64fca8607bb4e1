"""Who may read the figures, and what is in them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from math import inf
from pathlib import Path
from typing import Any

import pytest
from conftest import need
from flask import Flask
from processes import until
from redis import Redis
from servers import own_valkey, url_of
from support import KEYS, message
from test_metrics_page import (
    TEXT,
    TOKEN,
    MakeApp,
    busy,  # noqa: F401
    key,
    read,
    samples,
)

from receiver.measures import MEASURES
from receiver.supervisor import Supervisor
from receiver.worker import Worker


def test_no_number_no_text_and_no_key_is_on_the_page(busy: Flask, redis: Redis) -> None:
    samples(busy)
    shown = read(busy).text
    kept = "".join(str(redis.hgetall(name)) for name in redis.keys("receiver:totals*"))
    kept += "".join(str(redis.hgetall(name)) for name in redis.keys("receiver:series:*"))
    private = [TEXT, "market", "zebra", "wrong-key", *KEYS.values(), "lefoka-secret", TOKEN]
    private += ["71234567", "637885448", "27637885448", "15000", "a-secret-key", '"rk_']
    assert [mark for mark in private if mark in shown + kept] == []
    labels = re.findall(r'="([^"]*)"', shown)
    key_ids = re.findall(r'key="([^"]*)"', shown)
    long = [value for value in labels if re.search(r"[0-9]{5}", value) and value not in key_ids]
    assert long == []


def test_prometheus_takes_the_page(busy: Flask) -> None:
    samples(busy)
    command = [need("promtool"), "check", "metrics"]
    done = subprocess.run(command, input=read(busy).data, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_every_figure_is_on_the_page_with_its_help(busy: Flask) -> None:
    shown = read(busy).text
    for measure in MEASURES.values():
        assert f"# HELP {measure.metric} {measure.help}\n" in shown
        assert f"# TYPE {measure.metric} {measure.kind}\n" in shown


def test_any_process_gives_the_same(busy: Flask, make_app: MakeApp) -> None:
    samples(busy)
    other = make_app()
    assert counters(read(other).text) == counters(read(busy).text) != []


def counters(text: str) -> list[str]:
    return [line for line in text.splitlines() if re.match(r"\w+_(total|bucket|sum|count)\{", line)]


def test_workers_that_lack_a_handler_say_so(busy: Flask) -> None:
    worker = Worker(busy, ["messages"])
    worker._load_handlers()
    worker._sign_on()
    found = samples(busy)
    assert found["sms_receiver_workers", "messages"] == 1
    assert found["sms_receiver_unloaded_handlers",] == 1
    worker._sign_off()
    assert samples(busy)["sms_receiver_workers", "messages"] == 0


def test_a_job_that_is_tried_again_is_not_the_oldest(busy: Flask, redis: Redis) -> None:
    waits = samples(busy)["sms_receiver_backlog_oldest_seconds", "messages"]
    [job_id] = redis.lrange("rq:queue:receiver-messages", 0, 0)
    redis.hset(f"rq:job:{job_id}", "worker_name", "one")
    assert samples(busy)["sms_receiver_backlog_oldest_seconds", "messages"] == 0 < waits


def test_the_supervisor_samples_what_waits(busy: Flask) -> None:
    Supervisor(busy)._look_around()
    parts = busy.extensions["receiver"]
    parts.tally.flush()
    found = parts.figures.series("backlog", "hour").by("queue")
    assert found["messages"][-1] == 1
    assert found["sends"][-1] == 0


@pytest.fixture
def away(make_app: MakeApp) -> Iterator[tuple[Flask, Any]]:
    """An app, and its Redis, to be taken away."""
    with own_valkey() as server:
        yield make_app(REDIS_URL=url_of(server)), server


def test_while_redis_is_away_the_page_says_what_this_process_knows(
    away: tuple[Flask, Any],
) -> None:
    app, server = away
    client = app.test_client()
    client.post("/webhooks/smsbox", json=message("one"), headers=key("smsbox"))
    before = samples(app)
    assert before["sms_receiver_acks_total", "smsbox", "200"] == 1
    server.stop()
    client.post("/webhooks/smsbox", json=message("two"), headers=key("smsbox"))
    found = samples(app)
    assert found["sms_receiver_redis_up",] == 0
    assert found["sms_receiver_spool",] == 1
    assert found["sms_receiver_unsent_acks", "smsbox", "spooled"] == 1
    assert not [name for name in found if name[0].endswith("_total")]  # no step back
    server.start()
    assert until(lambda: samples(app)["sms_receiver_redis_up",] == 1, "Redis to be back")
    after = samples(app)
    assert after["sms_receiver_acks_total", "smsbox", "spooled"] == 1
    assert after["sms_receiver_acks_total", "smsbox", "200"] == 1


def test_where_too_many_wait_for_redis_the_next_is_told_to_ask_again(make_app: MakeApp) -> None:
    app = make_app()
    patience = app.extensions["receiver"].patience
    patience._answered = -inf
    with patience._waiting, patience._waiting:
        answer = read(app)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert read(app).status_code == 200


def test_a_spool_that_nobody_can_read_is_left_out(make_app: MakeApp, tmp_path: Path) -> None:
    app = make_app(SPOOL_DIR=tmp_path / "spool")
    app.extensions["receiver"].spool.close()
    for file in (tmp_path / "spool").iterdir():
        file.unlink()
    (tmp_path / "spool" / "spool.db").mkdir()
    found = samples(app)
    assert found["sms_receiver_redis_up",] == 1
    assert not [name for name in found if name[0].startswith("sms_receiver_spool")]
