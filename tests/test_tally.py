"""Counting: right in total from any number of processes, whatever becomes of Redis and of them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

import pytest
from processes import until
from relay import Relay
from servers import own_valkey, url_of

from receiver.limits import TimeUp, time_limit
from receiver.measures import MEASURES, ODD, OTHER, word
from receiver.store import tally as module
from receiver.store.connection import Connection
from receiver.store.figures import Figures, Histogram
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


def test_a_fork_waits_for_the_end_of_a_flush() -> None:
    """What a thread has begun, such as an import, would stay half done in the child for ever."""
    forked = threading.Event()

    def fork() -> None:
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
        forked.set()

    with module._at_work:
        thread = threading.Thread(target=fork)
        thread.start()
        assert not forked.wait(0.2)
    thread.join()
    assert forked.is_set()


def test_too_many_sets_of_labels_become_one(tally: Tally, figures: Figures, redis: Any) -> None:
    most = MEASURES["unknown_fields"].most
    others = [Tally(Connection(tally._connection._url), "receiver") for _ in range(2)]
    for number, one in enumerate((tally, *others)):
        for name in range(most):
            one.count("unknown_fields", provider="lefoka", field=f"f{number}x{name}")
        one.flush()
    for name in range(most + 5):
        tally.count("unknown_fields", provider="smsbox", field=f"g{name}")
    tally.flush()
    found = figures.totals().counters["unknown_fields"]
    assert len(found) == most + 1
    assert found[OTHER, OTHER] == 2 * most + most + 5
    assert sum(found.values()) == 4 * most + 5


WRONG: dict[str, Callable[[Tally], None]] = {
    "no such figure": lambda tally: tally.count("akcs", account="lefoka", answer="200"),
    "labels in another order": lambda tally: tally.count("acks", answer="200", account="lefoka"),
    "a label too few": lambda tally: tally.count("acks", account="lefoka"),
    "a histogram that is counted": lambda tally: tally.count("ack_seconds", account="lefoka"),
    "a counter that is observed": lambda tally: tally.observe("messages", 1.0, account="lefoka"),
    "a gauge that is counted": lambda tally: tally.count("backlog", queue="messages"),
}


@pytest.mark.parametrize("use", WRONG.values(), ids=WRONG)
def test_a_figure_that_measures_does_not_know_is_an_error(
    tally: Tally, use: Callable[[Tally], None]
) -> None:
    with pytest.raises(ValueError, match=r"measures\.py"):
        use(tally)
    assert tally.unsent() == ({}, {})


def test_keys_of_the_series_expire_and_the_totals_stay(tally: Tally, redis: Any) -> None:
    tally.count("acks", **ACK)
    tally.count("refusals", account="lefoka", reason="wrong_key")
    tally.sample("backlog", 7, queue="messages")
    tally.flush()
    keys = redis.keys("*")
    assert {key for key in keys if redis.ttl(key) < 0} == {
        "receiver:totals",
        "receiver:totals:sets",
    }
    names = [key.rsplit(":", 1)[1] for key in keys if ":series:" in key]
    assert sorted(names) == ["acks"] * 3 + ["backlog"] * 3  # refusals are not charted


def test_series_of_the_three_spans(redis_url: str) -> None:
    clock = [1_700_000_000.0]
    tally = Tally(Connection(redis_url), "receiver", lambda: clock[0])
    figures = Figures(Connection(redis_url), "receiver", lambda: clock[0])
    for _ in range(30):  # half an hour, one message and one report a minute
        tally.count("messages", account="smsbox")
        tally.count("reports", account="lefoka", status="DELIVERED")
        tally.count("reports", account="lefoka", status="FAILED")
        tally.observe("ack_seconds", 0.002, account="lefoka")
        tally.observe("ack_seconds", 0.2, account="smsbox")
        tally.sample("backlog", 5, queue="messages")
        tally.sample("backlog", 3, queue="messages")
        tally.flush()
        clock[0] += 60
    clock[0] -= 60
    for span, points, step in (("hour", 60, 60), ("day", 96, 900), ("week", 84, 7200)):
        found = figures.several(["messages", "reports", "ack_seconds", "backlog"], span)  # type: ignore[arg-type]
        messages = found["messages"]
        assert (len(messages.times), messages.step) == (points, step)
        assert messages.times[-1].timestamp() == clock[0] // step * step
        assert (messages.times[1] - messages.times[0]).total_seconds() == step
        assert sum(filter(None, messages.total())) == 30
        by_status = found["reports"].by("status")
        assert {name: sum(filter(None, row)) for name, row in by_status.items()} == {
            "DELIVERED": 30,
            "FAILED": 30,
        }
        latency = found["ack_seconds"]
        assert 0.1 < (latency.quantile(0.99)[-1] or 0) <= 0.25
        assert (latency.quantile(0.4)[-1] or 1) <= 0.0025
        assert sum(filter(None, latency.by("account")["lefoka"])) == 30
        backlog = found["backlog"].by("queue")["messages"]
        assert backlog[-1] == 3.0
        assert backlog[0] is None


def test_of_several_samples_at_one_time_the_most_counts(redis_url: str) -> None:
    one, other = (Tally(Connection(redis_url), "receiver") for _ in range(2))
    for tally, value in ((one, 7), (other, 4), (one, 2)):
        tally.sample("backlog", value, queue="sends")
        tally.flush()
    found = Figures(Connection(redis_url), "receiver").series("backlog", "week")
    assert found.by("queue")["sends"][-1] == 7


def test_series_of_nothing(figures: Figures) -> None:
    found = figures.series("ack_seconds", "hour")
    assert found.total() == found.quantile(0.5) == (None,) * 60
    assert figures.totals().counters == {}


QUANTILES = {
    "nothing": ((0, 0, 0), 0.5, None),
    "the middle of the first": ((10, 0, 0), 0.5, 0.05),
    "the end of the first": ((10, 0, 0), 1.0, 0.1),
    "an empty one between": ((5, 0, 5), 0.4, 0.08),
    "beyond the last": ((0, 0, 5), 0.5, 1.0),
}


@pytest.mark.parametrize(("counts", "share", "wanted"), QUANTILES.values(), ids=QUANTILES)
def test_quantiles(counts: tuple[int, ...], share: float, wanted: float | None) -> None:
    found = Histogram((0.1, 1.0), counts).quantile(share)
    assert found == (None if wanted is None else pytest.approx(wanted))


WORDS = {
    "a word": ("delivered", "delivered"),
    "a name": ("delivery_report.v2", "delivery_report.v2"),
    "two words": ("Not delivered", "Not delivered"),
    "a number": ("27637885448", ODD),
    "a number in a word": ("to 637885448", ODD),
    "a sentence": ("see you at nine", ODD),
    "a key": ("pk_test_lefoka_0001", ODD),
    "another script": ("состояние", ODD),
    "a long word": ("x" * 41, ODD),
    "nothing": ("", ODD),
    "what is no text": (None, "None"),
    "what ends in a line break": ("delivered\n", ODD),
}


@pytest.mark.parametrize(("text", "wanted"), WORDS.values(), ids=WORDS)
def test_words_of_others(text: object, wanted: str) -> None:
    assert word(text) == wanted
