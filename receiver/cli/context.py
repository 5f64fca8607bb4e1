"""What commands stand on: the parts of the running app, and where their log lines go."""

from __future__ import annotations

import logging
from typing import Any

from flask import Flask, current_app


def parts() -> Any:
    """Give the `Deployment` of the running app."""
    return current_app.extensions["receiver"]


def app() -> Flask:
    """Give the running app itself."""
    found: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    return found


def log_to_stderr() -> None:
    """Show our log lines where the app has not set up logging itself."""
    logger = logging.getLogger("receiver")
    if not logger.hasHandlers():
        logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # its lines show whole URLs
