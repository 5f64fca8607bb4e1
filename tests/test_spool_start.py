"""An app does not start where it could not keep what it acknowledges."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from receiver import ConfigurationError

MakeApp = Callable[..., Flask]


def test_a_spool_that_cannot_be_written_stops_the_start(make_app: MakeApp, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(ConfigurationError) as caught:
        make_app(SPOOL_DIR=str(tmp_path / "file" / "spool"))
    assert str(caught.value).startswith("RECEIVER_SPOOL_DIR: ")
    assert "name a folder that this process may write to" in str(caught.value)


def test_a_spool_is_made_for_its_owner_alone(make_app: MakeApp, tmp_path: Path) -> None:
    make_app(SPOOL_DIR=str(tmp_path / "new" / "spool"))
    assert (tmp_path / "new" / "spool").stat().st_mode & 0o777 == 0o700
    files = (tmp_path / "new" / "spool").iterdir()
    assert {file.stat().st_mode & 0o077 for file in files} == {0}
