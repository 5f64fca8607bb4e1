"""Locks that the processes of one host take in turn: files, so that no lock outlives its holder.

They know nothing of what they guard, and they guard nothing between hosts.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_POLL_SECONDS = 0.0005

# The descriptors of this process's locks: a forked child closes them, or it would hold them on.
_HELD: set[int] = set()
_changing = threading.Lock()


def try_lock(path: Path) -> int | None:
    """Take a lock at once, and give it for `unlock`; ``None`` where somebody else holds it.

    Threads exclude each other as processes do. Raises `OSError` where the file cannot be made.
    """
    with _changing:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if _locked(descriptor, path):
                _HELD.add(descriptor)
        finally:
            if descriptor not in _HELD:
                os.close(descriptor)
        return descriptor if descriptor in _HELD else None


def unlock(descriptor: int) -> None:
    """Give back a lock; nothing to do in a child that was forked while its parent held it."""
    with _changing:
        if descriptor in _HELD:
            _HELD.remove(descriptor)
            os.close(descriptor)


@contextmanager
def in_turn(path: Path, seconds: float) -> Iterator[None]:
    """Run a block while holding a lock, waiting for it ``seconds`` at most: then `TimeoutError`.

    Who waits is the next, even where the holder wants it again at once: the wait is for two locks,
    and the first one, beside the lock's file, is that of the next in line.
    """
    deadline = time.monotonic() + seconds
    line = _wait(path.with_suffix(".next"), deadline)
    try:
        lock = _wait(path, deadline)
    finally:
        unlock(line)
    try:
        yield
    finally:
        unlock(lock)


def _wait(path: Path, deadline: float) -> int:
    while (descriptor := try_lock(path)) is None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"another process holds {path.name}")
        time.sleep(_POLL_SECONDS)
    return descriptor


def _locked(descriptor: int, path: Path) -> bool:
    """Lock an open file; False as well where it was deleted meanwhile, and others lock another."""
    with suppress(BlockingIOError, FileNotFoundError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(descriptor), path.stat())
    return False


def _before_fork() -> None:
    _changing.acquire()


def _after_fork_in_parent() -> None:
    _changing.release()


def _after_fork_in_child() -> None:
    global _changing
    _changing = threading.Lock()  # a server that forks in C does not ask us before
    for descriptor in _HELD:
        os.close(descriptor)  # no LOCK_UN: that would take the lock from the parent
    _HELD.clear()


os.register_at_fork(
    before=_before_fork,
    after_in_parent=_after_fork_in_parent,
    after_in_child=_after_fork_in_child,
)
