"""The crash matrix: SIGKILL at marked steps under load, and what it costs; it prints its table.

`pytest tests/crash` runs it. What it shows is in docs/explanation/promises.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
import stories
from deployed import Deployed, deployed
from findings import HEAD, Findings, faults_in
from servers import own_valkey, url_of
from traffic import Traffic
from victim import ITS_GROUP, Step, place
from wire import FakeApi

RUN = "receiver.store.connection:Connection.run"
RUN_DURABLY = "receiver.store.connection:Connection.run_durably"
TRANSACT = "receiver.store.spool_file:_transact"
TAKE = "receiver.draining:Draining.take_page"
PERFORM = "receiver.clerk:Clerk.perform"
HANDLER = "receiver.handling:call_within"
WORK = "crash_shop:do_the_work"
CALL = "receiver.outbox:deliver"
ANSWER = "httpcore._backends.sync:SyncStream.read"
TICK = "receiver.supervisor:Supervisor._tick"

HANDS = 2  # workers that run handlers: of messages, of reports


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line: a story, and the step at which somebody dies in it.

    ``again``: how many runs are cut short and made again, at least and at most; ``unknown``: how
    many replies nobody can tell of. ``own_redis``: it is stopped or killed. ``broken``: some messages
    wait for an operator.
    """

    story: Callable[[Deployed, Step, Traffic], None]
    step: Step
    again: tuple[int, int] = (0, 0)
    unknown: tuple[int, int] = (0, 0)
    own_redis: bool = False
    broken: bool = False


def web(function: str, when: Any, only: str) -> Row:
    """Make a row in which both web processes die."""
    step = Step(function=function, when=when, call=25, only=only, most=2, spares_the_new=True)
    return Row(story=stories.web_dies, step=step)


def spooling(function: str, when: Any, only: str) -> Row:
    """Make a row in which both web processes die while Redis is away."""
    step = Step(function=function, when=when, call=5, only=only, most=2, spares_the_new=True)
    return Row(story=stories.web_dies_without_redis, step=step, own_redis=True)


def worker(function: str, when: Any, only: str = "any", again: int = 0) -> Row:
    """Make a row in which two workers die."""
    step = Step(function=function, when=when, call=20, only=only, most=2)
    return Row(story=stories.worker_dies, step=step, again=(again, again))


def retrying(when: Any) -> Row:
    """Make a row in which a worker dies around the scheduling of a retry."""
    step = Step(function=RUN, when=when, call=4, only="settles for later")
    return Row(story=stories.worker_dies, step=step)


def sending(function: str, when: Any) -> Row:
    """Make a row in which the worker that sends dies, and nobody can tell of one reply."""
    step = Step(function=function, when=when, call=15)
    return Row(story=stories.worker_dies, step=step, unknown=(1, 1))


def supervisor(when: Any, only: str) -> Row:
    """Make a row in which the supervisor dies."""
    step = Step(function=RUN, when=when, call=2, only=only)
    return Row(story=stories.supervisor_dies, step=step)


def redis(function: str, when: Any, only: str = "any", call: int = 40) -> Row:
    """Make a row in which Redis dies while a web process or a worker is at that step.

    Whoever had something in hand lives, and notes what became of it when Redis is back.
    """
    step = Step(function=function, when=when, call=call, only=only)
    return Row(story=stories.redis_dies, step=step, own_redis=True)


