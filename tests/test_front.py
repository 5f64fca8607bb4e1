"""The short way past Flask: the same answers, and only where nobody could tell the difference."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import flask
import pytest
from conftest import ACCOUNTS, LEFOKA_KEY, SMSBOX_KEY
from flask import Flask, Response, g, request
from flask.sessions import SecureCookieSessionInterface
from support import BODY, PATH
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.test import EnvironBuilder, run_wsgi_app

from receiver import Receiver
from receiver.store.connection import Connection
from receiver.web.front import Front

Answer = tuple[str, dict[str, str], bytes]
GOOD = {"x-api-key": SMSBOX_KEY}


def answer_of(app: Flask, path: str = PATH, **options: Any) -> Answer:
    """Send a request as a server hands it over; gives status line, headers and body."""
    options = {"method": "POST", "data": BODY, "headers": GOOD, **options}
    environ = EnvironBuilder(path, **options).get_environ()
    body, status, headers = run_wsgi_app(app, environ, buffered=True)
    return status, dict(headers), b"".join(body)


REQUESTS: dict[str, dict[str, Any]] = {
    "a message": {},
    "a key in the query": {"headers": {}, "query_string": f"api_key={SMSBOX_KEY}"},
    "a query that is no UTF-8": {"query_string": "name=%E9%FF&x=%C3%A9"},
    "a delivery report": {
        "path": "/webhooks/lefoka",
        "data": '{"id": "1", "status": "delivered", "recipient": "27637885448"}',
        "headers": {"Authorization": f"Bearer {LEFOKA_KEY}", "x-api-key": LEFOKA_KEY},
    },
    "what nobody can read": {"data": b"\xff\xfe nothing"},
    "what Lefoka says of it": {
        "path": "/webhooks/lefoka",
        "data": "nothing",
        "headers": {"x-api-key": LEFOKA_KEY},
    },
    "no key": {"headers": {}},
    "a wrong key": {"headers": {"x-api-key": "wrong"}},
    "a token that is none of ours": {"path": f"{PATH}/abc.def"},
    "a token of other letters": {"path": f"{PATH}/%C3%A9"},
    "a slash at the end": {"path": f"{PATH}/"},
    "two slashes": {"path": "/webhooks//smsbox"},
    "two parts behind the account": {"path": f"{PATH}/a/b"},
    "an account that is not there": {"path": "/webhooks/nobody"},
    "a page that is not there": {"path": "/elsewhere"},
    "a question": {"method": "GET", "data": None},
    "a question without an answer's body": {"method": "HEAD", "data": None},
    "no body": {"data": b""},
    "a large body": {"data": b"x" * 300_000},
    "a form": {"data": {"from": "15000", "message": "hello", "transaction_id": "t-9"}},
    "a length that is no number": {"environ_overrides": {"CONTENT_LENGTH": "many"}},
    "a body that breaks off": {"environ_overrides": {"CONTENT_LENGTH": "4000"}},
    "a body in chunks": {"headers": {**GOOD, "Transfer-Encoding": "chunked"}},
    "a body in chunks, to granian": {
        "headers": {**GOOD, "Transfer-Encoding": "chunked"},
        "data": b"from=15000",
        "environ_overrides": {"SERVER_SOFTWARE": "Granian", "wsgi.input_terminated": True},
    },
}


@pytest.mark.parametrize("case", REQUESTS)
def test_both_ways_give_the_same_answer(make_app: Callable[..., Flask], case: str) -> None:
    short, flasks = make_app(), make_app()
    flasks.teardown_request(lambda error: None)
    given = [answer_of(app, **REQUESTS[case]) for app in (short, flasks)]
    assert given[0] == given[1]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of the requests that Flask has handled."""
    paths: list[str] = []
    dispatch = Flask.full_dispatch_request

    def note(app: Flask) -> Response:
        paths.append(request.path)
        return dispatch(app)

    monkeypatch.setattr(Flask, "full_dispatch_request", note)
    return paths


def test_a_callback_to_a_plain_app_does_not_go_through_flask(
    make_app: Callable[..., Flask], seen: list[str]
) -> None:
    app = make_app()
    with app.app_context():
        token = Receiver.current().urls.make("smsbox")
    assert answer_of(app)[0] == answer_of(app, f"{PATH}/{token}", headers={})[0] == "200 OK"
    assert seen == []
    assert answer_of(app, "/webhooks/nobody")[0] == "404 NOT FOUND"
    assert seen == ["/webhooks/nobody"]


