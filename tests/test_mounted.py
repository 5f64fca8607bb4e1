"""Mounted in an app that is lived in: its guards and pages stay its own, and acks stay exact."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response, abort, g, request, session
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from support import ACK, KEYS, MESSAGE, report
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client, TestResponse

from receiver import InboundMessage, Receiver

LARGE = 300_000  # bytes: more than RECEIVER_MAX_BODY
OWN_PAGES = (401, 404, 405, 413, 500)

MakeShop = Callable[..., Flask]


@pytest.fixture
def shop(redis_url: str) -> MakeShop:
    """Make an app with pages of its own, a login guard and an own page for every error."""

    def make(
        before: Callable[[Flask], object] = lambda app: None,
        after: Callable[[Flask], object] = lambda app: None,
        **config: Any,
    ) -> Flask:
        app = Flask("shop")
        app.secret_key = "a-secret-key-of-some-length"
        accounts = {name: {"api_key": key} for name, key in KEYS.items()}
        app.config.update(RECEIVER_ACCOUNTS=accounts, RECEIVER_REDIS_URL=redis_url, **config)
        add_pages(app)
        before(app)
        Receiver(app)
        after(app)
        return app

    return make


def add_pages(app: Flask) -> None:
    for status in OWN_PAGES:
        app.register_error_handler(status, lambda error, status=status: (f"our {status}", status))

    @app.post("/cart")
    def cart() -> str:
        return f"{len(request.get_data())} bytes"

    @app.get("/crash")
    def crash() -> str:
        raise ValueError("a fault of the app's own")


def guard_pages(app: Flask) -> None:
    """A login guard, with the one line that lets the receiver's webhooks pass."""

    @app.before_request
    def guard() -> None:
        if request.blueprint == "receiver":
            return
        if "user" not in session:
            abort(401)


def protect_forms(app: Flask) -> None:
    CSRFProtect(app)


def post(app: Flask, path: str = "/webhooks/smsbox", **options: Any) -> TestResponse:
    options.setdefault("headers", {"x-api-key": KEYS["smsbox"]})
    return app.test_client().post(path, **options)


def assert_acked(answer: TestResponse) -> None:
    """What SMSBox gets is its ack and nothing else: no cookie, no page, no hint of the app."""
    assert (answer.status_code, answer.get_json()) == (200, ACK)
    assert set(answer.headers.keys()) == {"Content-Type", "Content-Length"}
    assert answer.headers["Content-Type"] == "application/json"


def assert_lefoka_acked(answer: TestResponse) -> None:
    assert (answer.status_code, answer.data) == (200, b"")


@pytest.mark.parametrize("order", ["before", "after"])
def test_csrf_protection_spares_the_webhooks_and_nothing_else(shop: MakeShop, order: str) -> None:
    app = shop(**{order: protect_forms})
    assert_acked(post(app, json=MESSAGE))
    assert_acked(post(app, data={"transaction_id": "t-77", "message": "hello"}))
    headers = {"x-api-key": KEYS["lefoka"]}
    assert_lefoka_acked(post(app, "/webhooks/lefoka", headers=headers, json=report("failed", "1")))
    refused = post(app, "/cart", data={"item": "1"})
    assert refused.status_code == 400
    assert b"CSRF" in refused.data


@pytest.mark.parametrize("order", ["before", "after"])
def test_one_line_lets_the_webhooks_pass_a_login_guard(shop: MakeShop, order: str) -> None:
    app = shop(**{order: guard_pages})
    assert_acked(post(app, json=MESSAGE))
    token = app.extensions["receiver"].urls.make("smsbox")
    assert_acked(post(app, f"/webhooks/smsbox/{token}", headers={}, json=MESSAGE))
    assert post(app, "/cart").data == b"our 401"
    refused = post(app, headers={}, json=MESSAGE)
    assert refused.status_code == 401
    assert set(refused.get_json()) == {"error", "help"}


def read_form(app: Flask) -> None:
    @app.before_request
    def hook() -> None:
        g.seen = request.form.get("transaction_id")


def read_json(app: Flask) -> None:
    @app.before_request
    def hook() -> None:
        g.seen = request.get_json(silent=True)


def read_stream(app: Flask) -> None:
    @app.before_request
    def hook() -> None:
        g.seen = request.stream.read()


def read_form_first_of_all(app: Flask) -> None:
    @app.url_value_preprocessor
    def hook(endpoint: str | None, values: dict[str, Any] | None) -> None:
        g.seen = request.form.get("transaction_id")


HOOKS = [read_form, read_json, read_stream, read_form_first_of_all]


@pytest.mark.parametrize("order", ["before", "after"])
@pytest.mark.parametrize("hook", HOOKS)
def test_hooks_of_the_app_may_read_the_body_as_well(
    shop: MakeShop, redis: Any, hook: Callable[[Flask], None], order: str
) -> None:
    app = shop(**{order: hook})

    @app.after_request
    def tell(response: Response) -> Response:
        response.headers["X-Seen"] = "yes" if g.seen else "no"
        return response

    form = {"transaction_id": "t-77", "message": "hello", "from": "+255712345678"}
    answers = [post(app, data=form), post(app, json=MESSAGE)]
    assert [answer.get_json() for answer in answers] == [ACK, ACK]
    assert "yes" in [answer.headers["X-Seen"] for answer in answers]
    assert redis.zcard("receiver:events") == 1  # the same message, as a form and as JSON
    large = post(app, data="a=" + "x" * 2 * LARGE, content_type="application/x-www-form-urlencoded")
    assert large.status_code == 413
    assert set(large.get_json()) == {"error", "help"}


