"""What one contact writes is handled in the order it came; nobody waits for another contact."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import SMSBOX_KEY
from flask import Flask
from processes import running, until
from servers import own_valkey, shop_environment, url_of
from support import message
from test_jobs import make_all_due, post

from receiver import GiveUp, InboundMessage, Receiver, RetryLater
from receiver.worker import Worker

MakeApp = Callable[..., Flask]
RunJobs = Callable[[Flask], int]

QUEUE = "rq:queue:receiver-messages"
OTHER = "+255712000001"

CONTACTS, EACH = 200, 10

SHOP = '''
"""A shop whose handlers take their time, and fail now and then."""

import random
import time
from pathlib import Path

from flask import Flask

from receiver import InboundMessage, Receiver, RetryLater

app = Flask(__name__)
app.config.from_prefixed_env()
receiver = Receiver(app)
FOLDER = Path(__file__).parent


def note(name: str, message: InboundMessage) -> None:
    if random.random() < 0.1:
        raise RetryLater(random.random() / 5)
    time.sleep(random.random() / 200)
    if random.random() < 0.05:
        raise ValueError("too late")
    with (FOLDER / name).open("a") as handled:
        handled.write(f"{message.sender} {message.text}\\n")


@receiver.keyword("NUMBER", retries=50)
def answer(message: InboundMessage) -> None:
    note("answer.txt", message)


@receiver.every(retries=50)
def watch(message: InboundMessage) -> None:
    note("watch.txt", message)
'''


class Shop:
    """An app that notes what it handles; what is ``stuck`` is put off, what is ``hopeless`` dies."""

    def __init__(self, make_app: MakeApp) -> None:
        self.handled: list[str] = []
        self.watched: list[str] = []
        self.stuck: set[str] = set()
        self.hopeless: set[str] = set()
        self.app = make_app(handlers=self._register, RETRIES=1)

    def _register(self, receiver: Receiver) -> None:
        @receiver.fallback()
        def answer(message: InboundMessage) -> None:
            if message.text in self.stuck:
                raise RetryLater(60)
            if message.text in self.hopeless:
                raise GiveUp("no")
            self.handled.append(message.text)

        @receiver.every()
        def watch(message: InboundMessage) -> None:
            if f"watch {message.text}" in self.stuck:
                raise RetryLater(60)
            self.watched.append(message.text)


@pytest.fixture
def shop(make_app: MakeApp) -> Shop:
    return Shop(make_app)


def test_a_message_waits_for_the_retry_of_the_one_before(
    shop: Shop, redis: Any, run_jobs: RunJobs
) -> None:
    shop.stuck = {"one"}
    post(shop.app, "one", "1")
    post(shop.app, "two", "2")
    run_jobs(shop.app)
    assert shop.handled == []
    shop.stuck = set()
    make_all_due(redis)
    run_jobs(shop.app)
    assert shop.handled == ["one", "two"]


def test_nobody_waits_for_another_contact(shop: Shop, run_jobs: RunJobs) -> None:
    shop.stuck = {"one"}
    post(shop.app, "one", "1")
    post(shop.app, "of another", "2", OTHER)
    run_jobs(shop.app)
    assert shop.handled == ["of another"]


def test_a_dead_letter_lets_the_next_message_pass(shop: Shop, run_jobs: RunJobs) -> None:
    shop.hopeless = {"one"}
    post(shop.app, "one", "1")
    post(shop.app, "two", "2")
    run_jobs(shop.app)
    assert shop.handled == ["two"]


def test_an_answer_does_not_wait_for_one_that_only_watches(
    shop: Shop, redis: Any, run_jobs: RunJobs
) -> None:
    shop.stuck = {"watch one"}
    post(shop.app, "one", "1")
    post(shop.app, "two", "2")
    run_jobs(shop.app)
    assert (shop.handled, shop.watched) == (["one", "two"], [])
    shop.stuck = set()
    make_all_due(redis)
    run_jobs(shop.app)
    assert shop.watched == ["one", "two"]


def test_an_opt_out_waits_for_nothing(shop: Shop, run_jobs: RunJobs) -> None:
    shop.stuck = {"one"}
    post(shop.app, "one", "1")
    post(shop.app, "STOP", "2")
    run_jobs(shop.app)
    optouts = shop.app.extensions["receiver"].optouts
    assert optouts.find("smsbox", "+255712345678") is not None


def test_the_claims_of_a_dead_worker_keep_their_turn(
    shop: Shop, redis: Any, run_jobs: RunJobs
) -> None:
    post(shop.app, "one", "1")
    post(shop.app, "two", "2")
    redis.sadd("receiver:claims", "receiver:claims:receiver-messages:dead")
    redis.lmove(QUEUE, "receiver:claims:receiver-messages:dead", "LEFT", "RIGHT")
    assert redis.llen(QUEUE) == 0
    run_jobs(shop.app)
    assert shop.handled == ["one", "two"]


def test_an_emptied_queue_is_filled_again_in_order(
    shop: Shop, redis: Any, run_jobs: RunJobs
) -> None:
    for number in range(3):
        post(shop.app, str(number), str(number))
    redis.delete(QUEUE, *redis.keys("rq:job:*"))
    redis.zadd("receiver:open", dict.fromkeys(redis.zrange("receiver:open", 0, -1), 1), xx=True)
    run_jobs(shop.app)
    run_jobs(shop.app)
    assert sorted(shop.handled) == ["0", "1", "2"]
    assert redis.keys("receiver:lane*") == []


def test_a_lane_whose_first_job_vanished_goes_on(shop: Shop, redis: Any, run_jobs: RunJobs) -> None:
    post(shop.app, "one", "1")
    post(shop.app, "two", "2")
    (first,) = redis.lrange(QUEUE, 0, -1)
    event_id = first.rpartition("-")[2]
    redis.delete(QUEUE, f"rq:job:{first}", f"receiver:event:{event_id}")
    redis.zadd("receiver:open", dict.fromkeys(redis.zrange("receiver:open", 0, -1), 1), xx=True)
    run_jobs(shop.app)
    assert shop.handled == ["two"]
    assert redis.keys("receiver:lane*") == []


def test_nothing_is_left_of_a_lane(shop: Shop, redis: Any, run_jobs: RunJobs) -> None:
    for number in range(3):
        post(shop.app, str(number), str(number))
    assert Worker(shop.app).burst() == 6
    assert redis.keys("receiver:lane*") == []


def test_what_comes_after_an_outage_goes_behind_what_waits_in_the_spool(
    make_app: MakeApp, run_jobs: RunJobs
) -> None:
    with own_valkey() as server:
        shop = Shop(lambda **config: make_app(REDIS_URL=url_of(server), **config))
        another = make_app(REDIS_URL=url_of(server))  # as another web process of this host
        post(shop.app, "0", "0")
        server.stop()
        for number in range(1, 51):
            post(shop.app, str(number), str(number))
        server.start()
        for number in range(51, 60):
            post(another, str(number), str(number))
        until(lambda: not shop.app.extensions["receiver"].intake.outage.waiting(), "the drain")
        run_jobs(shop.app)
    assert shop.handled == [str(number) for number in range(60)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a shop of its own."""
    (tmp_path / "shop.py").write_text(SHOP)
    return tmp_path


