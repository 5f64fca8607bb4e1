"""Figures over time, and what is counted by many processes."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

import pytest
from test_tally import ACK, figures, tally  # noqa: F401

from receiver.measures import MEASURES, ODD, OTHER, word
from receiver.store import tally as module
from receiver.store.connection import Connection
from receiver.store.figures import Figures, Histogram
from receiver.store.tally import Tally


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
    for counting, value in ((one, 7), (other, 4), (one, 2)):
        counting.sample("backlog", value, queue="sends")
        counting.flush()
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
