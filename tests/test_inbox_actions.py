"""Replay, retry and drop in the inbox: for one and for many, after a count to confirm."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask import Flask
from inboxes import HOME, SENDER, confirmed, hidden, log_in, send, submit, with_inbox
from redis import Redis

from receiver import GiveUp, InboundMessage, Receiver
from receiver.web import inbox_batches

MakeApp = Callable[..., Flask]

RunJobs = Callable[[Flask], int]


class Shop:
    """A shop that is shut, until it is opened."""

    def __init__(self) -> None:
        self.open = False
        self.seen: list[str] = []
        self.replays: list[bool] = []

    def register(self, receiver: Receiver) -> None:
        """Have everything handled here."""
        receiver.keyword("FINE")(self.fine)
        receiver.fallback()(self.sell)

    def sell(self, message: InboundMessage) -> None:
        """Note what is wanted, or give up."""
        if not self.open:
            raise GiveUp("shut")
        self.seen.append(message.text)

    def fine(self, message: InboundMessage) -> None:
        """Note whether it is a replay."""
        self.replays.append(message.replay)


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def app(make_app: MakeApp, shop: Shop) -> Flask:
    return with_inbox(make_app, handlers=shop.register)


def dead(app: Flask) -> int:
    return len(app.extensions["receiver"].deadletters)


def question(page: str) -> str:
    found = re.search(r"<h1>(.*?)</h1>", page)
    return found[1] if found else ""


def test_dead_letters_are_listed_by_what_they_have_in_common(app: Flask, run_jobs: RunJobs) -> None:
    for number in range(3):
        send(app, f"shirt {number}")
    run_jobs(app)
    page = log_in(app).get(f"{HOME}failed").text
    assert page.count("<tr>") == 4
    assert "3 dead letters" in page
    assert "test_inbox_actions" not in page
    assert 'class="count">3</span>' in page


def test_all_dead_letters_of_a_handler_are_retried_after_a_count(
    app: Flask, shop: Shop, run_jobs: RunJobs
) -> None:
    for number in range(3):
        send(app, f"shirt {number}")
    run_jobs(app)
    shop.open = True
    client = log_in(app)
    asked = submit(client, "confirm", what="failed", action="retry", handler="app.sell")
    assert question(asked.text) == "Retry 3 dead letters of handler app.sell?"
    assert dead(app) == 3  # nothing was done yet
    answer = client.post(f"{HOME}run", data=hidden(asked.text))
    assert question(answer.text) == "3 queued again"
    assert dead(app) == 0
    run_jobs(app)
    assert sorted(shop.seen) == ["shirt 0", "shirt 1", "shirt 2"]


def test_a_filter_leaves_the_others_alone(app: Flask, run_jobs: RunJobs) -> None:
    send(app, "shirt")
    run_jobs(app)
    client = log_in(app)
    for other in ({"handler": "app.other"}, {"account": "lefoka"}, {"why": "another"}):
        asked = submit(client, "confirm", what="failed", action="drop", **other)
        assert question(asked.text) == "Nothing is like that any more"
    assert dead(app) == 1


def test_many_are_done_in_steps_and_what_dies_again_is_not_tried_for_ever(
    app: Flask, run_jobs: RunJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox_batches, "A_STEP", 2)
    for number in range(5):
        send(app, f"shirt {number}", number=f"+25571200000{number}")
    run_jobs(app)
    client = log_in(app)
    asked = submit(client, "confirm", what="failed", action="retry")
    steps, answer = 0, client.post(f"{HOME}run", data=hidden(asked.text))
    while 'hx-trigger="load"' in answer.text:
        run_jobs(app)  # the shop is shut: they die again at once
        steps += 1
        assert f"{2 * steps} of 5" in answer.text
        answer = client.post(f"{HOME}run", data=hidden(answer.text))
    assert (steps, question(answer.text)) == (2, "5 queued again")


def test_what_comes_after_the_question_is_not_meant(app: Flask, run_jobs: RunJobs) -> None:
    send(app, "before")
    run_jobs(app)
    client = log_in(app)
    asked = submit(client, "confirm", what="failed", action="drop")
    send(app, "after")
    run_jobs(app)
    client.post(f"{HOME}run", data=hidden(asked.text))
    (letter,) = app.extensions["receiver"].deadletters
    assert letter.record.event.text == "after"


def test_one_dead_letter_is_dropped_from_its_event(app: Flask, run_jobs: RunJobs) -> None:
    send(app, "shirt")
    send(app, "coat")
    run_jobs(app)
    client = log_in(app)
    (link,) = re.findall(r'class="what"[^>]*href="([^"]+)"', client.get(HOME).text)[:1]
    page = client.get(link).text
    drop = [
        n for n, form in enumerate(re.findall(r"<form.*?</form>", page, re.S)) if "Drop" in form
    ]
    asked = submit(
        client, "confirm", **{k: v for k, v in hidden(page, drop[0]).items() if k != "token"}
    )
    assert question(asked.text) == "Drop 1 dead letter?"
    answer = client.post(f"{HOME}run", data=hidden(asked.text))
    assert answer.headers["Location"] == link
    assert dead(app) == 1
    assert "shut" in client.get(link).text  # its event still says what happened


def test_an_uncertain_reply_is_left_unless_somebody_says_so(
    app: Flask, run_jobs: RunJobs, redis: Redis
) -> None:
    send(app, "shirt")
    run_jobs(app)
    parts = app.extensions["receiver"]
    (letter,) = parts.deadletters
    maybe = {"state": "unknown", "text": "x", "to": SENDER, "source": "1", "attempts": 1}
    parts.journal.note(letter.record.event.id, "reply:app.sell", maybe)
    job = parts.jobs.send(letter.record.event.id, "app.sell")
    values = {"data": job.data, "signature": job.signature, "exc_info": "w", "ended_at": "x"}
    redis.hset(f"rq:job:{job.id}", mapping=values)
    redis.zadd(f"rq:failed:{job.queue}", {job.id: 10**10})
    client = log_in(app)
    answer = confirmed(client, what="failed", action="retry", job=job.id)
    assert "1: it may have been sent" in answer.text
    answer = confirmed(client, what="failed", action="retry", job=job.id, uncertain="1", back=HOME)
    assert answer.headers["Location"] == HOME
