"""The door: an account's URL, and the one place where HTTP status codes are decided.

It finds the account, makes a `WebhookRequest`, lets the provider read it and the intake keep it,
and writes the provider's answer. Answers are returned, never raised: the app's own error pages
have no say in them.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl, urlencode

from flask import Blueprint, Request, Response, current_app, g
from flask.globals import request_ctx
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from ..errors import Refused, StorageUnavailable, without_values
from ..intake import Intake
from ..providers.base import Provider, WebhookRequest
from .quiet import Quiet

ENDPOINT = "receiver"  # the blueprint's name: what a login guard lets pass

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
_RETRY_AFTER = 5  # seconds
_MAX_HEADER = 500  # characters
_BODY_PROBLEMS = {
    400: ("The body did not arrive whole.", "Send it again."),
    413: ("The body is too large.", "The operator can raise RECEIVER_MAX_BODY."),
}
_KEY_HELP = "Send the account's API key (Basic user name, X-API-Key or api_key), or use its URL."

_log = logging.getLogger(__name__)


def webhook_blueprint(
    providers: Mapping[str, Provider], intake: Intake, max_body: int, url_prefix: str
) -> Blueprint:
    """Make the blueprint of one app; ``providers`` by account name, ``max_body`` in bytes."""
    blueprint = Blueprint(ENDPOINT, __name__, url_prefix=url_prefix)
    refusals, losses = Quiet(_log, "refused"), Quiet(_log, "body_lost")

    @blueprint.url_value_preprocessor  # these run before all before_request hooks of the app
    def before_the_apps_own_hooks(endpoint: str | None, values: dict[str, Any] | None) -> None:
        _exempt_from_csrf(blueprint)
        account = str((values or {}).get("account"))
        name = account if account in providers else "?"
        g.receiver_body = _read_body(request_ctx.request, max_body, name, losses)

    def webhook(account: str, token: str | None = None) -> Response:
        try:
            return _answer(request_ctx.request, providers.get(account), intake, token, refusals)
        except Exception as error:  # noqa: BLE001 - whatever fails, the provider may try again
            _log.error("event=webhook_failed account=%r", account, exc_info=without_values(error))
            return _later("The event could not be taken.")

    options: dict[str, Any] = {
        "methods": _METHODS,
        "provide_automatic_options": False,
        "strict_slashes": False,
        "merge_slashes": False,
    }
    blueprint.add_url_rule("/<account>", "webhook", webhook, **options)
    blueprint.add_url_rule("/<account>/<token>", "webhook", webhook, **options)
    return blueprint


def _answer(
    request: Request,
    provider: Provider | None,
    intake: Intake,
    token: str | None,
    refusals: Quiet,
) -> Response:
    if provider is None or not provider.pushes:
        return _error(404, "There is no such webhook.", "Check the account's name in the URL.")
    if request.method != "POST":
        return _error(405, "Webhooks are sent by POST.", "Use POST.", {"Allow": "POST"})
    body = g.receiver_body
    if isinstance(body, int):
        return _error(body, *_BODY_PROBLEMS[body])
    account = provider.account
    callback = _framework_free(request, body, token)
    try:
        received = provider.receive(callback)
        if _may_be_cut(request, body, received.unreadable):
            return _error(400, *_BODY_PROBLEMS[400])
        intake.accept(received, callback, account)
    except Refused as error:
        places = ",".join(error.looked_in)
        refusals.warning(account.name, "reason=%r looked_in=%s", error.reason, places)
        headers = {"WWW-Authenticate": 'Basic realm="sms-receiver"'}
        return _error(401, "The caller is not authenticated.", _KEY_HELP, headers)
    except StorageUnavailable as error:
        _log.error("event=storage_unavailable account=%s reason=%s", account.name, error)
        return _later("The event could not be stored.")
    ack = received.ack
    response = Response(ack.body, ack.status, content_type=ack.content_type)
    if received.unreadable is not None:
        response.headers["Receiver-Quarantined"] = _header_text(received.unreadable)
    return response


def _framework_free(request: Request, body: bytes, token: str | None) -> WebhookRequest:
    query = request.query_string
    return WebhookRequest(
        body=body,
        headers=_headers(request.environ),
        query=_pairs(query) if query else (),
        token=token,
        remote_addr=request.remote_addr,
        received_at=datetime.now(UTC),
    )


def _headers(environ: Mapping[str, Any]) -> dict[str, str]:
    """Give the headers by their names in lower case, out of the words of WSGI (PEP 3333)."""
    found = {
        name[5:].replace("_", "-").lower(): value
        for name, value in environ.items()
        if name[:5] == "HTTP_"
    }
    if environ.get("CONTENT_TYPE"):
        found["content-type"] = environ["CONTENT_TYPE"]
    return found


def _pairs(query: bytes) -> list[tuple[str, str]]:
    """Read a query of any bytes: Flask's own reader fails at what is no UTF-8."""
    return parse_qsl(query.decode("utf-8", "replace"), keep_blank_values=True, errors="replace")


