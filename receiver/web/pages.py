"""Pages of ours beside the webhooks, for machines: where they are mounted, and how they say no.

What a page answers is its own file's business.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response
from flask.globals import request_ctx

from .webhook import Answer, Environ

Page = Callable[[Environ], Answer]

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


def add_page(blueprint: Blueprint, name: str, page: Page) -> None:
    """Mount a page under the webhooks' prefix; it answers GET and HEAD, and 405 to all else."""

    def view() -> Response:
        environ = request_ctx.request.environ
        reads = environ["REQUEST_METHOD"] in ("GET", "HEAD")
        answer = page(environ) if reads else refuse(405, "This page is read.", "Use GET.", _ALLOW)
        return Response(
            answer.body, answer.status, dict(answer.headers), content_type=answer.content_type
        )

    options: dict[str, Any] = {"methods": _METHODS, "provide_automatic_options": False}
    endpoint = name.replace(".", "_")
    blueprint.add_url_rule(f"/{name}", endpoint, view, strict_slashes=False, **options)


_ALLOW = ("Allow", "GET, HEAD")


def refuse(status: int, error: str, help_: str, *headers: tuple[str, str]) -> Answer:
    """Make an answer that says what is wrong, and what to do."""
    body = json.dumps({"error": error, "help": help_}).encode("ascii")
    return Answer(status, body, headers=(*headers, *UNCACHED))


UNCACHED = (("Cache-Control", "no-store"),)
