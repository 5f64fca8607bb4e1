"""What the inbox does with many at once."""

from __future__ import annotations

import re
from typing import Any

import pytest
from cryptography.fernet import Fernet
from flask import Flask
from inboxes import HOME, come, confirmed, hidden, log_in, send, submit, with_inbox
from support import report
from test_inbox_actions import MakeApp, RunJobs, Shop, app, dead, question, shop  # noqa: F401

from receiver.web import inbox_batches


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
