"""What openapi.json says of the pages beside the webhooks; what they answer is their own files'."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_JSON = "application/json"
_STATUS = {"type": "string", "enum": ["ok", "degraded", "down"]}
_CHECK = {
    "type": "object",
    "required": ["state", "mend"],
    "properties": {
        "state": {"type": "string"},
        "mend": {"type": "string", "description": "What to do; empty where all is well."},
    },
}
_HEALTH = {
    "type": "object",
    "required": ["status", "says", "checks"],
    "properties": {
        "status": _STATUS,
        "says": {"type": "string"},
        "checks": {"type": "object", "additionalProperties": _CHECK},
    },
}
_LIVE = {"type": "object", "required": ["status"], "properties": {"status": {"const": "ok"}}}

PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "What is wrong, and what to do.",
    "required": ["error", "help"],
    "properties": {"error": {"type": "string"}, "help": {"type": "string"}},
}
PROBLEM_AT = {"$ref": "#/components/schemas/problem"}


def _answer(why: str, schema: Mapping[str, Any], content_type: str = _JSON) -> dict[str, Any]:
    return {"description": why, "content": {content_type: {"schema": schema}}}


# By name: each answers GET and HEAD.
PAGES: Mapping[str, Mapping[str, Any]] = {
    "live": {
        "operationId": "live",
        "summary": "Whether this process answers",
        "responses": {"200": _answer("It does.", _LIVE)},
    },
    "ready": {
        "operationId": "ready",
        "summary": "How the service is",
        "responses": {
            "200": _answer(
                "Callbacks are accepted, though something may have to be done.", _HEALTH
            ),
            "503": _answer("Callbacks are turned away.", _HEALTH),
        },
    },
    "metrics": {
        "operationId": "metrics",
        "summary": "All figures, for Prometheus",
        "description": "RECEIVER_METRICS_TOKEN as Bearer; without one, only this machine reads.",
        "security": [{"bearer": []}, {}],
        "responses": {
            "200": _answer("The figures.", {"type": "string"}, "text/plain"),
            "401": _answer("The caller may not read them.", PROBLEM_AT),
        },
    },
    "openapi.json": {
        "operationId": "openapi",
        "summary": "This document",
        "responses": {"200": _answer("OpenAPI 3.1.", {"type": "object"})},
    },
}
