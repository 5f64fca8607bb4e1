"""The spool on a disk that is full, read-only, locked by others, or no place for it at all."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from test_spool import drained, said

from receiver.errors import ConfigurationError, StorageUnavailable
from receiver.store import spool_file
from receiver.store.spool import Spool
from receiver.store.spool_lock import in_turn

NOBODY = 65534

LIMITED = """
import resource
from receiver.errors import StorageUnavailable

soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
"""

PUT_UNTIL_FULL = """
spool.prepare()
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
put, refused = set(), set()

def fill(thread):
    for number in range(1000):
        parcel = b"%d-%d" % (thread, number) + bytes(500)
        try:
            spool.put(parcel)
            put.add(parcel)
        except StorageUnavailable as error:
            refused.add(parcel)
            assert str(error) in ("the spool: disk I/O error", "the spool: database or disk is full")
            return

together(fill, 4)
assert len(put) > 20 and len(refused) == 4
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
spool.put(b"room again")
taken = []
spool.drain(lambda parcel: taken.append(parcel) or True)
assert set(taken) == {*put, b"room again"} and len(taken) == len(put) + 1
"""

DRAIN_WHILE_FULL = """
reserve = Path(sys.argv[1]) / "spool.reserve"
spool.prepare()
for parcel in (b"1", b"2", b"3"):
    spool.put(parcel)
assert reserve.stat().st_size == 4 << 20
resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
try:
    spool.drain(say)
    raise AssertionError("nothing was written")
except StorageUnavailable:
    assert not reserve.exists()
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
assert spool.drain(say) == 3
assert reserve.stat().st_size == 4 << 20
"""


@contextmanager
def as_nobody() -> Iterator[None]:
    """Be a user whom file modes bind, which they do not bind root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


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


def test_a_full_disk_refuses_whole_parcels_and_takes_more_when_there_is_room(
    folder: Path,
) -> None:
    assert said(LIMITED + PUT_UNTIL_FULL, folder) == []


def test_a_drain_gives_up_the_reserve_for_the_room_that_it_needs(folder: Path) -> None:
    assert said(LIMITED + DRAIN_WHILE_FULL, folder) == [b"1", b"2", b"3"] * 2


def test_a_file_that_another_program_locks_refuses_and_then_takes(
    spool: Spool, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_file, "PATIENCE", 0.05)
    spool.put(b"1")
    with closing(sqlite3.connect(folder / "spool.db", isolation_level=None)) as shell:
        shell.execute("BEGIN IMMEDIATE")
        spool.close()
        with pytest.raises(StorageUnavailable, match="database is locked"):
            spool.put(b"2")
    with (
        in_turn(folder / "spool.lock", 1),
        pytest.raises(StorageUnavailable, match=r"another process holds spool\.next|spool\.lock"),
    ):
        spool.put(b"3")
    spool.put(b"4")
    assert drained(spool) == [b"1", b"4"]


def test_the_start_proves_that_the_spool_can_be_written(folder: Path, spool: Spool) -> None:
    spool.prepare()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert len(spool) == 0
    spool.put(b"1")
    spool.prepare()
    assert drained(spool) == [b"1"]


def test_the_start_says_where_a_spool_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    folder = tmp_path / "file" / "spool"
    spool = Spool(folder)
    with pytest.raises(ConfigurationError) as raised:
        spool.prepare()
    assert str(raised.value) == (
        f"RECEIVER_SPOOL_DIR: events cannot be kept in {folder} while Redis is away (the spool: "
        "Not a directory); name a folder that this process may write to, with room on disk"
    )
    with pytest.raises(StorageUnavailable, match=r"^the spool: Not a directory$"):
        spool.put(b"1")
    assert (len(spool), spool.drain(lambda _: True)) == (0, 0)


def test_the_start_refuses_a_folder_of_somebody_else() -> None:
    folder = Path(tempfile.mkdtemp(prefix="rcv"))
    spool = Spool(folder)
    try:
        folder.chmod(0o555)
        with (
            as_nobody(),
            pytest.raises(ConfigurationError, match=r"RECEIVER_SPOOL_DIR: .*Permission denied"),
        ):
            spool.prepare()
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)
