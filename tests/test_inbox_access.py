"""Who gets into the inbox, and what every answer of it carries."""

from __future__ import annotations

import re
import time

import pytest
from inboxes import HOME, PASSWORD, MakeApp, log_in, submit, token, with_inbox
from redis import Redis
from werkzeug.security import check_password_hash, generate_password_hash
from werkzeug.test import TestResponse

from receiver.web import inbox_access, inbox_failures
from receiver.web.inbox import COOKIE

PAGES = [
    "",
    "failed",
    "quarantine",
    "figures",
    "system",
    "new",
    "events/" + "0" * 32,
    "nothing/at/all",
]


def test_without_a_password_or_a_guard_there_is_no_inbox(make_app: MakeApp) -> None:
    client = make_app().test_client()
    for path in ("/webhooks/inbox", HOME, f"{HOME}login"):
        answer, unknown = client.get(path), client.get("/webhooks/nobody")
        assert (answer.status_code, answer.data) == (404, unknown.data)


@pytest.mark.parametrize("page", PAGES)
def test_a_stranger_is_asked_for_the_password(make_app: MakeApp, page: str) -> None:
    answer = with_inbox(make_app).test_client().get(HOME + page)
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith(f"{HOME}login")
    assert COOKIE not in answer.headers.get("Set-Cookie", "")


def test_it_is_found_with_and_without_a_slash_and_takes_no_callback(make_app: MakeApp) -> None:
    client = log_in(with_inbox(make_app))
    assert client.get(HOME.rstrip("/")).status_code == client.get(HOME).status_code == 200
    posted = client.post(HOME.rstrip("/"), json={})
    assert posted.status_code in (404, 405)
    assert client.post("/webhooks/smsbox", json={}).status_code == 401


@pytest.mark.parametrize("action", ["confirm", "run", "find", "logout"])
def test_a_stranger_does_nothing(make_app: MakeApp, action: str) -> None:
    answer = with_inbox(make_app).test_client().post(HOME + action, data={"what": "failed"})
    assert answer.status_code == 303


