"""The spool when something is wrong: damaged, deleted, killed, forked."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from test_spool import PUT, drained, fill, process, said

from receiver.store.spool import Spool

PUT_LINES = """
for line in sys.stdin.buffer:
    spool.put(line.strip())
    say(b"put")
"""

FORK_WHILE_PUTTING = """
spool.prepare()
spool.put(b"parent first")
say(b"parent first")

def put(name):
    for number in range(20):
        parcel = b"%s %d" % (name, number)
        spool.put(parcel)
        say(parcel)

def fork(thread):
    put(b"thread %d" % thread)
    pid = os.fork()
    if not pid:
        put(b"child of %d" % thread)
        os._exit(0)
    put(b"thread %d again" % thread)
    assert os.waitpid(pid, 0)[1] == 0

together(fork, 4)
"""

FORK_AND_LOOK = """
spool.put(b"1")
pid = os.fork()
if not pid:
    files = [os.readlink(path) for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    os._exit(any("spool" in file for file in files))
assert os.waitpid(pid, 0)[1] == 0
"""

FORK_WHILE_DRAINING = """
spool.put(b"1")
children = []

def take(parcel):
    children.append(os.fork())
    if not children[0]:
        signal.pause()
    return True

assert spool.drain(take) == 1
assert spool.drain(take) == 0
os.kill(children[0], signal.SIGKILL)
"""


def damage(path: Path) -> None:
    """Write over the whole of a file, as a disk does that has lost its mind."""
    path.write_bytes(b"\xa5" * path.stat().st_size)


def cut(path: Path) -> None:
    """Leave half a page of a file."""
    os.truncate(path, 2048)


def damage_the_end(path: Path) -> None:
    """Write over all but the first pages of a file."""
    with path.open("r+b") as file:
        file.seek(8 * 4096)
        file.write(b"\xa5" * (path.stat().st_size - 8 * 4096))


def put(web: subprocess.Popen[bytes], parcel: bytes) -> None:
    """Have another process put a parcel, and wait until it has."""
    assert web.stdin is not None
    assert web.stdout is not None
    web.stdin.write(parcel + b"\n")
    web.stdin.flush()
    assert web.stdout.readline() == b"put\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the spool shall be."""
    return tmp_path / "spool"


@pytest.fixture
def spool(folder: Path) -> Iterator[Spool]:
    """A spool that nobody has used."""
    spool = Spool(folder)
    yield spool
    spool.close()


@pytest.mark.parametrize("harm", [damage, cut])
def test_a_damaged_file_is_set_aside_and_reported_and_a_new_one_begun(
    folder: Path, spool: Spool, harm: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    fill(spool, b"secret 1", b"secret 2")
    spool.close()
    harm(folder / "spool.db")
    before = (folder / "spool.db").read_bytes()
    spool.put(b"secret 3")
    (aside,) = spool.status().set_aside
    assert aside.name.startswith("spool-corrupt-")
    assert aside.read_bytes() == before
    expected = f"event=spool_set_aside file={aside.name}"
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.ERROR, expected)
    ]
    assert drained(spool) == [b"secret 3"]


def test_damage_that_a_drain_meets_ends_neither_the_drain_nor_the_spool(
    folder: Path, spool: Spool
) -> None:
    parcels = [b"%d" % number + bytes(300) for number in range(500)]
    fill(spool, *parcels)
    spool.close()
    damage_the_end(folder / "spool.db")
    taken = drained(spool)
    assert taken == parcels[: len(taken)]
    assert len(spool.status().set_aside) == 1
    spool.put(b"after")
    assert drained(spool) == [b"after"]


def test_no_process_writes_to_a_file_that_another_has_set_aside(folder: Path, spool: Spool) -> None:
    with process(PUT_LINES, folder) as a, process(PUT_LINES, folder) as b:
        put(a, b"a before")
        put(b, b"b before")
        damage(folder / "spool.db")
        damage(folder / "spool.db-wal")
        put(a, b"a after")
        put(b, b"b after")
        put(a, b"a at last")
    assert len(spool.status().set_aside) == 1
    assert drained(spool) == [b"a after", b"b after", b"a at last"]


GONE = {
    "the folder": (["."], [b"after"]),
    "the file and its log": (["spool.db", "spool.db-wal", "spool.db-shm"], [b"after"]),
    "the file alone": (["spool.db"], [b"after"]),
    "the log alone": (["spool.db-wal"], [b"before", b"after"]),
    "the locks": (["spool.lock", "spool.next", "spool.drain"], [b"before", b"after"]),
}


@pytest.mark.parametrize(("gone", "left"), GONE.values(), ids=GONE)
def test_what_somebody_deleted_is_begun_anew(
    folder: Path, spool: Spool, gone: list[str], left: list[bytes]
) -> None:
    other = Spool(folder)
    other.put(b"before")
    spool.waiting()
    assert other.drain(lambda _: False) == 0
    for name in gone:
        shutil.rmtree(folder) if name == "." else (folder / name).unlink()
    spool.put(b"after")
    assert len(other) == len(left)
    other.close()
    spool.close()
    assert drained(spool) == left


def test_a_deleted_log_costs_nothing_even_before_a_kill(folder: Path, spool: Spool) -> None:
    with process(PUT_LINES, folder) as web:
        put(web, b"before")
        (folder / "spool.db-wal").unlink()
        put(web, b"after")
        web.kill()
        web.wait()
    assert drained(spool) == [b"before", b"after"]


def test_a_kill_leaves_no_lock_behind(folder: Path, spool: Spool) -> None:
    with process(PUT, folder, "web", 8, 10**9) as web:
        assert web.stdout is not None
        web.stdout.readline()
        web.kill()
        web.stdout.read()
    spool.put(b"after")
    assert drained(spool)[-1] == b"after"


def test_parents_and_children_put_side_by_side(folder: Path, spool: Spool) -> None:
    parcels = said(FORK_WHILE_PUTTING, folder)
    assert len(parcels) == 1 + 4 * 3 * 20
    assert sorted(drained(spool)) == sorted(parcels)


def test_a_child_inherits_no_open_file(folder: Path) -> None:
    assert said(FORK_AND_LOOK, folder) == []


def test_a_child_that_lives_on_does_not_keep_its_parent_from_draining(folder: Path) -> None:
    assert said(FORK_WHILE_DRAINING, folder) == []