def _read_body(request: Request, max_body: int, account: str, losses: Quiet) -> bytes | int:
    """Read the body before any hook of the app does; a status code where that cannot be.

    Our limit holds here, whatever the app's MAX_CONTENT_LENGTH is; chunked bodies are counted.
    """
    body, problem = b"", 0
    # One byte more: of a chunked body Werkzeug gives that much, and does not say that it goes on.
    request.max_content_length = max_body + 1
    try:
        body = _stated(request, max_body)
        if not body:
            body, problem = _by_and_by(request, max_body)
    except RequestEntityTooLarge:
        problem = 413
    except Exception as error:  # noqa: BLE001 - each server has errors of its own for a cut body
        losses.warning(account, "error=%s", type(error).__name__)
        problem = 400
    # Hooks of the app may read it again; what is too large must not make them answer in our place.
    request.stream = BytesIO(b"" if problem else body)
    return problem or body


def _stated(request: Request, max_body: int) -> bytes:
    """Read a body whose length is stated, in one step: a quarter of what Werkzeug's stream costs.

    Nothing where it is not that simple: too large, chunked, or read by somebody before. Raises
    `ClientDisconnected` where the caller hung up: half a text is no text.
    """
    environ = request.environ
    if not _has_length(environ) or "stream" in vars(request):
        return b""
    length = int(environ["CONTENT_LENGTH"])
    try:
        body: bytes = environ["wsgi.input"].read(length) if length <= max_body else b""
    except (OSError, ValueError) as error:
        raise ClientDisconnected from error
    if 0 < len(body) < length:
        raise ClientDisconnected
    return body


def _has_length(environ: Mapping[str, Any]) -> bool:
    return (environ.get("CONTENT_LENGTH") or "").isdecimal() and (
        "HTTP_TRANSFER_ENCODING" not in environ
    )


def _by_and_by(request: Request, max_body: int) -> tuple[bytes, int]:
    """Read any other body; gives a status code as well, where it is not whole or too large."""
    body = request.get_data(cache=False)
    form = vars(request).get("form")  # what a hook of the app read before us
    if form and not body:
        body = urlencode(list(form.items(multi=True))).encode("ascii")
    elif request.content_length not in (None, len(body)):
        return body, 400
    return body, 413 if len(body) > max_body else 0


def _may_be_cut(request: Request, body: bytes, unreadable: str | None) -> bool:
    """Tell whether a chunked body may have ended early: granian hands over what it got.

    JSON that can be read is whole; of anything else nobody knows.
    """
    if _has_length(request.environ) or not _server_hides_cuts(request):
        return False
    return unreadable is not None or body.lstrip()[:1] not in (b"{", b"[", b'"')


def _server_hides_cuts(request: Request) -> bool:
    return str(request.environ.get("SERVER_SOFTWARE", "")).lower().startswith("granian")


def _exempt_from_csrf(blueprint: Blueprint) -> None:
    """Tell Flask-WTF, if the app uses it, that a provider has no form token: it has a key."""
    csrf = current_app.extensions.get("csrf")
    exempt: Callable[[Blueprint], object] | None = getattr(csrf, "exempt", None)
    if exempt is not None:
        exempt(blueprint)


def _header_text(text: str) -> str:
    """One line of ASCII, whatever a provider's file says: more than that cannot be sent."""
    shown = "".join(char if char.isascii() and char.isprintable() else " " for char in text)
    return " ".join(shown.split())[:_MAX_HEADER]


def _later(problem: str) -> Response:
    return _error(503, problem, "Send it again.", {"Retry-After": str(_RETRY_AFTER)})


def _error(
    status: int, error: str, help_: str, headers: Mapping[str, str] | None = None
) -> Response:
    body = json.dumps({"error": error, "help": help_})
    return Response(body, status, headers=headers, content_type="application/json")
