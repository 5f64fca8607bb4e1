"""The inbox's sessions and forms, and what is said of those who do not get in."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from flask import Response, abort, redirect, request
from flask_wtf.csrf import CSRFProtect
from inboxes import HOME, PASSWORD, SENDER, MakeApp, log_in, send, submit, token, with_inbox
from test_inbox_access import PAGES
from werkzeug.security import check_password_hash, generate_password_hash

from receiver.cli import receiver_commands
from receiver.errors import ConfigurationError
from receiver.web import inbox_failures


def test_who_follows_a_link_from_elsewhere_is_asked_for_the_cookie_once_more(
    make_app: MakeApp,
) -> None:
    client = with_inbox(make_app).test_client()
    page = client.get(HOME, headers={"Sec-Fetch-Site": "cross-site"})
    assert (page.status_code, 'http-equiv="refresh"' in page.text) == (200, True)
    assert client.get(HOME, headers={"Sec-Fetch-Site": "same-origin"}).status_code == 303
    posted = client.post(f"{HOME}run", headers={"Sec-Fetch-Site": "cross-site"})
    assert posted.status_code == 303


FORMS = {
    "no token": ({}, {}),
    "another's token": ({"token": "another"}, {}),
    "from another site": (None, {"Sec-Fetch-Site": "cross-site"}),
    "from a neighbour": (None, {"Sec-Fetch-Site": "same-site"}),
    "of another origin": (None, {"Origin": "https://evil.example"}),
}


@pytest.mark.parametrize(("data", "headers"), FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("action", ["confirm", "run", "find", "logout"])
def test_a_form_that_is_not_ours_does_nothing(
    make_app: MakeApp, action: str, data: dict[str, str] | None, headers: dict[str, str]
) -> None:
    client = log_in(with_inbox(make_app))
    values = {"token": token(client)} if data is None else data
    values |= {"what": "failed", "action": "drop"}
    answer = client.post(HOME + action, data=values, headers=headers)
    assert answer.status_code == 403
    assert client.get(HOME).status_code == 200  # still logged in


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "same-origin", "Origin": "null"},
        {"Origin": "null"},
        {"Origin": "https://localhost"},
        {},
    ],
    ids=["a browser", "a browser without https", "behind a proxy that takes TLS off", "silent"],
)
def test_our_own_forms_are_taken_from_every_browser(
    make_app: MakeApp, headers: dict[str, str]
) -> None:
    client = log_in(with_inbox(make_app))
    data = {"token": token(client)}
    assert client.post(f"{HOME}find", data=data, headers=headers).status_code == 303


def test_the_token_of_one_session_is_none_of_another(make_app: MakeApp) -> None:
    app = with_inbox(make_app)
    mine, theirs = log_in(app), log_in(app)
    answer = mine.post(f"{HOME}find", data={"token": token(theirs)})
    assert answer.status_code == 403


def test_an_apps_own_csrf_protection_leaves_our_forms_to_us(make_app: MakeApp) -> None:
    app = with_inbox(make_app)
    CSRFProtect(app)
    assert submit(log_in(app), "find", kind="report").status_code == 303


@pytest.mark.parametrize("page", [*PAGES, "static/inbox.css"])
def test_every_answer_says_what_a_browser_may_do_with_it(make_app: MakeApp, page: str) -> None:
    with log_in(with_inbox(make_app)).get(HOME + page) as answer:
        headers = answer.headers
    policy = dict(
        part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";")
    )
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["form-action"] == "'self'"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert ("immutable" in headers["Cache-Control"]) is page.startswith("static")
    assert ("no-store" in headers["Cache-Control"]) is not page.startswith("static")


def test_the_templates_hold_no_script_and_no_style_of_their_own() -> None:
    folder = Path(inbox_failures.__file__).parent / "templates"
    for template in folder.glob("*.html"):
        text = template.read_text("utf-8")
        assert re.findall(r"<style|\sstyle=|\son\w+=|javascript:|\|\s*safe|hx-on", text) == []
        assert len(re.findall("<script", text)) == len(
            re.findall(r"<script src=\"{{ static\(", text)
        )


GUARDS: dict[str, tuple[Callable[[], Any], int]] = {
    "yes": (lambda: True, 200),
    "no": (lambda: False, 403),
    "nothing": (lambda: None, 403),
    "to the app's own login": (lambda: redirect("/login"), 302),
    "an answer of its own": (lambda: Response("pay first", 402), 402),
    "an answer as a view gives it": (lambda: ("Forbidden", 403), 403),
    "an answer with headers": (lambda: ("To the door", 401, {"X-Door": "left"}), 401),
    "it aborts": (lambda: abort(401), 401),
    "it aborts with an answer": (lambda: abort(redirect("/login")), 302),
    "it fails": (lambda: 1 / 0, 403),  # type: ignore[dict-item, return-value]
}


@pytest.mark.parametrize(("guard", "status"), GUARDS.values(), ids=GUARDS)
@pytest.mark.parametrize("page", ["", "failed", "system", "login"])
def test_the_apps_own_guard_decides(
    make_app: MakeApp, guard: Callable[[], Any], status: int, page: str
) -> None:
    answer = make_app(INBOX_GUARD=guard).test_client().get(HOME + page)
    assert answer.status_code == (303 if (page, status) == ("login", 200) else status)


async def _later() -> bool:
    return False


def _bit_by_bit() -> Iterator[bool]:
    yield False


UNCLEAR: dict[str, tuple[Callable[[], Any], str]] = {
    "a text": (lambda: "Forbidden", "str"),
    "a number": (lambda: 403, "int"),
    "one": (lambda: 1, "int"),
    "a tuple without a status": (lambda: (False, "not yours"), "tuple"),
    "a tuple that is no answer": (lambda: (None, 403), "TypeError"),
    "a coroutine": (lambda: _later(), "coroutine"),
    "a generator": (lambda: _bit_by_bit(), "generator"),
    "a function": (lambda: lambda: False, "function"),
    "a class": (type("Guard", (), {}), "Guard"),
}


@pytest.mark.parametrize(("guard", "kind"), UNCLEAR.values(), ids=UNCLEAR)
def test_what_a_guard_may_not_have_meant_lets_nobody_in_and_is_told_once(
    make_app: MakeApp, guard: Callable[[], Any], kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = make_app(INBOX_GUARD=guard).test_client()
    assert [client.get(HOME + page).status_code for page in ("", "failed")] == [403, 403]
    if kind == "TypeError":
        assert "event=inbox_guard_failed" in caplog.text
    else:
        assert caplog.text.count(f"event=inbox_guard_unclear type={kind} help=") == 1


class _Patient:
    async def __call__(self) -> bool:
        return False


@pytest.mark.parametrize(
    "guard",
    [_later, partial(_later), _bit_by_bit, _Patient()],
    ids=["async", "partial", "yield", "call"],
)
def test_a_guard_that_answers_later_is_refused_at_start(make_app: MakeApp, guard: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"RECEIVER_INBOX_GUARD.*plain function"):
        make_app(INBOX_GUARD=guard)


def test_a_guard_that_fails_is_named_in_the_log_without_what_it_says(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    def guard() -> bool:
        raise LookupError(f"nobody has {SENDER}")

    assert make_app(INBOX_GUARD=guard).test_client().get(HOME).status_code == 403
    assert "event=inbox_guard_failed" in caplog.text
    assert "LookupError" in caplog.text


def test_a_guard_may_be_named_and_looks_at_the_request(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "doors.py").write_text(
        "from flask import request\n\ndef staff():\n    return request.headers.get('X-Staff') == 'me'\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    client = make_app(INBOX_GUARD="doors:staff").test_client()
    assert client.get(HOME, headers={"X-Staff": "me"}).status_code == 200
    assert client.get(HOME).status_code == 403
    wrong = make_app(INBOX_GUARD="doors:nobody").test_client()
    assert wrong.get(HOME).status_code == 403


def test_behind_a_guard_forms_are_bound_to_a_session_of_ours(make_app: MakeApp) -> None:
    client = make_app(INBOX_GUARD=lambda: True).test_client()
    assert submit(client, "find", kind="report").status_code == 303
    assert client.post(f"{HOME}find", data={"kind": "report"}).status_code == 403
    assert "Log out" not in client.get(HOME).text


def test_of_both_the_guard_decides_first(make_app: MakeApp) -> None:
    app = with_inbox(make_app, INBOX_GUARD=lambda: "X-Staff" in request.headers)
    client = app.test_client()
    assert client.post(f"{HOME}login", data={"password": PASSWORD}).status_code == 403
    staff = {"X-Staff": "me"}
    assert client.get(HOME, headers=staff).status_code == 303  # and then the password
    client.post(f"{HOME}login", data={"password": PASSWORD}, headers=staff)
    assert client.get(HOME, headers=staff).status_code == 200
    assert client.get(HOME).status_code == 403


def test_two_apps_of_a_process_have_each_their_own_inbox(
    make_app: MakeApp, redis_url: str, run_jobs: Any
) -> None:
    north = with_inbox(make_app, NAMESPACE="north")
    other = generate_password_hash("another one", "pbkdf2:sha256:1")
    south = with_inbox(make_app, NAMESPACE="south", INBOX_PASSWORD=other, INBOX_URL="/staff/sms")
    send(north, "from the north")
    client = log_in(north)
    assert "from the north" in client.get(HOME).text
    assert south.test_client().get(HOME).status_code == 404
    inside = south.test_client()
    assert inside.post("/staff/sms/login", data={"password": PASSWORD}).status_code == 401
    assert inside.post("/staff/sms/login", data={"password": "another one"}).status_code == 303
    page = inside.get("/staff/sms/").text
    assert "No events yet" in page
    assert "/webhooks/inbox" not in page


def test_it_works_below_a_prefix_of_the_server(make_app: MakeApp) -> None:
    client = with_inbox(make_app).test_client()
    base = "http://localhost/shop"
    to = client.get(HOME, base_url=base).headers["Location"]
    assert to == f"/shop{HOME}login?next={HOME}"
    answer = client.post(f"{HOME}login", data={"password": PASSWORD, "next": HOME}, base_url=base)
    assert answer.headers["Location"] == f"/shop{HOME}"
    assert "Path=/shop/webhooks/inbox" in answer.headers["Set-Cookie"]


def test_an_app_with_an_inbox_keeps_the_short_way_to_its_webhooks(make_app: MakeApp) -> None:
    from receiver.web.front import Front, has_a_say

    app = with_inbox(make_app)
    assert isinstance(app.wsgi_app, Front)
    log_in(app)
    assert not has_a_say(app)


def test_an_app_without_an_inbox_loads_nothing_of_it(tmp_path: Path) -> None:
    code = (
        "import sys; from flask import Flask; from receiver import Receiver\n"
        f"app = Flask('shop', instance_path={str(tmp_path)!r}); app.secret_key = 'a-secret'\n"
        "app.config['RECEIVER_ACCOUNTS'] = {'smsbox': {'api_key': 'k'}}; Receiver(app)\n"
        "print(*[name for name in sys.modules if 'inbox' in name])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_the_password_command_makes_a_hash_that_opens(make_app: MakeApp) -> None:
    runner = make_app().test_cli_runner()
    typed = f"{PASSWORD}\n{PASSWORD}\n"
    made = runner.invoke(receiver_commands, ["password"], input=typed).stdout.strip()
    assert check_password_hash(made, PASSWORD)
    log_in(with_inbox(make_app, INBOX_PASSWORD=made))


@pytest.mark.parametrize("typed", ["short\nshort\n", f"{PASSWORD}\nanother\n"])
def test_the_password_command_takes_no_short_or_mistyped_one(make_app: MakeApp, typed: str) -> None:
    done = make_app().test_cli_runner().invoke(receiver_commands, ["password"], input=typed)
    assert done.exit_code in (1, 2)
    assert done.stdout.strip() == ""
