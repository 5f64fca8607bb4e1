"""Replay, retry and drop in the inbox: for one and for many, after a count to confirm."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.fernet import Fernet
from flask import Flask
from inboxes import HOME, SENDER, come, confirmed, hidden, log_in, send, submit, with_inbox
from redis import Redis
from support import report

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


def test_an_event_is_replayed_by_all_and_by_one_handler(
    app: Flask, shop: Shop, run_jobs: RunJobs
) -> None:
    send(app, "FINE")
    run_jobs(app)
    client = log_in(app)
    event_id = re.findall(r"/events/([0-9a-f]{32})", client.get(HOME).text)[0]
    for only in ("", "app.fine"):
        asked = submit(client, "confirm", what="events", action="replay", id=event_id, only=only)
        assert question(asked.text).startswith("Replay 1 event")
        client.post(f"{HOME}run", data=hidden(asked.text))
        run_jobs(app)
    assert shop.replays == [False, True, True]
    assert "replayed" in client.get(HOME).text


def test_what_waits_is_not_replayed(app: Flask) -> None:
    send(app, "FINE")
    client = log_in(app)
    answer = confirmed(client, what="events", action="replay", kind="message")
    assert "1: it waits, or is at work" in answer.text


def test_all_events_of_a_filter_are_replayed(
    app: Flask, shop: Shop, run_jobs: RunJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox_batches, "A_STEP", 3)
    for number in range(8):
        send(app, "FINE", transaction=f"t-{number}")
    come(app, "lefoka", report("failed", "27637885448"))
    run_jobs(app)
    client = log_in(app)
    url = submit(client, "find", text="fine").headers["Location"]
    find = url.rpartition("=")[2]
    asked = submit(client, "confirm", what="events", action="replay", find=find)
    assert question(asked.text) == "Replay 8 events?"
    answer = confirmed(client, what="events", action="replay", find=find)
    assert question(answer.text) == "8 replayed"
    run_jobs(app)
    assert shop.replays == [False] * 8 + [True] * 8


def test_a_text_that_this_browser_does_not_know_selects_nothing(
    app: Flask, run_jobs: RunJobs
) -> None:
    send(app, "FINE")
    run_jobs(app)
    asked = submit(log_in(app), "confirm", what="events", action="replay", find="0123abcd")
    assert question(asked.text) == "Nothing is like that any more"
    gone = f"{'0' * 32}.0"
    asked = submit(log_in(app), "confirm", what="events", action="replay", who=gone)
    assert question(asked.text) == "Nothing is like that any more"


def test_bodies_are_read_again_or_dropped(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    come(app, "smsbox", "no JSON")
    come(app, "lefoka", "<xml/>")
    client, quarantine = log_in(app), app.extensions["receiver"].quarantine
    answer = confirmed(client, what="quarantine", action="replay")
    assert question(answer.text) == "0 read, and queued"
    assert "2: it still cannot be read" in answer.text
    asked = submit(client, "confirm", what="quarantine", action="drop", account="lefoka")
    assert question(asked.text) == "Drop 1 body of account lefoka?"
    client.post(f"{HOME}run", data=hidden(asked.text))
    (left,) = quarantine
    assert left.account == "smsbox"
    confirmed(client, what="quarantine", action="drop", body=left.id)
    assert len(quarantine) == 0


@pytest.mark.parametrize(
    "values",
    [{}, {"what": "keys", "action": "drop"}, {"what": "events", "action": "drop"}],
    ids=["nothing", "of nothing that we know", "what is never dropped"],
)
@pytest.mark.parametrize("step", ["confirm", "run"])
def test_an_action_that_is_none_is_refused(app: Flask, step: str, values: Any) -> None:
    assert submit(log_in(app), step, **values).status_code == 400


@pytest.mark.parametrize("name", ["done", "total", "left", "cursor"])
@pytest.mark.parametrize("value", ["x", "-1", '{"a": "b"}', "[]", "nan"])
def test_a_form_that_somebody_made_up_breaks_nothing(app: Flask, name: str, value: str) -> None:
    values = {"what": "failed", "action": "drop", name: value}
    status = 400 if name == "left" else 200
    assert submit(log_in(app), "run", **values).status_code == status


def test_the_way_back_leads_to_no_other_site(app: Flask) -> None:
    asked = submit(
        log_in(app), "confirm", what="failed", action="drop", back="https://evil.example"
    )
    assert "evil.example" not in re.findall(r'href="[^"]*"', asked.text)
    assert f'href="{HOME}">Back' in asked.text


def test_an_action_is_logged_without_what_it_was_about(
    app: Flask, run_jobs: RunJobs, caplog: pytest.LogCaptureFixture
) -> None:
    send(app, "shirt")
    run_jobs(app)
    caplog.set_level("INFO", "receiver.web.inbox_batches")
    confirmed(log_in(app), what="failed", action="drop")
    assert "event=inbox_action what=failed action=drop done=1 left=0" in caplog.text


def test_what_no_key_opens_keeps_no_other_from_being_tried_again(
    make_app: MakeApp, shop: Shop, run_jobs: RunJobs
) -> None:
    lost, ours = (Fernet.generate_key().decode() for _ in range(2))
    for text, key in (("one", ours), ("two", lost), ("three", ours)):
        app = with_inbox(make_app, handlers=shop.register, RETRIES=0, ENCRYPTION_KEYS=[key])
        send(app, text, number=f"+25571234567{len(text)}")
        run_jobs(app)
    shop.open = True
    answer = confirmed(log_in(app), what="failed", action="retry")
    assert "1: it cannot be decrypted: put back its key" in answer.text
    run_jobs(app)
    assert (sorted(shop.seen), dead(app)) == (["one", "three"], 1)


LEFT = ['{"a": Infinity}', '{"a": NaN}', "[" * 20_000, "[]", '{"a": {}}', "no JSON"]


@pytest.mark.parametrize("left", LEFT, ids=lambda left: left[:15])
def test_a_form_whose_counts_are_none_does_nothing(make_app: MakeApp, left: str) -> None:
    client = log_in(with_inbox(make_app))
    answer = submit(client, "run", what="events", action="replay", left=left)
    assert answer.status_code == 400


def test_counts_of_any_size_are_taken(make_app: MakeApp) -> None:
    client, most = log_in(with_inbox(make_app)), "9" * 4_299
    counts = {"done": most, "total": most, "left": f'{{"a": {most}}}'}
    answer = submit(client, "run", what="events", action="replay", **counts)
    assert answer.status_code == 200


@pytest.mark.parametrize("path", ["run", "confirm"])
def test_a_way_back_is_one_line(make_app: MakeApp, path: str) -> None:
    client = log_in(with_inbox(make_app))
    back = f"{HOME}failed\r\nX-More: 1"
    assert submit(client, path, what="failed", action="drop", back=back).status_code == 400
