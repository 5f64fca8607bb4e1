"""The worker command as a real process: killed, stopped, flooded."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import LEFOKA_KEY
from flask import Flask
from processes import children, members, running, until
from test_jobs import post

MakeApp = Callable[..., Flask]

APP = """
import os
from pathlib import Path
from flask import Flask
from receiver import Receiver, RetryLater

app = Flask(__name__)
app.secret_key = "a-secret-key-of-some-length"
app.config["RECEIVER_ACCOUNTS"] = {"lefoka": {}, "smsbox": {}}
app.config["RECEIVER_REDIS_URL"] = os.environ["REDIS_URL"]
receiver = Receiver(app)
here = Path(__file__).parent

def note(line):
    with (here / "ran").open("a") as file:
        file.write(line + "\\n")

def wait_for(name):
    os.close(os.open(here / name, os.O_RDONLY))   # a pipe: opens when the test opens its end

@receiver.keyword("BLOCK")
def block(message):
    note(f"begin {message.id}")
    wait_for("gate")
    note(f"end {message.id}")

@receiver.keyword("LATER")
def later(message):
    note("later")
    if len((here / "ran").read_text().splitlines()) < 2:
        raise RetryLater(0.1)

@receiver.keyword("DEADLY")
def deadly(message):
    note("deadly")
    os.kill(os.getpid(), 9)

@receiver.keyword("QUICK")
def quick(message):
    note("quick")

@receiver.report()
def slow_report(report):
    wait_for("gate")
"""


class Deployed:
    """A user's app in a folder, its worker processes, and what its handlers wrote."""

    def __init__(self, folder: Path, app: Flask, redis_url: str) -> None:
        self.folder = folder
        self.web = app
        self.environment = {"REDIS_URL": redis_url}
        (folder / "shop.py").write_text(APP)
        os.mkfifo(folder / "gate")

    def worker(self, *options: str) -> Any:
        command = ("flask", "--app", "shop", "receiver", "worker", *options)
        return running(*command, folder=self.folder, **self.environment)

    def ran(self) -> list[str]:
        path = self.folder / "ran"
        return path.read_text().splitlines() if path.exists() else []

    def open_gate(self) -> None:
        """Let one waiting handler go on."""
        os.close(os.open(self.folder / "gate", os.O_WRONLY))


@pytest.fixture
def deployed(tmp_path: Path, make_app: MakeApp, redis_url: str) -> Iterator[Deployed]:
    return Deployed(tmp_path, make_app(), redis_url)


def workers_of(redis: Any, queue: str) -> list[str]:
    return [key for key in redis.smembers(f"rq:workers:receiver-{queue}") if redis.exists(key)]


def worker_pid(redis: Any, queue: str) -> int:
    (key,) = until(lambda: workers_of(redis, queue), f"a worker for {queue}")
    return int(redis.hget(key, "pid"))


def states(redis: Any) -> list[str]:
    return [redis.hget(key, "state") for key in redis.smembers("rq:workers")]


def test_sigterm_lets_the_job_at_hand_finish(deployed: Deployed, redis: Any) -> None:
    post(deployed.web, "block")
    with deployed.worker() as process:
        until(deployed.ran, "the handler to begin")
        process.send_signal(signal.SIGTERM)
        deployed.open_gate()
        assert process.wait(30) == 0
        assert members(process.pid) == []
    assert [line.split()[0] for line in deployed.ran()] == ["begin", "end"]
    assert redis.keys("rq:job:*") == []


def test_a_killed_workers_job_is_run_by_the_next(deployed: Deployed, redis: Any) -> None:
    post(deployed.web, "block")
    with deployed.worker():
        until(deployed.ran, "the handler to begin")
        os.kill(worker_pid(redis, "messages"), signal.SIGKILL)
        until(lambda: len(deployed.ran()) == 2, "the handler to begin again")
        deployed.open_gate()
        until(lambda: len(deployed.ran()) == 3, "the handler to end")
    assert [line.split()[0] for line in deployed.ran()] == ["begin", "begin", "end"]


def test_a_message_that_kills_its_workers_is_a_dead_letter_and_others_go_on(
    deployed: Deployed, redis: Any
) -> None:
    post(deployed.web, "deadly", "1")
    post(deployed.web, "quick", "2")
    with deployed.worker():
        until(lambda: "quick" in deployed.ran(), "the other message's handler")
        until(lambda: redis.zcard("receiver:open") == 0, "all to be settled")
    assert deployed.ran() == ["deadly"] * 3 + ["quick"]
    (failed,) = deployed.web.extensions["receiver"].deadletters
    assert failed.handler == "app.deadly"
    assert failed.reason == "poison: 3 workers died while running it"


def test_workers_of_a_killed_supervisor_end_by_themselves(deployed: Deployed, redis: Any) -> None:
    with deployed.worker() as process:
        until(lambda: workers_of(redis, "sends"), "the workers")
        assert len(children(process.pid)) == 3
        session = process.pid
        process.kill()
        until(lambda: members(session) == [], "the workers to end")


def test_a_stop_that_comes_before_the_last_worker_ends_all(deployed: Deployed) -> None:
    with deployed.worker("--processes", "8") as process:
        until(lambda: children(process.pid), "the first worker")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert members(process.pid) == []


def test_a_worker_that_dies_is_replaced(deployed: Deployed, redis: Any) -> None:
    with deployed.worker("--processes", "2") as process:
        until(lambda: len(workers_of(redis, "messages")) == 2, "two workers")
        before = set(workers_of(redis, "messages"))
        victim = int(redis.hget(min(before), "pid"))
        os.kill(victim, signal.SIGKILL)
        until(lambda: set(workers_of(redis, "messages")) - before, "another worker")
        assert len(children(process.pid)) == 6


def test_a_retry_comes_when_it_is_due_without_another_process(deployed: Deployed) -> None:
    post(deployed.web, "later")
    with deployed.worker():
        until(lambda: len(deployed.ran()) == 2, "the second attempt")


def test_messages_are_not_stuck_behind_reports(deployed: Deployed) -> None:
    client = deployed.web.test_client()
    for number in range(50):
        body = {"id": f"r{number}", "type": "sms", "recipient": ["27637885448"]}
        client.post(f"/webhooks/lefoka?api_key={LEFOKA_KEY}", json=body)
    post(deployed.web, "quick")
    with deployed.worker():
        until(lambda: deployed.ran() == ["quick"], "the message's handler")


def test_rq_info_shows_our_queues_and_workers(
    deployed: Deployed, redis: Any, redis_url: str
) -> None:
    post(deployed.web, "quick")
    with deployed.worker():
        until(lambda: deployed.ran() and states(redis) == ["idle"] * 3, "idle workers")
        command = [sys.executable, "-m", "rq.cli", "info", "--url", redis_url, "--raw"]
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "queue receiver-messages 0" in shown
    for queue in ("messages", "reports", "sends"):
        assert f"idle receiver-{queue}" in shown


def test_workers_come_back_when_redis_has_no_memory_of_them(deployed: Deployed, redis: Any) -> None:
    with deployed.worker():
        until(lambda: workers_of(redis, "messages"), "the workers")
        redis.flushdb()
        post(deployed.web, "quick")
        until(lambda: deployed.ran() == ["quick"], "the message's handler")
        until(lambda: workers_of(redis, "messages"), "the workers to show up again")
