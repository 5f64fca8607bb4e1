"""A damaged spool is set aside, and what can be read of it is handled after all."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Flask
from servers import own_valkey, url_of
from support import KEYS, message
from test_cli import invoke

from receiver.store.spool_file import is_full

MakeApp = Callable[..., Flask]

COUNT = 60


def send(app: Flask, transaction: str) -> None:
    headers = {"x-api-key": KEYS["smsbox"]}
    answer = app.test_client().post("/webhooks/smsbox", json=message(transaction), headers=headers)
    assert answer.get_json() == {"transaction_id": transaction, "successful": True}


def damage(file: Path) -> None:
    """Overwrite one page in the middle, as a failing disk does."""
    with sqlite3.connect(file) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        size = database.execute("PRAGMA page_size").fetchall()[0][0]
    database.close()
    pages = file.stat().st_size // size
    with file.open("r+b") as stream:
        stream.seek(size * (pages // 2))
        stream.write(b"\xff" * size)


def test_what_a_damaged_file_still_holds_is_put_into_redis(
    make_app: MakeApp, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    with own_valkey() as server:
        app = make_app(REDIS_URL=url_of(server), SPOOL_DIR=str(tmp_path / "spool"))
        server.stop()
        for number in range(COUNT):
            send(app, f"t-{number}")
        app.extensions["receiver"].spool.close()
        shutil.copytree(tmp_path / "spool", kept)
        shutil.rmtree(tmp_path / "spool")
        damage(kept / "spool.db")
        server.start()
        later = make_app(REDIS_URL=url_of(server), SPOOL_DIR=str(tmp_path / "new"))
        result = invoke(later, "spool", "recover", str(kept / "spool.db"))
        journal: Any = later.extensions["receiver"].journal
        found = {record.event.message_id for record in journal.records(journal.ids())}
        assert f"{len(found)} callbacks read" in result.output
        assert "0 left in the spool" in result.output
        assert COUNT // 2 < len(found) < COUNT
        assert {"t-0", f"t-{COUNT - 1}"} <= found


def test_a_file_that_is_no_spool_is_said_to_be_none(make_app: MakeApp, tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"no database" * 100)
    result = invoke(make_app(), "spool", "recover", str(tmp_path / "x.db"))
    assert result.exit_code == 1
    assert "x.db: file is not a database" in result.output


def test_a_full_disk_is_told_from_a_forbidden_one() -> None:
    assert is_full(OSError(28, "No space left on device"))
    assert not is_full(OSError(13, "Permission denied"))
    assert not is_full(None)
