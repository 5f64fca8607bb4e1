"""What all pages of the inbox stand on: the parts of the app, who asks, and how a page is written.

Templates are rendered by an environment of ours, and not by the app's: everything is escaped, and
nothing that the app puts into its own templates can fail here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from flask import Response, g, request, url_for
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from werkzeug.exceptions import BadRequest

from ..intake import Intake
from ..providers.base import Provider
from ..settings import Settings
from ..silence import Silence
from ..store.browse import Browse
from ..store.connection import Connection
from ..store.deadletters import DeadLetters
from ..store.figures import Figures
from ..store.journal import Journal
from ..store.keybook import KeyBook
from ..store.optouts import OptOuts
from ..store.quarantine import Quarantine
from ..store.queue import JobMaker
from ..store.spool import Spool
from ..store.workers import Workforce
from ..words import printable
from .inbox_access import Access
from .inbox_session import Session
from .patience import Patience

ENDPOINT = "receiver_inbox"  # the blueprint's name

_HERE = Path(__file__).parent


class Parts(Protocol):
    """The parts of a deployment that the inbox works with."""

    settings: Settings
    connection: Connection
    journal: Journal
    jobs: JobMaker
    deadletters: DeadLetters
    figures: Figures
    quarantine: Quarantine
    intake: Intake
    keybook: KeyBook
    optouts: OptOuts
    spool: Spool
    providers: Mapping[str, Provider]

    @property
    def silence(self) -> Silence:
        """What knows when something came last."""

    @property
    def patience(self) -> Patience:
        """What is asked before Redis is."""


class Desk:
    """The parts of one app's inbox."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.access = Access(parts.settings, parts.patience)
        self.browse = Browse(parts.connection, parts.journal, parts.jobs, parts.deadletters)
        self.workforce = Workforce(parts.connection, parts.jobs)
        self._templates = _environment(self.access)

    def page(self, template: str, status: int = 200, **values: Any) -> Response:
        """Write a page of ours."""
        text = self._templates.get_template(template).render(now=datetime.now(UTC), **values)
        return Response(text, status, content_type="text/html; charset=utf-8")

    @property
    def session(self) -> Session:
        """The session of the request that runs; there is one behind the door only."""
        found: Session = g.receiver_inbox_session
        return found

    @property
    def accounts(self) -> list[str]:
        """The names of all accounts."""
        return sorted(self.parts.settings.accounts)

    def attention(self) -> dict[str, int]:
        """Count what somebody should look at."""
        return {"failed": len(self.parts.deadletters), "quarantine": len(self.parts.quarantine)}


def url(name: str, **values: Any) -> str:
    """Give the URL of one of our pages."""
    return url_for(f"{ENDPOINT}.{name}", **values)


def is_ours(path: str) -> bool:
    """Tell whether a path that a form names is one of our pages; raises `BadRequest` for lines."""
    if not path.isprintable():
        raise BadRequest
    return path.startswith(url("events")) and "\\" not in path


def _environment(access: Access) -> Environment:
    made = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    versions = {
        file.relative_to(_HERE / "static").as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in (_HERE / "static").rglob("*.*")
    }

    def static(name: str) -> str:
        return url("static", filename=name, v=versions[name][:12])

    def token() -> str:
        return access.sessions.token(g.receiver_inbox_session)

    made.globals.update(
        url=url,
        static=static,
        token=token,
        request=request,
        is_in=lambda: "receiver_inbox_session" in g,
        asks_for_a_password=access.asks_for_a_password,
    )
    made.filters.update(when=when, plain=plain, ago=ago, counted=counted, moment=moment)
    made.filters.update(json=lambda value: json.dumps(value, ensure_ascii=False), without=without)
    return made


def when(at: datetime, form: str = "%b %d, %H:%M:%S") -> Markup:
    """Write a time: in UTC as it stands, for the page to show in the reader's own."""
    utc = at.astimezone(UTC)
    return Markup('<time datetime="{}" title="{}">{} UTC</time>').format(
        utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
        utc.strftime("%Y-%m-%d %H:%M:%S UTC"),
        utc.strftime(form),
    )


def moment(given: float | str) -> datetime:
    """Read a time: seconds since the epoch, or ISO 8601 as records have it."""
    if isinstance(given, str):
        return datetime.fromisoformat(given).astimezone(UTC)
    return datetime.fromtimestamp(given, UTC)


def without(values: Mapping[str, str], name: str) -> dict[str, str]:
    """Leave one out."""
    return {key: value for key, value in values.items() if key != name}


def plain(text: str) -> str:
    """Write out what no page should show as it is, but for the ends of lines."""
    return "\n".join(map(printable, text.replace("\r\n", "\n").split("\n")))


def ago(seconds: float) -> str:
    """Say a span in the largest unit that tells enough."""
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= 2 * size:
            return counted(int(seconds // size), unit)
    return counted(int(seconds), "second")


def counted(number: int, unit: str) -> str:
    """Write a number with its unit."""
    return f"{number:,} {unit}" + ("" if number == 1 else "s")
