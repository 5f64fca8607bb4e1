"""One SQLite file that the processes of a host use in turn, and replace when it is damaged.

What its tables hold is `spool`'s matter. Whoever uses the file holds the lock `spool.lock`, so a
file that was set aside or deleted is noticed before anything is written to it.
"""

from __future__ import annotations

import errno
import logging
import os
import secrets
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar
from weakref import WeakSet

from ..errors import StorageUnavailable
from .spool_lock import in_turn
from .spool_reserve import Reserve

_log = logging.getLogger(__name__)

T = TypeVar("T")

PATIENCE = 5.0  # seconds to wait for other processes

_ATTEMPTS = 3
_SET_ASIDE = "spool-corrupt-"
_ENDINGS = ("", "-wal", "-shm", "-journal")
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_PRAGMAS = (
    "journal_mode = WAL",
    "synchronous = FULL",
    "wal_autocheckpoint = 500",
    "temp_store = MEMORY",
    "cell_size_check = 1",
)
_TOKEN = "CREATE TABLE IF NOT EXISTS file (token TEXT NOT NULL, proven INTEGER NOT NULL)"
_NEW_TOKEN = "INSERT INTO file SELECT ?, 0 WHERE NOT EXISTS (SELECT 1 FROM file)"

_WORTH_SHRINKING = 1_000_000  # bytes

# One thread at a time uses SQLite here, and none while forking: SQLite's locks do not outlive that.
_using = threading.Lock()
_FILES: WeakSet[SpoolFile] = WeakSet()
_ABANDONED: list[sqlite3.Connection] = []


class SpoolFile:
    """``spool.db`` in a folder, made with a ``schema`` when it is first used."""

    def __init__(self, folder: Path, schema: Sequence[str]) -> None:
        self.folder = folder
        self.path = folder / "spool.db"
        self.token = ""  # inside `run`: tells this file from one that replaces it
        self._schema = schema
        self._reserve = Reserve(folder / "spool.reserve")
        self._connection: sqlite3.Connection | None = None
        self._identity: list[tuple[int, int] | None] = []

    def run(self, work: Callable[[sqlite3.Connection], T], *, frees: bool = False) -> T:
        """Run ``work`` in one transaction, alone on this host; on disk when it returns.

        It runs again in a new file where this one is damaged or gone. Raises `StorageUnavailable`,
        and then nothing of it stays. ``frees``: it makes room, so it may use the reserve.
        """
        try:
            return self._use(lambda connection: _transact(connection, work))
        except StorageUnavailable:
            if not (frees and self._reserve.spend()):
                raise
        return self._use(lambda connection: _transact(connection, work))

    def prove(self) -> None:
        """Write to the disk, or raise `StorageUnavailable`."""
        self.run(lambda connection: connection.execute("UPDATE file SET proven = proven + 1"))
        self._reserve.make()

    def shrink(self) -> None:
        """Give the disk back what was emptied, where that is most of a large file."""
        self._use(_shrink)
        self._reserve.make()

    def scrub(self) -> None:
        """Write the file anew without what was deleted, and empty its log."""
        if self.exists():
            self._use(_rewrite)

    def exists(self) -> bool:
        """Tell whether there is a file at all."""
        return _identify(self.path) is not None

    def size(self) -> int:
        """Give the bytes on disk, with those of SQLite's own files beside it."""
        found = 0
        for path in self._with_endings(self.path):
            with suppress(OSError):
                found += path.stat().st_size
        return found

    def set_aside(self) -> tuple[Path, ...]:
        """Give the damaged files that were replaced, oldest first."""
        return tuple(sorted(self.folder.glob(f"{_SET_ASIDE}*.db")))

    def close(self) -> None:
        """Close this process's connection; the next use opens another."""
        with _using:
            self.close_in_turn()

    def close_in_turn(self) -> None:
        """Do as `close` does, where no other thread of this process can be using SQLite."""
        if self._connection is not None:
            # without the lock, SQLite might delete the log of a file that takes this one's place
            with suppress(OSError), in_turn(self._lock, PATIENCE):
                self._close()
            self._close()

    def abandon(self) -> None:
        """Let go of a parent's connection in a child, without closing it: that writes."""
        if self._connection is not None:
            _ABANDONED.append(self._connection)
            self._connection = None

    @property
    def _lock(self) -> Path:
        return self.folder / "spool.lock"

    def _use(self, work: Callable[[sqlite3.Connection], T]) -> T:
        attempts = 0
        with _using:
            while True:
                attempts += 1
                try:
                    return self._attempt(work)
                except (sqlite3.Error, OSError) as error:
                    again = _is_damage(error) or not self.exists()
                    if attempts == _ATTEMPTS or not again:
                        raise StorageUnavailable(f"the spool: {_reason(error)}") from error

    def _attempt(self, work: Callable[[sqlite3.Connection], T]) -> T:
        _make_folder(self.folder)
        with in_turn(self._lock, PATIENCE):
            try:
                return work(self._current())
            except BaseException as error:
                # renamed first: SQLite leaves a file that has moved as it is when closing
                try:
                    if _is_damage(error):
                        self._move_aside()
                finally:
                    self._close()
                raise

    def _current(self) -> sqlite3.Connection:
        """Give a connection to the file that is there now: somebody may have replaced it."""
        if self._connection is not None and self._identity == self._identities():
            return self._connection
        if self._connection is not None:
            # only the log was deleted: what it held goes into the file
            with suppress(sqlite3.Error):
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            self._close()
        return self._open()

    def _open(self) -> sqlite3.Connection:
        if not self.exists():
            if any(_identify(path) for path in self._with_endings(self.path)):
                self._move_aside()
            # SQLite would let everybody read it; its other files take its mode
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        connection = self._connection = sqlite3.connect(
            self.path, timeout=PATIENCE, isolation_level=None, check_same_thread=False
        )
        _FILES.add(self)
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}").fetchall()
        self.token = _transact(connection, self._make)
        self._identity = self._identities()
        return connection

    def _make(self, connection: sqlite3.Connection) -> str:
        for statement in (_TOKEN, *self._schema):
            connection.execute(statement)
        connection.execute(_NEW_TOKEN, [secrets.token_hex(16)])
        return str(connection.execute("SELECT token FROM file").fetchall()[0][0])

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    def _move_aside(self) -> None:
        name = f"{_SET_ASIDE}{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}-{secrets.token_hex(4)}.db"
        aside = self._with_endings(self.folder / name)
        for path, target in zip(self._with_endings(self.path), aside, strict=True):
            with suppress(FileNotFoundError):
                path.rename(target)
        _log.error("event=spool_set_aside file=%s", name)

    def _identities(self) -> list[tuple[int, int] | None]:
        """The file and its log: a log that was deleted takes what is written to it with it."""
        return [_identify(path) for path in self._with_endings(self.path)[:2]]

    @staticmethod
    def _with_endings(path: Path) -> list[Path]:
        return [path.with_name(path.name + ending) for ending in _ENDINGS]


