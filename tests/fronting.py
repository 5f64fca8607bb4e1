"""Requests as a server hands them over, to see which way they take."""

from __future__ import annotations

from typing import Any

from conftest import SMSBOX_KEY
from flask import Flask
from support import BODY, PATH
from werkzeug.test import EnvironBuilder, run_wsgi_app

Answer = tuple[str, dict[str, str], bytes]
GOOD = {"x-api-key": SMSBOX_KEY}


def answer_of(app: Flask, path: str = PATH, **options: Any) -> Answer:
    """Send a request as a server hands it over; gives status line, headers and body."""
    options = {"method": "POST", "data": BODY, "headers": GOOD, **options}
    environ = EnvironBuilder(path, **options).get_environ()
    body, status, headers = run_wsgi_app(app, environ, buffered=True)
    return status, dict(headers), b"".join(body)


def begun(app: Flask) -> Flask:
    """Give an app that has had its first request, which always goes Flask's way."""
    assert answer_of(app, "/elsewhere", method="GET", data=None)[0] == "404 NOT FOUND"
    return app
