"""The inbox as Flask's routes: a blueprint of one app, mounted where somebody may look at all.

It knows who may come in, what each answer carries, and what is said where something is wrong. While
Redis is away that is said at once, since the threads are for webhooks; see `patience`. What the
pages show is decided in `inbox_events` and `inbox_pages`, what they do in `inbox_batches`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

from flask import Blueprint, Response, g, redirect, request
from redis.exceptions import RedisError
from werkzeug.exceptions import (
    Forbidden,
    HTTPException,
    NotFound,
    ServiceUnavailable,
    TooManyRequests,
)
from werkzeug.wrappers import Response as AnyResponse

from ..errors import KeyLost, without_values
from .blueprint import exempt_from_csrf
from .inbox_batches import Batches
from .inbox_desk import ENDPOINT, Desk, Parts, is_ours, url
from .inbox_events import EventPages
from .inbox_figures import FigurePages
from .inbox_pages import Pages, spool_of
from .inbox_session import SESSION_SECONDS

COOKIE = "receiver_inbox"

_MOST_BODY = 65_536  # bytes of a form
_STATIC = f"{ENDPOINT}.static"
_LOGIN = (f"{ENDPOINT}.login", f"{ENDPOINT}.log_in")
_LOGOUT = f"{ENDPOINT}.log_out"
_POLL = f"{ENDPOINT}.live"
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
        " connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_KEPT = "public, max-age=31536000, immutable"  # the URL of a file changes with what is in it

_log = logging.getLogger(__name__)


def inbox_blueprint(parts: Parts) -> Blueprint:
    """Make the blueprint of one app."""
    desk = Desk(parts)
    door = _Door(desk)
    blueprint = Blueprint(
        ENDPOINT, __name__, url_prefix=parts.settings.inbox_url, static_folder="static"
    )

    @blueprint.url_value_preprocessor  # before all before_request hooks of the app
    def before_the_apps_own_hooks(endpoint: str | None, values: dict[str, Any] | None) -> None:
        exempt_from_csrf(blueprint)
        request.max_content_length = _MOST_BODY

    blueprint.before_request(door.open)
    blueprint.after_request(door.close)
    blueprint.register_error_handler(RedisError, door.away)
    blueprint.register_error_handler(KeyLost, door.locked)
    blueprint.register_error_handler(HTTPException, door.turned_away)
    blueprint.register_error_handler(Exception, door.failed)
    for rule, view, method in _routes(desk, door):
        name = view.__name__
        blueprint.add_url_rule(rule, name, view, methods=[method], strict_slashes=False)
    return blueprint


def _routes(desk: Desk, door: _Door) -> Iterator[tuple[str, Callable[..., AnyResponse], str]]:
    """Give each rule with its view, whose name is the endpoint's."""
    events, pages = EventPages(desk), Pages(desk)
    batches = Batches(desk, events)
    yield "/", events.events, "GET"
    yield "/find", events.find, "POST"
    yield "/new", events.live, "GET"
    yield "/events/<event_id>", events.event, "GET"
    yield "/events/<event_id>/conversation", events.conversation, "GET"
    yield "/failed", pages.failed, "GET"
    yield "/quarantine", pages.quarantine, "GET"
    yield "/quarantine/<body_id>", pages.body, "GET"
    yield "/figures", FigurePages(desk).figures, "GET"
    yield "/system", pages.system, "GET"
    yield "/confirm", batches.confirm, "POST"
    yield "/run", batches.run, "POST"
    yield "/login", door.login, "GET"
    yield "/login", door.log_in, "POST"
    yield "/logout", door.log_out, "POST"
    yield "/<path:rest>", door.nothing, "GET"


