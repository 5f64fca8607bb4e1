"""The inbox while one looks: without Redis, odd URLs, and what a poll gives."""

from __future__ import annotations

import re
from math import inf
from typing import Any

import pytest
from cryptography.fernet import Fernet
from inboxes import HOME, MakeApp, come, log_in, send, with_inbox
from redis import Redis
from support import message, report
from test_inbox_pages import RunJobs, links, texts
from test_inbox_reading import commands_of

from receiver.store.browse import Browse, Place, Span


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
