"""How a worker lives: signed on, it claims and runs one job after the other, until it is stopped.

RQ's own `Worker` pops from several queues so that a kill loses the job, and needs a second process
for its scheduler. These are ours, on RQ's own data: `rq info` and dashboards show them as RQ's.
"""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from uuid import uuid4

from flask import Flask, current_app
from redis.exceptions import RedisError
from rq.serializers import JSONSerializer
from rq.worker import BaseWorker, WorkerStatus

from .clerk import ALIVE_SECONDS, Clerk
from .errors import without_values
from .store.claims import Claimed
from .store.connection import Connection
from .store.levels import PROOF, UNLOADED
from .store.queue import QUEUES, JobMaker
from .sweeper import Sweeper

HEARTBEAT_SECONDS = 5.0

_LOOK_SECONDS = 0.1  # how long a job may take before what is claimed behind it is given back
_REDIS_PAUSE = 1.0

_log = logging.getLogger(__name__)


class Worker:
    """Work off the queues of an app, in this process; ``queues`` out of `QUEUES`, in order."""

    def __init__(self, app: Flask, queues: Iterable[str] = QUEUES, name: str | None = None) -> None:
        parts = app.extensions["receiver"]
        self._app = app
        self.name = name or uuid4().hex
        retention = parts.settings.retention
        connection: Connection = parts.connection.slow(ALIVE_SECONDS / 3)
        self._clerks = [
            Clerk(connection, parts.jobs, queue, self.name, retention, patience=math.inf)
            for queue in queues
        ]
        self._connection = connection
        self._sweeper = Sweeper(
            connection, parts.jobs, parts.settings.retentions, parts.settings.raw_retention
        )
        self._chores = parts.chores
        self._registry = parts.connection.slow(ALIVE_SECONDS / 3)  # RQ changes its time-outs
        self._rq: BaseWorker | None = None
        self._shown: WorkerStatus | None = None
        self._busy = False
        self._unloaded = 0
        self._proof = parts.jobs.proof
        self._stopping = threading.Event()
        self._parent: int | None = None

    def stop(self, *_: object) -> None:
        """Finish the job at hand, then return from `work`; a signal handler, too."""
        self._stopping.set()

    def work(self) -> None:
        """Work until told to stop; an absent Redis is waited for."""
        self._load_handlers()
        self._parent = os.getppid()
        with self._pulse():
            self._work_until_stopped()
        self._sign_off()

    def burst(self) -> int:
        """Work until all queues are empty; gives how many jobs were run."""
        self._load_handlers()
        self._sign_on()
        done = 0
        try:
            for clerk in self._clerks:
                clerk.release_orphans()
                clerk.release_due()
            self._sweeper.sweep()
            self._chores.queue_polls()
            with self._pulse():
                while not self._stopping.is_set() and (ran := sum(map(self._once, self._clerks))):
                    done += ran
        finally:
            self._sign_off()
        return done

    def _work_until_stopped(self) -> None:
        told = False
        while not self._stopping.is_set():
            try:
                self._sign_on()
                told = False
                self._work_on(self._clerks[0])
            except RedisError as error:
                if not told:  # once, and not each second
                    name = type(error).__name__
                    _log.error("event=redis_away worker=%s error=%s", self.name, name)
                told = True
                self._stopping.wait(_REDIS_PAUSE)

    def _work_on(self, clerk: Clerk) -> None:
        while not self._stopping.is_set():
            job = clerk.claim(wait=not self._busy)
            self._busy = job is not None
            if job is not None:
                self._perform(clerk, job)

    def _once(self, clerk: Clerk) -> int:
        """Run what a clerk claims at once."""
        done = 0
        while not self._stopping.is_set() and (job := clerk.claim(wait=False)) is not None:
            self._busy = True
            self._perform(clerk, job)
            done += 1
            if not clerk.has_more:
                break
        clerk.settle()
        return done

    def _perform(self, clerk: Clerk, job: Claimed) -> None:
        """Run a job in a context of its own: sessions and the like end with it."""
        with self._app.app_context():
            clerk.perform(job)

    def _load_handlers(self) -> None:
        """Load the handlers before the first job; a broken plugin is reported, not fatal."""
        with self._app.app_context():
            loaded = current_app.extensions["receiver"].loaded
        self._unloaded = len(loaded.failures)
        handlers = len(list(loaded.table))
        _log.info("event=worker_started worker=%s handlers=%d", self.name, handlers)

    def _sign_on(self) -> None:
        """Show up in RQ's registry, and give back what an earlier trouble left claimed."""
        for clerk in self._clerks:
            clerk.sign_off()
        self._show_up()

    def _show_up(self) -> None:
        names = [clerk.queue for clerk in self._clerks]
        client = self._registry.client
        self._rq = BaseWorker(names, name=self.name, connection=client, serializer=JSONSerializer)
        client.delete(self._rq.key)
        self._rq.register_birth()  # type: ignore[no-untyped-call]
        told = {UNLOADED: self._unloaded, PROOF: self._proof}  # for whoever looks from outside
        client.hset(self._rq.key, mapping=told)
        self._rq.heartbeat(ALIVE_SECONDS)
        self._shown = None
        for clerk in self._clerks:
            clerk.sign_on()

    def _sign_off(self) -> None:
        try:
            for clerk in self._clerks:
                clerk.sign_off()
            if self._rq is not None:
                self._rq.register_death()  # type: ignore[no-untyped-call]
        except RedisError as error:
            _log.warning("event=sign_off_failed error=%s", type(error).__name__)

    @contextmanager
    def _pulse(self) -> Iterator[None]:
        """Have a thread beside the block that shows life, and lets no job wait for a slow one."""
        ended = threading.Event()
        thread = threading.Thread(target=self._beat, args=[ended], daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _beat(self, ended: threading.Event) -> None:
        """Look now and then at how the work goes; stay alive for the others meanwhile."""
        due = time.monotonic() + HEARTBEAT_SECONDS
        while not ended.wait(_LOOK_SECONDS):
            try:
                self._look()
                if time.monotonic() >= due:
                    due = time.monotonic() + HEARTBEAT_SECONDS
                    self._show_life()
            except RedisError:
                continue
            except Exception as error:  # noqa: BLE001 - the top of the thread, which must go on
                _log.error("event=heartbeat_failed", exc_info=without_values(error))

    def _look(self) -> None:
        """Give back what waits behind a slow job, and say whether we work.

        It is said from here, and not as each job begins and ends: that would be two round trips.
        """
        for clerk in self._clerks:
            clerk.give_back_if_slow()
        state = WorkerStatus.BUSY if self._busy else WorkerStatus.IDLE
        if self._rq is not None and self._shown != state:
            self._rq.set_state(state)
            self._shown = state

    def _show_life(self) -> None:
        """Stay alive for the others, and stop if the supervisor is gone."""
        if self._parent not in (None, os.getppid()):
            self.stop()
        key = f"rq:worker:{self.name}"
        with self._connection.client.pipeline() as pipeline:
            pipeline.expire(key, ALIVE_SECONDS)
            pipeline.sismember("rq:workers", key)
            known = all(pipeline.execute())
        for clerk in self._clerks:
            clerk.sign_on()  # whoever took us for dead, while we were stopped, forgot our claims
        if not known:  # Redis has no memory of us: nobody must take us for dead
            self._show_up()


def drain(connection: Connection, maker: JobMaker, retention: int) -> None:
    """Run all jobs here and now, in the running app: for tests, without a worker."""
    name = f"inline-{uuid4().hex}"
    clerks = [Clerk(connection, maker, queue, name, retention) for queue in QUEUES]
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    for clerk in clerks:
        clerk.release_due()
    found = True
    while found:
        found = False
        for clerk in clerks:
            job = clerk.claim(wait=False)
            if job is not None:
                found = True
                with app.app_context():
                    clerk.perform(job)
