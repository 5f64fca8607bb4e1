"""What the inbox shows: events, one whole, conversations, dead letters, quarantine, the system."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any

import pytest
from conftest import ACCOUNTS, LEFOKA_KEY
from cryptography.fernet import Fernet
from flask import Flask
from flask.testing import FlaskClient
from inboxes import HOME, SENDER, MakeApp, come, log_in, send, submit, with_inbox
from redis import Redis
from support import message, report

from receiver import Receiver
from receiver.dev.provider_api import ProviderApi, serving
from receiver.store import browse
from receiver.store.browse import Browse, Place, Span

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


def test_the_system_is_shown_with_what_is_wrong(make_app: MakeApp, run_jobs: RunJobs) -> None:
    app = with_inbox(make_app)
    record, text = app.extensions["receiver"].keybook.create("smsbox", 90)
    send(app, "STOP")
    page = log_in(app).get(f"{HOME}system").text
    assert record.id in page
    assert text not in page
    assert "No worker is alive" in page
    assert "0 callbacks wait for Redis" in page
    run_jobs(app)
    optouts = log_in(app).get(f"{HOME}system").text
    assert re.search(r"<dt>smsbox</dt><dd>1</dd>", optouts)


PAGES = ["", "failed", "quarantine", "figures", "system", "new", f"events/{'0' * 32}"]


def test_the_list_of_events_counts_what_no_key_opens(make_app: MakeApp) -> None:
    lost, ours = (Fernet.generate_key().decode() for _ in range(2))
    for text in ("one", "two"):
        send(with_inbox(make_app, ENCRYPTION_KEYS=[lost]), text)
    app = with_inbox(make_app, ENCRYPTION_KEYS=[ours])
    page = log_in(app).get(HOME).text
    assert "2 events cannot be decrypted" in page
    assert "No events yet" not in page
    send(app, "three", number="+255712345679")
    page = log_in(app).get(HOME).text
    assert texts(page) == ["three"]
    assert "2 events cannot be decrypted" in page


@pytest.mark.parametrize("page", PAGES)
def test_where_too_many_wait_for_redis_a_page_does_not(make_app: MakeApp, page: str) -> None:
    client = log_in(app := with_inbox(make_app))
    patience = app.extensions["receiver"].patience
    patience._answered = -inf
    with patience._waiting, patience._waiting:
        answer = client.get(HOME + page)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert client.get(HOME).status_code == 200


@pytest.mark.parametrize("page", PAGES)
def test_without_redis_a_page_says_so_and_what_becomes_of_callbacks(
    make_app: MakeApp, page: str
) -> None:
    app = with_inbox(make_app, REDIS_URL="redis://127.0.0.1:1/0")
    come(app, "smsbox", message("t-1"))
    answer = log_in(app).get(HOME + page)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "Redis is away" in answer.text
    assert "1 callback waits" in answer.text


@pytest.mark.parametrize(
    "page",
    [
        f"events/{'0' * 32}",
        "events/%00",
        f"events/{'0' * 32}/conversation",
        "quarantine/x",
        "nothing",
    ],
)
def test_what_is_not_there_is_a_page_of_ours(make_app: MakeApp, page: str) -> None:
    answer = log_in(with_inbox(make_app)).get(HOME + page)
    assert answer.status_code == 404
    assert "There is no such page" in answer.text


ODD_QUERIES = [
    "before=x",
    "before=1-" + "g" * 32,
    "at=-5",
    "at=" + "9" * 30,
    "who=1.2",
    f"who={'0' * 32}.0",
    "find=zz",
    "since=x",
    "r=x&r=.&r=a.b",
    "n=-1",
]


@pytest.mark.parametrize("query", ODD_QUERIES)
@pytest.mark.parametrize("page", ["", "new", "failed"])
def test_a_url_that_somebody_made_up_breaks_nothing(
    make_app: MakeApp, page: str, query: str
) -> None:
    app = with_inbox(make_app)
    send(app, "hello")
    assert log_in(app).get(f"{HOME}{page}?{query}").status_code in (200, 204)


def test_a_poll_gives_what_is_new_and_what_has_changed(
    make_app: MakeApp, run_jobs: RunJobs
) -> None:
    app = with_inbox(make_app)
    send(app, "first")
    client = log_in(app)
    page = client.get(HOME).text

    def poll(of: str) -> Any:
        (url,) = re.findall(r'hx-get="([^"]+)"', of)
        marks = re.findall(r'name="r" value="([^"]+)"', page)
        query = "".join(f"&r={mark}" for mark in marks)
        return client.get(url.replace("&amp;", "&") + query, headers={"HX-Request": "true"})

    assert poll(page).status_code == 204
    send(app, "second")
    answer = poll(page)
    assert texts(answer.text) == ["second"]
    assert "1 new event" in answer.text
    run_jobs(app)
    again = poll(page)
    assert texts(again.text) == ["second", "first"]
    assert again.text.count('hx-swap-oob="true"') == 1


def test_a_poll_does_not_take_what_is_on_the_next_page_for_new(make_app: MakeApp) -> None:
    app = with_inbox(make_app)
    # all of one millisecond
    come(app, "lefoka", report("delivered", *[f"2760000{n:04d}" for n in range(70)]))
    client = log_in(app)
    page = client.get(HOME).text
    (url,) = re.findall(r'hx-get="([^"]+)"', page)
    marks = "".join(f"&r={mark}" for mark in re.findall(r'name="r" value="([^"]+)"', page))
    url = url.replace("&amp;", "&")
    assert client.get(url + marks).status_code == 204
    send(app, "a new one")
    again = client.get(url + marks).text
    assert texts(again) == ["a new one"]
    assert re.findall(r"last=([0-9a-f-]+)", again) == re.findall(r"last=([0-9a-f-]+)", page)


def test_a_poll_of_a_filtered_page_gives_what_it_asks_for_alone(make_app: MakeApp) -> None:
    app = with_inbox(make_app)
    client = log_in(app)
    send(app, "hello")
    come(app, "lefoka", report("delivered", "27637885448", message="told"))
    answer = client.get(f"{HOME}new?at=1&kind=report")
    assert texts(answer.text) == ["told"]
    page = client.get(HOME).text
    mine = links(page)[1].rpartition("/")[2]
    send(app, "hello again")
    answer = client.get(f"{HOME}new?at=1&who={mine}.0")
    assert texts(answer.text) == ["hello again", "hello"]


def test_a_poll_asks_for_no_more_events_than_a_page_shows(
    make_app: MakeApp, redis_url: str
) -> None:
    client = log_in(app := with_inbox(make_app))
    send(app, "hello")
    marks = "&".join(f"r={number:032x}.waiting" for number in range(1_500))
    with Redis.from_url(redis_url, decode_responses=True, protocol=2) as plain:
        assert 0 < commands_of(plain, client, f"{HOME}new?{marks}") < 300


def test_a_flood_shows_the_page_anew(make_app: MakeApp) -> None:
    app = with_inbox(make_app)
    come(app, "lefoka", report("delivered", *[f"2760000{n:04d}" for n in range(60)]))
    answer = log_in(app).get(f"{HOME}new?at=1")
    assert answer.headers["HX-Retarget"] == answer.headers["HX-Reselect"] == "#events"
    (pulse,) = re.findall(r'<div id="pulse".*?>', answer.text)
    assert 'hx-swap-oob="true"' in pulse
    assert "last=" in pulse


def test_what_comes_while_one_looks_makes_nothing_appear_twice(make_app: MakeApp) -> None:
    app = with_inbox(make_app)
    parts = app.extensions["receiver"]
    looking = Browse(parts.connection, parts.journal, parts.jobs, parts.deadletters)
    client = parts.connection.client
    client.zadd(parts.journal.index, {f"{n:032x}": n for n in range(1, 351)})
    places = looking.walk(parts.journal.index, Span())
    seen = [next(places) for _ in range(150)]
    client.zadd(parts.journal.index, {f"{n:032x}": n for n in range(351, 391)})
    seen += places
    assert [place.at for place in seen] == list(range(350, 0, -1))


def test_a_place_is_read_as_it_is_written() -> None:
    place = Place(1_700_000_000_000, "ab" * 16)
    assert Place.read(str(place)) == place
    assert Place.read("no place") is Place.read(None) is None
