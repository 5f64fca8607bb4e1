"""Counting: right in total from any number of processes, whatever becomes of Redis and of them."""

from __future__ import annotations

import os
import threading

import pytest
from processes import until
from relay import Relay
from servers import own_valkey, url_of

from receiver.limits import TimeUp, time_limit
from receiver.store import tally as module
from receiver.store.connection import Connection
from receiver.store.figures import Figures
from receiver.store.tally import Tally

ACK = {"account": "lefoka", "answer": "200"}


@pytest.fixture
def tally(redis_url: str) -> Tally:
    return Tally(Connection(redis_url), "receiver")


@pytest.fixture
def figures(redis_url: str) -> Figures:
    return Figures(Connection(redis_url), "receiver")


def acks(figures: Figures) -> float:
    """All acks of lefoka that are in Redis."""
    return figures.totals().counters.get("acks", {}).get(("lefoka", "200"), 0)


def test_what_is_counted_is_in_redis_after_a_flush(tally: Tally, figures: Figures) -> None:
    tally.count("acks", account="lefoka", answer="200")
    tally.count("acks", 2, account="lefoka", answer="200")
    tally.observe("ack_seconds", 0.004, account="lefoka")
    assert acks(figures) == 0
    assert tally.unsent()[0] == {("acks", "lefoka", "200"): 3}
    assert tally.flush()
    totals = figures.totals()
    assert totals.counters == {"acks": {("lefoka", "200"): 3}}
    found = totals.histograms["ack_seconds"]["lefoka",]
    assert (found.count, round(found.sum, 6)) == (1, 0.004)
    assert tally.unsent() == ({}, {})


def test_the_thread_flushes_by_itself(
    tally: Tally, figures: Figures, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PERIOD", 0.01)
    monkeypatch.setattr(module, "_thread", None)
    tally.count("acks", **ACK)
    started = module._thread
    until(lambda: acks(figures) == 1, "the flush")
    monkeypatch.setattr(module, "_thread", None)  # which ends it
    assert started is not None
    started.join()


def test_without_threads_a_request_flushes_now_and_then(
    tally: Tally, figures: Figures, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_thread", threading.Thread())  # one that never gets to run
    tally.count("acks", **ACK)
    tally.observe("ack_seconds", 0.001, account="lefoka")
    assert acks(figures) == 0
    monkeypatch.setattr(module, "_PERIOD", 0.0)
    tally.observe("ack_seconds", 0.001, account="lefoka")
    assert acks(figures) == 1


def test_many_threads_lose_nothing(tally: Tally, figures: Figures) -> None:
    def work() -> None:
        for _ in range(1000):
            tally.count("acks", **ACK)
            tally.observe("ack_seconds", 0.001, account="lefoka")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        tally.flush()
    tally.flush()
    assert acks(figures) == 8000
    assert figures.totals().histograms["ack_seconds"]["lefoka",].count == 8000


def test_a_lost_answer_counts_once(redis_url: str, figures: Figures) -> None:
    with Relay(redis_url) as relay:
        tally = Tally(Connection(relay.url), "receiver")
        tally.count("acks", **ACK)
        assert tally.flush()
        tally.count("acks", **ACK)
        relay.loses_answers = True
        assert not tally.flush()
        until(lambda: acks(figures) == 2, "the script to be run")
        relay.loses_answers = False
        tally.count("acks", **ACK)
        assert tally.flush()
    assert acks(figures) == 3


def test_while_redis_is_away_counts_wait() -> None:
    with own_valkey() as server:
        tally = Tally(Connection(url_of(server)), "receiver")
        figures = Figures(Connection(url_of(server)), "receiver")
        server.stop()
        for _ in range(3):
            tally.count("acks", **ACK)
            assert not tally.flush()
        server.start()
        assert tally.flush()
        assert acks(figures) == 3


def test_what_waited_goes_to_the_minute_it_was_counted_in() -> None:
    clock = [1_700_000_000.0]
    with own_valkey() as server:
        tally = Tally(Connection(url_of(server)), "receiver", lambda: clock[0])
        figures = Figures(Connection(url_of(server)), "receiver", lambda: clock[0])
        server.stop()
        for _ in range(200):  # minutes, more than are kept apart
            tally.count("acks", **ACK)
            assert not tally.flush()
            clock[0] += 60
        server.start()
        assert tally.flush()
        hour = figures.series("acks", "hour").total()
        assert hour == (*(1.0,) * 59, 0.0)  # the last minute has just begun
        assert acks(figures) == 200


def test_a_forked_process_counts_for_itself(tally: Tally, figures: Figures) -> None:
    tally.count("acks", **ACK)
    pid = os.fork()
    if pid == 0:
        tally.count("acks", **ACK)
        os._exit(0 if tally.flush() else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert acks(figures) == 1
    tally.flush()
    assert acks(figures) == 2


def test_a_fork_while_others_count_harms_nobody(tally: Tally, figures: Figures) -> None:
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            tally.count("acks", **ACK)
            tally.flush()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for _ in range(20):
            pid = os.fork()
            if pid == 0:
                tally.count("refusals", account="lefoka", reason="wrong_key")
                os._exit(0 if tally.flush() else 1)
            assert os.waitpid(pid, 0)[1] == 0
    finally:
        stop.set()
        thread.join()
    assert figures.totals().counters["refusals"] == {("lefoka", "wrong_key"): 20}


def count_for_ever(tally: Tally) -> None:
    while True:
        tally.count("acks", **ACK)


def test_no_time_limit_breaks_off_a_count(tally: Tally) -> None:
    """A lock that was left behind would stop this process for ever."""
    tally._lock.acquire()
    threading.Timer(0.1, tally._lock.release).start()
    with pytest.raises(TimeUp), time_limit(0.01):
        count_for_ever(tally)  # the first of which waits for the lock
    assert tally.unsent()[0]["acks", "lefoka", "200"] >= 1
