"""How far a webhook goes before its ack: through few files, so that it is read in a minute."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from flask import Flask
from support import KEYS, message, report

import receiver

# What all files speak of, and no step on a webhook's way.
VOCABULARY = {"events.py", "errors.py", "msisdn.py", "accounts.py", "store/connection.py"}
VOCABULARY |= {"consent.py", "signing.py", "measures.py", "store/tally.py"}
MOST_FILES = 5


CALLBACKS = {"smsbox": message("t-1"), "lefoka": report("delivered", "27637885448")}


@pytest.mark.parametrize("provider", CALLBACKS)
def test_a_webhook_passes_few_files_before_its_ack(
    make_app: Callable[..., Flask], provider: str
) -> None:
    """A file is passed that hands the webhook on; what only answers a question is no stop."""
    client = make_app().test_client()
    passed: set[str] = set()

    def note(frame: FrameType, event: str, argument: Any) -> None:
        if event != "call" or _file(frame) in (None, *VOCABULARY):
            return
        caller = frame.f_back
        while caller is not None and _file(caller) is None:
            caller = caller.f_back
        if caller is not None and _file(caller) not in (_file(frame), *VOCABULARY):
            passed.add(str(_file(caller)))

    for _ in range(2):
        passed.clear()
        sys.setprofile(note)
        try:
            answer = client.post(
                f"/webhooks/{provider}",
                json=CALLBACKS[provider],
                headers={"x-api-key": KEYS[provider]},
            )
        finally:
            sys.setprofile(None)
        assert answer.status_code == 200
    assert {"web/webhook.py", "providers/base.py", "intake.py"} <= passed
    assert len(passed) <= MOST_FILES, sorted(passed)


def _file(frame: FrameType) -> str | None:
    file, package = Path(frame.f_code.co_filename), Path(receiver.__file__).parent
    if not file.is_relative_to(package):
        return None
    name = file.relative_to(package).as_posix()
    # the files of one provider are one stop
    return re.sub(r"(?<=^providers/)([a-z]+)_\w+", r"\1", name)
