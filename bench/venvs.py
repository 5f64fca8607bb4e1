"""The peers' own virtual environments: what they need clashes with ours, and with each other's.

Made once and kept in ``bench/.venvs``; made anew where the requirements or Python have changed.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from .programs import BenchError

PEERS = Path(__file__).with_name("peers")

_FOLDER = Path(__file__).with_name(".venvs")
_MARK = "made-of.txt"
_VERSIONS = (
    "import importlib.metadata as m, json;"
    "print(json.dumps({d.metadata['Name']: d.version for d in m.distributions()}))"
)


def python_of(peer: str) -> str:
    """Give the Python that a peer runs with: ours, unless it has requirements of its own."""
    wanted = PEERS / f"{peer}.txt"
    return _made(peer, wanted) if wanted.exists() else sys.executable


@cache
def versions(python: str) -> dict[str, str]:
    """Tell which versions of which packages a Python has."""
    done = subprocess.run([python, "-c", _VERSIONS], capture_output=True, text=True, check=True)
    found: dict[str, str] = json.loads(done.stdout)
    return found


@cache
def _made(peer: str, wanted: Path) -> str:
    folder = _FOLDER / peer
    python, mark = folder / "bin" / "python", folder / _MARK
    made_of = f"{sys.version}\n{wanted.read_text()}"
    if python.exists() and mark.exists() and mark.read_text() == made_of:
        return str(python)
    print(f"making the environment of {peer} …", file=sys.stderr, flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for command in ([sys.executable, "-m", "venv", str(folder)], [*pip, "-r", str(wanted)]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BenchError(f"the peer {peer} cannot be installed:\n{done.stderr[-2000:]}")
    mark.write_text(made_of)
    return str(python)
