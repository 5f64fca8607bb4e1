"""What the inbox shows: events, one whole, conversations, dead letters, quarantine, the system."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from flask import Flask
from flask.testing import FlaskClient
from inboxes import HOME, SENDER, MakeApp, come, log_in, send, submit, with_inbox
from support import report

from receiver.store import browse

MARKUP = "<script>alert(1)</script>"

ESCAPED = "&lt;script&gt;alert(1)&lt;/script&gt;"

RunJobs = Callable[[Flask], int]


def texts(page: str) -> list[str]:
    """Give the texts of the events in a list, in order."""
    return [text.strip() for text in re.findall(r'<bdi class="text">(.*?)</bdi>', page, re.S)]


def links(page: str, kind: str = "what") -> list[str]:
    """Give where the events of a list lead to."""
    found = re.findall(rf'class="{kind}"[^>]*href="([^"]+)"', page)
    return [link.replace("&amp;", "&") for link in found]


def first(client: FlaskClient, **asked: str) -> str:
    """Give the page of the newest event."""
    return client.get(links(client.get(HOME, query_string=asked).text)[0]).text


def test_events_stand_newest_first_with_what_became_of_them(
    make_app: MakeApp, run_jobs: RunJobs, accounts: Any
) -> None:
    app = with_inbox(make_app, ACCOUNTS=accounts)
    for text in ("BALANCE", "CLOSED", "hello"):
        send(app, text)
    run_jobs(app)
    send(app, "and this one waits")
    page = log_in(app).get(HOME).text
    assert texts(page) == ["and this one waits", "hello", "CLOSED", "BALANCE"]
    words = re.findall(r"</span> (\w[\w ]*)</span>\s*</span>\s*</li>", page)
    assert words == ["waiting", "done", "failed", "done"]
    assert "You have 5 left." in page


def test_a_reply_that_was_held_back_is_not_shown_as_sent(
    make_app: MakeApp, run_jobs: RunJobs, accounts: Any
) -> None:
    app = with_inbox(make_app, ACCOUNTS=accounts)
    client = log_in(app)
    send(app, "BALANCE")
    run_jobs(app)
    assert "held back" not in client.get(HOME).text
    app.extensions["receiver"].optouts.add("smsbox", SENDER, source="operator")
    send(app, "BALANCE again")
    run_jobs(app)
    assert client.get(HOME).text.count("held back") == 1


FILTERS: dict[str, tuple[dict[str, str], list[str]]] = {
    "by account": ({"account": "lefoka"}, ["the report"]),
    "by kind": ({"kind": "report"}, ["the report"]),
    "by status": ({"status": "failed"}, ["the report"]),
    "by another status": ({"status": "delivered"}, []),
    "failed": ({"outcome": "failed"}, ["CLOSED one"]),
    "done": ({"outcome": "done"}, ["hello", "BALANCE"]),
    "waiting": ({"outcome": "waiting"}, ["it waits"]),
    "without a handler": ({"outcome": "unhandled"}, ["the report"]),
    "by handler": ({"handler": "app.closed"}, ["CLOSED one"]),
    "by text": ({"text": "HELLO"}, ["hello"]),
    "by the text of a reply": ({"text": "5 left"}, ["BALANCE"]),
    "by the provider's id": ({"text": "t-hello"}, ["hello"]),
    "by a number as it is typed at home": ({"number": "063 788 5448"}, ["the report"]),
    "by a number with marks": (
        {"number": "+255 (712) 345-678"},
        ["it waits", "hello", "CLOSED one", "BALANCE"],
    ),
    "by the short code that was written to": (
        {"number": "15000"},
        ["it waits", "hello", "CLOSED one", "BALANCE"],
    ),
    "by number and outcome": ({"number": SENDER, "outcome": "failed"}, ["CLOSED one"]),
    "of the last hour": (
        {"range": "1h"},
        ["it waits", "the report", "hello", "CLOSED one", "BALANCE"],
    ),
    "what is no filter": (
        {"kind": "letters", "status": "lost"},
        ["it waits", "the report", "hello", "CLOSED one", "BALANCE"],
    ),
}


@pytest.fixture
def mixed(make_app: MakeApp, run_jobs: RunJobs, accounts: Any) -> Flask:
    """An app with one event of each kind."""
    accounts["lefoka"]["region"] = "ZA"
    app = with_inbox(make_app, ACCOUNTS=accounts)
    for text in ("BALANCE", "CLOSED one", "hello"):
        send(app, text)
    come(app, "lefoka", report("failed", "27637885448", message="the report"))
    run_jobs(app)
    send(app, "it waits")
    return app


@pytest.mark.parametrize(("asked", "found"), FILTERS.values(), ids=FILTERS)
def test_a_filter_finds_just_these_and_its_url_holds_no_number_and_no_text(
    mixed: Flask, asked: dict[str, str], found: list[str]
) -> None:
    client = log_in(mixed)
    answer = submit(client, "find", **asked)
    url = answer.headers["Location"]
    assert sorted(texts(client.get(url).text)) == sorted(found)
    for private in ("7885448", "712345678", "HELLO", "left", "t-hello"):
        assert private not in url


def test_a_time_range_is_read_by_the_readers_clock(mixed: Flask) -> None:
    client, now = log_in(mixed), datetime.now(UTC)
    here = now + timedelta(hours=3)  # of a browser three hours ahead
    for since, count in ((here - timedelta(minutes=5), 5), (here + timedelta(minutes=5), 0)):
        asked = {"since": f"{since:%Y-%m-%dT%H:%M}", "offset": "-180"}
        url = submit(client, "find", **asked).headers["Location"]
        assert len(texts(client.get(url).text)) == count
    url = submit(client, "find", until=f"{now - timedelta(minutes=5):%Y-%m-%dT%H:%M}", offset="0")
    assert texts(client.get(url.headers["Location"]).text) == []


def test_a_link_is_good_for_others_but_for_the_text(mixed: Flask) -> None:
    mine, theirs = log_in(mixed), log_in(mixed)
    url = submit(mine, "find", text="hello", kind="message", number=SENDER).headers["Location"]
    assert texts(mine.get(url).text) == ["hello"]
    page = theirs.get(url).text
    assert len(texts(page)) == 4  # the contact, and the kind
    assert "stayed in the browser" in page


def test_a_number_that_nobody_knows_is_said_to_be_so(mixed: Flask) -> None:
    answer = submit(log_in(mixed), "find", number="+255700000000")
    assert answer.status_code == 200
    assert "No event of the number +255700000000 is kept" in answer.text


def test_a_link_by_a_number_says_when_it_is_too_old(mixed: Flask) -> None:
    client = log_in(mixed)
    for link in (f"who={'0' * 32}.0", f"to={'0' * 32}"):
        page = client.get(f"{HOME}?{link}").text
        assert texts(page) == []
        assert "has expired: type the number again" in page


def test_what_no_key_of_ours_opens_is_said_to_be_so(make_app: MakeApp) -> None:
    keys = [Fernet.generate_key().decode() for _ in range(2)]
    app = with_inbox(make_app, ENCRYPTION_KEYS=keys[:1])
    send(app, "a secret")
    come(app, "smsbox", "no JSON")
    client = log_in(app)
    urls = links(client.get(HOME).text)
    urls += re.findall(r'href="([^"]+/quarantine/[0-9a-f]+)"', client.get(f"{HOME}quarantine").text)
    assert len(urls) == 2
    other = log_in(with_inbox(make_app, ENCRYPTION_KEYS=keys[1:]))
    for url in urls:
        answer = other.get(url)
        assert (answer.status_code, "No key of ours opens this" in answer.text) == (500, True)
    assert other.get(HOME).status_code == other.get(f"{HOME}quarantine").status_code == 200


def test_a_fault_of_ours_is_a_page_without_what_was_said(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    app = with_inbox(make_app)
    client = log_in(app)

    def fails() -> None:
        raise LookupError(SENDER)

    monkeypatch.setattr(app.extensions["receiver"].silence, "accounts", fails)
    answer = client.get(f"{HOME}system")
    assert (answer.status_code, "Something of ours failed" in answer.text) == (500, True)
    assert "event=inbox_failed" in caplog.text
    assert "712345678" not in answer.text


def test_the_pages_follow_each_other_without_a_gap(make_app: MakeApp) -> None:
    app = with_inbox(make_app)
    come(app, "lefoka", report("delivered", *[f"2760000{n:04d}" for n in range(120)]))
    client, seen, url = log_in(app), list[str](), HOME
    while url:
        page = client.get(url).text
        seen += links(page)
        found = re.search(r'href="([^"]+)">Older', page)
        url = found[1].replace("&amp;", "&") if found else ""
    assert len(seen) == len(set(seen)) == 120


def test_where_a_filter_is_sparse_the_look_is_bounded_and_goes_on(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browse, "MOST_LOOKED", 40)
    monkeypatch.setattr(browse.Browse.look, "__kwdefaults__", {"contacts": (), "most": 40})
    app = with_inbox(make_app)
    send(app, "the needle")
    for number in range(60):
        send(app, f"hay {number}")
    client = log_in(app)
    url = submit(client, "find", text="needle").headers["Location"]
    page = client.get(url).text
    assert (texts(page), "Looked through 40 events, back to" in page) == ([], True)
    found = re.search(r'href="([^"]+)">Look further back', page)
    assert found is not None
    assert texts(client.get(found[1].replace("&amp;", "&")).text) == ["the needle"]