class _Door:
    """Who comes in, what every answer carries, and what is said where something is wrong."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._access = desk.access
        self._patience = desk.parts.patience

    def open(self) -> AnyResponse | None:
        """Let in or turn away, before each request."""
        if request.endpoint == _STATIC:
            return None
        answer = self._access.ask_guard()
        if answer is not None:
            return answer
        session = self._access.session(request.cookies.get(COOKIE))
        answers = session is not None and self._patience.answers()
        if session is not None and answers and self._access.has_ended(session):
            session = None
        if session is None:
            return None if request.endpoint in _LOGIN else self._to_login()
        g.receiver_inbox_session = session
        if request.endpoint in _LOGIN:
            return None
        if request.method == "POST":
            self._access.check_form(session)
        return None if answers or request.endpoint == _LOGOUT else self._without_redis()

    def close(self, answer: Response) -> Response:
        """Say with each answer what a browser may do with it, and renew the cookie."""
        answer.headers.update(_HEADERS)
        answer.headers["Cache-Control"] = _KEPT if request.endpoint == _STATIC else "no-store"
        session = g.get("receiver_inbox_session")
        if session is not None and session.cookie is not None and request.endpoint != _POLL:
            self._keep(answer, session.cookie)
        return answer

    def login(self) -> AnyResponse:
        """Ask for the password."""
        if "receiver_inbox_session" in g:
            return redirect(url("events"), 303)
        return self._desk.page("login.html", next=_next(request.args.get("next")), problem="")

    def log_in(self) -> AnyResponse:
        """Begin a session for who knows the password."""
        self._access.check_origin()
        wanted = _next(request.form.get("next"))
        problem, status = "This is not the password.", 401
        try:
            session = self._access.log_in(request.form.get("password", ""))
        except TooManyRequests:
            session, status = None, 429
            problem = "Too many tries. Wait five minutes, then try again."
        except ServiceUnavailable:
            session, status = None, 503
            problem = "Somebody else is just logging in. Try again."
        if session is None:
            return self._desk.page("login.html", status, next=wanted, problem=problem)
        g.receiver_inbox_session = session
        return redirect(wanted or url("events"), 303)

    def log_out(self) -> AnyResponse:
        """End the session, here and wherever else its cookie is."""
        self._access.end(g.pop("receiver_inbox_session"))
        answer = redirect(url("login" if self._access.asks_for_a_password else "events"), 303)
        answer.delete_cookie(COOKIE, path=self._path)
        return answer

    def nothing(self, rest: str) -> AnyResponse:
        """Say that there is no such page."""
        raise NotFound

    def turned_away(self, error: HTTPException) -> AnyResponse:
        """Say what HTTP has to say in a page of ours."""
        status = error.code or 500
        answer = self._desk.page("problem.html", status, code=status, spool=None)
        if isinstance(error, Forbidden) and request.headers.get("HX-Request"):
            answer.headers["HX-Refresh"] = "true"  # the page that polls is told as well
        return answer

    def away(self, error: RedisError) -> AnyResponse:
        """Say that Redis is away, and what becomes of callbacks meanwhile."""
        _log.warning("event=inbox_without_redis error=%s", type(error).__name__)
        self._patience.end()
        return self._without_redis()

    def _without_redis(self) -> AnyResponse:
        answer = self._desk.page("problem.html", 503, code=503, spool=spool_of(self._desk))
        answer.headers["Retry-After"] = "5"
        return answer

    def locked(self, error: KeyLost) -> AnyResponse:
        """Say that what was asked for is encrypted with a key that is not configured here."""
        _log.error("event=key_lost page=%s help='see check'", request.endpoint)
        return self._desk.page("problem.html", 500, code="key", spool=None)

    def failed(self, error: Exception) -> AnyResponse:
        """Say that something of ours failed, without what the error says: it may quote a text."""
        _log.error("event=inbox_failed page=%s", request.endpoint, exc_info=without_values(error))
        return self._desk.page("problem.html", 500, code=500, spool=None)

    def _to_login(self) -> AnyResponse:
        if request.method == "GET" and request.headers.get("Sec-Fetch-Site") == "cross-site":
            return self._desk.page("again.html")  # from our own page a browser brings its cookie
        here = request.full_path.rstrip("?") if request.method == "GET" else ""
        there = url("login", **({"next": here} if here and request.endpoint != _POLL else {}))
        if request.headers.get("HX-Request"):
            return Response(status=204, headers={"HX-Redirect": there})
        return redirect(there, 303)

    @property
    def _path(self) -> str:
        return request.script_root + self._desk.parts.settings.inbox_url

    def _keep(self, answer: Response, cookie: str) -> None:
        answer.set_cookie(
            COOKIE,
            cookie,
            max_age=SESSION_SECONDS,
            path=self._path,
            secure=request.is_secure,
            httponly=True,
            samesite="Strict",
        )


def _next(wanted: str | None) -> str:
    """Give a page of ours to go to after the login, or nothing."""
    path = (wanted or "").removeprefix(request.script_root)
    whole = f"{request.script_root}{path}"
    return whole if is_ours(whole) else ""
