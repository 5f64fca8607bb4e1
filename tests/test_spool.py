"""The spool: parcels wait on disk, in order, for whichever process drains them."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from conftest import need

from receiver.store.spool import Spool

BEGIN = """
import os, select, signal, sys, threading
from pathlib import Path
from receiver.store.spool import Spool

spool = Spool(Path(sys.argv[1]))

def say(parcel):
    os.write(1, parcel + b"\\n")
    return True

def together(function, threads):
    started = [threading.Thread(target=function, args=(name,)) for name in range(threads)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
"""

PUT = """
def put(thread):
    for number in range(int(sys.argv[4])):
        parcel = f"{sys.argv[2]}-{thread} {number}".encode()
        spool.put(parcel)
        say(parcel)

together(put, int(sys.argv[3]))
"""

DRAIN_AND_DIE = """
def take(parcel):
    say(parcel)
    if parcel == b"150":
        os.kill(os.getpid(), signal.SIGKILL)
    return True

spool.drain(take)
"""

DRAIN_UNTIL_INPUT_ENDS = """
ended = False
while not ended:
    ended = bool(select.select([0], [], [], 0)[0])
    spool.drain(say)
"""


@contextmanager
def process(code: str, *args: object) -> Iterator[subprocess.Popen[bytes]]:
    """Run code that begins with a spool, in a process of its own; killed at the end."""
    command = [sys.executable, "-c", BEGIN + code, *map(str, args)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as started:
        try:
            yield started
        finally:
            started.kill()


def said(code: str, *args: object) -> list[bytes]:
    """Run code to its end, and give the lines that it wrote."""
    with process(code, *args) as started:
        out, err = started.communicate(timeout=60)
    assert (started.returncode, err) == (0, b"")
    return out.splitlines()


def drained(spool: Spool) -> list[bytes]:
    """Take all that waits."""
    taken: list[bytes] = []
    assert spool.drain(lambda parcel: taken.append(parcel) or True) == len(taken)
    return taken


def fill(spool: Spool, *parcels: bytes) -> None:
    """Put several parcels, one after the other."""
    for parcel in parcels:
        spool.put(parcel)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the spool shall be; nothing is there yet."""
    return tmp_path / "instance" / "spool"


@pytest.fixture
def spool(folder: Path) -> Iterator[Spool]:
    """A spool that nobody has used."""
    spool = Spool(folder)
    yield spool
    spool.close()


def test_parcels_are_taken_in_the_order_in_which_they_were_put(spool: Spool) -> None:
    parcels = [b"parcel %d" % number for number in range(250)] + [b"", bytes(range(256))]
    fill(spool, *parcels)
    assert (len(spool), spool.waiting()) == (252, True)
    assert drained(spool) == parcels
    assert (len(spool), spool.waiting(), drained(spool)) == (0, False, [])


def test_nothing_touches_the_disk_before_the_first_parcel(folder: Path, spool: Spool) -> None:
    assert (len(spool), spool.waiting(), spool.drain(lambda _: True)) == (0, False, 0)
    assert (spool.status().waiting, spool.status().size) == (0, 0)
    assert not folder.parent.exists()


def test_parcels_outlive_the_process_that_put_them(folder: Path, spool: Spool) -> None:
    parcels = said(PUT, folder, "web", 1, 3)
    assert drained(spool) == parcels == [b"web-0 0", b"web-0 1", b"web-0 2"]


def test_only_the_owner_reads_the_spool(folder: Path, spool: Spool) -> None:
    before = os.umask(0)
    try:
        spool.put(b"1")
        assert spool.drain(lambda _: False) == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert {"spool.db", "spool.db-wal", "spool.lock", "spool.drain"} <= set(modes)
    assert set(modes.values()) == {0o600}


def test_a_refused_parcel_stays_and_lets_the_others_pass(spool: Spool) -> None:
    fill(spool, b"1", b"bad", b"2")
    offered: list[bytes] = []

    def take(parcel: bytes) -> bool:
        offered.append(parcel)
        return parcel != b"bad"

    assert spool.drain(take) == 2
    assert offered == [b"1", b"bad", b"2"]
    assert (spool.status().waiting, spool.status().refused) == (1, 1)
    spool.put(b"3")
    assert spool.drain(take) == 1
    assert offered[3:] == [b"bad", b"3"]
    assert drained(spool) == [b"bad"]


def test_what_a_taker_raises_leaves_that_parcel_and_all_behind_it(spool: Spool) -> None:
    fill(spool, *(b"%d" % number for number in range(150)))

    def take(parcel: bytes) -> bool:
        if parcel == b"120":
            raise ConnectionError("Redis went away again")
        return True

    with pytest.raises(ConnectionError, match="went away again"):
        spool.drain(take)
    assert drained(spool) == [b"%d" % number for number in range(120, 150)]


def test_what_is_put_during_a_drain_is_drained_as_well(spool: Spool) -> None:
    spool.put(b"0")
    taken: list[bytes] = []

    def take(parcel: bytes) -> bool:
        taken.append(parcel)
        if len(taken) < 300:
            spool.put(b"%d" % len(taken))
        return parcel != b"0"

    assert spool.drain(take) == 299
    assert taken == [b"%d" % number for number in range(300)]


def test_only_one_drains_at_a_time(folder: Path, spool: Spool) -> None:
    spool.put(b"1")
    answers: list[object] = []

    def take(parcel: bytes) -> bool:
        answers.append(spool.drain(lambda _: True))
        answers.append(Spool(folder).drain(lambda _: True))
        answers.extend(said("say(str(spool.drain(say)).encode())", folder))
        return True

    assert spool.drain(take) == 1
    assert answers == [None, None, b"None"]
    assert spool.drain(take) == 0


def test_a_file_that_is_replaced_during_a_drain_loses_nothing_of_the_new_one(
    folder: Path, spool: Spool
) -> None:
    fill(spool, b"old 1", b"old 2")
    taken: list[bytes] = []

    def take(parcel: bytes) -> bool:
        taken.append(parcel)
        if parcel == b"old 1":
            shutil.rmtree(folder)
            fill(spool, b"new 1", b"new 2", b"new 3")
        return True

    assert spool.drain(take) == 5
    assert taken == [b"old 1", b"old 2", b"new 1", b"new 2", b"new 3"]


def test_the_status_says_how_many_wait_and_since_when(folder: Path, spool: Spool) -> None:
    before = datetime.now(UTC)
    fill(spool, b"1", b"2")
    status = spool.status()
    assert (status.waiting, status.refused, status.set_aside) == (2, 0, ())
    assert status.oldest is not None
    assert before <= status.oldest <= datetime.now(UTC)
    assert status.size == sum(
        (folder / f"spool.db{end}").stat().st_size for end in ("", "-wal", "-shm")
    )


def test_an_emptied_spool_gives_the_disk_back(spool: Spool) -> None:
    fill(spool, b"refused", *(bytes(200_000) for _ in range(20)))
    assert spool.status().size > 4_000_000
    assert spool.drain(lambda parcel: parcel != b"refused") == 20
    assert spool.status().size < 200_000
    assert drained(spool) == [b"refused"]


def test_every_parcel_is_taken_once_while_two_processes_put_and_a_third_drains(
    folder: Path, spool: Spool
) -> None:
    with process(DRAIN_UNTIL_INPUT_ENDS, folder) as drainer:
        with process(PUT, folder, "a", 4, 100) as a, process(PUT, folder, "b", 4, 100) as b:
            put = [*a.communicate(timeout=60)[0].splitlines(), *b.communicate()[0].splitlines()]
        taken = drainer.communicate(timeout=60)[0].splitlines()
    assert len(put) == 800
    assert sorted(taken) == sorted(put)
    assert len(spool) == 0
    for thread in {parcel.split()[0] for parcel in put}:
        numbers = [int(parcel.split()[1]) for parcel in taken if parcel.split()[0] == thread]
        assert numbers == list(range(100))


@pytest.mark.parametrize("returned", [1, 100, 1000])
def test_what_was_put_is_there_after_a_kill(folder: Path, spool: Spool, returned: int) -> None:
    with process(PUT, folder, "web", 8, 10**9) as web:
        assert web.stdout is not None
        put = [web.stdout.readline().strip() for _ in range(returned)]
        web.send_signal(signal.SIGKILL)
        put += web.stdout.read().splitlines()
    taken = drained(spool)
    assert set(put) <= set(taken)
    assert len(set(taken)) == len(taken)


def test_a_put_returns_after_its_log_was_synced(folder: Path) -> None:
    trace = folder.parent.parent / "trace"
    options = ["-f", "-y", "-e", "trace=write,fsync,fdatasync", "-o", str(trace)]
    code = [sys.executable, "-c", BEGIN + PUT, str(folder), "web", "1", "5"]
    subprocess.run([need("strace"), *options, *code], check=True, capture_output=True, timeout=60)
    synced, put = False, []
    for line in trace.read_text().splitlines():
        synced = synced or ("sync(" in line and "spool.db-wal>" in line)
        if "write(1<" in line:
            put.append(synced)
            synced = False
    assert put == [True] * 5


def test_a_drain_that_is_killed_loses_nothing_and_repeats_little(
    folder: Path, spool: Spool
) -> None:
    parcels = [b"%d" % number for number in range(250)]
    fill(spool, *parcels)
    with process(DRAIN_AND_DIE, folder) as drainer:
        given = drainer.communicate(timeout=60)[0].splitlines()
    assert drainer.returncode == -signal.SIGKILL
    again = drained(spool)
    assert given == parcels[:151]
    assert set(given) | set(again) == set(parcels)
    assert len(set(given) & set(again)) <= 100