def _transact(connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
    """Closing the connection, which follows an error, takes back what was not committed."""
    connection.execute("BEGIN IMMEDIATE")
    result = work(connection)
    connection.execute("COMMIT")
    return result


def _shrink(connection: sqlite3.Connection) -> None:
    free, pages, bytes_each = (
        connection.execute(f"PRAGMA {name}").fetchall()[0][0]
        for name in ("freelist_count", "page_count", "page_size")
    )
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    # what is left is copied in memory: a tenth at most
    if free * bytes_each > _WORTH_SHRINKING and free > 0.9 * pages:
        _rewrite(connection)


def _rewrite(connection: sqlite3.Connection) -> None:
    connection.execute("VACUUM")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _is_damage(error: BaseException) -> bool:
    code = error.sqlite_errorcode if isinstance(error, sqlite3.DatabaseError) else None
    return code is not None and code & 0xFF in _DAMAGE  # the lowest byte says the kind


def is_full(error: BaseException | None) -> bool:
    """Tell whether an error says that the disk, or what we may have of it, is full."""
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def _reason(error: sqlite3.Error | OSError) -> str:
    """SQLite's and the system's words quote no parcel."""
    return (isinstance(error, OSError) and error.strerror) or str(error)


def _identify(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    above = os.open(folder.parent, os.O_RDONLY)
    try:
        os.fsync(above)
    finally:
        os.close(above)


def _before_fork() -> None:
    _using.acquire()
    for file in _FILES:
        file.close_in_turn()


def _after_fork_in_parent() -> None:
    _using.release()


def _after_fork_in_child() -> None:
    global _using
    _using = threading.Lock()
    for file in _FILES:
        file.abandon()


os.register_at_fork(
    before=_before_fork,
    after_in_parent=_after_fork_in_parent,
    after_in_child=_after_fork_in_child,
)
