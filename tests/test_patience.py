"""Those who only look do not wait for a Redis that does not answer, but for two that find out."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from receiver.store.connection import Connection
from receiver.web.patience import Patience

GIVES_UP = 30.0  # seconds: never, in a test


@pytest.fixture
def frozen() -> Iterator[socket.socket]:
    """A Redis that takes connections and answers nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def of(server: socket.socket, answer: float = GIVES_UP) -> Connection:
    return Connection(f"redis://127.0.0.1:{server.getsockname()[1]}/0", answer)


def test_a_redis_that_answers_is_asked_each_time(redis_url: str) -> None:
    patience = Patience(Connection(redis_url), lambda: False)
    assert [patience.answers(), patience.answers()] == [True, True]


def test_while_webhooks_know_that_it_is_away_nobody_asks(redis_url: str) -> None:
    is_away = True
    patience = Patience(Connection(redis_url), lambda: is_away)
    assert patience.ask() is False
    is_away = False
    assert patience.ask() is True


def test_two_find_out_and_the_third_does_not_wait(frozen: socket.socket) -> None:
    patience = Patience(of(frozen), lambda: False)
    with ThreadPoolExecutor(2) as pool:
        asking = [pool.submit(patience.ask) for _ in range(2)]
        callers = [frozen.accept()[0] for _ in asking]
        assert patience.ask() is None
        assert not any(asked.done() for asked in asking)
        for caller in callers:
            caller.close()
        assert [asked.result() for asked in asking] == [False, False]


def test_where_redis_has_just_answered_a_busy_process_asks_on(redis_url: str) -> None:
    now = [100.0]
    patience = Patience(Connection(redis_url), lambda: False, lambda: now[0])
    assert patience.ask() is True
    with patience._waiting, patience._waiting:
        assert patience.ask() is True
        now[0] += 0.25
        assert patience.ask() is None


def test_after_a_failure_nobody_asks_for_a_moment(frozen: socket.socket, redis_url: str) -> None:
    now = [100.0]
    patience = Patience(of(frozen, 0.01), lambda: False, lambda: now[0])
    assert patience.ask() is False
    patience.connection = Connection(redis_url)
    assert patience.ask() is False
    now[0] += 1.0
    assert patience.ask() is True
