"""What can still be read of a damaged spool, parcel by parcel; the file itself is left as it is."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from ..errors import StorageUnavailable

_NEXT = "SELECT id, parcel FROM parcels WHERE id > ? ORDER BY id LIMIT 1"
_LAST = "SELECT seq FROM sqlite_sequence WHERE name = 'parcels'"


def salvage(path: Path) -> Iterator[bytes | None]:
    """Give each parcel in order, and ``None`` for each that may have stood where the damage is.

    Raises `StorageUnavailable` where nothing can be read at all.
    """
    try:
        # opened for writing: its log, which lies beside it, holds the newest parcels
        with closing(sqlite3.connect(f"file:{path}?mode=rw", uri=True)) as connection:
            last = int(connection.execute(_LAST).fetchall()[0][0])
            yield from _parcels(connection, last)
    except (sqlite3.Error, IndexError) as error:
        raise StorageUnavailable(f"{path.name}: {error}") from error


def _parcels(connection: sqlite3.Connection, last: int) -> Iterator[bytes | None]:
    number = 0
    while number < last:
        try:
            rows = connection.execute(_NEXT, (number,)).fetchall()
        except sqlite3.DatabaseError:
            number += 1
            yield None
            continue
        if not rows:
            return
        number = rows[0][0]
        yield rows[0][1]
