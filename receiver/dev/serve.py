"""What `up` gives to its web server: the very app that its own command found."""

from __future__ import annotations

import importlib
import logging
import os

from flask import Flask
from flask.cli import ScriptInfo


def standalone_app() -> Flask:
    """Make the standalone app, as ``wsgi.py`` does; the layer above ours has it, hence by name."""
    _log_to_stderr()
    app: Flask = importlib.import_module("receiver.standalone").create_app()
    return app


def mounted_app() -> Flask:
    """Load the app as ``flask`` does: FLASK_APP, or else ``wsgi.py`` or ``app.py``."""
    _log_to_stderr()
    return ScriptInfo(app_import_path=os.environ.get("FLASK_APP")).load_app()


def _log_to_stderr() -> None:
    """Write lines that `up` can pick warnings out of, unless the app does its own logging."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