def changed_session(app: Flask) -> None:
    class Own(SecureCookieSessionInterface):
        """Sessions of the app's own."""

    app.session_interface = Own()


OWN = {
    "before_request": lambda app: app.before_request(lambda: None),
    "after_request": lambda app: app.after_request(lambda response: response),
    "teardown_request": lambda app: app.teardown_request(lambda error: None),
    "teardown_appcontext": lambda app: app.teardown_appcontext(lambda error: None),
    "url_value_preprocessor": lambda app: app.url_value_preprocessor(lambda *given: None),
    "a hook of our blueprint": lambda app: app.before_request_funcs.setdefault(
        "receiver", []
    ).append(lambda: None),
    "sessions of its own": changed_session,
    "trusted hosts": lambda app: app.config.update(TRUSTED_HOSTS=["localhost"]),
}


@pytest.mark.parametrize("own", OWN)
def test_an_app_with_a_say_in_requests_has_it_in_callbacks_too(
    make_app: Callable[..., Flask], seen: list[str], own: str
) -> None:
    app = make_app()
    OWN[own](app)
    assert answer_of(app)[0] == "200 OK"
    assert seen == [PATH]


def test_what_listens_to_flask_s_signals_hears_of_callbacks(make_app: Callable[..., Flask]) -> None:
    app, heard = make_app(), list[object]()

    def listen(sender: Flask, **given: object) -> None:
        heard.append(sender)

    with flask.request_started.connected_to(listen):
        answer_of(app)
    answer_of(app)
    assert heard == [app]


def test_an_after_request_hook_s_header_is_on_the_ack(make_app: Callable[..., Flask]) -> None:
    app = make_app()

    @app.after_request
    def mark(response: Response) -> Response:
        response.headers["X-Shop"] = "mine"
        return response

    assert answer_of(app)[1]["X-Shop"] == "mine"


class Subclass(Flask):
    """An app that handles requests in its own way."""

    def preprocess_request(self) -> Any:
        g.own = True
        return super().preprocess_request()


def test_a_subclass_and_an_app_behind_a_middleware_go_flask_s_way(
    redis_url: str, seen: list[str]
) -> None:
    def configured(app: Flask) -> Flask:
        app.config.update(RECEIVER_ACCOUNTS=ACCOUNTS, RECEIVER_REDIS_URL=redis_url)
        app.secret_key = "a-secret-key-of-some-length"
        return app

    own, wrapped = configured(Subclass("shop")), configured(Flask("shop"))
    wrapped.wsgi_app = ProxyFix(wrapped.wsgi_app)  # type: ignore[method-assign]
    for app in (own, wrapped):
        Receiver(app)
        assert answer_of(app)[0] == "200 OK"
    assert seen == [PATH, PATH]


@pytest.mark.parametrize("first", [True, False], ids=["before the receiver", "after it"])
def test_the_address_is_the_one_that_a_proxy_fix_gives(redis_url: str, first: bool) -> None:
    account = {"smsbox": {"api_key": SMSBOX_KEY, "networks": ["10.0.0.0/8"]}}
    app = Flask("shop")
    app.secret_key = "a-secret-key-of-some-length"
    app.config.update(RECEIVER_ACCOUNTS=account, RECEIVER_REDIS_URL=redis_url)

    def fix() -> None:
        app.wsgi_app = ProxyFix(app.wsgi_app)  # type: ignore[method-assign]

    steps = [fix, lambda: Receiver(app)]
    for step in steps if first else reversed(steps):
        step()
    for address, status in (("10.1.2.3", "200 OK"), ("203.0.113.9", "401 UNAUTHORIZED")):
        assert answer_of(app, headers={**GOOD, "X-Forwarded-For": address})[0] == status


def test_a_body_that_a_middleware_has_read_is_not_taken_for_none(
    make_app: Callable[..., Flask],
) -> None:
    app = make_app()
    inner = app.wsgi_app

    def reads(environ: dict[str, Any], start_response: Any) -> Any:
        body = environ["wsgi.input"].read()
        environ["wsgi.input"] = BytesIO(body)
        return inner(environ, start_response)

    app.wsgi_app = reads  # type: ignore[method-assign]
    assert answer_of(app)[0] == "200 OK"


def test_a_fault_of_ours_is_answered_with_a_request_to_come_again(
    make_app: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*given: object) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr(Connection, "run_durably", fail)
    app = make_app()
    assert isinstance(app.wsgi_app, Front)
    status, headers, _ = answer_of(app)
    assert (status, headers["Retry-After"]) == ("503 SERVICE UNAVAILABLE", "5")
