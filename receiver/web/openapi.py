"""``openapi.json``: what the webhooks take and answer, for tools; made of the providers' schemas.

It names no account and says nothing of which are configured: whoever may read it learns what this
installation could receive. What is answered is decided in `webhook`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ..accounts import KEY_PLACES
from ..plugins import provider_classes
from ..providers.base import Provider
from ..providers.payload import Text
from .openapi_pages import PAGES, PROBLEM, PROBLEM_AT
from .webhook import Answer, Environ

if TYPE_CHECKING:
    from apispec import APISpec
    from marshmallow import Schema
    from marshmallow.fields import Field

_VERSION = "3.1.0"
_JSON, _PLAIN = "application/json", "text/plain"
_FORM = "application/x-www-form-urlencoded"
_ABOUT = (
    "The receiving endpoints. A callback is acknowledged as its provider wants it, and also if it"
    " is a resend, or if its body cannot be read: the body is kept then, and the header"
    " `Receiver-Quarantined` says what was wrong. Fields that no provider documents are ignored."
)
_KEY = (
    "The account's API key travels in one of the places that `security` lists, or in the body as"
    " `api_key`."
)
_SCHEMES: Mapping[str, Mapping[str, str]] = {
    "basic": {"type": "http", "scheme": "basic", "description": "The key is the user name."},
    "bearer": {"type": "http", "scheme": "bearer"},
    "api-key": {"type": "apiKey", "in": "header", "name": "api-key"},
    "x-api-key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
    "beem-secure-token": {"type": "apiKey", "in": "header", "name": "beem-secure-token"},
    "query": {"type": "apiKey", "in": "query", "name": "api_key"},
}
_ACCOUNT = {
    "name": "account",
    "in": "path",
    "required": True,
    "description": "The account's name in RECEIVER_ACCOUNTS.",
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"},
}
_TOKEN = {
    "name": "token",
    "in": "path",
    "required": True,
    "description": "The last part of the account's signed URL, which proves who the caller is.",
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,512}$"},
}
_WAIT = {"description": "Seconds until it may be sent again.", "schema": {"type": "integer"}}
_TEXT = {"schema": {"type": "string"}}
_REFUSALS: Mapping[int, tuple[str, Mapping[str, Any]]] = {
    400: ("The body did not arrive whole: send it again.", {}),
    401: ("The caller did not prove who it is.", {"WWW-Authenticate": _TEXT}),
    404: ("There is no such account, or its provider calls nothing back.", {}),
    405: ("Any method but POST.", {"Allow": _TEXT}),
    413: ("The body is larger than RECEIVER_MAX_BODY.", {}),
    503: ("Nothing was stored: send it again.", {"Retry-After": _WAIT}),
}


class OpenApi:
    """The document of one app, made when it is first asked for; ``prefix`` of the webhooks."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._written = lru_cache(maxsize=8)(self._write)

    def page(self, environ: Environ) -> Answer:
        """Give the document."""
        return Answer(200, self._written(str(environ.get("SCRIPT_NAME") or "")))

    def _write(self, root: str) -> bytes:
        document = describe(provider_classes().values(), self._prefix, root)
        return json.dumps(document).encode("ascii")


def describe(providers: Iterable[type[Provider]], prefix: str, root: str = "") -> Mapping[str, Any]:
    """Give the document for these providers; ``root``: where the app itself is mounted."""
    pushing = sorted((found for found in providers if found.pushes), key=lambda found: found.name)
    spec = _empty(root)
    for place, scheme in _SCHEMES.items():
        spec.components.security_scheme(place, dict(scheme))
    spec.components.schema("problem", PROBLEM)
    for status, (why, headers) in _REFUSALS.items():
        content = {_JSON: {"schema": PROBLEM_AT}}
        told = {"description": why, "headers": dict(headers), "content": content}
        spec.components.response(_of(status), told)
    callback = {
        "requestBody": _bodies(spec, pushing),
        "responses": {
            "200": _ack(spec, pushing),
            **{str(status): _of(status) for status in _REFUSALS},
        },
    }
    keyed = {
        "operationId": "callback",
        "summary": "Take a callback; the caller sends a key",
        "description": _KEY,
        "security": [{place: []} for place in KEY_PLACES if place in _SCHEMES],
    }
    signed = {
        "operationId": "callbackBySignedUrl",
        "summary": "Take a callback; its URL is the proof",
        "security": [],
    }
    spec.path(f"{prefix}/{{account}}", parameters=[_ACCOUNT], operations={"post": keyed | callback})
    spec.path(
        f"{prefix}/{{account}}/{{token}}",
        parameters=[_ACCOUNT, _TOKEN],
        operations={"post": signed | callback},
    )
    for name, page in PAGES.items():
        spec.path(f"{prefix}/{name}", operations={"get": dict(page)})
    return spec.to_dict()


def _empty(root: str) -> APISpec:
    from apispec import APISpec
    from apispec.ext.marshmallow import MarshmallowPlugin

    plugin = MarshmallowPlugin()
    servers = {"servers": [{"url": root}]} if root else {}
    info = {"description": _ABOUT}
    spec = APISpec("SMS webhooks", "1", _VERSION, [plugin], info=info, security=[], **servers)
    converter: Any = plugin.converter  # there is one, now that the plugin has a spec
    converter.add_attribute_function(_text)
    return spec


def _text(converter: Any, field: Field[Any], **_: Any) -> dict[str, Any]:
    """Say of our own kind of field what JSON it takes."""
    if not isinstance(field, Text):
        return {}
    return {"type": ["string", "number", *(["null"] if field.allow_none else [])]}


def _bodies(spec: APISpec, providers: Iterable[type[Provider]]) -> dict[str, Any]:
    """Give the bodies: a provider without a schema may send any object."""
    found = [_reference(spec, p.name, "callback", p.callback_schema) for p in providers]
    schema = {"anyOf": [{"type": "object"} if one is None else one for one in found]}
    return {
        "required": True,
        "description": "JSON, or the same as a form, nested names in brackets: `message[text]`.",
        "content": {_JSON: {"schema": schema}, _FORM: {"schema": schema}},
    }


def _ack(spec: APISpec, providers: Iterable[type[Provider]]) -> dict[str, Any]:
    """Give the acks: one without a schema is text, and mostly empty."""
    found = {p.name: _reference(spec, p.name, "ack", p.ack_schema) for p in providers}
    says = [f"{name}: {'text' if schema is None else 'JSON'}" for name, schema in found.items()]
    in_json = [*(schema for schema in found.values() if schema), PROBLEM_AT]
    why = {"description": "Why the body could not be read.", **_TEXT}
    return {
        "description": f"Acknowledged, as each provider wants it. {'; '.join(says)}.",
        "headers": {"Receiver-Quarantined": why},
        "content": {_JSON: {"schema": {"anyOf": in_json}}, _PLAIN: _TEXT},
    }


def _reference(
    spec: APISpec, provider: str, what: str, schema: type[Schema] | None
) -> dict[str, str] | None:
    if schema is None:
        return None
    name = f"{provider}-{what}"
    spec.components.schema(name, schema=schema)
    return {"$ref": f"#/components/schemas/{name}"}


def _of(status: int) -> str:
    """Name the answer of a status, among those that all callbacks share."""
    return f"refused-{status}"