def test_a_poll_of_a_session_that_ended_leads_to_the_login(make_app: MakeApp) -> None:
    answer = with_inbox(make_app).test_client().get(f"{HOME}new", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (204, f"{HOME}login")


def test_the_password_opens_and_leads_to_where_one_wanted_to_go(make_app: MakeApp) -> None:
    client = with_inbox(make_app).test_client()
    wanted = client.get(f"{HOME}failed?handler=app.closed").headers["Location"]
    page = client.get(wanted)
    inside = re.search(r'name="next" value="([^"]+)"', page.text)
    assert inside is not None
    answer = client.post(f"{HOME}login", data={"password": PASSWORD, "next": inside[1]})
    assert answer.headers["Location"] == f"{HOME}failed?handler=app.closed"
    assert client.get(HOME).status_code == 200


@pytest.mark.parametrize("to", ["https://evil.example", "//evil.example", "/webhooks/inbox\\@x"])
def test_the_login_leads_to_no_other_site(make_app: MakeApp, to: str) -> None:
    client = with_inbox(make_app).test_client()
    answer = client.post(f"{HOME}login", data={"password": PASSWORD, "next": to})
    assert answer.headers["Location"] == HOME


@pytest.mark.parametrize("end", ["\r\nX-More: 1", "\x00", "\x1b[31m"], ids=repr)
def test_a_place_to_go_to_is_one_line(make_app: MakeApp, end: str) -> None:
    client = with_inbox(make_app).test_client()
    answer = client.post(f"{HOME}login", data={"password": PASSWORD, "next": f"{HOME}failed{end}"})
    assert answer.status_code == 400


ADDRESSES = {
    "an address": ("192.0.2.7", "192.0.2.7"),
    "of IPv6": ("2001:db8::7", "2001:db8::7"),
    "a line of its own": ("9.9.9.9 event=inbox_login address=1.1.1.1", "-"),
    "a zone of its own": ("fe80::1%x event=inbox_login", "-"),
    "a socket": ("", "-"),
}


@pytest.mark.parametrize(("given", "shown"), ADDRESSES.values(), ids=ADDRESSES)
def test_the_log_names_an_address_and_nothing_else_that_a_proxy_hands_on(
    make_app: MakeApp, given: str, shown: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    client, at = with_inbox(make_app).test_client(), {"REMOTE_ADDR": given}
    for password in ("no", PASSWORD, *["no"] * (inbox_failures.MOST_OF_ONE + 1)):
        client.post(f"{HOME}login", data={"password": password}, environ_base=at)
        client.delete_cookie(COOKIE, path="/webhooks/inbox")
    lines = [line for line in caplog.messages if line.startswith("event=inbox_login")]
    assert {line.partition(" address=")[2] for line in lines} == {shown}
    events = {line.split()[0] for line in lines}
    assert events == {f"event=inbox_login{end}" for end in ("", "_refused", "_blocked")}


def test_a_wrong_password_opens_nothing(make_app: MakeApp) -> None:
    client = with_inbox(make_app).test_client()
    answer = client.post(f"{HOME}login", data={"password": "open sesame"})
    assert (answer.status_code, "Set-Cookie" in answer.headers) == (401, False)
    assert "This is not the password." in answer.text


def test_who_is_in_is_not_asked_again(make_app: MakeApp) -> None:
    answer = log_in(with_inbox(make_app)).get(f"{HOME}login")
    assert (answer.status_code, answer.headers["Location"]) == (303, HOME)


@pytest.mark.parametrize("https", [True, False], ids=["https", "http"])
def test_the_cookie_is_for_the_inbox_alone(make_app: MakeApp, https: bool) -> None:
    client = with_inbox(make_app).test_client()
    base = "https://localhost" if https else "http://localhost"
    answer = client.post(f"{HOME}login", data={"password": PASSWORD}, base_url=base)
    flags = {flag.strip() for flag in answer.headers["Set-Cookie"].split(";")[1:]}
    assert {"HttpOnly", "SameSite=Strict", "Path=/webhooks/inbox", "Max-Age=43200"} <= flags
    assert ("Secure" in flags) is https


def test_another_password_ends_all_sessions(make_app: MakeApp) -> None:
    client = log_in(with_inbox(make_app))
    cookie = client.get_cookie(COOKIE, path="/webhooks/inbox")
    assert cookie is not None
    other = with_inbox(make_app, INBOX_PASSWORD=generate_password_hash("x", "pbkdf2:sha256:1"))
    for app, status in ((with_inbox(make_app), 200), (other, 303)):
        headers = {"Cookie": f"{COOKIE}={cookie.value}"}
        assert app.test_client(use_cookies=False).get(HOME, headers=headers).status_code == status


def test_sessions_outlive_a_rotation_of_the_secret_keys(make_app: MakeApp) -> None:
    client = log_in(with_inbox(make_app, SECRET_KEYS=["old-key"]))
    cookie = client.get_cookie(COOKIE, path="/webhooks/inbox")
    assert cookie is not None
    headers = {"Cookie": f"{COOKIE}={cookie.value}"}
    for keys, status in ((["new-key", "old-key"], 200), (["new-key"], 303)):
        app = with_inbox(make_app, SECRET_KEYS=keys)
        assert app.test_client(use_cookies=False).get(HOME, headers=headers).status_code == status


def test_a_session_is_renewed_while_somebody_looks_and_then_ends(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, now = log_in(with_inbox(make_app)), time.time()
    later = [now]
    monkeypatch.setattr("time.time", lambda: later[0])
    later[0] = now + 11 * 3600
    assert client.get(f"{HOME}new").headers.get("Set-Cookie") is None  # a tab is nobody
    assert COOKIE in client.get(HOME).headers["Set-Cookie"]
    later[0] = now + 22 * 3600
    assert client.get(HOME).status_code == 200
    later[0] = now + 35 * 3600
    assert client.get(HOME).status_code == 303


def test_a_session_ends_after_a_week_however_often_somebody_looks(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, now = log_in(with_inbox(make_app)), time.time()
    later = [now]
    monkeypatch.setattr("time.time", lambda: later[0])
    statuses = []
    for hours in range(0, 8 * 24, 8):
        later[0] = now + hours * 3600
        statuses.append(client.get(HOME).status_code)
    assert statuses == [200] * 21 + [303] * 3


def test_logging_out_ends_the_session_in_this_browser(make_app: MakeApp) -> None:
    client = log_in(with_inbox(make_app))
    assert submit(client, "logout").headers["Location"] == f"{HOME}login"
    assert client.get(HOME).status_code == 303


@pytest.mark.parametrize("page", ["", "login"])
def test_logging_out_ends_the_session_wherever_its_cookie_is(make_app: MakeApp, page: str) -> None:
    client = log_in(app := with_inbox(make_app))
    kept = client.get_cookie(COOKIE, path="/webhooks/inbox")
    assert kept is not None
    mine, other = {"Cookie": f"{COOKIE}={kept.value}"}, log_in(app)
    stolen = app.test_client(use_cookies=False)
    assert stolen.get(HOME, headers=mine).status_code == 200
    submit(client, "logout")
    answer = stolen.get(HOME + page, headers=mine)
    assert answer.status_code == (200 if page == "login" else 303)  # it is asked for
    assert "Set-Cookie" not in answer.headers
    assert other.get(HOME).status_code == 200


def test_without_redis_one_may_still_log_out(make_app: MakeApp) -> None:
    client = log_in(app := with_inbox(make_app))
    given = token(client)
    app.extensions["receiver"].patience.end()
    answer = client.post(f"{HOME}logout", data={"token": given})
    assert (answer.status_code, client.get(HOME).status_code) == (303, 303)


@pytest.mark.parametrize("away", [False, True], ids=["redis", "no redis"])
def test_passwords_are_tried_few_times_from_one_address(
    make_app: MakeApp, redis: Redis, away: bool
) -> None:
    more = {"REDIS_URL": "redis://127.0.0.1:1/0"} if away else {}
    apps = [with_inbox(make_app, **more)] * 2 if away else [with_inbox(make_app) for _ in range(2)]
    clients = [app.test_client() for app in apps]  # two processes count together
    for number in range(inbox_failures.MOST_OF_ONE):
        tried = clients[number % 2].post(f"{HOME}login", data={"password": "no"})
        assert tried.status_code == 401
    answer = clients[0].post(f"{HOME}login", data={"password": PASSWORD})
    assert (answer.status_code, "Too many tries" in answer.text) == (429, True)
    other = {"REMOTE_ADDR": "192.0.2.9"}
    again = clients[1].post(f"{HOME}login", data={"password": PASSWORD}, environ_base=other)
    assert again.status_code == 303


@pytest.mark.parametrize("away", [False, True], ids=["redis", "no redis"])
def test_passwords_are_not_tried_without_end_from_everywhere(make_app: MakeApp, away: bool) -> None:
    more = {"REDIS_URL": "redis://127.0.0.1:1/0"} if away else {}
    client = with_inbox(make_app, **more).test_client()
    statuses = [
        client.post(
            f"{HOME}login",
            data={"password": "no"},
            environ_base={"REMOTE_ADDR": f"2001:db8:{number:x}::1"},
        ).status_code
        for number in range(inbox_failures.MOST_OF_ALL + 1)
    ]
    assert statuses == [401] * inbox_failures.MOST_OF_ALL + [429]


@pytest.mark.parametrize("away", [False, True], ids=["redis", "no redis"])
def test_one_address_keeps_nobody_else_out(make_app: MakeApp, away: bool) -> None:
    more = {"REDIS_URL": "redis://127.0.0.1:1/0"} if away else {}
    client = with_inbox(make_app, **more).test_client()
    for _ in range(inbox_failures.MOST_OF_ALL + 1):
        answer = client.post(f"{HOME}login", data={"password": "no"})
    assert answer.status_code == 429
    other = {"REMOTE_ADDR": "192.0.2.9"}
    again = client.post(f"{HOME}login", data={"password": PASSWORD}, environ_base=other)
    assert again.status_code == 303


def test_tries_from_everywhere_make_no_keys_without_end(make_app: MakeApp, redis: Redis) -> None:
    client = with_inbox(make_app).test_client()
    for number in range(inbox_failures.MOST_OF_ALL + 20):
        address = {"REMOTE_ADDR": f"2001:db8:{number:x}::1"}
        client.post(f"{HOME}login", data={"password": "no"}, environ_base=address)
    kept = list(redis.scan_iter("receiver:inbox:attempts:*"))
    assert len(kept) == inbox_failures.MOST_OF_ALL + 1
    assert all(0 < redis.ttl(key) <= inbox_failures.SECONDS for key in kept)


def test_all_addresses_of_a_network_are_one_caller(make_app: MakeApp) -> None:
    client = with_inbox(make_app).test_client()
    for number in range(inbox_failures.MOST_OF_ONE + 1):
        address = {"REMOTE_ADDR": f"2001:db8::{number:x}"}
        answer = client.post(f"{HOME}login", data={"password": "no"}, environ_base=address)
    assert answer.status_code == 429


def test_the_right_password_clears_the_count(make_app: MakeApp) -> None:
    client = with_inbox(make_app).test_client()
    for _ in range(3):
        for _ in range(inbox_failures.MOST_OF_ONE - 1):
            assert client.post(f"{HOME}login", data={"password": "no"}).status_code == 401
        assert client.post(f"{HOME}login", data={"password": PASSWORD}).status_code == 303


def test_one_password_is_checked_at_a_time_and_nobody_waits_for_long(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = with_inbox(make_app)
    answers = list[TestResponse]()

    def check(known: str, given: str) -> bool:
        if not answers:  # meanwhile another one tries
            other = app.test_client().post
            answers.append(other(f"{HOME}login", data={"password": PASSWORD}))
        return check_password_hash(known, given)

    monkeypatch.setattr(inbox_access, "check_password_hash", check)
    log_in(app)
    assert (answers[0].status_code, "Try again." in answers[0].text) == (503, True)
