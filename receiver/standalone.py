"""The receiver as an app of its own: settings from FLASK_* variables, handlers from a folder."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import click
from flask import Flask
from flask.cli import ScriptInfo
from werkzeug.middleware.proxy_fix import ProxyFix

from .cli import receiver_commands
from .errors import ConfigurationError
from .extension import STANDALONE, Receiver
from .logs import write_to_stderr

_HANDLERS = "handlers"  # the deployment's own folder, beside wsgi.py


def create_app(folder: str | Path | None = None) -> Flask:
    """Make the standalone app; ``folder`` is where ``handlers/`` and ``instance/`` lie.

    Every setting is read from the environment as ``FLASK_RECEIVER_…``, the secret key as
    ``FLASK_SECRET_KEY``. Behind so many proxies as RECEIVER_PROXIES says, the caller is whom they
    name. Raises `ConfigurationError` that names every wrong one.
    """
    root = Path(folder or Path.cwd()).resolve()
    app = Flask(STANDALONE, root_path=str(root), instance_path=str(root / "instance"))
    app.config.from_prefixed_env()
    write_to_stderr(app.config.get("RECEIVER_LOG_FORMAT"))
    sys.path.insert(0, str(root))
    if "RECEIVER_HANDLERS" not in app.config and (root / _HANDLERS).is_dir():
        app.config["RECEIVER_HANDLERS"] = [_HANDLERS]
        _claim_the_name(root / _HANDLERS)
    Receiver(app)
    _trust_proxies(app)
    return app


def main() -> None:
    """Run ``sms-receiver``: the same commands on the standalone app."""
    try:
        receiver_commands.main(
            prog_name="sms-receiver",
            obj=ScriptInfo(create_app=create_app, load_dotenv_defaults=False),
        )
    except ConfigurationError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)


def _trust_proxies(app: Flask) -> None:
    """Believe the last entries of X-Forwarded-*, one for each proxy, and none of a stranger's.

    No prefix: it would move the webhooks, and our proxies set none.
    """
    count = app.extensions["receiver"].settings.proxies
    if count:
        fixed = ProxyFix(app.wsgi_app, x_for=count, x_proto=count, x_host=count, x_prefix=0)
        app.wsgi_app = fixed  # type: ignore[method-assign]


def _claim_the_name(folder: Path) -> None:
    """Let a folder without ``__init__.py`` win over a package of its name elsewhere."""
    if not (folder / "__init__.py").exists():
        package = ModuleType(_HANDLERS)
        package.__path__ = [str(folder)]
        sys.modules[_HANDLERS] = package
