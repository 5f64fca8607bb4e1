"""The embedded Redis: its own, durable, and gone with the process that started it."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError
from upping import clean_environment, eventually

from receiver.dev.folder import Folder
from receiver.dev.parts import Part, PartDied, Parts, Stopped
from receiver.dev.redis import EmbeddedRedis
from receiver.errors import ReceiverError

PARENT = """
import sys
from receiver.dev.folder import Folder
from receiver.dev.parts import Parts
from receiver.dev.redis import EmbeddedRedis

folder = Folder(sys.argv[1])
lock = folder.lock()
with Parts() as parts:
    redis = EmbeddedRedis(folder)
    redis.start(parts, lock)
    print(redis.url, parts.warden, flush=True)
    sys.stdin.read()
"""


@contextmanager
def embedded(path: Path) -> Iterator[tuple[Redis, Parts, Part]]:
    folder = Folder(path)
    redis = EmbeddedRedis(folder)
    lock = folder.lock()
    try:
        with Parts() as parts:
            part = redis.start(parts, lock)
            with Redis.from_url(redis.url, decode_responses=True) as client:
                yield client, parts, part
    finally:
        folder.unlock()


def answers(url: str) -> bool:
    try:
        with Redis.from_url(url) as client:
            return bool(client.ping())
    except RedisError:
        return False


def test_what_was_written_is_there_the_next_time(tmp_path: Path) -> None:
    with embedded(tmp_path) as (client, *_):
        assert client.config_get("append*")["appendonly"] == "yes"
        assert client.config_get("append*")["appendfsync"] == "everysec"
        assert client.config_get("port")["port"] == "0"
        client.set("kept", "yes")
    with embedded(tmp_path) as (client, *_):
        assert client.get("kept") == "yes"


def test_the_socket_is_ours_alone_and_short_however_deep_the_folder_lies(tmp_path: Path) -> None:
    deep = tmp_path / ("a long name with spaces " * 8)
    redis = EmbeddedRedis(Folder(deep))
    assert len(os.fsencode(redis.socket)) <= 100
    with embedded(deep):
        assert stat.S_IMODE(redis.socket.parent.stat().st_mode) == 0o700
        assert answers(redis.url)
    assert not redis.socket.parent.exists()


def test_a_folder_has_one_server(tmp_path: Path) -> None:
    with embedded(tmp_path) as (client, *_):
        client.set("kept", "yes")
        with pytest.raises(ReceiverError, match="another `up`"), embedded(tmp_path):
            pass
        assert client.get("kept") == "yes"


def test_a_server_that_was_killed_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    with embedded(tmp_path) as (client, parts, part):
        client.set("kept", "yes")
        part.process.kill()
        part.process.wait()
        with pytest.raises(PartDied, match=r"the embedded Redis was killed by SIGKILL"):
            parts.check()
    with embedded(tmp_path) as (client, *_):
        assert client.get("kept") == "yes"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_it_ends_with_its_parent_however_that_ends(tmp_path: Path, number: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=clean_environment(),
        text=True,
    ) as parent:
        assert parent.stdout is not None
        url = parent.stdout.readline().split()[0]
        assert answers(url)
        parent.send_signal(number)
        parent.wait()
    eventually(lambda: not answers(url))
    with embedded(tmp_path) as (client, *_):
        assert client.ping()


def test_while_its_server_lives_a_folder_is_taken_whoever_else_died(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=clean_environment(),
        text=True,
    ) as parent:
        assert parent.stdout is not None
        url, warden = parent.stdout.readline().split()
        os.kill(int(warden), signal.SIGKILL)
        parent.kill()
        parent.wait()
    with Redis.from_url(url) as client:
        server = client.info("server")["process_id"]
    with pytest.raises(ReceiverError, match="another `up`"):
        Folder(tmp_path).lock()
    os.kill(server, signal.SIGKILL)
    with embedded(tmp_path) as (client, *_):
        assert client.ping()


def test_a_part_that_ends_while_it_is_waited_for_is_named_with_its_last_words(
    tmp_path: Path,
) -> None:
    log = tmp_path / "log"
    with Parts() as parts:
        parts.start("thing", [sys.executable, "-c", "print('why'); raise SystemExit(3)"], log=log)
        with pytest.raises(PartDied, match=r"(?s)the thing ended: status 3.*why"):
            parts.wait_until(lambda: False, "it does not begin", 60)


def test_a_wait_ends_in_time_and_when_told_to(tmp_path: Path) -> None:
    with Parts() as parts:
        with pytest.raises(ReceiverError, match=r"it does not begin after 0\.1 seconds"):
            parts.wait_until(lambda: False, "it does not begin", 0.1)
        parts.stopping.set()
        with pytest.raises(Stopped):
            parts.wait_until(lambda: False, "it does not begin", 60)


def test_grandchildren_end_too(tmp_path: Path) -> None:
    program = (
        "import subprocess, sys, time;"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
        "print(child.pid, flush=True); time.sleep(600)"
    )
    log = tmp_path / "log"
    with Parts() as parts:
        parts.start("thing", [sys.executable, "-c", program], log=log)
        parts.wait_until(lambda: log.read_text().endswith("\n"), "it does not begin", 60)
        pid = int(log.read_text())
    eventually(lambda: not alive(pid))


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
