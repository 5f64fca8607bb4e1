"""The inbox's pages: one event whole, conversations, and what a browser must not make of them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from conftest import ACCOUNTS, LEFOKA_KEY
from flask import Flask
from flask.testing import FlaskClient
from inboxes import HOME, SENDER, MakeApp, come, log_in, send, submit, with_inbox
from redis import Redis
from support import report
from test_inbox_pages import ESCAPED, MARKUP, RunJobs, first, links

from receiver import Receiver
from receiver.dev.provider_api import ProviderApi, serving
from receiver.store import browse


def commands_of(redis: Redis, client: FlaskClient, url: str) -> int:
    """Count what Redis is asked for one page, pipelined or not."""
    before = int(redis.info("stats")["total_commands_processed"])  # type: ignore[index]
    assert client.get(url).status_code == 200
    return int(redis.info("stats")["total_commands_processed"]) - before - 1  # type: ignore[index]


def fill(app: Flask, redis: Redis, count: int) -> None:
    """Keep so many events, as `accept` writes them but for the job."""
    parts = app.extensions["receiver"]
    send(app, "the first")
    (first_id,) = redis.zrange(parts.journal.index, 0, 0)
    text = str(redis.hget(f"receiver:event:{first_id}", "event"))
    now = int(datetime.now(UTC).timestamp() * 1000)
    for start in range(0, count, 5_000):
        ids = [f"{n:032x}" for n in range(start, min(count, start + 5_000))]
        with redis.pipeline(transaction=False) as pipeline:
            pipeline.zadd(
                parts.journal.index, {name: now - 10 * n for n, name in enumerate(ids, start)}
            )
            for name in ids:
                pipeline.hset(f"receiver:event:{name}", "event", text.replace(first_id, name))
            pipeline.execute()


def test_a_page_over_100_000_kept_events_asks_redis_for_few_things(
    make_app: MakeApp, redis_url: str
) -> None:
    app = with_inbox(make_app)
    with Redis.from_url(redis_url, decode_responses=True, protocol=2) as plain:
        few, many = 300, 100_000
        client = log_in(app)
        fill(app, plain, few)
        sparse = submit(client, "find", text="no such text").headers["Location"]
        urls = (HOME, f"{HOME}?kind=report", sparse, f"{HOME}new?at=1", f"{HOME}?range=1h")
        small = {url: commands_of(plain, client, url) for url in urls}
        fill(app, plain, many)
        large = {url: commands_of(plain, client, url) for url in urls}
    assert small[HOME] == large[HOME] < 300
    assert max(large.values()) < browse.MOST_LOOKED + 100


def test_one_event_is_shown_whole(make_app: MakeApp, run_jobs: RunJobs, accounts: Any) -> None:
    app = with_inbox(make_app, ACCOUNTS=accounts)
    send(app, "BALANCE")
    send(app, "BALANCE")  # resent
    send(app, "CLOSED for me")
    run_jobs(app)
    client = log_in(app)
    page = first(client)
    assert "GiveUp" in page
    assert "Traceback (most recent call last)" in page
    assert "no such customer: CLOSED for me" in page
    assert "Retry…" in page
    page = client.get(links(client.get(HOME).text)[1]).text
    for shown in (SENDER, "15000", "You have 5 left.", "came 2 times", "1 attempt", "t-BALANCE"):
        assert shown in page
    assert "&#34;transaction_id&#34;: &#34;t-BALANCE&#34;" in page  # the body as it came
    assert "application/json" in page
    assert "smsbox-test-key" not in page


def test_a_recipient_of_a_long_list_shows_the_body_that_it_came_in(make_app: MakeApp) -> None:
    app = with_inbox(make_app)
    come(app, "lefoka", report("delivered", "27637885448", "27637885449"))
    client = log_in(app)
    for link in links(client.get(HOME).text):
        assert "[&#34;27637885448&#34;, &#34;27637885449&#34;]" in client.get(link).text


def test_a_body_of_any_bytes_is_shown_so_that_it_harms_nobody(make_app: MakeApp) -> None:
    app = with_inbox(make_app)
    come(app, "smsbox", '{"a": "\x1b[31m\x00\u202e')
    client = log_in(app)
    (link,) = re.findall(
        r'href="([^"]+/quarantine/[0-9a-f]+)"', client.get(f"{HOME}quarantine").text
    )
    page = client.get(link).text
    assert "\\x1b[31m" in page
    assert not re.search("[\x00\x1b\u202e]", page)


def test_a_sender_of_any_characters_is_shown_so_that_it_harms_nobody(make_app: MakeApp) -> None:
    app = with_inbox(make_app)
    send(app, "hello", number="\x1b[31m\u202eshop")
    client = log_in(app)
    event = links(client.get(HOME).text)[0].rpartition("/")[2]
    for url in ("", f"?who={event}.0", f"events/{event}", f"events/{event}/conversation"):
        page = client.get(HOME + url).text
        assert "\\x1b[31m\\u202eshop" in page, url
        assert not re.search("[\x1b\u202e]", page), url


def test_a_conversation_has_both_directions_and_how_far_each_sms_got(
    make_app: MakeApp, run_jobs: RunJobs
) -> None:
    with serving(ProviderApi({"lefoka": {LEFOKA_KEY: "lefoka-secret"}})) as url:
        _talk(
            with_inbox(make_app, ACCOUNTS={"lefoka": {**ACCOUNTS["lefoka"], "base_url": url}}),
            run_jobs,
        )


def _talk(app: Flask, run_jobs: RunJobs) -> None:
    reply = {"type": "sms-reply", "id": "r-1", "message": "BALANCE"}
    come(app, "lefoka", report("delivered", "27637885448", **reply))
    run_jobs(app)
    client = log_in(app)
    event_id = links(client.get(HOME).text)[0].rpartition("/")[2]
    told = {"client_reference": event_id, "message": "You have 5 left.", "id": "m-1"}
    come(app, "lefoka", report("submitted", "27637885448", **told))
    come(app, "lefoka", report("delivered", "27637885448", **told))
    come(app, "lefoka", report("failed", "27637885448", id="m-2", message="Your parcel is here"))
    come(app, "lefoka", report("failed", "27637885449", id="m-3", message="for somebody else"))
    run_jobs(app)
    page = client.get(f"{HOME}events/{event_id}/conversation").text
    lines = re.findall(r'<li class="(\w+)">.*?<p class="sms[^>]*>(.*?)</p>(.*?)</li>', page, re.S)
    shown = [
        (side, text, re.findall(r"</span> ([a-z ,]+)</span>", end)) for side, text, end in lines
    ]
    assert sorted(shown) == [
        ("in", "BALANCE", []),
        ("out", "You have 5 left.", ["delivered"]),
        ("out", "Your parcel is here", ["failed"]),
    ]


def test_a_conversation_shows_what_still_waits_and_who_opted_out(
    make_app: MakeApp, run_jobs: RunJobs
) -> None:
    app = with_inbox(make_app)
    send(app, "STOP")
    run_jobs(app)
    send(app, "are you there?")
    send(app, "not mine", "+255712345670")
    client = log_in(app)
    events = client.get(HOME).text
    (link,) = {
        found
        for found, who in re.findall(
            r'class="contact"[^>]*href="([^"]+)">.*?</span>([^<]+)<', events
        )
        if who == SENDER and "STOP" in client.get(found.removesuffix("/conversation")).text
    }
    page = client.get(link)
    assert re.findall(r'dir="auto">(.*?)</p>', page.text) == ["STOP", "are you there?"]
    assert "opted out" in page.text


def test_older_parts_of_a_conversation_follow(make_app: MakeApp, run_jobs: RunJobs) -> None:
    app = with_inbox(make_app)
    for number in range(130):
        send(app, f"message {number}")
    run_jobs(app)
    client, seen = log_in(app), list[str]()
    url = links(client.get(HOME).text, "contact")[0]
    while url:
        page = client.get(url).text
        seen = re.findall(r'dir="auto">(.*?)</p>', page) + seen
        found = re.search(r'href="([^"]+)">Older', page)
        url = found[1].replace("&amp;", "&") if found else ""
    assert seen == [f"message {number}" for number in range(130)]


def test_a_reply_of_one_of_several_is_in_the_conversation_of_each(make_app: MakeApp) -> None:
    app = with_inbox(make_app)
    reply = {"type": "sms-reply", "id": "r-1", "message": "it was me"}
    come(app, "lefoka", report("delivered", "27637885448", "27637885449", **reply))
    client = log_in(app)
    page = first(client)
    for number in ("+27637885448", "+27637885449"):
        assert f"Conversation with {number}" in page
    second = re.findall(r'href="([^"]+conversation\?n=1)"', page)[0]
    talk = client.get(second).text
    assert "<h1>+27637885449</h1>" in talk
    assert "one of 2 numbers wrote this" in talk


def odd(receiver: Receiver) -> None:
    """Handlers whose every word is markup."""

    def answers(message: Any) -> str:
        return MARKUP

    def fails(message: Any) -> None:
        raise RuntimeError(MARKUP)

    receiver.fallback()(answers)
    receiver.every(retries=0)(fails)


@pytest.mark.parametrize(
    "page", ["", "event", "conversation", "failed", "quarantine", "body", "find"]
)
def test_markup_is_text_wherever_texts_are_shown(
    make_app: MakeApp, run_jobs: RunJobs, accounts: Any, page: str
) -> None:
    app = with_inbox(make_app, ACCOUNTS=accounts, handlers=odd)
    send(app, MARKUP)
    come(app, "lefoka", report("delivered", "27637885448", message=MARKUP, client_reference=MARKUP))
    come(app, "smsbox", f'{{"from": "{MARKUP}"')
    run_jobs(app)
    client = log_in(app)
    message_ = links(client.get(HOME, query_string={"kind": "message"}).text)[0]
    body = re.findall(r'href="([^"]+/quarantine/[0-9a-f]+)"', client.get(f"{HOME}quarantine").text)
    shown = {
        "event": lambda: client.get(message_),
        "conversation": lambda: client.get(f"{message_}/conversation"),
        "body": lambda: client.get(body[0]),
        "find": lambda: submit(client, "find", number=MARKUP),
    }.get(page, lambda: client.get(HOME + page))()
    assert MARKUP not in shown.text
    assert "alert(1)" not in shown.text or ESCAPED in shown.text
    assert (ESCAPED in shown.text) is (page != "quarantine")
