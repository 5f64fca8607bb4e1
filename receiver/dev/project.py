"""A user's project as files: out of the templates in ``project/``, and of ``deploy/`` as it is.

In templates ``[[name]]`` is the project's name, ``[[package]]`` the same as Python spells it,
``[[handlers]]`` the package of its handlers, ``[[secret]]`` a new secret key, and
``[[requirement]]`` the place that sms-receiver itself was installed from.
"""

from __future__ import annotations

import importlib.util
import re
import secrets
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..errors import ReceiverError
from . import origin

_TEMPLATES = Path(__file__).parent / "project"
# An installed package has it beside the templates; a checkout has it where it is edited.
_DEPLOY = (_TEMPLATES / "deploy", Path(__file__).parents[2] / "deploy")

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST = 30
_TAKEN = {"handlers", "tests", "deploy", "wsgi", "receiver", "sms-receiver"}
_EXTRAS = "serve,embedded"
_SECRET = re.compile(r"\[\[secret\]\]")

_COMMON = {
    ".gitignore": "common/gitignore.txt",
    "requirements.txt": "common/requirements.txt",
    "pyproject.toml": "common/pyproject.toml.txt",
    ".env": "common/env.txt",
    ".env.example": "common/env.txt",
    "tests/test_handlers.py": "common/test_handlers.txt",
}
_STANDALONE = {
    "README.md": "standalone/README.md.txt",
    "wsgi.py": "standalone/wsgi.txt",
    "handlers/__init__.py": "common/handlers.txt",
    "handlers/balance.py": "common/balance.txt",
    "tests/conftest.py": "standalone/conftest.txt",
}
_MOUNTED = {
    "README.md": "mounted/README.md.txt",
    "wsgi.py": "mounted/wsgi.txt",
    "[[package]]/__init__.py": "mounted/init.txt",
    "[[package]]/handlers/__init__.py": "common/handlers.txt",
    "[[package]]/handlers/balance.py": "common/balance.txt",
    "tests/conftest.py": "mounted/conftest.txt",
}
DEPLOYED = (
    "README.md",
    "nginx.conf",
    "restart-web",
    "sms-receiver",
    "sms-receiver-web.service",
    "sms-receiver-worker.service",
)
_OUR_COMMAND = ".venv/bin/sms-receiver"
_COMMAND_OF = {False: _OUR_COMMAND, True: ".venv/bin/flask --app wsgi receiver"}

# What the files of deploy/ say of our own repository, and what a project says instead.
_OF_A_PROJECT = {
    "pip install -q -e '/opt/sms-receiver[serve]'": (
        "pip install -q -r /opt/sms-receiver/requirements.txt"
    ),
    ".venv/bin/pip install -q -e '.[serve]'": ".venv/bin/pip install -q -r requirements.txt",
    " Delete `echo.py` there: it answers everything that no\nother handler takes.": "",
}
_OF_A_MOUNTED_ONE = {
    "`/opt/sms-receiver/handlers/`": "`/opt/sms-receiver/[[package]]/handlers/`",
    "FLASK_RECEIVER_PROXIES=1": "FLASK_PROXIES=1",
    "`RECEIVER_PROXIES=1`": "`FLASK_PROXIES=1`",
    "`RECEIVER_PROXIES` stays": "`FLASK_PROXIES` stays",
    "    location / {\n        return 404;\n    }\n": (
        "    location / { # the pages of your own\n"
        "        proxy_pass http://sms_receiver;\n"
        "        proxy_http_version 1.1;\n"
        '        proxy_set_header Connection "";\n'
        "        proxy_set_header Host $host;\n"
        "        proxy_set_header X-Forwarded-For $remote_addr;\n"
        "        proxy_set_header X-Forwarded-Proto $scheme;\n"
        "    }\n"
    ),
}


class Project:
    """A project to be written; ``name`` is its folder's, and its services'.

    Raises `ReceiverError` where the name will not do.
    """

    def __init__(self, name: str, *, mounted: bool = False, parent: Path | None = None) -> None:
        _check(name, mounted)
        self.name = name
        self.folder = (parent or Path.cwd()) / name
        self._mounted = mounted
        package = name.replace("-", "_")
        self._words = {
            "[[name]]": name,
            "[[package]]": package,
            "[[handlers]]": f"{package}.handlers" if mounted else "handlers",
            "[[requirement]]": origin.requirement(_EXTRAS),
        }

    def write(self) -> list[str]:
        """Write all files, and give their names; raises `ReceiverError` where a folder is."""
        files = dict(self.files())
        try:
            self.folder.mkdir()
        except FileExistsError as error:
            raise ReceiverError(
                f"there is a {self.name} here already, and nothing was changed: choose another name"
            ) from error
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(0o600 if name == ".env" else 0o644)
            path.write_text(text, "utf-8")
            if path.parent.name == "deploy" and text.startswith("#!"):
                path.chmod(0o755)
        return list(files)

    def files(self) -> Iterator[tuple[str, str]]:
        """Give the name and the text of each file."""
        shape = _MOUNTED if self._mounted else _STANDALONE
        for name, template in (_COMMON | shape).items():
            text = (_TEMPLATES / template).read_text("utf-8")
            secret = secrets.token_hex(32) if name == ".env" else "…"
            yield self._filled(name), _SECRET.sub(secret, self._filled(text))
        for name in DEPLOYED:
            yield f"deploy/{name.replace('sms-receiver', self.name)}", self._deployed(name)

    def commands(self) -> list[str]:
        """Give what to type next: the first block of the project's README."""
        readme = dict(self.files())["README.md"]
        block = readme.partition("```sh\n")[2].partition("```")[0]
        return [f"cd {self.name}", *block.splitlines()]

    def _filled(self, text: str) -> str:
        for word, value in self._words.items():
            text = text.replace(word, value)
        return text

    def _deployed(self, name: str) -> str:
        """Give a file of deploy/ as this project's: its name is in paths, users and services."""
        folder = next(folder for folder in _DEPLOY if folder.is_dir())
        text = (folder / name).read_text("utf-8")
        changes: Mapping[str, str] = _OF_A_PROJECT
        if self._mounted:
            changes = {**changes, **_OF_A_MOUNTED_ONE}
        for ours, theirs in changes.items():
            text = text.replace(ours, theirs)
        text = self._filled(text).replace("sms_receiver", self._words["[[package]]"])
        parts = [part.replace("sms-receiver", self.name) for part in text.split(_OUR_COMMAND)]
        return _COMMAND_OF[self._mounted].join(parts)


def _check(name: str, mounted: bool) -> None:
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        raise ReceiverError(
            f"{name!r} is no name for a project: write small letters, digits and - between them,"
            f" {_LONGEST} at most, such as my-shop"
        )
    package = name.replace("-", "_")
    known = package in sys.stdlib_module_names or importlib.util.find_spec(package) is not None
    if name in _TAKEN or (mounted and known):
        raise ReceiverError(f"a project cannot be named {name}: a module is; choose another name")
