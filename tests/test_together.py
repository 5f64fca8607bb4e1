"""Concurrent calls of a process in one round trip: each has its own answer, and none waits alone."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

from receiver.limits import TimeUp, time_limit
from receiver.store.connection import Connection
from receiver.store.together import Together

THREADS = 8


class Wire:
    """Sends batches when it is told to, and keeps what was sent."""

    def __init__(self, answer: Callable[[Any], Any] = lambda call: call) -> None:
        self.batches: list[list[Any]] = []
        self.may_go = threading.Event()
        self.left = threading.Event()
        self._answer = answer

    def __call__(self, calls: Sequence[Any]) -> Sequence[Any]:
        self.batches.append(list(calls))
        self.left.set()
        assert self.may_go.wait(30)
        return [self._answer(call) for call in calls]


def together_with(wire: Wire, then: int) -> tuple[Any, list[Any]]:
    """Make one call, and while it is on its way so many others; gives their answers or errors."""
    together = Together(wire)
    waiting = threading.Semaphore(0)

    def run(call: str) -> Any:
        waiting.release()
        try:
            return together.run([call])
        except RedisError as error:
            return error

    with ThreadPoolExecutor(THREADS) as pool:
        first = pool.submit(run, "first")
        assert wire.left.wait(30)
        others = [pool.submit(run, f"other {number}") for number in range(then)]
        while len(together) < then:
            waiting.acquire(timeout=0.01)
        wire.may_go.set()
        return first.result(), [other.result() for other in others]


def test_a_call_that_comes_alone_leaves_at_once_and_those_behind_it_leave_together() -> None:
    wire = Wire()
    first, others = together_with(wire, 5)
    assert first == ["first"]
    assert others == [[f"other {number}"] for number in range(5)]
    assert [len(batch) for batch in wire.batches] == [1, 5]


def test_a_refusal_is_one_call_s_own() -> None:
    refusal = ResponseError("wrong type")
    wire = Wire(lambda call: refusal if call == ["other 1"] else call)
    _, others = together_with(wire, 3)
    assert others == [["other 0"], refusal, ["other 2"]]


def test_all_that_wait_hear_at_once_that_redis_is_away() -> None:
    def fail(call: Any) -> Any:
        raise RedisConnectionError("away")

    wire = Wire(fail)
    first, others = together_with(wire, 4)
    assert [type(error) for error in (first, *others)] == [RedisConnectionError] * 5
    assert len(set(map(id, (first, *others)))) == 5
    assert len(wire.batches) == 1


def test_it_goes_on_after_a_failure() -> None:
    answers: list[Any] = [RedisConnectionError("away"), "there"]

    def send(calls: Sequence[Any]) -> Sequence[Any]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return [answer]

    together = Together(send)
    with pytest.raises(RedisConnectionError):
        together.run([1])
    assert together.run([2]) == "there"


def test_many_threads_get_each_its_own_answer_of_a_real_redis(redis_url: str, redis: Any) -> None:
    connection = Connection(redis_url)
    keys = ["receiver:event:x"]
    redis.hset(keys[0], "event", "{}")

    def rewrite(number: int) -> Any:
        found = [connection.run_durably("rewrite", keys, [str(n)]) for n in range(50)]
        return [*found, connection.run_durably("rewrite", ["gone"], [str(number)])]

    with ThreadPoolExecutor(THREADS) as pool:
        assert list(pool.map(rewrite, range(THREADS))) == [[1] * 50 + [0]] * THREADS
    connection.close()


def test_a_script_that_redis_forgot_is_told_again(redis_url: str, redis: Any) -> None:
    connection = Connection(redis_url)
    for _ in range(2):
        redis.script_flush()
        with ThreadPoolExecutor(THREADS) as pool:
            answers = list(
                pool.map(
                    lambda _: connection.run_durably("rewrite", ["gone"], ["x"]), range(THREADS)
                )
            )
        assert answers == [0] * THREADS
    connection.close()


class Hurried(BaseException):
    """What a server throws into a thread that takes too long."""


def test_a_thread_that_is_ended_while_it_waits_holds_up_nobody() -> None:
    def hurry(*_: object) -> None:
        raise Hurried

    wire = Wire()
    together = Together(wire)
    before = signal.signal(signal.SIGUSR1, hurry)
    try:
        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(together.run, ["first"])
            assert wire.left.wait(30)
            behind = pool.submit(end_main_thread_then, together)
            with pytest.raises(Hurried):
                together.run(["ended"])
            wire.may_go.set()
            assert (first.result(), behind.result()) == (["first"], ["behind"])
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert wire.batches == [[["first"]], [["behind"]]]


def end_main_thread_then(together: Together) -> Any:
    """Wait until the main thread waits, end its waiting, and make a call."""
    while not len(together):
        threading.Event().wait(0.001)
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
    return together.run(["behind"])


def test_a_connection_that_redis_ended_is_not_taken_for_a_redis_that_is_away(
    redis_url: str, redis: Any
) -> None:
    connection = Connection(redis_url)
    for _ in range(3):
        assert connection.run_durably("rewrite", ["gone"], ["x"]) == 0
        redis.client_kill_filter(_type="normal", skipme=True)
    connection.close()
    assert connection.run_durably("rewrite", ["gone"], ["x"]) == 0
    connection.close()


def test_a_forked_process_has_a_connection_and_calls_of_its_own(redis_url: str) -> None:
    connection = Connection(redis_url)
    assert connection.run_durably("rewrite", ["gone"], ["x"]) == 0
    pid = os.fork()
    if pid == 0:
        answer = connection.run_durably("rewrite", ["gone"], ["x"])
        os._exit(0 if answer == 0 else 1)
    assert connection.run_durably("rewrite", ["gone"], ["x"]) == 0
    assert os.waitpid(pid, 0)[1] == 0
    connection.close()


def test_a_time_limit_that_rings_within_a_call_waits_for_its_end() -> None:
    """A handler's send is such a call; other threads of the worker wait for what it leaves behind."""
    answers: list[Any] = []

    def send(calls: Sequence[Any]) -> Sequence[Any]:
        signal.raise_signal(signal.SIGALRM)
        return calls

    together = Together(send)

    def call_and_go_on() -> None:
        with time_limit(60):
            answers.append(together.run(["in time"]))
            while True:  # until it rings again
                pass

    with pytest.raises(TimeUp):
        call_and_go_on()
    assert answers == [["in time"]]
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(Together(list).run, ["x"]).result() == ["x"]
        assert not len(together)