def test_the_apps_own_error_pages_answer_for_its_own_urls_only(shop: MakeShop) -> None:
    app = shop(MAX_CONTENT_LENGTH=100)
    client = app.test_client()
    assert client.get("/nowhere").data == b"our 404"
    assert client.get("/webhooks").data == b"our 404"
    assert client.get("/cart").data == b"our 405"
    assert client.post("/cart", data=b"x" * 101).data == b"our 413"
    assert client.get("/crash").data == b"our 500"
    ours = {
        401: client.post("/webhooks/smsbox"),
        404: client.post("/webhooks/nobody"),
        405: client.get("/webhooks/smsbox"),
        413: post(app, data=b"x" * LARGE),
    }
    for status, answer in ours.items():
        assert (answer.status_code, set(answer.get_json())) == (status, {"error", "help"})


@pytest.mark.parametrize(("limit", "own"), [(100, 413), (10_000_000, 200), (None, 200)])
def test_each_has_its_own_limit_for_bodies(shop: MakeShop, limit: int | None, own: int) -> None:
    app = shop(MAX_CONTENT_LENGTH=limit)
    assert_acked(post(app, json={**MESSAGE, "custom": "x" * 200_000}))
    assert post(app, data=b"x" * LARGE).status_code == 413
    assert post(app, "/cart", data=b"x" * LARGE).status_code == own
    assert app.config["MAX_CONTENT_LENGTH"] == limit


@pytest.mark.parametrize("prefix", ["/hooks/sms", ""])
def test_the_webhooks_lie_under_any_prefix(shop: MakeShop, prefix: str) -> None:
    app = shop(RECEIVER_URL_PREFIX=prefix)
    assert_acked(post(app, f"{prefix}/smsbox", json=MESSAGE))
    token = app.extensions["receiver"].urls.make("smsbox")
    assert_acked(post(app, f"{prefix}/smsbox/{token}", headers={}, json=MESSAGE))
    assert post(app, "/cart", data=b"12345").data == b"5 bytes"
    assert post(app, "/webhooks/smsbox", json=MESSAGE).status_code == 404


def test_a_trailing_slash_changes_nothing(shop: MakeShop) -> None:
    app = shop()
    token = app.extensions["receiver"].urls.make("smsbox")
    for path in ("/webhooks/smsbox/", f"/webhooks/smsbox/{token}/"):
        assert_acked(post(app, path, json=MESSAGE))


def test_the_app_may_itself_be_mounted_below_a_path(shop: MakeShop) -> None:
    outer = DispatcherMiddleware(Flask("site"), {"/shop": shop()})
    headers = {"x-api-key": KEYS["smsbox"]}
    assert_acked(Client(outer).post("/shop/webhooks/smsbox", json=MESSAGE, headers=headers))


def test_nothing_of_the_app_is_changed_behind_its_back(shop: MakeShop) -> None:
    seen: dict[str, Any] = {}

    def state(app: Flask) -> dict[str, Any]:
        return {
            "config": dict(app.config),
            "pages": copy.deepcopy(app.error_handler_spec),
            "before": copy.copy(app.before_request_funcs),
            "after": copy.copy(app.after_request_funcs),
            "teardown": copy.copy(app.teardown_request_funcs),
            "templates": set(app.jinja_env.globals),
            "json": app.json,
            "rules": {str(rule) for rule in app.url_map.iter_rules()},
        }

    app = shop(before=lambda app: seen.update(state(app)))
    post(app, json=MESSAGE)
    post(app, data=b"no JSON")
    pages = ("<account>", "<account>/<token>", "live", "ready", "metrics", "openapi.json")
    added = {f"/webhooks/{page}" for page in pages}
    assert state(app) == {**seen, "rules": seen["rules"] | added}


class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)


class Wish(db.Model):  # type: ignore[name-defined,misc]
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]


def test_a_handler_uses_the_apps_database_session(
    redis_url: str, tmp_path: Path, run_jobs: Any
) -> None:
    app = Flask("shop")
    app.secret_key = "a-secret-key-of-some-length"
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{tmp_path}/shop.db"
    app.config["RECEIVER_ACCOUNTS"] = {"smsbox": {"api_key": KEYS["smsbox"]}}
    app.config["RECEIVER_REDIS_URL"] = redis_url
    db.init_app(app)
    receiver = Receiver(app)

    @receiver.fallback(retries=0)
    def wish(message: InboundMessage) -> None:
        db.session.add(Wish(text=message.text))
        if message.text == "fail":
            raise RuntimeError("no such wish")
        db.session.commit()

    with app.app_context():
        db.create_all()
    for text in ("a bicycle", "fail", "a boat"):
        assert post(app, json={**MESSAGE, "message": {"text": text}}).status_code == 200
    run_jobs(app)
    with app.app_context():
        # what the failed handler had not committed is in nobody else's session
        assert db.session.scalars(db.select(Wish.text).order_by(Wish.id)).all() == [
            "a bicycle",
            "a boat",
        ]
        db.session.remove()
        db.engine.dispose()
