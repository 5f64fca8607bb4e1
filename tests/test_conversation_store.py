"""Conversations as they are kept: the same rules in Redis and in a test's memory."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from conversing import (
    ACCOUNT,
    CONTACT,
    NUMBER,
    PLACES,
    adding,
    expected_in,
    expire,
    place,
    setting,
    state_of,
    write,
)
from redis import Redis

from receiver.store.connection import Connection
from receiver.store.conversations import (
    KEPT_SECONDS,
    Commit,
    Conversations,
    ConversationStore,
    Writer,
)


@pytest.fixture(params=PLACES)
def store(request: pytest.FixtureRequest) -> ConversationStore:
    return place(request)


# --- the state


def test_a_state_is_read_as_it_was_written(store: ConversationStore) -> None:
    values = {"t": "né ü", "n": 1, "f": 1.5, "b": True, "z": None, "l": [], "d": {"x": [{}]}}
    write(store, "e1", setting(**values))
    opened = store.open(*CONTACT, Writer("e2"))
    assert opened.state == values
    assert opened.state["b"] is True


def test_conversations_of_other_numbers_and_accounts_are_others(store: ConversationStore) -> None:
    write(store, "e1", setting(item="shirt"))
    assert store.open(ACCOUNT, "+255712345679", Writer("e2")).state == {}
    assert store.open("lefoka", NUMBER, Writer("e2")).state == {}


def test_a_block_that_changes_nothing_writes_nothing(store: ConversationStore) -> None:
    write(store, "e1")
    assert store.show(*CONTACT) is None
    write(store, "e1", setting(n=1))
    opened = store.open(*CONTACT, Writer("e3"))
    write(store, "e2", setting(n=1))
    assert store.commit(opened, {"n": 2}, None, ttl=9)  # nobody was there meanwhile


def test_one_and_true_are_not_the_same(store: ConversationStore) -> None:
    write(store, "e1", setting(paid=1))
    write(store, "e2", setting(paid=True))
    assert state_of(store)["paid"] is True


def test_who_commits_second_is_told_and_changes_nothing(store: ConversationStore) -> None:
    first, second = (store.open(*CONTACT, Writer(event)) for event in ("e1", "e2"))
    assert store.commit(first, {"who": "first"}, None, ttl=60)
    assert not store.commit(second, {"who": "second"}, "size", ttl=60)
    assert (state_of(store), expected_in(store)) == ({"who": "first"}, None)


@pytest.mark.parametrize("how", ["forgotten", "expired"])
def test_what_was_forgotten_meanwhile_does_not_come_back(
    store: ConversationStore, how: str
) -> None:
    write(store, "e1", setting(item="shirt"))
    opened = store.open(*CONTACT, Writer("e2"))
    if how == "expired":
        expire(store)
        write(store, "e3", setting(other=1))
    else:
        assert store.forget(*CONTACT)
    assert not store.commit(opened, {**opened.state, "size": "XL"}, None, ttl=60)
    assert "item" not in state_of(store)


def test_two_at_once_never_overwrite_each_other(store: ConversationStore) -> None:
    """Each adds one as often as it is told that it was too late."""
    start = threading.Barrier(8)

    def add(number: int) -> None:
        start.wait()
        for i in range(5):
            while True:
                opened = store.open(*CONTACT, Writer(f"e{number}-{i}", "shop.order", "1"))
                n = opened.state.get("n", 0) + 1
                if store.commit(opened, {"n": n}, None, ttl=60):
                    break

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(8)))
    assert state_of(store) == {"n": 40}


# --- the same message again


def test_a_rerun_sees_the_state_of_the_first_time(store: ConversationStore) -> None:
    write(store, "e1", setting(item="shirt", n=0))

    def change(state: dict[str, Any]) -> None:
        state.update(n=state["n"] + 1, item=state.pop("item") + "!")

    for run in ("1", "2", "3"):
        assert write(store, "e2", change, run=run) == {"item": "shirt", "n": 0}
        assert state_of(store) == {"item": "shirt!", "n": 1}


def test_a_rerun_of_what_ended_it_sees_it_all(store: ConversationStore) -> None:
    write(store, "e1", setting(item="shirt"), expect="size")
    assert store.take_expected(*CONTACT, "e2") == "size"
    for run in ("1", "2"):
        assert write(store, "e2", dict.clear, run=run, ended=True) == {"item": "shirt"}
        assert store.show(*CONTACT) is None
        assert store.take_expected(*CONTACT, "e2") == "size"
    assert write(store, "e3", setting(new=1)) == {}
    assert state_of(store) == {"new": 1}


def test_a_rerun_that_changes_nothing_undoes_the_first(store: ConversationStore) -> None:
    write(store, "e1", setting(n=1))
    write(store, "e2", setting(n=2), expect="size")
    write(store, "e2", run="2")
    assert (state_of(store), expected_in(store)) == ({"n": 1}, None)


def test_a_second_block_of_the_same_run_goes_on(store: ConversationStore) -> None:
    write(store, "e1", setting(a=1), expect="size")
    assert write(store, "e1", setting(b=2)) == {"a": 1}
    assert (state_of(store), expected_in(store)) == ({"a": 1, "b": 2}, "size")
    assert write(store, "e1", run="2") == {}


def test_each_handler_of_a_message_sees_what_the_others_wrote(store: ConversationStore) -> None:
    write(store, "e1", setting(item="shirt"), expect="size")
    assert write(store, "e1", adding("n"), handler="audit.count") == {"item": "shirt"}
    assert state_of(store) == {"item": "shirt", "n": 1}
    assert write(store, "e1", adding("n"), handler="audit.count", run="2") == {"item": "shirt"}
    assert write(store, "e1", setting(item="hat"), run="2", expect="size") == {"n": 1}
    assert (state_of(store), expected_in(store)) == ({"item": "hat", "n": 1}, "size")


def test_a_rerun_after_a_late_handler_of_an_earlier_message(store: ConversationStore) -> None:
    write(store, "e2", adding("n"), expect="size")
    write(store, "e1", adding("late"), handler="audit.count")
    assert expected_in(store) == "size"
    assert write(store, "e2", adding("n"), expect="size", run="2") == {"late": 1}
    assert (state_of(store), expected_in(store)) == ({"late": 1, "n": 1}, "size")


def test_a_rerun_that_expects_nothing_leaves_what_another_message_does(
    store: ConversationStore,
) -> None:
    write(store, "e1", expect="size")
    write(store, "e2", expect="colour")
    write(store, "e1", setting(n=1), run="2")
    assert (state_of(store), expected_in(store)) == ({"n": 1}, "colour")


def test_a_change_inside_of_a_value_is_undone_for_a_rerun(store: ConversationStore) -> None:
    write(store, "e1", setting(items=["shirt"]))
    for run in ("1", "2"):
        write(store, "e2", lambda state: state["items"].append("hat"), run=run)
        assert state_of(store) == {"items": ["shirt", "hat"]}


def test_only_the_last_writes_are_kept_apart_and_none_is_lost(store: ConversationStore) -> None:
    for i in range(30):
        write(store, f"e{i}", lambda state, i=i: state.update({f"k{i}": i, "n": i}))
    assert state_of(store) == {**{f"k{i}": i for i in range(30)}, "n": 29}
    assert len(store.open(*CONTACT, Writer("e9")).writes) == 8
    assert write(store, "e29", run="2")["n"] == 28


# --- in Redis alone

SLACK = 600  # seconds: nothing is measured here


@pytest.mark.parametrize(
    ("ttl", "kept"), [(60, KEPT_SECONDS), (86_400, 86_400)], ids=["short", "long"]
)
def test_its_key_names_no_number_and_goes_by_itself(
    redis_url: str, redis: Redis, ttl: int, kept: int
) -> None:
    store = Conversations(Connection(redis_url), "receiver")
    write(store, "e1", setting(item="shirt"), ttl=ttl, expect="size")
    (key,) = redis.keys("*")
    assert key.startswith("receiver:talk:")
    assert "712345678" not in key
    assert kept - SLACK <= redis.ttl(key) <= kept
    store.take_expected(*CONTACT, "e2")
    assert kept - SLACK <= redis.ttl(key) <= kept
    redis.expire(key, 30)
    write(store, "e3", expect="colour", ttl=60)
    redis.expire(key, 30)
    store.take_expected(*CONTACT, "e4")
    assert KEPT_SECONDS - SLACK <= redis.ttl(key) <= KEPT_SECONDS
    write(store, "e5", dict.clear, ended=True, ttl=86_400)
    assert KEPT_SECONDS - SLACK <= redis.ttl(key) <= KEPT_SECONDS


def test_a_commit_whose_answer_was_lost_is_no_conflict(redis_url: str, redis: Redis) -> None:
    store = Conversations(Connection(redis_url), "receiver")
    what = {"base": '{"n":1}', "writes": "[]", "sets_expected": True, "expected": "size"}
    commit = Commit(version="v1", event="e1", is_empty=False, ttl=60, **what)
    assert store._write(store.open(*CONTACT, Writer("e1")).key, "", commit)
    assert store._write(store.open(*CONTACT, Writer("e1")).key, "", commit)
    assert (state_of(store), expected_in(store)) == ({"n": 1}, "size")


def test_taking_is_one_round_trip(redis_url: str, redis: Redis) -> None:
    store = Conversations(Connection(redis_url), "receiver")
    write(store, "e1", expect="size")
    store.take_expected(*CONTACT, "e2")
    before = redis.info("commandstats")["cmdstat_evalsha"]["calls"]
    assert store.take_expected(*CONTACT, "e2") == "size"
    assert redis.info("commandstats")["cmdstat_evalsha"]["calls"] == before + 1
