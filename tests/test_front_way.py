"""Which way a callback takes: the short one only where nobody could tell the difference."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import flask
import pytest
from conftest import ACCOUNTS
from flask import Flask, Request, Response, current_app, g, request
from flask.sessions import SecureCookieSessionInterface
from fronting import GOOD, answer_of, begun
from support import BODY, PATH
from werkzeug.middleware.proxy_fix import ProxyFix

from receiver import DeliveryReport, InboundMessage, Receiver, deployment
from receiver.plugins import provider_classes
from receiver.providers.base import Stamp
from receiver.providers.payload import Payload
from receiver.providers.smsbox import SMSBox
from receiver.web.blueprint import VIEW


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of the requests that Flask has handled."""
    paths: list[str] = []
    handle = Flask.wsgi_app

    def note(app: Flask, environ: dict[str, Any], start_response: Any) -> Any:
        paths.append(environ["PATH_INFO"])
        return handle(app, environ, start_response)

    monkeypatch.setattr(Flask, "wsgi_app", note)
    return paths


def test_a_callback_to_a_plain_app_does_not_go_through_flask(
    make_app: Callable[..., Flask], seen: list[str]
) -> None:
    app = begun(make_app())
    seen.clear()
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
    "responses of its own": lambda app: setattr(app, "response_class", OwnResponse),
    "requests of its own": lambda app: setattr(app, "request_class", OwnRequest),
    "a view that somebody wrapped": lambda app: app.view_functions.update(
        {VIEW: wrapped(app.view_functions[VIEW])}
    ),
    "a step that somebody wrapped": lambda app: setattr(
        app, "process_response", wrapped(app.process_response)
    ),
}


class OwnResponse(Response):
    """Answers of the app's own."""


class OwnRequest(Request):
    """Requests of the app's own."""


def wrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    """Do what limiters and tracers do."""

    def around(*given: Any, **named: Any) -> Any:
        return function(*given, **named)

    return around


def test_a_tracer_that_patches_flask_itself_sees_callbacks(
    make_app: Callable[..., Flask], seen: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Flask, "process_response", wrapped(Flask.process_response))
    answer_of(begun(make_app()))
    assert seen[1:] == [PATH]


def own_routes(app: Flask) -> None:
    app.add_url_rule("/webhooks/smsbox/status", "status", lambda: "mine", methods=["POST"])
    app.add_url_rule("/webhooks/<a>/<int:n>", "number", lambda a, n: "mine", methods=["POST"])


@pytest.mark.parametrize("path", ["/webhooks/smsbox/status", "/webhooks/smsbox/12"])
@pytest.mark.parametrize("late", [False, True], ids=["before a callback", "after one"])
def test_a_route_of_the_app_s_own_is_not_ours(
    make_app: Callable[..., Flask], path: str, late: bool
) -> None:
    app = make_app()
    if not late:
        own_routes(app)
    answer_of(app)
    if late:  # Flask itself forbids it then
        with pytest.raises(AssertionError, match="first request"):
            own_routes(app)
    else:
        assert answer_of(app, path)[2] == b"mine"


def test_an_app_s_own_view_in_our_place_stays_there(redis_url: str) -> None:
    app = Flask("shop")
    app.secret_key = "a-secret-key-of-some-length"
    app.config.update(RECEIVER_ACCOUNTS=ACCOUNTS, RECEIVER_REDIS_URL=redis_url)
    app.add_url_rule(PATH, "mine", lambda: "mine", methods=["POST"])
    Receiver(app)
    assert answer_of(begun(app))[2] == b"mine"


def test_a_test_client_can_look_into_the_request(make_app: Callable[..., Flask]) -> None:
    app = begun(make_app())
    with app.test_client() as client:
        client.post(PATH, data=BODY, headers=GOOD)
        assert request.path == PATH


class Context(SMSBox):
    """A provider of somebody's own, which asks for the app."""

    def parse(self, payload: Payload, stamp: Stamp) -> Iterable[InboundMessage | DeliveryReport]:
        assert current_app.name == "shop"
        return super().parse(payload, stamp)


def test_a_provider_of_somebody_s_own_has_the_app_s_context(
    make_app: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch
) -> None:
    classes = provider_classes()
    monkeypatch.setattr(deployment, "provider_classes", lambda: {**classes, "smsbox": Context})
    status, headers, _ = answer_of(begun(make_app()))
    assert (status, headers.get("Receiver-Quarantined")) == ("200 OK", None)


@pytest.mark.parametrize("own", OWN)
def test_an_app_with_a_say_in_requests_has_it_in_callbacks_too(
    make_app: Callable[..., Flask], seen: list[str], own: str
) -> None:
    app = make_app()
    OWN[own](app)
    assert answer_of(begun(app))[0] == "200 OK"
    assert seen[1:] == [PATH]


def test_what_listens_to_flask_s_signals_hears_of_callbacks(make_app: Callable[..., Flask]) -> None:
    app, heard = begun(make_app()), list[object]()

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

    assert answer_of(begun(app))[1]["X-Shop"] == "mine"


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
        seen.clear()
        assert answer_of(begun(app))[0] == "200 OK"
        assert seen[1:] == [PATH]
