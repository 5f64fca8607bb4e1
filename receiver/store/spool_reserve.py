"""A file that only takes up room: given up on a full disk, so that a spool can be emptied.

To delete from a database takes room as well. It is no quota: others may take what is given up.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_SIZE = 4 << 20  # bytes: twice what a log holds before it goes into the file


class Reserve:
    """The room that a file takes up."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def make(self) -> None:
        """Take up the room; where there is too little, none."""
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError:  # another process was first, or the next put will say what is wrong
            return
        written = 0
        try:
            with suppress(OSError):
                written = os.write(descriptor, bytes(_SIZE))
        finally:
            os.close(descriptor)
        if written < _SIZE:
            self.spend()

    def spend(self) -> bool:
        """Give the room up; False where there was none."""
        with suppress(OSError):
            self._path.unlink()
            return True
        return False
