"""What a conversation expects, and how long it lives: in Redis and in a test's memory."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from conversing import (
    CONTACT,
    PLACES,
    adding,
    expected_in,
    expire,
    place,
    setting,
    state_of,
    write,
)

from receiver.store.conversations import ConversationStore, Writer


@pytest.fixture(params=PLACES)
def store(request: pytest.FixtureRequest) -> ConversationStore:
    return place(request)


# --- what is expected


def test_an_expectation_is_taken_once_and_told_again_to_who_took_it(
    store: ConversationStore,
) -> None:
    assert store.take_expected(*CONTACT, "e1") is None
    write(store, "e1", expect="size")
    assert expected_in(store) == "size"
    assert store.take_expected(*CONTACT, "e1") is None, "it was this one that set it"
    assert [store.take_expected(*CONTACT, "e2") for _ in range(3)] == ["size"] * 3
    assert store.take_expected(*CONTACT, "e3") is None
    assert expected_in(store) is None


def test_who_took_it_is_told_so_also_after_it_set_another(store: ConversationStore) -> None:
    write(store, "e1", expect="size")
    store.take_expected(*CONTACT, "e2")
    write(store, "e2", setting(size="XL"), expect="colour")
    assert store.take_expected(*CONTACT, "e2") == "size"
    assert expected_in(store) == "colour"
    assert store.take_expected(*CONTACT, "e3") == "colour"
    write(store, "e3", expect="colour")
    assert store.take_expected(*CONTACT, "e3") == "colour"
    assert store.take_expected(*CONTACT, "e4") == "colour"


def test_of_two_at_once_one_takes_it(store: ConversationStore) -> None:
    start = threading.Barrier(8)

    def take(event: str) -> str | None:
        start.wait()
        return store.take_expected(*CONTACT, event)

    for turn in range(10):
        write(store, f"asks-{turn}", expect="size", ended=True)
        with ThreadPoolExecutor(8) as pool:
            taken = list(pool.map(take, [f"e{turn}-{i}" for i in range(8)]))
        assert sorted(filter(None, taken)) == ["size"]


def test_taking_is_no_change_that_a_handler_runs_again_for(store: ConversationStore) -> None:
    write(store, "e1", setting(n=1), expect="size")
    opened = store.open(*CONTACT, Writer("e1", "audit.count"))
    assert store.take_expected(*CONTACT, "e2") == "size"
    assert store.commit(opened, {"n": 2}, None, ttl=60)
    assert store.take_expected(*CONTACT, "e2") == "size"


def test_the_end_of_a_conversation_is_the_end_of_what_it_expects(store: ConversationStore) -> None:
    write(store, "e1", expect="size")
    write(store, "e2", dict.clear, ended=True)
    assert store.take_expected(*CONTACT, "e3") is None
    assert store.show(*CONTACT) is None


# --- its time


def test_a_conversation_lives_as_long_as_was_said_after_its_last_change(
    store: ConversationStore,
) -> None:
    for event, ttl in (("e1", 60), ("e2", 86_400), ("e3", 600)):
        before = datetime.now(UTC)
        write(store, event, adding("n"), ttl=ttl)
        shown = store.show(*CONTACT)
        assert shown is not None
        assert shown.expires_at - before >= timedelta(seconds=ttl - 1)
        assert shown.expires_at <= datetime.now(UTC) + timedelta(seconds=ttl + 1)


def test_what_has_expired_is_not_there(store: ConversationStore) -> None:
    write(store, "e1", setting(item="shirt"), expect="size")
    expire(store)
    assert store.show(*CONTACT) is None
    assert store.take_expected(*CONTACT, "e2") is None
    assert write(store, "e2", setting(n=1)) == {}
    assert (state_of(store), expected_in(store)) == ({"n": 1}, None)
    assert store.take_expected(*CONTACT, "e3") is None


def test_a_message_that_came_in_time_finds_it_however_long_its_retries_take(
    store: ConversationStore,
) -> None:
    write(store, "e1", setting(item="shirt"), expect="size")
    assert store.take_expected(*CONTACT, "e2") == "size"
    expire(store)
    assert store.take_expected(*CONTACT, "e2") == "size"
    assert write(store, "e2", setting(size="XL")) == {"item": "shirt"}
    expire(store)
    assert store.take_expected(*CONTACT, "e2") == "size"
    assert write(store, "e2", run="2") == {"item": "shirt"}


def test_to_forget_leaves_nothing(store: ConversationStore) -> None:
    write(store, "e1", setting(item="shirt"), expect="size")
    assert store.forget(*CONTACT)
    assert not store.forget(*CONTACT)
    assert store.show(*CONTACT) is None
    assert write(store, "e1", run="2") == {}
    assert store.take_expected(*CONTACT, "e2") is None
