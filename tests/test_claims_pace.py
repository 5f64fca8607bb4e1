"""When a worker claims, and when it lets go: patterns, slow handlers, workers that went on."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, cast

import pytest
from flask import Flask
from processes import until
from redis import Redis
from test_jobs import post
from test_worker import Deployed

from receiver import InboundMessage, Receiver
from receiver.clerk import Clerk, Pace
from receiver.worker import Worker

MakeApp = Callable[..., Flask]
RunJobs = Callable[[Flask], int]


class Pattern:
    """A pattern that tells when it is tried, as one would that costs its worker its life."""

    def __init__(self, tried: Callable[[], object]) -> None:
        self._tried = tried

    def match(self, text: str) -> re.Match[str] | None:
        """See `re.Pattern.match`."""
        if text:
            self._tried()
        return re.match(r"\d", text)


def test_the_last_outcome_is_written_before_a_pattern_is_tried(
    make_app: MakeApp, run_jobs: RunJobs
) -> None:
    states: list[str] = []

    def tried() -> None:
        found = {r.event.text: r.handlers for r in journal.records(journal.ids())}
        states.append(" ".join(h["app.note"]["state"] for _, h in sorted(found.items()) if h))

    def register(receiver: Receiver) -> None:
        @receiver.matching(cast("re.Pattern[str]", Pattern(tried)))
        def note(message: InboundMessage) -> None:
            pass

    app = make_app(handlers=register)
    journal = app.extensions["receiver"].journal
    for text in "012":
        post(app, text, text, f"+25571200000{text}")
    run_jobs(app)
    # tried once to find the handler, and once for its groups
    assert states == ["", "running", "done", "done running", "done done", "done done running"]


@pytest.mark.parametrize(
    ("seconds", "jobs", "claimed"),
    [
        pytest.param(1.0, 0, 1, id="after a pause"),
        pytest.param(0.0005, 1, 2, id="twice as many, where they are short"),
        pytest.param(0.1, 1, 1, id="one, where one takes long"),
        pytest.param(0.2, 8, 2, id="as many as are done in 50 ms"),
        pytest.param(0.01, 32, 32, id="no more than that"),
    ],
)
def test_as_many_jobs_are_claimed_as_were_done_in_a_moment(
    seconds: float, jobs: int, claimed: int
) -> None:
    times = iter([0.0, seconds])
    pace = Pace(lambda: next(times))
    for _ in range(jobs):
        pace.count()
    assert pace.next() == claimed


def test_messages_of_others_do_not_wait_for_a_slow_one_while_a_worker_is_idle(
    tmp_path: Any, make_app: MakeApp, redis_url: str
) -> None:
    deployed = Deployed(tmp_path, make_app(), redis_url)
    for number in range(60):
        text = "block" if number == 40 else "quick"
        post(deployed.web, text, str(number), f"+2557120000{number:02}")
    with deployed.worker("--processes", "2"):
        until(lambda: deployed.ran().count("quick") == 59, "all others")
        deployed.open_gate()
        until(lambda: len(deployed.ran()) == 61, "the slow one")


def test_a_worker_that_was_taken_for_dead_and_goes_on_is_found_when_it_dies(
    make_app: MakeApp, redis: Redis
) -> None:
    app = make_app()
    worker, parts = Worker(app, ["messages"], "w1"), app.extensions["receiver"]
    worker._sign_on()
    other = Clerk(parts.connection, parts.jobs, "messages", "w2", 600)
    redis.delete("rq:worker:w1")  # it was stopped for longer than a worker may be silent
    other.release_orphans()
    redis.hset("rq:worker:w1", "name", "w1")  # it goes on, and its supervisor vouches for it
    worker._show_life()
    post(app, "one", "1")
    with app.app_context():
        assert worker._clerks[0].claim(wait=False) is not None
    redis.delete("rq:worker:w1")
    assert other.release_orphans() == 1
