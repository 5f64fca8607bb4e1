"""How workers live: one queue a process, a supervisor above them, SIGTERM finishes the job at hand.

RQ's own `Worker` pops from several queues so that a kill loses the job, and needs a second process
for its scheduler. These are ours, on RQ's own data: `rq info` and dashboards show them as RQ's.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterable
from uuid import uuid4

from flask import Flask, current_app
from redis.exceptions import RedisError
from rq.serializers import JSONSerializer
from rq.worker import BaseWorker, WorkerStatus

from .clerk import ALIVE_SECONDS, Clerk
from .errors import ConfigurationError
from .store.connection import Connection
from .store.queue import QUEUES, JobMaker

HEARTBEAT_SECONDS = 5.0

_TICK_SECONDS = 0.5
_RESTART_SECONDS = 1.0
_REDIS_PAUSE = 1.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_CONFIGURATION = 78  # sysexits: a worker that ends so is not started again

_log = logging.getLogger(__name__)


class Worker:
    """Work off the queues of an app, in this process; ``queues`` out of `QUEUES`, in order."""

    def __init__(self, app: Flask, queues: Iterable[str] = QUEUES, name: str | None = None) -> None:
        parts = app.extensions["receiver"]
        self._app = app
        self.name = name or uuid4().hex
        connection: Connection = parts.connection.slow(ALIVE_SECONDS / 3)
        self._clerks = [
            Clerk(connection, parts.jobs, queue, self.name, parts.settings.retention)
            for queue in queues
        ]
        self._connection = connection
        self._registry = parts.connection.slow(ALIVE_SECONDS / 3)  # RQ changes its time-outs
        self._rq: BaseWorker | None = None
        self._stopping = threading.Event()
        self._parent = os.getppid()

    def stop(self, *_: object) -> None:
        """Finish the job at hand, then return from `work`; a signal handler, too."""
        self._stopping.set()

    def work(self) -> None:
        """Work until told to stop; an absent Redis is waited for."""
        self._load_handlers()
        pulse = threading.Thread(target=self._beat, daemon=True)
        pulse.start()
        while not self._stopping.is_set():
            try:
                self._sign_on()
                self._work_on(self._clerks[0])
            except RedisError as error:
                _log.error("event=redis_away worker=%s error=%s", self.name, type(error).__name__)
                self._stopping.wait(_REDIS_PAUSE)
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
            while not self._stopping.is_set() and (ran := sum(map(self._once, self._clerks))):
                done += ran
        finally:
            self._sign_off()
        return done

    def _work_on(self, clerk: Clerk) -> None:
        idle = False
        while not self._stopping.is_set():
            job_id = clerk.claim(wait=idle)
            if job_id is None:
                if not idle:
                    self._show(WorkerStatus.IDLE)
                idle = True
                continue
            if idle:
                self._show(WorkerStatus.BUSY)
                idle = False
            self._perform(clerk, job_id)

    def _once(self, clerk: Clerk) -> int:
        job_id = clerk.claim(wait=False)
        if job_id is None:
            return 0
        self._perform(clerk, job_id)
        return 1

    def _perform(self, clerk: Clerk, job_id: str) -> None:
        """Run a job in a context of its own: sessions and the like end with it."""
        with self._app.app_context():
            clerk.perform(job_id)

    def _load_handlers(self) -> None:
        """Load the handlers before the first job; a broken plugin is reported, not fatal."""
        with self._app.app_context():
            table = current_app.extensions["receiver"].loaded.table
        _log.info("event=worker_started worker=%s handlers=%d", self.name, len(list(table)))

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
        self._rq.heartbeat(ALIVE_SECONDS)
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

    def _show(self, state: WorkerStatus) -> None:
        if self._rq is not None:
            self._rq.set_state(state)

    def _beat(self) -> None:
        """Stay alive for the others, and stop if the supervisor is gone."""
        key = f"rq:worker:{self.name}"
        while not self._stopping.wait(HEARTBEAT_SECONDS):
            if os.getppid() != self._parent:
                self.stop()
            try:
                with self._connection.client.pipeline() as pipeline:
                    pipeline.expire(key, ALIVE_SECONDS)
                    pipeline.sismember("rq:workers", key)
                    known = all(pipeline.execute())
                if not known:  # Redis has no memory of us: nobody must take us for dead
                    self._show_up()
            except RedisError:
                continue


class Supervisor:
    """Keep ``processes`` workers for each queue alive, and run what is due, until told to stop."""

    def __init__(self, app: Flask, processes: int = 1) -> None:
        parts = app.extensions["receiver"]
        self._app = app
        self._wanted = [queue for queue in QUEUES for _ in range(processes)]
        self._children: dict[int, tuple[str, str]] = {}
        self._connection: Connection = parts.connection.slow(ALIVE_SECONDS / 3)
        retention = parts.settings.retention
        self._clerks = [
            Clerk(self._connection, parts.jobs, queue, "supervisor", retention) for queue in QUEUES
        ]
        self._stopping = threading.Event()
        self._signals = 0
        self._redis_away = False
        self.refused = False  # whether a worker found the handlers to be misconfigured

    def run(self) -> None:
        """Start the workers and watch them; returns when all have finished their job."""
        for number in _SIGNALS:
            signal.signal(number, self._on_signal)
        for queue in self._wanted:
            self._start(queue)
        beats = 0
        while not self._stopping.wait(_TICK_SECONDS):
            self._reap()
            beats += 1
            self._tick(beat=beats % int(HEARTBEAT_SECONDS / _TICK_SECONDS) == 0)
        self._finish()

    def _on_signal(self, *_: object) -> None:
        """Stop on the first signal; on the second, do not wait for handlers either."""
        self._signals += 1
        self._stopping.set()
        number = signal.SIGTERM if self._signals == 1 else signal.SIGKILL
        for pid in list(self._children):
            os.kill(pid, number)

    def _start(self, queue: str) -> None:
        name = uuid4().hex
        # held back over the fork: our signal handlers must not run in the child
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        pid = os.fork()
        if pid == 0:
            os._exit(_work_in_child(self._app, queue, name))
        self._children[pid] = (queue, name)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        if self._stopping.is_set():  # the signal came before this worker did
            os.kill(pid, signal.SIGTERM)

    def _reap(self) -> None:
        """Replace workers that died; their claims go back at once."""
        for pid, (queue, name) in list(self._children.items()):
            found, status = os.waitpid(pid, os.WNOHANG)
            if not found:
                continue
            del self._children[pid]
            exit_code = os.waitstatus_to_exitcode(status)  # below 0: the signal that killed it
            _log.error("event=worker_died queue=%s exit=%d", queue, exit_code)
            self._forget(name)
            if exit_code == _CONFIGURATION:
                self._on_signal()
                self.refused = True
                return
            if not self._stopping.wait(_RESTART_SECONDS):
                self._start(queue)

    def _forget(self, name: str) -> None:
        try:
            self._connection.client.delete(f"rq:worker:{name}")
            self._clerks[0].release_orphans()
        except RedisError as error:
            _log.error("event=redis_away error=%s", type(error).__name__)

    def _tick(self, *, beat: bool) -> None:
        """Queue what is due; now and then vouch for the workers and look for orphans."""
        try:
            for clerk in self._clerks:
                clerk.release_due()
            if beat:
                for _, name in self._children.values():
                    self._connection.client.expire(f"rq:worker:{name}", ALIVE_SECONDS)
                self._clerks[0].release_orphans()
            self._redis_away = False
        except RedisError as error:
            if not self._redis_away:  # once, and not twice a second
                _log.error("event=redis_away error=%s", type(error).__name__)
            self._redis_away = True

    def _finish(self) -> None:
        for pid in list(self._children):
            os.waitpid(pid, 0)
        _log.info("event=workers_stopped")


def drain(connection: Connection, maker: JobMaker, retention: int) -> None:
    """Run all jobs here and now, in the running app: for tests, without a worker."""
    name = f"inline-{uuid4().hex}"
    clerks = [Clerk(connection, maker, queue, name, retention) for queue in QUEUES]
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    found = True
    while found:
        found = False
        for clerk in clerks:
            job_id = clerk.claim(wait=False)
            if job_id is not None:
                found = True
                with app.app_context():
                    clerk.perform(job_id)


def _work_in_child(app: Flask, queue: str, name: str) -> int:
    """Be one worker process; gives its exit status."""
    worker = Worker(app, [queue], name)
    signal.signal(signal.SIGTERM, worker.stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the supervisor, which asks us
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    try:
        worker.work()
    except ConfigurationError as error:
        _log.error("event=worker_refused reason=%r", str(error))
        return _CONFIGURATION
    except Exception as error:  # noqa: BLE001 - the top of the process
        _log.error("event=worker_crashed queue=%s error=%s", queue, type(error).__name__)
        return 1
    return 0
