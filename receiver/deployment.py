"""`Deployment`: all parts of one app's receiver, made of its settings; only wiring."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Flask

from .accounts import Account
from .answerers import Answerers
from .chores import Chores
from .dispatch import Dispatch
from .handling import Handling
from .intake import Intake
from .outbox import Outbox
from .plugins import Loaded, load_handlers, provider_classes
from .polling import Polling
from .providers.base import Provider
from .reconcile import Reconciler
from .routing import Router
from .security import Door
from .sending import Sending
from .settings import Settings, load_settings
from .signing import IssuedKeys, Seal, SignedUrls
from .silence import Silence
from .store.connection import Connection
from .store.conversations import Conversations
from .store.deadletters import DeadLetters
from .store.figures import Figures
from .store.journal import Journal
from .store.keybook import KeyBook
from .store.keyring import Keyring
from .store.levels import Level
from .store.optouts import OptOuts
from .store.quarantine import Quarantine
from .store.queue import JobMaker
from .store.sends import Sends
from .store.sentbox import SentBox
from .store.spool import Spool
from .store.tally import Tally
from .vault import Vault
from .web.health import Health
from .web.metrics import Metrics
from .web.patience import Patience
from .web.webhook import Webhooks

if TYPE_CHECKING:
    from .jobs import Desk
    from .privacy import Places

_GLANCE = 0.5  # seconds that Redis may take to answer those who only look


class Deployment:
    """All parts of one app's receiver; handlers are loaded on first use, which is the worker's.

    So is what only workers run: `jobs` and `worker` are imported by those who ask for them.
    """

    def __init__(self, app: Flask, own: Router) -> None:
        classes = provider_classes()
        schemas = {name: found.account_schema for name, found in classes.items()}
        self.settings: Settings = load_settings(app.config, schemas, Path(app.instance_path))
        self.own = own
        self.urls = SignedUrls(self.settings.secret_keys)
        self.connection = Connection(self.settings.redis_url)
        self.vault = Vault(self.settings.encryption_keys, self.settings.secret_keys)
        namespace = self.settings.namespace
        self.jobs = JobMaker(namespace, Seal(self.settings.secret_keys))
        self._open_stores(namespace, self.settings.retention)
        self.spool = Spool(self.settings.spool_dir)
        self.intake = Intake(
            self.connection,
            self.jobs,
            self.settings.retentions,
            self.spool,
            self.tally,
            self._run_inline if self.settings.inline else None,
            self.settings.consent.asked,
            self.vault,
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
        self.webhooks = Webhooks(self.providers, self.intake, self.settings.max_body, self.tally)
        self.outbox = Outbox(self.journal, self.providers, self.optouts, self.sentbox, self.tally)
        self.spool.prepare()
        self.intake.watch_spool()

    def _open_stores(self, namespace: str, retention: int) -> None:
        """Make all that is kept in Redis; nothing is connected before it is used."""
        self.tally = Tally(self.connection, namespace)
        self.figures = Figures(self.connection, namespace)
        self.journal = Journal(self.connection, namespace, retention, self.vault)
        self.quarantine = Quarantine(self.connection, namespace, self.vault)
        self.deadletters = DeadLetters(self.connection, self.jobs, self.journal)
        self.optouts = OptOuts(self.connection, namespace, self.vault)
        self.sentbox = SentBox(self.connection, namespace, retention, self.vault)
        self.sends = Sends(self.connection, namespace, retention, self.vault)
        self.conversations = Conversations(self.connection, namespace, self.vault)

    @cached_property
    def glance(self) -> Connection:
        """A connection for those who only look: they are told soon that Redis does not answer."""
        return self.connection.slow(_GLANCE)

    @cached_property
    def patience(self) -> Patience:
        """What those who only look ask first: whether they would wait for Redis in vain."""
        return Patience(self.glance, lambda: self.intake.outage.open)

    @cached_property
    def health(self) -> Health:
        """What a load balancer and a monitor are told."""
        return Health(
            connection=self.glance,
            level=Level(self.glance, self.jobs),
            namespace=self.settings.namespace,
            spool=self.spool,
            folder=self.settings.spool_dir,
        )

    @cached_property
    def metrics(self) -> Metrics:
        """What Prometheus is told."""
        return Metrics(
            token=self.settings.metrics_token,
            tally=self.tally,
            figures=Figures(self.glance, self.settings.namespace),
            patience=self.patience,
            level=Level(self.glance, self.jobs),
            spool=self.spool,
            folder=self.settings.spool_dir,
        )

    @cached_property
    def sending(self) -> Sending:
        """The way out for the app's own SMS; see `receiver.sending`."""
        return Sending(
            providers=self.providers,
            sends=self.sends,
            optouts=self.optouts,
            sentbox=self.sentbox,
            tally=self.tally,
        )

    @cached_property
    def reconciler(self) -> Reconciler:
        """What asks providers for what no webhook brought."""
        settings = self.settings
        return Reconciler(
            self.providers, self.intake, self.connection, settings.namespace, settings.retentions
        )

    @cached_property
    def silence(self) -> Silence:
        """What hears that an account fell silent."""
        return Silence(
            self.connection, self.settings.namespace, self.providers, self.journal, self.intake
        )

    @cached_property
    def chores(self) -> Chores:
        """What is done now and then."""
        return Chores(
            connection=self.connection,
            jobs=self.jobs,
            polling=Polling(self.sentbox, self.providers, self.intake),
            reconciler=self.reconciler,
            silence=self.silence,
            every=self.settings.reconcile,
        )

    @cached_property
    def places(self) -> Places:
        """Where numbers may be, for `receiver.privacy`."""
        from .privacy import Places

        return Places(
            connection=self.connection,
            namespace=self.settings.namespace,
            vault=self.vault,
            accounts=frozenset(self.settings.accounts),
            intake=self.intake,
            spool=self.spool,
            deadletters=self.deadletters,
            conversations=self.conversations,
            optouts=self.optouts,
            consent=self.settings.consent,
            answerers=Answerers(self.sentbox),
        )

    @cached_property
    def loaded(self) -> Loaded:
        """The handlers of this app, loaded now if they were not; see `plugins.load_handlers`."""
        return load_handlers(self.settings.handlers, [self.own])

    @cached_property
    def desk(self) -> Desk:
        """What the jobs of this app work with."""
        from .jobs import Desk

        return Desk(
            journal=self.journal,
            outbox=self.outbox,
            jobs=self.jobs,
            loaded=self.loaded,
            chores=self.chores,
            dispatch=self._dispatch,
            handling=Handling(
                journal=self.journal,
                outbox=self.outbox,
                jobs=self.jobs,
                tally=self.tally,
                retries=self.settings.retries,
            ),
        )

    @property
    def _dispatch(self) -> Dispatch:
        return Dispatch(
            table=self.loaded.table,
            consent=self.settings.consent,
            optouts=self.optouts,
            conversations=self.conversations,
            answerers=Answerers(self.sentbox),
            journal=self.journal,
            heard=self.silence.heard,
        )

    def _door(self, account: Account) -> Door:
        return Door(account, self.urls, partial(self.keyring.takes, account.name))

    def _run_inline(self) -> None:
        from .worker import drain

        drain(self.connection, self.jobs, self.settings.retention)
