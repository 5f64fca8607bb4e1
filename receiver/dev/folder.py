"""The folder of `up`: its lock, the keys of the demo accounts, and where a running one is found.

Everything in it is for its owner's eyes only, and nothing of it belongs into a repository.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from werkzeug.security import generate_password_hash

from ..errors import ReceiverError

DEFAULT = ".receiver"

_LOCK_SECONDS = 1.0
_LONGEST_TMP = 60  # bytes


class Folder:
    """What is kept in one folder from one `up` to the next."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._lock: int | None = None
        self._made_sockets = False

    @property
    def sockets(self) -> Path:
        """Where its unix sockets lie: in /tmp, since the path of one may have 100 bytes or so."""
        name = hashlib.sha256(os.fsencode(self.path.resolve())).hexdigest()[:8]
        temporary = tempfile.gettempdir()
        short = temporary if len(os.fsencode(temporary)) <= _LONGEST_TMP else "/tmp"
        return Path(short) / f"rcv-{os.getuid()}-{name}"

    def make_sockets(self) -> None:
        """Make that folder, for us alone; raises `ReceiverError` where somebody else has."""
        self.sockets.mkdir(mode=0o700, exist_ok=True)
        found = self.sockets.lstat()
        if found.st_uid != os.getuid() or not stat.S_ISDIR(found.st_mode):
            raise ReceiverError(f"{self.sockets} is somebody else's; set TMPDIR to another folder")
        self.sockets.chmod(0o700)
        self._made_sockets = True

    def lock(self) -> int:
        """Take the folder for this process and those that inherit the descriptor given.

        Raises `ReceiverError` if another one has it.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        ignore = self.path / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n")
        deadline = time.monotonic() + _LOCK_SECONDS
        while (descriptor := self._take()) is None and time.monotonic() < deadline:
            time.sleep(_LOCK_SECONDS / 10)  # one that was killed is perhaps just going
        if descriptor is None:
            owner = (self.path / "lock").read_text().strip() or "unknown"
            raise ReceiverError(
                f"another `up` (process {owner}) runs in {self.path}:"
                " stop it, or give this one another --folder"
            )
        os.truncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self._lock = descriptor
        return descriptor

    def unlock(self) -> None:
        """Give the folder back."""
        for name in ("up.json", "env"):
            (self.path / name).unlink(missing_ok=True)
        if self._lock is not None:
            if self._made_sockets:  # one that was killed could not remove its own
                shutil.rmtree(self.sockets, ignore_errors=True)
            os.close(self._lock)
            self._lock = None

    def keys(self) -> dict[str, Any]:
        """Give ``secret_key``, the credentials of demo ``accounts``, and the ``inbox``'s password.

        They are made on the first call.
        """
        path = self.path / "keys.json"
        if not path.exists():
            pairs = {
                name: {"api_key": secrets.token_hex(12), "api_secret": secrets.token_hex(16)}
                for name in ("lefoka", "smsbox")
            }
            _write(path, json.dumps({"secret_key": secrets.token_hex(), "accounts": pairs}))
        try:
            found: dict[str, Any] = json.loads(path.read_text())
        except ValueError as error:
            raise ReceiverError(f"{path} is damaged: delete it, new keys are made") from error
        if "inbox" not in found:
            password = secrets.token_urlsafe(9)
            found["inbox"] = {"password": password, "hash": generate_password_hash(password)}
            _write(path, json.dumps(found))
        return found

    def announce(self, running: Mapping[str, Any], shell: str) -> None:
        """Tell other commands of the `up` that runs here: `running`, and lines for a shell."""
        _write(self.path / "up.json", json.dumps(running))
        _write(self.path / "env", shell)

    def running(self) -> dict[str, Any] | None:
        """Give what the running `up` announced, or ``None`` where none runs."""
        path = self.path / "up.json"
        if not path.is_file():
            return None
        descriptor = self._take()
        if descriptor is not None:  # nobody holds the lock: left over by one that was killed
            os.close(descriptor)
            return None
        found: dict[str, Any] = json.loads(path.read_text())
        return found

    def _take(self) -> int | None:
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return descriptor


def _write(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    part.replace(path)
