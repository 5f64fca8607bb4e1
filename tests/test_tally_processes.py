"""Totals out of real processes: web workers, workers, their ends, and a Redis that was away."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from processes import children, members, running, until
from redis import Redis
from servers import SERVERS, Web, is_ack, kept, own_valkey, serve_shop, shop_environment, url_of
from support import message

from receiver.store.connection import Connection
from receiver.store.figures import Figures

PATH = "/webhooks/smsbox"
AT_ONCE = 4
ONLY_AT_THE_END = "import receiver.store.tally as tally\ntally._PERIOD = 1e6\n"


def send_all(web: Web, begin: int, count: int) -> None:
    """Send so many messages, several at once, each to its ack."""

    def send(numbers: range) -> None:
        client = web.client()
        for number in numbers:
            name = f"t-{number}"
            assert is_ack(web.post(PATH, message(name), client=client), name)
        client.close()

    shares = [range(begin + n, begin + count, AT_ONCE) for n in range(AT_ONCE)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(send, shares))


def acks(figures: Figures) -> dict[str, float]:
    """The acks of smsbox, by their answer."""
    found = figures.totals().counters.get("acks", {})
    return {answer: count for (account, answer), count in found.items() if account == "smsbox"}


def end(pid: int) -> None:
    """End a server or a supervisor as systemd does."""
    os.kill(pid, signal.SIGTERM)
    until(lambda: not members(pid), "its end")


@pytest.mark.parametrize("server", SERVERS)
def test_at_the_end_of_all_processes_the_totals_are_what_was_sent(
    server: str, redis_url: str, redis: Any
) -> None:
    figures = Figures(Connection(redis_url), "receiver")
    with serve_shop(SERVERS[server], **shop_environment(redis_url)) as web:
        with (web.folder / "shop.py").open("a") as shop:
            shop.write(ONLY_AT_THE_END)
        worker = ("flask", "--app", "shop", "receiver", "worker", "--processes", "2")
        with running(*worker, folder=web.folder, **web.environment) as supervisor:
            send_all(web, 0, 300)
            end(web.pid)  # in the second in which it has counted
            assert acks(figures) == {"200": 300}
            assert sum(figures.totals().counters["messages"].values()) == 300
            until(lambda: len(web.handled()) == 300, "the handlers")
            until(lambda: redis.zcard("receiver:open") == 300, "the outcomes")
            end(supervisor.pid)
        totals = figures.totals()
        assert totals.counters["handlers"] == {("app.note", "done"): 300}
        assert totals.histograms["handler_seconds"]["app.note",].count == 300
        assert totals.histograms["ack_seconds"]["smsbox",].count == 300
        hour = figures.several(["acks", "handlers", "backlog"], "hour")
        assert sum(filter(None, hour["acks"].by("account")["smsbox"])) == 300
        assert sum(filter(None, hour["handlers"].total())) == 300


def test_while_processes_run_the_totals_follow(redis_url: str) -> None:
    figures = Figures(Connection(redis_url), "receiver")
    with serve_shop(SERVERS["granian"], **shop_environment(redis_url)) as web:
        send_all(web, 0, 100)
        until(lambda: acks(figures) == {"200": 100}, "the next flush")
        shown = web.client()
        shown.request("GET", "/webhooks/metrics")
        assert shown.getresponse().status == 401  # a socket names no caller
        shown.close()


def test_a_redis_that_was_away_misses_nothing() -> None:
    with own_valkey() as server:
        figures = Figures(Connection(url_of(server)), "receiver")
        with serve_shop(SERVERS["granian"], **shop_environment(url_of(server))) as web:
            send_all(web, 0, 100)
            server.stop()
            send_all(web, 100, 100)
            server.start()
            until(lambda: sum(acks(figures).values()) == 200, "what was counted meanwhile")
            send_all(web, 200, 100)
            with Redis.from_url(url_of(server)) as client:
                until(lambda: client.zcard("receiver:events") == 300, "the spool's callbacks")
            end(web.pid)
        found = acks(figures)
        assert found["200"] + found["spooled"] == 300
        assert found["spooled"] >= 100 > found["200"] - 200
        assert sum(figures.totals().counters["messages"].values()) == 300


def test_a_killed_process_costs_what_it_has_not_flushed_and_no_more(redis_url: str) -> None:
    figures = Figures(Connection(redis_url), "receiver")
    with serve_shop(SERVERS["granian"], **shop_environment(redis_url)) as web:
        send_all(web, 0, 100)
        until(lambda: acks(figures) == {"200": 100}, "the flush")
        for pid in children(web.pid):
            os.kill(pid, signal.SIGKILL)
        until(lambda: not members(web.pid), "the end of the server")
        assert acks(figures) == {"200": 100}


def test_nothing_but_figures_is_left_of_a_refusal(redis_url: str, redis: Any) -> None:
    figures = Figures(Connection(redis_url), "receiver")
    with serve_shop(SERVERS["granian"], **shop_environment(redis_url)) as web:
        assert web.post(PATH, message("one"), key="wrong").status == 401
        until(lambda: acks(figures) == {"401": 1}, "the flush")
    assert kept(redis) == []
