"""Who is opted out: kept with its source, and the later word counts whatever is handled first."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from receiver import InboundMessage, Status
from receiver.store.connection import Connection
from receiver.store.optouts import OptOut, OptOuts
from receiver.testing import inbound, report

NUMBER, OTHER = "+27637885448", "+27637885449"
NINE = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


@pytest.fixture
def optouts(redis: Any, redis_url: str) -> OptOuts:
    return OptOuts(Connection(redis_url), "receiver")


def at(minute: int) -> datetime:
    return NINE + timedelta(minutes=minute)


def said(text: str, minute: int = 0, **more: Any) -> InboundMessage:
    return inbound(
        account="shop", sender=NUMBER, text=text, received_at=at(minute), id=text, **more
    )


def test_an_opt_out_is_kept_with_its_time_words_source_and_event(
    optouts: OptOuts, redis: Any
) -> None:
    assert optouts.note(said("Stop!"), "opted_out")
    assert optouts.find("shop", NUMBER) == OptOut(
        account="shop", number=NUMBER, at=NINE, words="Stop!", source="message", event="Stop!"
    )
    assert optouts.find("shop", OTHER) is optouts.find("other", NUMBER) is None
    assert redis.ttl("receiver:optouts:shop") == -1


def test_an_opt_in_undoes_it_and_is_kept_with_what_it_ended(optouts: OptOuts) -> None:
    optouts.note(said("STOP"), "opted_out")
    assert optouts.note(said("START", 5), "opted_in")
    assert optouts.find("shop", NUMBER) is None
    kept = optouts.last_opt_in("shop", NUMBER)
    assert kept is not None
    assert (kept["at"], kept["words"]) == ("2026-11-21T09:05:00.000+00:00", "START")
    assert kept["ended"] == {
        "at": "2026-11-21T09:00:00.000+00:00",
        "words": "STOP",
        "source": "message",
        "event": "STOP",
    }
    assert optouts.last_opt_in("shop", OTHER) is None


STORIES = [
    (("out", 0), ("in", 1)),
    (("in", 0), ("out", 1)),
    (("out", 0), ("in", 1), ("out", 2)),
    (("in", 0), ("out", 1), ("in", 2)),
    (("out", 0), ("out", 1), ("in", 2), ("in", 3)),
]


@pytest.mark.parametrize("story", STORIES, ids=str)
def test_the_later_word_counts_in_whatever_order_and_however_often_they_are_handled(
    optouts: OptOuts, story: tuple[tuple[str, int], ...]
) -> None:
    last = max(story, key=lambda word: word[1])
    for number, order in enumerate(itertools.permutations(story)):
        who = f"+2763788{number:04}"
        for way, minute in (*order, *order[:1]):
            change = optouts.add if way == "out" else optouts.remove
            change("shop", who, words=f"{way}{minute}", source="message", at=at(minute))
        found = optouts.find("shop", who)
        assert (found and found.words) == (f"out{last[1]}" if last[0] == "out" else None), order


def test_what_comes_too_late_is_told(optouts: OptOuts) -> None:
    assert optouts.note(said("START", 10), "opted_in")
    assert not optouts.note(said("STOP", 9), "opted_out")
    assert optouts.note(said("stop", 11), "opted_out")
    assert not optouts.note(said("start", 11), "opted_in")


@pytest.mark.parametrize("first", ["opted_out", "opted_in"])
def test_of_two_words_of_the_same_moment_the_opt_out_counts(optouts: OptOuts, first: Any) -> None:
    second: Any = "opted_in" if first == "opted_out" else "opted_out"
    optouts.note(said("one"), first)
    optouts.note(said("two"), second)
    assert optouts.find("shop", NUMBER) is not None


def test_times_are_compared_wherever_their_clocks_stand(optouts: OptOuts) -> None:
    nairobi = at(30).astimezone(datetime.fromisoformat("2026-01-01T00:00+03:00").tzinfo)
    optouts.add("shop", NUMBER, source="message", at=nairobi)
    assert not optouts.remove("shop", NUMBER, source="message", at=at(29))
    assert optouts.remove("shop", NUMBER, source="message", at=at(31))


def test_a_blocked_report_opts_out_and_no_other_report_does(optouts: OptOuts) -> None:
    for number, status in enumerate(Status):
        who = f"+2763788{number:04}"
        event = report(account="shop", recipient=who, status=status, provider_status="blist")
        assert optouts.note(event) == (status is Status.BLOCKED)
        found = optouts.find("shop", who)
        assert (found is not None) == (status is Status.BLOCKED)
        if found:
            assert (found.source, found.words, found.event) == ("provider", "blist", event.id)


def test_a_providers_word_does_not_replace_the_persons(optouts: OptOuts) -> None:
    optouts.note(said("STOP"), "opted_out")
    blocked = report(account="shop", recipient=NUMBER, status=Status.BLOCKED, received_at=at(5))
    assert optouts.note(blocked)
    found = optouts.find("shop", NUMBER)
    assert found is not None
    assert (found.source, found.at) == ("message", NINE)
    assert optouts.note(said("START", 4), "opted_in")


def test_a_message_that_asks_for_nothing_or_is_nobodys_changes_nothing(
    optouts: OptOuts, redis: Any
) -> None:
    nobody = inbound(sender=None, candidates=(NUMBER, OTHER), text="STOP")
    assert not optouts.note(said("hello"), None)
    assert not optouts.note(nobody, "opted_out")
    assert redis.keys("*") == []


@pytest.mark.parametrize("undo", [True, False])
def test_what_an_older_release_kept_is_read_and_can_be_undone(
    optouts: OptOuts, redis: Any, undo: bool
) -> None:
    old = '{"at": "2026-11-21T09:00:00.000+00:00", "text": "STOP", "event": "e1"}'
    redis.hset("receiver:optouts:shop", NUMBER, old)
    found = optouts.find("shop", NUMBER)
    assert found == OptOut(
        account="shop", number=NUMBER, at=NINE, words="STOP", source="message", event="e1"
    )
    assert optouts.note(said("START", 1 if undo else -1), "opted_in") == undo
    assert (optouts.find("shop", NUMBER) is None) == undo


def test_many_are_found_in_one_round_trip(optouts: OptOuts, redis: Any) -> None:
    numbers = [f"+2763788{n:04}" for n in range(300)]
    for number in numbers[::3]:
        optouts.add("shop", number, source="operator")
    assert optouts.find_many("shop", numbers[1:3]) == {}  # which opens a connection
    before = redis.info("stats")["total_commands_processed"]
    found = optouts.find_many("shop", numbers)
    spent = redis.info("stats")["total_commands_processed"] - before
    assert list(found) == numbers[::3]
    assert spent == 3  # the opt-outs, the key of the pseudonyms, and INFO
    assert optouts.find_many("shop", ()) == {}


def test_all_of_an_account_are_given_once(optouts: OptOuts) -> None:
    numbers = {f"+27637{n:06}" for n in range(2000)}
    for number in numbers:
        optouts.add("shop", number, source="operator")
    optouts.add("other", OTHER, source="operator")
    found = [record.number for record in optouts.records("shop")]
    assert (len(found), set(found)) == (2000, numbers)
    assert list(optouts.records("nobody")) == []


def test_of_a_long_message_only_the_beginning_is_kept(optouts: OptOuts) -> None:
    optouts.add("shop", NUMBER, words="STOP " + "x" * 5000, source="message")
    found = optouts.find("shop", NUMBER)
    assert found is not None
    assert len(found.words) == 160


def test_an_opt_out_does_not_show_the_number_when_it_is_printed(optouts: OptOuts) -> None:
    optouts.add("shop", NUMBER, words="STOP it", source="message")
    shown = repr(optouts.find("shop", NUMBER))
    assert NUMBER not in shown
    assert "STOP it" not in shown
