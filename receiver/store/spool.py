"""Where accepted callbacks wait on disk, in order, while Redis is away: opaque bytes, fsynced.

It knows nothing of Redis, HTTP or events. It belongs to its host, whose processes share it.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from weakref import WeakSet

from ..errors import ConfigurationError, StorageUnavailable
from .spool_file import SpoolFile, is_full
from .spool_lock import try_lock, unlock
from .spool_status import SpoolStatus

_log = logging.getLogger(__name__)

_BATCH = 100
_BEHIND = "spool.behind"

# AUTOINCREMENT: no number is given twice, so "after this one" means what it says. The index has
# small entries: counting does not read the parcels.
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS parcels (id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " put_at REAL NOT NULL, tries INTEGER NOT NULL DEFAULT 0, parcel BLOB NOT NULL)",
    "CREATE INDEX IF NOT EXISTS tries ON parcels (tries)",
)

# Says of the first of some parcels, in order, whether each was taken.
TakePage = Callable[[Sequence[bytes]], Sequence[bool]]

_SPOOLS: WeakSet[Spool] = WeakSet()


@dataclass(slots=True, eq=False)
class _Entry:
    """A parcel whose thread waits for the commit that it is part of."""

    parcel: bytes
    put_at: float
    settled: bool = False
    error: StorageUnavailable | None = None


@dataclass(frozen=True, slots=True)
class _Page:
    """Parcels with their numbers, which mean something in the file of that token only."""

    token: str
    rows: Sequence[tuple[int, bytes]]


class Spool:
    """The parcels of one folder; any number of threads and processes may share it."""

    def __init__(self, folder: Path) -> None:
        self._file = SpoolFile(folder, _SCHEMA)
        self._mark_path = str(folder / _BEHIND)
        self.begin()
        _SPOOLS.add(self)

    def begin(self) -> None:
        """Forget the threads that wait: a forked process has none of them."""
        self._pending: list[_Entry] = []
        self._led = False
        self._settling = threading.Condition()

    def prepare(self) -> None:
        """Make the folder and write to it, or raise `ConfigurationError`: for the start.

        A full disk stops no start: Redis may take all callbacks, and there may be room later.
        """
        try:
            self._file.prove()
        except StorageUnavailable as error:
            if is_full(error.__cause__):
                _log.error("event=spool_disk_full help='make room: it takes no callbacks now'")
                return
            raise ConfigurationError(
                f"RECEIVER_SPOOL_DIR: events cannot be kept in {self._file.folder} while Redis is "
                f"away ({error}); name a folder that this process may write to, with room on disk"
            ) from error
        finally:
            self._file.close()

    def takes(self) -> bool:
        """Tell whether a parcel could be kept now: something is written to the disk."""
        try:
            self._file.prove()
        except StorageUnavailable:
            return False
        return True

    def put(self, parcel: bytes) -> None:
        """Keep a parcel; it is on disk when this returns.

        Threads that come at once share one commit. Raises `StorageUnavailable`.
        """
        entry = _Entry(parcel, time.time())
        with self._settling:
            self._pending.append(entry)
            self._settling.wait_for(lambda: entry.settled or not self._led)
            batch: list[_Entry] = []
            if not entry.settled:
                batch, self._pending, self._led = self._pending, [], True
        if batch:
            self._mark()
            self._commit(batch)
        if entry.error is not None:
            raise StorageUnavailable(str(entry.error)) from entry.error

    @property
    def behind(self) -> bool:
        """Tell, for the price of a look at the folder, whether callbacks are to queue up here.

        What comes while earlier ones wait goes behind them: that is what keeps them in order.
        """
        return os.path.exists(self._mark_path)  # noqa: PTH110 - pathlib takes five times as long

    def __len__(self) -> int:
        """Give how many parcels wait."""
        return int(self._one("SELECT COUNT(*) FROM parcels") or 0)

    def waiting(self) -> bool:
        """Tell whether any parcel waits."""
        return bool(self._one("SELECT EXISTS (SELECT 1 FROM parcels)"))

    def drain(self, take: Callable[[bytes], bool]) -> int | None:
        """Do as `drain_by_pages` does, with a ``take`` that is given one parcel at a time."""
        return self.drain_by_pages(lambda parcels: [take(parcels[0])])

    def drain_by_pages(self, take: TakePage) -> int | None:
        """Give the parcels in order to ``take``, forget those it took, and give their number.

        ``take`` is given the next ones, and says of the first of them, of one at least, whether it
        took them; the others are given again. ``None``, at once, where another thread or process of
        this host drains. Where ``take`` says False the parcel stays, and the next has its turn.
        What ``take`` raises ends the drain: what it was given stays, and all behind it. After a
        crash some are given again. Raises `StorageUnavailable` where the disk fails.
        """
        if not self._file.exists():
            return 0
        try:
            lock = try_lock(self._file.folder / "spool.drain")
        except OSError as error:
            raise StorageUnavailable(f"the spool: {error.strerror}") from error
        if lock is None:
            return None
        try:
            taken = self._drain(take)
            while self._unmark():
                taken += self._drain(take)
            return taken
        finally:
            unlock(lock)

    def status(self) -> SpoolStatus:
        """Give what an operator wants to know; makes no file."""
        oldest = self._one("SELECT put_at FROM parcels ORDER BY id LIMIT 1")
        return SpoolStatus(
            waiting=len(self),
            oldest=None if oldest is None else datetime.fromtimestamp(oldest, UTC),
            size=self._file.size(),
            refused=int(self._one("SELECT COUNT(*) FROM parcels WHERE tries > 0") or 0),
            set_aside=self._file.set_aside(),
        )

    def parcels(self) -> Iterator[tuple[int, bytes]]:
        """Give all that waits with its number, in order, and leave it there."""
        nothing = _Page("", [])
        page = self._page(nothing) if self._file.exists() else nothing
        while page.rows:
            yield from page.rows
            page = self._page(page)

    def change(self, number: int, parcel: bytes, later: bytes | None) -> bool:
        """Put another parcel in the place of one, or drop it; False where that is not there."""
        these = (number, parcel) if later is None else (later, number, parcel)
        verb = "DELETE FROM parcels" if later is None else "UPDATE parcels SET parcel = ?"
        query = f"{verb} WHERE id = ? AND parcel = ?"
        frees = later is None
        return self._file.run(lambda c: c.execute(query, these).rowcount, frees=frees) > 0

    def scrub(self) -> None:
        """Leave nothing on disk of what was taken or dropped, not even in pages that are free."""
        self._file.scrub()

    def close(self) -> None:
        """Close the file in this process; the next use opens it again."""
        self._file.close()

    def _mark(self) -> None:
        """Say that something waits; where the disk does not take that, order is not kept."""
        if not self.behind:
            with suppress(OSError):
                Path(self._mark_path).touch()

    def _unmark(self) -> bool:
        """Say that nothing waits any more, but for what was refused; True where that is not so."""
        with suppress(OSError):
            Path(self._mark_path).unlink(missing_ok=True)
        if not self._one("SELECT EXISTS (SELECT 1 FROM parcels WHERE tries = 0)"):
            return False
        self._mark()
        return True

    def _one(self, query: str) -> float | None:
        """Ask for one number; ``None`` where there is none, or no file."""
        if not self._file.exists():
            return None
        rows = self._file.run(lambda connection: connection.execute(query).fetchall())
        return rows[0][0] if rows else None

    def _commit(self, batch: Sequence[_Entry]) -> None:
        error: StorageUnavailable | None = StorageUnavailable("the spool: interrupted")
        rows = [(entry.put_at, entry.parcel) for entry in batch]
        insert = "INSERT INTO parcels (put_at, parcel) VALUES (?, ?)"
        try:
            self._file.run(lambda connection: connection.executemany(insert, rows))
            error = None
        except StorageUnavailable as failed:
            error = failed
        finally:
            self._mark()  # a drain that has just ended may have taken the mark away
            with self._settling:
                for entry in batch:
                    entry.error, entry.settled = error, True
                self._led = False
                self._settling.notify_all()

    def _drain(self, take: TakePage) -> int:
        taken = 0
        page = self._page(_Page("", []))
        while page.rows:
            taken += self._offer(page, take)
            page = self._page(page)
        with suppress(StorageUnavailable):
            self._file.shrink()
        return taken

    def _page(self, before: _Page) -> _Page:
        def read(connection: sqlite3.Connection) -> _Page:
            token = self._file.token
            last = before.rows[-1][0] if before.rows and before.token == token else 0
            query = "SELECT id, parcel FROM parcels WHERE id > ? ORDER BY id LIMIT ?"
            return _Page(token, connection.execute(query, (last, _BATCH)).fetchall())

        return self._file.run(read)

    def _offer(self, page: _Page, take: TakePage) -> int:
        taken: list[tuple[int]] = []
        refused: list[tuple[int]] = []
        ahead = page.rows
        try:
            while ahead:
                answers = take([parcel for _, parcel in ahead])
                for (number, _), took in zip(ahead, answers, strict=False):
                    (taken if took else refused).append((number,))
                ahead = ahead[len(answers) :]
        except BaseException:
            with suppress(StorageUnavailable):  # what take says is the news
                self._settle(page.token, taken, refused)
            raise
        self._settle(page.token, taken, refused)
        return len(taken)

    def _settle(
        self, token: str, taken: Sequence[tuple[int]], refused: Sequence[tuple[int]]
    ) -> None:
        def write(connection: sqlite3.Connection) -> None:
            if self._file.token == token:  # else a new file, where the numbers are others'
                connection.executemany("DELETE FROM parcels WHERE id = ?", taken)
                connection.executemany("UPDATE parcels SET tries = tries + 1 WHERE id = ?", refused)

        if taken or refused:
            self._file.run(write, frees=True)


def _after_fork() -> None:
    for spool in _SPOOLS:
        spool.begin()


os.register_at_fork(after_in_child=_after_fork)
