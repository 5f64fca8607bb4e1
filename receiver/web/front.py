"""The short way to the webhooks, past Flask's machinery, in apps that nobody could tell from it.

Contexts, routing, a session, signals and hooks take a quarter of what acknowledging a callback
costs. Where an app has put nothing of its own into them, they do nothing for a webhook; then a
plain callback goes straight to the door. All else goes Flask's way, to the same answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

import flask
from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from werkzeug.exceptions import ClientDisconnected
from werkzeug.http import HTTP_STATUS_CODES

from .blueprint import ENDPOINT
from .body import stated
from .webhook import Webhooks

_SIGNALS = (
    flask.request_started,
    flask.request_finished,
    flask.request_tearing_down,
    flask.got_request_exception,
    flask.appcontext_pushed,
    flask.appcontext_popped,
    flask.appcontext_tearing_down,
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
        self._webhooks = webhooks
        prefix = url_prefix.rstrip("/")
        self._accounts = {f"{prefix}/{name}": name for name in webhooks.providers if name.isascii()}

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer a plain callback to a known account; leave anything else to Flask."""
        account, token = self._called(environ)
        body = b""
        if account is not None and not has_a_say(self._app):
            with suppress(ClientDisconnected):  # Flask's way says so
                body = stated(environ, self._webhooks.max_body)
        if account is None or not body:
            return self._flask(environ, start_response)
        answer = self._webhooks.answer(account, token, environ, body)
        headers = [("Content-Type", answer.content_type), *answer.headers]
        headers.append(("Content-Length", str(len(answer.body))))
        reason = HTTP_STATUS_CODES[answer.status].upper()
        start_response(f"{answer.status} {reason}", headers)
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
    )
