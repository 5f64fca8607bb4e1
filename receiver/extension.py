"""`Receiver`, the Flask extension: settings in, webhooks mounted, commands registered; only wiring.

What belongs to one app is a `Deployment` in ``app.extensions["receiver"]``: one `Receiver` object
may serve several apps, and two apps never see each other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Unpack

from flask import Blueprint, Flask, current_app

from . import jobs, worker
from .accounts import Account
from .cli import receiver_commands
from .dispatch import Dispatch
from .errors import ConfigurationError
from .events import Status
from .handling import Handling
from .intake import Intake
from .outbox import Outbox
from .plugins import Loaded, load_handlers, provider_classes
from .providers.base import Provider
from .routing import M, Options, R, Router, W
from .security import Door
from .settings import Settings, load_settings
from .signing import IssuedKeys, Seal, SignedUrls
from .store.connection import Connection
from .store.deadletters import DeadLetters
from .store.journal import Journal
from .store.keybook import KeyBook
from .store.keyring import Keyring
from .store.optouts import OptOuts
from .store.quarantine import Quarantine
from .store.queue import JobMaker
from .store.spool import Spool
from .web.webhook import webhook_blueprint

EXTENSION = "receiver"
STANDALONE = "sms_receiver"  # the import name of the app that `standalone` makes


class Deployment:
    """All parts of one app's receiver; handlers are loaded on first use, which is the worker's."""

    def __init__(self, app: Flask, own: Router) -> None:
        classes = provider_classes()
        schemas = {name: found.account_schema for name, found in classes.items()}
        self.settings: Settings = load_settings(app.config, schemas, Path(app.instance_path))
        self.own = own
        self.urls = SignedUrls(self.settings.secret_keys)
        self.connection = Connection(self.settings.redis_url)
        namespace, retention = self.settings.namespace, self.settings.retention
        self.jobs = JobMaker(namespace, Seal(self.settings.secret_keys))
        self.spool = Spool(self.settings.spool_dir)
        self.intake = Intake(
            self.connection,
            self.jobs,
            retention,
            self.spool,
            self._run_inline if self.settings.inline else None,
        )
        issued = IssuedKeys(self.settings.secret_keys)
        self.keybook = KeyBook(self.connection, namespace, issued)
        self.keyring = Keyring(
            self.connection, namespace, issued, self.intake.outage, self.settings.spool_dir
        )
        self.providers: Mapping[str, Provider] = {
            account.name: classes[account.provider](account, self._door(account))
            for account in self.settings.accounts.values()
        }
        self.journal = Journal(self.connection, namespace, retention)
        self.quarantine = Quarantine(self.connection, namespace)
        self.deadletters = DeadLetters(self.connection, self.jobs, self.journal)
        self.optouts = OptOuts(self.connection, namespace)
        self.outbox = Outbox(self.journal, self.providers, self.optouts)
        self.spool.prepare()
        self.intake.watch_spool()

    @cached_property
    def loaded(self) -> Loaded:
        """The handlers of this app, loaded now if they were not; see `plugins.load_handlers`."""
        return load_handlers(self.settings.handlers, [self.own])

    @cached_property
    def desk(self) -> jobs.Desk:
        """What the jobs of this app work with."""
        return jobs.Desk(
            journal=self.journal,
            outbox=self.outbox,
            jobs=self.jobs,
            loaded=self.loaded,
            dispatch=Dispatch(table=self.loaded.table),
            handling=Handling(
                journal=self.journal,
                outbox=self.outbox,
                jobs=self.jobs,
                retries=self.settings.retries,
            ),
        )

    def _door(self, account: Account) -> Door:
        return Door(account, self.urls, partial(self.keyring.takes, account.name))

    def _run_inline(self) -> None:
        worker.drain(self.connection, self.jobs, self.settings.retention)


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
        self.blueprint = webhook_blueprint(
            deployment.providers, deployment.intake, settings.max_body, settings.url_prefix
        )
        app.register_blueprint(self.blueprint)
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

    def fallback(self, **options: Unpack[Options]) -> Callable[[M], M]:
        """See `Router.fallback`."""
        return self.router.fallback(**options)

    def every(self, **options: Unpack[Options]) -> Callable[[W], W]:
        """See `Router.every`."""
        return self.router.every(**options)

    def report(self, *statuses: Status, **options: Unpack[Options]) -> Callable[[R], R]:
        """See `Router.report`."""
        return self.router.report(*statuses, **options)
