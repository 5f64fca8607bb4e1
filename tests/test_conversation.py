"""`conversation` in handlers, which are called as plain functions, or as a worker calls them."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from redis import Redis

from receiver import GiveUp, InboundMessage, ReceiverError, RetryLater, Router
from receiver.attempts import call_within
from receiver.conversations import conversation
from receiver.routing import Handler
from receiver.testing import inbound, talking

MakeApp = Callable[..., Flask]

SENDER = "+255712345678"

router = Router("shop")


@router.keyword("ORDER")
def order(message: InboundMessage) -> str:
    with conversation(message, ttl=3600) as talk:
        talk["item"] = "shirt"
        talk.expect("size")
    return "Which size?"


@router.expects("size")
def size(message: InboundMessage) -> str:
    with conversation(message) as talk:
        item = talk["item"]
        talk.end()
    return f"A {item} in {message.text}, then."


@router.every()
def count(message: InboundMessage) -> None:
    with conversation(message) as talk:
        talk["count"] = talk.get("count", 0) + 1


ORDER, SIZE, COUNT = router.handlers


def change_and_fail(message: InboundMessage) -> None:
    with conversation(message) as talk:
        talk["item"] = "hat"
        talk.expect("colour")
        raise ZeroDivisionError


def only_ask(message: InboundMessage) -> None:
    with conversation(message) as talk:
        talk.expect("size")


def only_end(message: InboundMessage) -> None:
    with conversation(message) as talk:
        talk.end()


def wrote(text: str, **more: Any) -> InboundMessage:
    return inbound(**{"sender": SENDER, "account": "smsbox", "text": text, **more})


# --- called as plain functions


def test_handlers_are_tested_by_calling_them() -> None:
    asked, answered = wrote("ORDER"), wrote("XL")
    with talking() as talks:
        assert order(asked) == "Which size?"
        assert (talks.state(asked), talks.expected(asked)) == ({"item": "shirt"}, "size")
        assert talks.state(SENDER, "smsbox") == {"item": "shirt"}
        assert talks.state(SENDER) == {}, "this is another account"
        assert size(answered) == "A shirt in XL, then."
        assert (talks.state(asked), talks.expected(asked)) == ({}, None)


def test_a_test_can_run_a_handler_again_for_the_same_message() -> None:
    message = wrote("hello")
    with talking() as talks:
        for _ in range(3):
            talks.again(count, message)
        assert talks.state(message) == {"count": 1}
        count(wrote("hello"))
        assert talks.state(message) == {"count": 2}


def test_in_a_test_too_the_next_message_takes_what_is_expected() -> None:
    with talking() as talks:
        order(wrote("ORDER"))
        count(wrote("something else"))
        assert talks.expected(SENDER, "smsbox") is None
        assert talks.state(SENDER, "smsbox") == {"item": "shirt", "count": 1}


def test_each_test_has_its_own_conversations_also_inside_of_another() -> None:
    with talking() as outer:
        count(wrote("hello"))
        with talking() as inner:
            assert inner.state(SENDER, "smsbox") == {}
        assert outer.state(SENDER, "smsbox") == {"count": 1}


def test_what_tests_need_needs_no_pytest() -> None:
    code = "import sys, receiver.testing; assert 'pytest' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


# --- the block


def test_a_block_that_raises_leaves_everything_as_it_was() -> None:
    with talking() as talks:
        order(wrote("ORDER"))
        with pytest.raises(ZeroDivisionError):
            change_and_fail(wrote("XL"))
        assert talks.state(SENDER, "smsbox") == {"item": "shirt"}


def test_what_is_changed_inside_of_a_value_is_kept_too() -> None:
    items = ["shirt"]
    with talking() as talks:
        with conversation(wrote("a")) as talk:
            talk["items"] = items
            items.append("hat")
        with conversation(wrote("b")) as talk:
            talk["items"].append("sock")
            talk["sizes"] = {}
            talk["sizes"]["sock"] = 44
        expected = {"items": ["shirt", "hat", "sock"], "sizes": {"sock": 44}}
        assert talks.state(SENDER, "smsbox") == expected
    assert items == ["shirt", "hat"]


# --- where there is none


def test_nobody_knows_who_wrote() -> None:
    message = wrote("hello", sender=None, candidates=(SENDER, "+255712345679"))
    with talking(), pytest.raises(GiveUp, match="which of 2 numbers") as raised:
        order(message)
    assert SENDER not in str(raised.value)


def test_without_an_app_the_error_names_what_a_test_needs() -> None:
    with pytest.raises(ReceiverError, match=r"receiver\.testing\.talking\(\)"):
        order(wrote("ORDER"))
    with Flask("shop").app_context(), pytest.raises(ReceiverError, match="shop has no Receiver"):
        order(wrote("ORDER"))


# --- as a worker calls them, with Redis


@pytest.fixture
def app(make_app: MakeApp, redis: Redis) -> Flask:
    return make_app()


def attempt(app: Flask, handler: Handler, message: InboundMessage) -> object:
    with app.app_context():
        return call_within(handler, message)


def state_in(app: Flask) -> dict[str, Any]:
    shown = app.extensions["receiver"].conversations.show("smsbox", SENDER)
    return dict(shown.state) if shown else {}


def test_each_attempt_begins_with_the_state_of_the_first(app: Flask) -> None:
    attempt(app, ORDER, wrote("ORDER"))
    answer = wrote("XL")
    for _ in range(2):
        assert attempt(app, SIZE, answer) == "A shirt in XL, then."
        assert state_in(app) == {}


def test_one_that_only_ends_it_ends_what_is_expected(app: Flask) -> None:
    attempt(app, Handler(name="shop.ask", function=only_ask, kind="keyword"), wrote("a"))
    attempt(app, Handler(name="shop.stop", function=only_end, kind="keyword"), wrote("b"))
    assert app.extensions["receiver"].conversations.show("smsbox", SENDER) is None


def test_a_watcher_and_the_one_that_answers_share_a_message(app: Flask) -> None:
    message = wrote("ORDER")
    for handler in (*router.handlers, *router.handlers):
        if handler.function is not size:
            attempt(app, handler, message)
    assert state_in(app) == {"item": "shirt", "count": 1}


def test_of_two_blocks_at_once_one_is_run_again(app: Flask) -> None:
    inside = threading.Barrier(2)

    def slow(message: InboundMessage) -> None:
        with conversation(message) as talk:
            talk["count"] = talk.get("count", 0) + 1
            inside.wait()

    def run(message: InboundMessage) -> tuple[InboundMessage, BaseException | None]:
        try:
            attempt(app, Handler(name="shop.slow", function=slow, kind="keyword"), message)
        except RetryLater as error:
            return message, error
        return message, None

    with ThreadPoolExecutor(2) as pool:
        ended = list(pool.map(run, [wrote("a"), wrote("b")]))
    (late,) = [(message, error) for message, error in ended if error is not None]
    assert "moved on" in str(late[1])
    assert isinstance(late[1], RetryLater)
    assert late[1].seconds is not None
    assert state_in(app) == {"count": 1}
    attempt(app, COUNT, late[0])
    assert state_in(app) == {"count": 2}


def test_many_at_once_with_their_retries_are_all_counted(app: Flask) -> None:
    start = threading.Barrier(8)

    def run(number: int) -> None:
        start.wait()
        for _ in range(5):
            message = wrote(f"hello {number}")
            while True:
                try:
                    attempt(app, COUNT, message)
                    break
                except RetryLater:
                    continue

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(run, range(8)))
    assert state_in(app) == {"count": 40}


def test_in_an_app_a_test_may_keep_them_in_memory_all_the_same(app: Flask, redis: Redis) -> None:
    with app.app_context(), talking() as talks:
        order(wrote("ORDER"))
        assert talks.expected(SENDER, "smsbox") == "size"
    assert redis.keys("*:talk:*") == []
