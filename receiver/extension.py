"""`Receiver`, the Flask extension: settings in, webhooks mounted, commands registered; only wiring.

What belongs to one app is a `Deployment` in ``app.extensions["receiver"]``: one `Receiver` object
may serve several apps, and two apps never see each other.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Unpack

from flask import Blueprint, Flask, current_app

from .cli import receiver_commands
from .deployment import Deployment
from .errors import ConfigurationError
from .events import Status
from .routing import A, M, Options, R, Router, W
from .web.blueprint import webhook_blueprint
from .web.front import open_front
from .web.openapi import OpenApi
from .web.pages import add_page

EXTENSION = "receiver"
STANDALONE = "sms_receiver"  # the import name of the app that `standalone` makes


class Receiver:
    """Receive SMS webhooks in a Flask app.

    >>> from flask import Flask
    >>> app = Flask("shop")
    >>> app.secret_key = "long and random"
    >>> app.config["RECEIVER_ACCOUNTS"] = {"lefoka": {"api_key": "pk_…", "api_secret": "…"}}
    >>> receiver = Receiver(app)
    >>> @receiver.keyword("BALANCE")
    ... def balance(message) -> str:
    ...     return "You have 5 left."

    Raises `ConfigurationError` that names every wrong setting.
    """

    def __init__(self, app: Flask | None = None) -> None:
        self.router = Router("app")
        self.blueprint: Blueprint | None = None
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Check the app's RECEIVER_* settings, mount the webhooks and register the commands."""
        if EXTENSION in app.extensions:
            raise ConfigurationError(f"the app {app.name} has a Receiver already")
        deployment = Deployment(app, self.router)
        settings = deployment.settings
        if settings.proxies and app.import_name != STANDALONE:
            raise ConfigurationError(
                "RECEIVER_PROXIES: is for the standalone app; wrap app.wsgi_app in Werkzeug's"
                " ProxyFix"
            )
        webhooks = deployment.webhooks
        self.blueprint = webhook_blueprint(webhooks, settings.url_prefix)
        add_page(self.blueprint, "live", lambda environ: self.current().health.live(environ))
        add_page(self.blueprint, "ready", lambda environ: self.current().health.ready(environ))
        add_page(self.blueprint, "metrics", lambda environ: self.current().metrics.page(environ))
        add_page(self.blueprint, "openapi.json", OpenApi(settings.url_prefix).page)
        app.register_blueprint(self.blueprint)
        if settings.inbox_password or settings.inbox_guard:
            from .web.inbox import inbox_blueprint  # templates and more, for those who look

            app.register_blueprint(inbox_blueprint(deployment))
        if not settings.inline:  # what runs the jobs there needs the app's context
            open_front(app, webhooks, settings.url_prefix)
        app.cli.add_command(receiver_commands)
        app.extensions[EXTENSION] = deployment

    @staticmethod
    def current() -> Deployment:
        """Give the parts of the running app: its journal, opt-outs and providers."""
        found: Deployment = current_app.extensions[EXTENSION]
        return found

    def keyword(self, *words: str, **options: Unpack[Options]) -> Callable[[M], M]:
        """See `Router.keyword`."""
        return self.router.keyword(*words, **options)

    def matching(
        self, pattern: str | re.Pattern[str], **options: Unpack[Options]
    ) -> Callable[[M], M]:
        """See `Router.matching`."""
        return self.router.matching(pattern, **options)

    def expects(self, name: str, **options: Unpack[Options]) -> Callable[[M], M]:
        """See `Router.expects`."""
        return self.router.expects(name, **options)

    def opted_out(self, **options: Unpack[Options]) -> Callable[[M], M]:
        """See `Router.opted_out`."""
        return self.router.opted_out(**options)

    def opted_in(self, **options: Unpack[Options]) -> Callable[[M], M]:
        """See `Router.opted_in`."""
        return self.router.opted_in(**options)

    def alarm(self, **options: Unpack[Options]) -> Callable[[A], A]:
        """See `Router.alarm`."""
        return self.router.alarm(**options)

    def fallback(self, **options: Unpack[Options]) -> Callable[[M], M]:
        """See `Router.fallback`."""
        return self.router.fallback(**options)

    def every(self, **options: Unpack[Options]) -> Callable[[W], W]:
        """See `Router.every`."""
        return self.router.every(**options)

    def report(self, *statuses: Status, **options: Unpack[Options]) -> Callable[[R], R]:
        """See `Router.report`."""
        return self.router.report(*statuses, **options)
