"""docs/how-to/forget.md: its steps are taken, one after the other, and do what it says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

from conftest import ACCOUNTS, need
from planting import in_redis

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "how-to" / "forget.md").read_text()
BLOCKS = [textwrap.dedent(code) for code in re.findall(r"(?ms)^ *```sh\n(.*?)```", TEXT)]
MOST_LINES, MOST_IN_A_BLOCK = 80, 15

# What the page takes for granted: these on the path, and what they need installed.
PROGRAMS = {
    "sms-receiver": f'exec {sys.executable} -m receiver "$@"',
    "python": f'exec {sys.executable} "$@"',
    "pip": 'test "$*" = "install sms-receiver[encryption]"',
}
SPEAK = """
from receiver.standalone import create_app
body = {"from": "+27637885448", "to": "15000", "transaction_id": "%s", "message": {"text": "hi"}}
app = create_app()
print(app.test_client().post("/webhooks/smsbox", json=body, auth=("%s", "")).status_code)
"""


def test_the_steps_do_what_it_says(tmp_path: Path, redis_url: str, redis: Any) -> None:
    environment = {
        **os.environ,
        "FLASK_SECRET_KEY": "a-secret-key-of-some-length",
        "FLASK_RECEIVER_REDIS_URL": redis_url,
        "FLASK_RECEIVER_ACCOUNTS": json.dumps(ACCOUNTS),
        "FLASK_RECEIVER_SPOOL_DIR": str(tmp_path / "spool"),
        "FLASK_RECEIVER_HANDLERS": "handlers.alarm",
        "PYTHONPATH": str(ROOT),
    }
    (tmp_path / "bin").mkdir()
    for name, line in PROGRAMS.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{line}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    environment["PATH"] = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    key = ACCOUNTS["smsbox"]["api_key"]
    write, again = (f"python -c '{SPEAK % (name, key)}'" for name in ("t-1", "t-2"))
    export, forget, keep, encrypt, rotate, reencrypt = BLOCKS
    lines = ["set -e", write, "sms-receiver worker --burst 2> log", export, forget, f"( {keep} )"]
    script = "\n".join([*lines, again, encrypt, rotate, reencrypt])
    done = subprocess.run(
        [need("sh"), "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads((tmp_path / "what-we-have.json").read_text())
    assert [event["text"] for event in told["events"]] == ["hi"]
    assert done.stdout.count("events") >= 2  # what there is, and what was erased
    assert "encryption at rest: on" in done.stdout
    assert not [text for text in in_redis(redis_url) if b"637885448" in text]


def test_it_is_short_and_every_command_that_it_names_is_there() -> None:
    assert len(TEXT.splitlines()) <= MOST_LINES
    assert all(len(code.splitlines()) <= MOST_IN_A_BLOCK for code in BLOCKS)
    named = set(re.findall(r"sms-receiver ([a-z]+)", TEXT))
    assert named == {"export", "forget", "privacy", "check"}
