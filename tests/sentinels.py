"""A master, a replica and three sentinels on loopback: real processes that a test may kill."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from conftest import need
from processes import until
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry

HOST = "127.0.0.1"
SERVICE = "shop-1"
DATABASE = 3

_REDIS = """
bind 127.0.0.1
port {port}
dir "{folder}"
save ""
appendonly yes
repl-diskless-sync-delay 0
repl-backlog-size 16mb
"""
_SENTINEL = """
bind 127.0.0.1
port {port}
dir "{folder}"
sentinel monitor {service} 127.0.0.1 {master} 2
sentinel down-after-milliseconds {service} 500
sentinel failover-timeout {service} 2000
"""


class Server:
    """One process of redis-server, as a server or as a sentinel; its port is its own."""

    def __init__(self, folder: Path, config: str, password: str | None, *options: str) -> None:
        self.folder = folder
        self.password = password
        self._options = options
        folder.mkdir()
        try:
            until(lambda: self._start(config), "a server of Redis on a free port")
        except BaseException:
            self.kill()
            raise

    def _start(self, config: str) -> bool:
        """Take a port that is free; another may have it first."""
        with socket.socket() as free:
            free.bind((HOST, 0))
            self.port: int = free.getsockname()[1]
        text = config.format(port=self.port, folder=self.folder)
        (self.folder / "redis.conf").write_text(text)
        self.run()
        until(lambda: self.process.poll() is not None or self._is_up(), "an answer of Redis")
        return self.process.poll() is None

    def run(self) -> None:
        """Start the process; again, where it was killed."""
        command = [need("redis-server"), str(self.folder / "redis.conf"), *self._options]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def kill(self) -> None:
        """End the process as a power cut does."""
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        """Stop the process: the kernel takes connections for it still."""
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let the process go on."""
        os.kill(self.process.pid, signal.SIGCONT)

    @contextmanager
    def client(self) -> Iterator[Redis]:
        """Give a client of this very process."""
        redis = Redis(
            host=HOST,
            port=self.port,
            db=0 if self._options else DATABASE,
            password=self.password,
            decode_responses=True,
            socket_timeout=5,
            retry=Retry(NoBackoff(), 0),
        )
        with redis:
            yield redis

    def ask(self, *command: str) -> Any:
        """Run a command; ``None`` where there is no answer."""
        try:
            with self.client() as client:
                return client.execute_command(*command)
        except RedisError:
            return None

    def _is_up(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.info("server")["process_id"] == self.process.pid)
        except RedisError:
            return False


class SentinelSet:
    """The whole of it; ``master`` and ``replica`` are named after what they were at first."""

    def __init__(self, folder: Path, password: str | None, replicas: int) -> None:
        secret = f'requirepass "{password}"\nmasterauth "{password}"\n' if password else ""
        self.folder = folder
        self.password = password
        self.servers: list[Server] = []
        self.sentinels: list[Server] = []
        self._secret = secret
        try:
            self.master = self._serve("master", _REDIS + secret)
            for _ in range(replicas):
                self.add_replica()
            self._watch(secret)
        except BaseException:
            self.stop()
            raise

    def add_replica(self) -> Server:
        """Start another server that follows the master of the beginning, and wait for it."""
        config = f"{_REDIS}{self._secret}replicaof {HOST} {self.master.port}\n"
        count = len(self.servers)
        replica = self._serve(f"replica{count}", config)
        until(lambda: len(self.master.ask("ROLE")[2]) == count, "the replica")
        until(lambda: replica.ask("ROLE")[3] == "connected", "the replica to have read all")
        return replica

    def _serve(self, name: str, config: str) -> Server:
        server = Server(self.folder / name, config, self.password)
        self.servers.append(server)
        return server

    def _watch(self, secret: str) -> None:
        config = _SENTINEL.replace("{service}", SERVICE).replace("{master}", str(self.master.port))
        if self.password:
            config += f'requirepass "{self.password}"\n'
            config += f'sentinel auth-pass {SERVICE} "{self.password}"\n'
        for number in range(3):
            folder = self.folder / f"sentinel{number}"
            self.sentinels.append(Server(folder, config, self.password, "--sentinel"))
        until(self._is_complete, "the sentinels to know each other and the replica")

    def _is_complete(self) -> bool:
        replicas = str(len(self.servers) - 1)
        wanted = {"num-slaves": replicas, "num-other-sentinels": "2", "flags": "master"}
        return all(wanted.items() <= _state(sentinel).items() for sentinel in self.sentinels)

    @property
    def replica(self) -> Server:
        """The replica of the beginning."""
        return self.servers[1]

    @property
    def url(self) -> str:
        """The URL as a user writes it in RECEIVER_REDIS_URL."""
        secret = f":{self.password}@" if self.password else ""
        options = f"?sentinel_password={self.password}" if self.password else ""
        hosts = ",".join(f"{HOST}:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{secret}{hosts}/{SERVICE}/{DATABASE}{options}"

    def current_master_port(self) -> int | None:
        """Give the port that all living sentinels call the master's; ``None`` where they differ."""
        living = [sentinel for sentinel in self.sentinels if sentinel.process.poll() is None]
        ports = {_state(sentinel).get("port") for sentinel in living}
        (port, *others) = ports
        return int(port) if port and not others else None

    def current_master(self) -> Server:
        """Wait until the sentinels agree on the master, and it says so as well."""
        return until(self._settled, "one master")  # type: ignore[no-any-return]

    def _settled(self) -> Server | None:
        port = self.current_master_port()
        for server in self.servers:
            if server.port == port and (server.ask("ROLE") or [None])[0] == "master":
                return server
        return None

    def kill_master(self) -> Server:
        """Kill the current master, and give it; nobody waits for the failover."""
        master = self.current_master()
        master.kill()
        return master

    def failover(self) -> Server:
        """Let the sentinels change the master while it lives; gives the new one."""
        old = self.current_master()
        until(self._begin_failover, "a failover to begin")
        until(lambda: self.current_master_port() not in (None, old.port), "the failover")
        return self.current_master()

    def _begin_failover(self) -> bool:
        with self.sentinels[0].client() as client:
            try:
                client.execute_command("SENTINEL FAILOVER", SERVICE)
            except ResponseError:
                return False
            return True

    def stop(self) -> None:
        """Kill whatever is left; a frozen process dies of it as well."""
        for server in (*self.sentinels, *self.servers):
            server.kill()


@contextmanager
def sentinel_set(password: str | None = None, replicas: int = 1) -> Iterator[SentinelSet]:
    """Run a set in a folder of its own, and stop it."""
    folder = Path(tempfile.mkdtemp(prefix="rcv"))
    try:
        found = SentinelSet(folder, password, replicas)
        try:
            yield found
        finally:
            found.stop()
    finally:
        shutil.rmtree(folder)


def _state(sentinel: Server) -> dict[str, str]:
    """What a sentinel knows of the master; empty where it does not answer."""
    pairs = sentinel.ask("SENTINEL", "MASTER", SERVICE)
    if isinstance(pairs, dict):
        return {str(name): str(value) for name, value in pairs.items()}
    return dict(zip(pairs[::2], pairs[1::2], strict=True)) if pairs else {}