ROWS = {
    "web: before the accept script": web(RUN_DURABLY, "before", "accept"),
    "web: after the script, before the ack": web(RUN_DURABLY, "after", "accept"),
    "web: before the spool's commit": spooling(TRANSACT, "within", "keeps a callback"),
    "web: after the spool's commit, before the ack": spooling(
        TRANSACT, "after", "keeps a callback"
    ),
    "web: in the drain, between Redis and the spool": Row(
        story=stories.web_dies_when_redis_is_back,
        step=Step(function=TAKE, when="after", call=1),
        own_redis=True,
    ),
    "worker: right after the claim": worker(RUN, "after", "claims"),
    "worker: between two jobs that it claimed": Row(
        story=stories.worker_dies,
        step=Step(function=PERFORM, when="before", call=20, most=2),
        again=(0, 2),  # of the job before, whose outcome goes with the beginning of this one
    ),
    "worker: after it began the job": worker(RUN, "after", "begins"),
    "worker: right before the handler": worker(HANDLER, "before"),
    "worker: in the handler": worker(WORK, "before", again=2),
    "worker: after the handler, before its outcome is noted": worker(HANDLER, "after", again=2),
    "worker: before the outcome is noted and the job settled": worker(
        RUN, "before", "settles", again=2
    ),
    "worker: after the outcome is noted and the job settled": worker(RUN, "after", "settles"),
    "worker: before a retry is scheduled": retrying("before"),
    "worker: after a retry is scheduled": retrying("after"),
    "sender: right before the provider is called": sending(CALL, "before"),
    "sender: after the provider got it, before its answer": sending(ANSWER, "before"),
    "sender: after the answer, before it is noted": sending(CALL, "after"),
    "supervisor: before it queues due retries": supervisor("before", "something is due"),
    "supervisor: after it queued due retries": supervisor("after", "queued what was due"),
    "supervisor: alone, and its workers end": Row(
        story=stories.supervisor_dies_and_its_workers_end,
        step=Step(function=TICK, when="before", call=4),
    ),
    "supervisor and all its workers, in a handler": Row(
        story=stories.all_die_at_once,
        step=Step(function=WORK, when="before", call=40, kills=ITS_GROUP),
        again=(1, HANDS),
        unknown=(0, 1),
    ),
    "sweeper: before its script": Row(
        story=stories.sweeper_dies, step=Step(function=RUN, when="before", only="sweep")
    ),
    "sweeper: after its script, with more to sweep": Row(
        story=stories.sweeper_dies, step=Step(function=RUN, when="after", only="sweep")
    ),
    "`failed retry`: before its script": Row(
        story=stories.retry_dies,
        step=Step(function=RUN, when="before", only="revive", call=3),
        broken=True,
    ),
    "`failed retry`: after its script": Row(
        story=stories.retry_dies,
        step=Step(function=RUN, when="after", only="revive", call=3),
        broken=True,
    ),
    "Redis: before the accept script": redis(RUN_DURABLY, "before", "accept"),
    "Redis: after the accept script, before its answer": redis(RUN_DURABLY, "unanswered", "accept"),
    "Redis: after the accept script, before the ack": redis(RUN_DURABLY, "after", "accept"),
    "Redis: after a handler, before its outcome is noted": redis(HANDLER, "after"),
    "Redis: after a job is settled, before its answer": redis(RUN, "unanswered", "settles"),
    "Redis: after a retry is scheduled, before its answer": redis(
        RUN, "unanswered", "settles for later", call=4
    ),
    "Redis: after a send is noted, before its answer": redis(
        RUN, "unanswered", "a reply is on its way"
    ),
    "Redis: while a provider is called": redis(CALL, "after"),
}


class Table:
    """The lines of the table, shown at the end of the session."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """See pytest's hook."""
        terminalreporter.write_line("\n".join(["", HEAD, *self.lines, ""]))


@pytest.fixture(scope="module")
def table(request: pytest.FixtureRequest) -> Table:
    """The table of this session."""
    table = Table()
    request.config.pluginmanager.register(table)
    return table


@pytest.fixture
def shop(request: pytest.FixtureRequest, api: FakeApi, row: Row) -> Iterator[Deployed]:
    """The shop of one row, on a Redis of its own where that is to die."""
    with ExitStack() as stack:
        if row.own_redis:
            server = stack.enter_context(own_valkey())
            yield stack.enter_context(deployed(url_of(server), api, server))
        else:
            yield stack.enter_context(deployed(request.getfixturevalue("redis_url"), api))


def test_each_marked_step_is_there() -> None:
    steps = {row.step.function for row in ROWS.values()} - {WORK}  # the shop's own
    assert all(callable(getattr(*place(step))) for step in steps)


@pytest.mark.parametrize(("name", "row"), ROWS.items(), ids=ROWS)
def test_what_is_acknowledged_is_handled_once_unless_it_was_in_hand_when_killed(
    name: str, row: Row, shop: Deployed, table: Table
) -> None:
    traffic = Traffic(shop.web, broken=row.broken)
    row.story(shop, row.step, traffic)
    shop.wait_until_all_is_settled()
    found = Findings(shop, traffic)
    table.lines.append(found.row(name))
    assert list(faults_in(found)) == []
    assert len(found.kills) == row.step.most
    assert row.again[0] <= len(found.extra) <= row.again[1]
    assert row.unknown[0] <= found.reply_states["unknown"] <= row.unknown[1]