def test_two_hundred_contacts_are_each_handled_in_order_by_four_workers(
    folder: Path, make_app: MakeApp
) -> None:
    order = [(contact, number) for number in range(EACH) for contact in range(CONTACTS)]
    wanted = {f"+25571{contact:07}": [str(n) for n in range(EACH)] for contact in range(CONTACTS)}
    with own_valkey(appendfsync="everysec") as server:
        environment = shop_environment(url_of(server))
        command = ("flask", "--app", "shop", "receiver", "worker", "--processes", "4")
        client = make_app(REDIS_URL=url_of(server)).test_client()
        with running(*command, folder=folder, **environment):
            for contact, number in order:
                body = message(
                    f"{contact}-{number}",
                    **{"from": f"+25571{contact:07}", "message": {"text": f"NUMBER {number}"}},
                )
                client.post("/webhooks/smsbox", json=body, auth=(SMSBOX_KEY, ""))
            for name in ("answer.txt", "watch.txt"):
                until(lambda name=name: len(lines(folder / name)) >= len(order), name)
        for name in ("answer.txt", "watch.txt"):
            found = defaultdict(list)
            for line in lines(folder / name):
                sender, _, number = line.split()
                found[sender].append(number)
            assert found == wanted


def lines(path: Path) -> list[str]:
    """The lines of a file, once it is there."""
    return path.read_text().splitlines() if path.exists() else []
