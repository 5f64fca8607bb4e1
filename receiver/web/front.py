"""The short way to the webhooks, past Flask's machinery, in apps that nobody could tell from it.

Contexts, routing, a session, signals and hooks take a quarter of what acknowledging a callback
costs. Where an app has put nothing of its own into them, they do nothing for a webhook; then a
plain callback goes straight to the door. All else goes Flask's way, to the same answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cached_property, lru_cache
from types import FunctionType
from typing import Any

import flask
from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from werkzeug.exceptions import ClientDisconnected, HTTPException
from werkzeug.http import HTTP_STATUS_CODES
from werkzeug.routing import RequestRedirect

from .blueprint import ENDPOINT, VIEW
from .body import stated
from .webhook import Answer, Webhooks

_BUNDLED = "receiver.providers."  # what others wrote may count on an app's context
_PRESERVED = "werkzeug.debug.preserve_context"  # by a test client, for the test to look into

_SIGNALS = (
    flask.request_started,
    flask.request_finished,
    flask.request_tearing_down,
    flask.got_request_exception,
    flask.appcontext_pushed,
    flask.appcontext_popped,
    flask.appcontext_tearing_down,
)

# What Flask does with a request, and a tracer or an app may have put its own in place of.
_STEPS = (
    "create_url_adapter",
    "dispatch_request",
    "finalize_request",
    "full_dispatch_request",
    "handle_exception",
    "make_response",
    "preprocess_request",
    "process_response",
    "request_context",
)


def open_front(app: Flask, webhooks: Webhooks, url_prefix: str) -> None:
    """Put the short way in front of an app; not where something is in front of it already.

    A middleware that was there first has to see the request first, such as Werkzeug's `ProxyFix`.
    """
    if type(app) is Flask and getattr(app.wsgi_app, "__func__", None) is Flask.wsgi_app:
        app.wsgi_app = Front(app, webhooks, url_prefix)  # type: ignore[method-assign]


class Front:
    """A WSGI application before a Flask app's own."""

    def __init__(self, app: Flask, webhooks: Webhooks, url_prefix: str) -> None:
        self._app = app
        self._flask = app.wsgi_app
        self._view = app.view_functions[VIEW]
        self._webhooks = webhooks
        self._begun = False
        prefix = url_prefix.rstrip("/")
        self._accounts = {
            f"{prefix}/{name}": name
            for name, provider in webhooks.providers.items()
            if name.isascii() and type(provider).__module__.startswith(_BUNDLED)
        }
        self._is_ours = lru_cache(maxsize=256)(self._is_routed_to_us)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer a plain callback to a known account; leave anything else to Flask.

        So is the first request of all: from then on Flask lets nobody add a route or a hook.
        """
        account, token = self._called(environ)
        body = b""
        if account is not None and self._begun and self._is_plain(environ):
            with suppress(ClientDisconnected):  # Flask's way says so
                body = stated(environ, self._webhooks.max_body)
        if account is None or not body:
            self._begun = True
            return self._flask(environ, start_response)
        answer = self._webhooks.answer(account, token, environ, body)
        start_response(_status(answer), _headers(answer))
        return [answer.body]

    def _called(self, environ: Mapping[str, Any]) -> tuple[str | None, str | None]:
        """Give the account and the token that a POST names, as Flask's routes would."""
        path = environ.get("PATH_INFO", "")
        if environ["REQUEST_METHOD"] != "POST":
            return None, None
        if path in self._accounts:
            return self._accounts[path], None
        before, _, token = path.rpartition("/")
        return (self._accounts.get(before), token) if token.isascii() and token else (None, None)

    def _is_plain(self, environ: Mapping[str, Any]) -> bool:
        return (
            self._is_ours(environ["PATH_INFO"])
            and _PRESERVED not in environ
            and not self._has_own_parts
            and not has_a_say(self._app)
            and self._app.view_functions[VIEW] is self._view
        )

    def _is_routed_to_us(self, path: str) -> bool:
        """Tell whether Flask would bring a POST to us, and not to a route of the app's own."""
        try:
            endpoint, _ = self._app.url_map.bind("").match(path, method="POST")
        except (HTTPException, RequestRedirect):
            return False
        return bool(endpoint == VIEW)

    @cached_property
    def _has_own_parts(self) -> bool:
        """Tell whether what handles requests is anything else than Flask's own."""
        app = self._app
        return (
            app.request_class is not flask.Request
            or app.response_class is not flask.Response
            or any(name in vars(app) or not _is_flasks(name) for name in _STEPS)
        )


def has_a_say(app: Flask) -> bool:
    """Tell whether an app, or what extends it, wants to see requests, or to change answers."""
    hooks = (app.before_request_funcs, app.after_request_funcs, app.teardown_request_funcs)
    return bool(
        any(scoped.get(scope) for scoped in hooks for scope in (None, ENDPOINT))
        or app.url_value_preprocessors.get(None)
        or len(app.url_value_preprocessors[ENDPOINT]) > 1  # one is ours
        or app.teardown_appcontext_funcs
        or any(signal.receivers for signal in _SIGNALS)
        or type(app.session_interface) is not SecureCookieSessionInterface
        or app.config.get("TRUSTED_HOSTS")
        or app.url_map.host_matching
        or app.subdomain_matching
    )


def _is_flasks(name: str) -> bool:
    """Tell whether a method of the class is the one that Flask's own files define."""
    step = getattr(Flask, name)
    package = flask.__file__.removesuffix("__init__.py")
    return type(step) is FunctionType and step.__code__.co_filename.startswith(package)


def _status(answer: Answer) -> str:
    return f"{answer.status} {HTTP_STATUS_CODES.get(answer.status, 'Unknown').upper()}"


def _headers(answer: Answer) -> list[tuple[str, str]]:
    length = [("Content-Length", str(len(answer.body)))] if answer.has_body else []
    return [("Content-Type", answer.content_type), *answer.headers, *length]
