"""Redis that fails over, and Redis that comes back: real servers, real sentinels, real SIGKILL."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from processes import until
from redis import Redis
from redis.exceptions import ConnectionError as RedisAway
from redis.exceptions import RedisError
from redis.sentinel import MasterNotFoundError
from sentinels import HOST, SERVICE, SentinelSet, Server, sentinel_set
from servers import own_valkey, url_of

from receiver.store.connection import Connection, NotReplicated

RECORD = "receiver:quarantine:"


@pytest.fixture(scope="module")
def calm() -> Iterator[SentinelSet]:
    """A set in which no test kills anything, with a password for servers and sentinels."""
    with sentinel_set(password="s3cret") as found:
        yield found


@contextmanager
def used(url: str) -> Iterator[Connection]:
    """Give a connection, and close what it opened in this process."""
    connection = Connection(url)
    yield connection
    connection.client.close()


def write(connection: Connection, name: str, durably: bool = True) -> int:
    """Keep a record with one of our scripts; 1 if it is new."""
    run = connection.run_durably if durably else connection.run
    args = [name, 1000, 1000, *("-" for _ in range(7)), 1000]
    return int(run("quarantine", [RECORD + name, "receiver:quarantine"], args))


def written(server: Server) -> set[str]:
    with server.client() as client:
        return {key.removeprefix(RECORD) for key in client.scan_iter(f"{RECORD}*", 1000)}


def calls(server: Server, command: str) -> int:
    with server.client() as client:
        return stats(client, command)


def stats(client: Redis, command: str) -> int:
    return int(client.info("commandstats").get(f"cmdstat_{command}", {}).get("calls", 0))


def port_of(connection: Connection) -> int | None:
    try:
        return int(connection.client.info("server")["tcp_port"])
    except RedisError:
        return None


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [message.partition(" ")[0] for message in caplog.messages]


def writes(connection: Connection, name: str) -> Callable[[], bool]:
    def tried() -> bool:
        try:
            write(connection, name)
        except RedisError:
            return False
        return True

    return tried


def test_the_url_of_sentinels_leads_to_the_master(calm: SentinelSet) -> None:
    spelt_otherwise = calm.url.removeprefix("redis+")
    for url in (calm.url, spelt_otherwise):
        with used(url) as connection:
            assert port_of(connection) == calm.current_master_port()
            assert port_of(connection.slow(5)) == calm.current_master_port()
            assert write(connection, f"found-by-{len(url)}") == 1
            assert f"found-by-{len(url)}" in written(calm.current_master())


def test_a_write_is_confirmed_by_the_replica_in_the_same_round_trip(calm: SentinelSet) -> None:
    master, replica = calm.current_master(), calm.servers[1]
    with used(calm.url) as connection:
        write(connection, "first")
        before = [calls(master, name) for name in ("evalsha", "wait", "role")]
        for number in range(20):
            write(connection, f"confirmed-{number}")
            assert f"confirmed-{number}" in written(replica)
        after = [calls(master, name) for name in ("evalsha", "wait", "role")]
    assert [new - old for new, old in zip(after, before, strict=True)] == [20, 20, 0]


def test_a_master_that_does_not_know_the_script_learns_it(calm: SentinelSet) -> None:
    with used(calm.url) as connection, calm.current_master().client() as client:
        write(connection, "learnt-1")
        client.script_flush()
        assert write(connection, "learnt-2") == 1
        assert write(connection, "learnt-2") == 0


def test_an_error_of_redis_is_raised_without_what_was_sent(calm: SentinelSet) -> None:
    with used(calm.url) as connection, calm.current_master().client() as client:
        client.set("a-string", "x")
        with pytest.raises(RedisError) as raised:
            connection.run_durably("quarantine", ["a-string", "b"], ["+255712345678"] * 12)
        assert "255712345678" not in str(raised.value)
        assert write(connection, "after-the-error") == 1


def test_a_write_that_no_replica_confirms_is_made_and_not_acknowledged(calm: SentinelSet) -> None:
    replica = calm.servers[1]
    with used(calm.url) as connection:
        write(connection, "before-the-freeze")
        replica.freeze()
        try:
            with pytest.raises(NotReplicated):
                write(connection, "unconfirmed")
            assert "unconfirmed" in written(calm.servers[0])
        finally:
            replica.thaw()
        until(writes(connection, "unconfirmed"), "the replica")
        assert "unconfirmed" in written(replica)


def reaches_in_a_child(connection: Connection, port: int) -> bool:
    child = os.fork()
    if child == 0:
        status = 1
        try:
            until(lambda: port_of(connection) == port, "the master")
            until(writes(connection, "by-the-child"), "a write")
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


WAYS = {"killed": SentinelSet.kill_master, "asked": SentinelSet.failover}


@pytest.mark.parametrize("how", WAYS.values(), ids=WAYS)
def test_the_same_connection_reaches_the_new_master(how: Callable[[SentinelSet], Server]) -> None:
    with sentinel_set() as servers, used(servers.url) as connection:
        old = servers.current_master_port()
        assert port_of(connection) == old
        write(connection, "before")
        how(servers)
        until(lambda: servers.current_master_port() not in (None, old), "the failover")
        new = servers.current_master()
        assert new.port == servers.replica.port
        until(writes(connection, "after"), "a write")
        assert {"before", "after"} <= written(new)
        assert port_of(connection) == new.port
        assert reaches_in_a_child(connection, new.port)
        assert "by-the-child" in written(new)
        assert port_of(connection) == new.port


@pytest.mark.parametrize("replicas", [1, 2])
def test_what_was_acknowledged_under_load_is_there_after_a_failover(replicas: int) -> None:
    acknowledged: list[str] = []
    failed: list[str] = []
    stopped = threading.Event()

    def load(connection: Connection, name: str) -> None:
        number = 0
        while not stopped.is_set():
            number += 1
            try:
                write(connection, f"{name}-{number}")
                acknowledged.append(f"{name}-{number}")
            except RedisError:
                failed.append(f"{name}-{number}")
                stopped.wait(0.01)

    with sentinel_set(replicas=replicas) as servers, used(servers.url) as connection:
        threads = [threading.Thread(target=load, args=(connection, f"t{n}")) for n in range(4)]
        for thread in threads:
            thread.start()
        try:
            until(lambda: len(acknowledged) > 500, "writes")
            old = servers.kill_master()
            until(lambda: servers.current_master_port() not in (None, old.port), "the failover")
            count = len(acknowledged)
            until(lambda: len(acknowledged) > count + 500, "writes after the failover")
        finally:
            stopped.set()
            for thread in threads:
                thread.join()
        new = servers.current_master()
        assert new.port != old.port
        assert failed
        assert set(acknowledged) - written(new) == set()


def test_without_a_replica_nobody_waits_for_one(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "receiver.store.sentinel")
    with sentinel_set(replicas=0) as servers, used(servers.url) as connection:
        for number in range(50):
            assert write(connection, f"alone-{number}") == 1
        assert calls(servers.master, "wait") == 0
        assert logged(caplog) == ["event=no_replica"]
        replica = servers.add_replica()
        until(writes(connection, "together"), "a write")
        for number in range(50):
            write(connection, f"together-{number}")
            assert f"together-{number}" in written(replica)
        assert logged(caplog) == ["event=no_replica", "event=replica_back"]
        replica.kill()
        until(writes(connection, "alone-again"), "a write")
        waited = calls(servers.master, "wait")
        for number in range(50):
            assert write(connection, f"later-{number}") == 1
        assert calls(servers.master, "wait") == waited
        assert logged(caplog) == ["event=no_replica", "event=replica_back", "event=no_replica"]


def test_a_master_that_slept_through_a_failover_is_not_believed() -> None:
    with sentinel_set() as servers, used(servers.url) as connection:
        write(connection, "before")
        servers.master.freeze()
        until(lambda: servers.current_master_port() == servers.replica.port, "the failover")
        for sentinel in servers.sentinels:
            sentinel.freeze()  # so that nobody tells the old one
        servers.master.thaw()
        until(lambda: not servers.master.ask("ROLE")[2], "the old master to be alone")
        for number in range(3):
            with pytest.raises(RedisError):
                write(connection, f"to-the-old-{number}")
        assert servers.master.ask("ROLE")[0] == "master"


def test_a_sentinel_that_says_otherwise_is_enough_to_doubt_a_master() -> None:
    with sentinel_set() as servers, used(servers.url) as connection:
        write(connection, "before")
        servers.replica.kill()
        until(writes(connection, "alone"), "a write")
        servers.sentinels[0].ask("SENTINEL", "REMOVE", SERVICE)
        servers.sentinels[0].ask("SENTINEL", "MONITOR", SERVICE, HOST, "1", "2")
        # The word of the sentinels is good for a while.
        until(lambda: not writes(connection, "doubted")(), "doubt")
        servers.sentinels[0].kill()
        until(writes(connection, "believed"), "the others to be believed")


def test_dead_sentinels_are_passed_over() -> None:
    with sentinel_set() as servers:
        port = servers.current_master_port()
        servers.sentinels[0].freeze()
        servers.sentinels[1].kill()
        with used(servers.url) as connection:
            assert port_of(connection) == port
            assert write(connection, "with-one-sentinel") == 1


def test_sentinels_that_do_not_answer_are_not_asked_each_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with sentinel_set() as servers, used(servers.url) as old, used(servers.url) as new:
        write(old, "before")
        for sentinel in servers.sentinels:
            sentinel.freeze()
        for _ in range(50):
            with pytest.raises(MasterNotFoundError):
                write(new, "nowhere")
        assert 0 < logged(caplog).count("event=sentinel_away") < 50
        assert write(old, "by-an-open-connection") == 1


def test_without_sentinel_a_durable_write_is_one_command(redis_url: str, redis: Redis) -> None:
    with used(redis_url) as connection:
        write(connection, "first")
        counted = ("evalsha", "eval", "wait", "role")
        before = [stats(redis, name) for name in counted]
        assert write(connection, "second") == 1
        after = [stats(redis, name) for name in counted]
    assert [new - old for new, old in zip(after, before, strict=True)] == [1, 0, 0, 0]


def test_a_connection_works_again_after_a_restart_of_redis() -> None:
    with own_valkey() as server, used(url_of(server)) as connection:
        assert write(connection, "before") == 1
        server.stop()
        with pytest.raises(RedisAway):
            write(connection, "meanwhile")
        server.start()
        assert write(connection, "before", durably=False) == 0
        assert write(connection, "after") == 1
