"""What is shipped, and what a new user's first two commands do."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_wheel_ships_the_package_and_nothing_else(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"receiver"}
    assert {"receiver/py.typed", "receiver/store/scripts/accept.lua"} <= set(names)
    web = [name.removeprefix("receiver/web/") for name in names if "receiver/web/" in name]
    assert {"templates/events.html", "static/inbox.css", "static/inbox.js"} <= set(web)
    vendored = {name for name in web if name.startswith("static/vendor/")}
    assert {name.rpartition("/")[2].partition("-")[0] for name in vendored} == {"htmx", "uplot"}
    assert sum(name.endswith("-LICENSE.txt") for name in vendored) == 2
    (points,) = [name for name in names if name.endswith("entry_points.txt")]
    found = zipfile.ZipFile(wheel).read(points).decode()
    assert "sms-receiver = receiver.standalone:main" in found
    assert "[pytest11]\nsms_receiver = receiver.testing.plugin" in found
    assert "[flask.commands]\nreceiver = receiver.cli:receiver_commands" in found


def test_ci_runs_the_readmes_test_command() -> None:
    commands = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    first, second = commands[0].strip(), commands[1].strip()
    assert first.endswith("sms-receiver up")
    assert second in (ROOT / ".ci" / "run").read_text()
