"""The webhooks as Flask's routes: what brings a request of an app to the door, and its answer back.

What is answered is decided in `webhook`; the app's own error pages have no say in it.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Request, Response, current_app, g
from flask.globals import request_ctx
from werkzeug.exceptions import RequestEntityTooLarge

from .body import stated
from .webhook import Webhooks

ENDPOINT = "receiver"  # the blueprint's name: what a login guard lets pass
VIEW = f"{ENDPOINT}.webhook"

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


def webhook_blueprint(webhooks: Webhooks, url_prefix: str) -> Blueprint:
    """Make the blueprint of one app."""
    blueprint = Blueprint(ENDPOINT, __name__, url_prefix=url_prefix)

    @blueprint.url_value_preprocessor  # these run before all before_request hooks of the app
    def before_the_apps_own_hooks(endpoint: str | None, values: dict[str, Any] | None) -> None:
        exempt_from_csrf(blueprint)
        account = str((values or {}).get("account"))
        g.receiver_body = _read_body(request_ctx.request, webhooks, account)

    def webhook(account: str, token: str | None = None) -> Response:
        answer = webhooks.answer(account, token, request_ctx.request.environ, g.receiver_body)
        headers = dict(answer.headers)
        return Response(answer.body, answer.status, headers, content_type=answer.content_type)

    options: dict[str, Any] = {
        "methods": _METHODS,
        "provide_automatic_options": False,
        "strict_slashes": False,
        "merge_slashes": False,
    }
    blueprint.add_url_rule("/<account>", "webhook", webhook, **options)
    blueprint.add_url_rule("/<account>/<token>", "webhook", webhook, **options)
    return blueprint


def _read_body(request: Request, webhooks: Webhooks, account: str) -> bytes | int:
    """Read the body before any hook of the app does; a status code where that cannot be.

    Our limit holds here, whatever the app's MAX_CONTENT_LENGTH is; chunked bodies are counted.
    """
    body, problem = b"", 0
    # One byte more: of a chunked body Werkzeug gives that much, and does not say that it goes on.
    request.max_content_length = webhooks.max_body + 1
    try:
        if "stream" not in vars(request):
            body = stated(request.environ, webhooks.max_body)
        if not body:
            body, problem = _by_and_by(request, webhooks.max_body)
    except RequestEntityTooLarge:
        problem = 413
    except Exception as error:  # noqa: BLE001 - each server has errors of its own for a cut body
        webhooks.lost(account, error)
        problem = 400
    # Hooks of the app may read it again; what is too large must not make them answer in our place.
    request.stream = BytesIO(b"" if problem else body)
    return problem or body


def _by_and_by(request: Request, max_body: int) -> tuple[bytes, int]:
    """Read any other body; gives a status code as well, where it is not whole or too large."""
    body = request.get_data(cache=False)
    form = vars(request).get("form")  # what a hook of the app read before us
    if form and not body:
        body = urlencode(list(form.items(multi=True))).encode("ascii")
    elif request.content_length not in (None, len(body)):
        return body, 400
    return body, 413 if len(body) > max_body else 0


def exempt_from_csrf(blueprint: Blueprint) -> None:
    """Tell Flask-WTF, if the app uses it, that a blueprint proves its callers in its own way."""
    csrf = current_app.extensions.get("csrf")
    exempt: Callable[[Blueprint], object] | None = getattr(csrf, "exempt", None)
    if exempt is not None:
        exempt(blueprint)
