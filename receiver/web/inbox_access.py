"""Who may see the inbox: the app's own guard, a password, or both; and which forms are ours.

The guard decides first, and only its `True` lets in. What it says no to, what it fails at, and what
nobody can tell apart from a mistake, such as a coroutine or a text, ends here.
"""

from __future__ import annotations

import inspect
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from pkgutil import resolve_name
from typing import Any
from urllib.parse import urlsplit

from flask import make_response, request
from redis.exceptions import RedisError
from werkzeug.exceptions import Forbidden, HTTPException, ServiceUnavailable, TooManyRequests
from werkzeug.security import check_password_hash
from werkzeug.wrappers import Response

from ..errors import without_values
from ..settings import Settings
from .inbox_failures import SECONDS, Failures, known
from .inbox_session import SESSION_SECONDS, Session, Sessions
from .patience import Patience
from .quiet import Quiet

_GUARD_ONLY = "guard"  # what sessions are bound to, without a password
_MOST_TOLD = 20  # types of what a guard gave
_PATIENCE = 0.3  # seconds: one password is checked at a time, and threads are for webhooks

_log = logging.getLogger(__name__)


class Access:
    """Let in, and turn away, for one app; everything is about the request that runs."""

    def __init__(self, settings: Settings, patience: Patience) -> None:
        self._guard = settings.inbox_guard
        self._password = settings.inbox_password
        self.sessions = Sessions(settings.secret_keys, self._password or _GUARD_ONLY)
        self._failures = Failures(patience, settings.namespace)
        self._patience = patience
        self._ended = f"{settings.namespace}:inbox:ended"
        self._checking = threading.Lock()
        self._refused = Quiet(_log, "inbox_login_refused")
        self._blocked = Quiet(_log, "inbox_login_blocked")
        self._resolved: Callable[[], Any] | None = None
        self._told: set[str] = set()

    @property
    def asks_for_a_password(self) -> bool:
        """Tell whether there is a way in by password."""
        return self._password is not None

    def ask_guard(self) -> Response | None:
        """Ask the app's guard; gives its own answer where it has one, raises `Forbidden` for no."""
        if self._guard is None:
            return None
        try:
            said = self._guard_function()()
            answer = _answer(said)
        except HTTPException as no:  # the guard called abort
            return no.get_response()
        except Exception as error:  # noqa: BLE001 - a guard raises anything, and nobody comes in
            _log.error("event=inbox_guard_failed", exc_info=without_values(error))
            raise Forbidden from None
        if answer is None and said is not True:
            if said is not False and said is not None:
                self._tell(said)
            raise Forbidden
        return answer

    def session(self, cookie: str | None) -> Session | None:
        """Give the session of who comes in; whom a guard alone lets in gets one without asking."""
        found = self.sessions.find(cookie)
        if found is None and not self.asks_for_a_password:
            return self.sessions.begin()
        return found

    def end(self, session: Session) -> None:
        """End a session for whoever has its cookie, if Redis can be told."""
        if self._patience.answers():
            with suppress(RedisError):
                key = f"{self._ended}:{session.id}"
                self._patience.connection.client.set(key, 1, ex=SESSION_SECONDS)

    def has_ended(self, session: Session) -> bool:
        """Tell whether somebody logged out of it; raises `RedisError`."""
        if not self.asks_for_a_password:
            return False
        return bool(self._patience.connection.client.exists(f"{self._ended}:{session.id}"))

    def log_in(self, password: str) -> Session | None:
        """Begin a session for the right password, else give ``None``.

        Raises `TooManyRequests` after too many tries, `ServiceUnavailable` where too many come at
        once.
        """
        address = request.remote_addr
        shown = known(address) or "-"  # a proxy may hand on anything
        if self._password is None or not self._failures.may_try(address):
            self._blocked.warning("-", "address=%s", shown)
            raise TooManyRequests(retry_after=SECONDS)
        if not self._checking.acquire(timeout=_PATIENCE):
            raise ServiceUnavailable(retry_after=5)
        try:
            is_right = check_password_hash(self._password, password)
        finally:
            self._checking.release()
        if not is_right:
            self._refused.warning("-", "address=%s", shown)
            return None
        self._failures.forgive(address)
        _log.info("event=inbox_login address=%s", shown)
        return self.sessions.begin()

    def check_form(self, session: Session) -> None:
        """Raise `Forbidden` unless the form that was sent is one of ours, of this session."""
        self.check_origin()
        if not self.sessions.holds(session, request.form.get("token")):
            raise Forbidden

    def check_origin(self) -> None:
        """Raise `Forbidden` where the browser says that another site's page sent this.

        Without https a browser may say nothing: then the form's token decides alone.
        """
        site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin", "null")
        if site is not None:
            is_ours = site == "same-origin"
        else:  # our pages send no referrer, and some browsers no origin then
            is_ours = origin == "null" or _is_of(origin, request.host)
        if not is_ours:
            raise Forbidden

    def _tell(self, said: object) -> None:
        """Log once what kind of thing the guard gave that is neither yes, no nor an answer."""
        if inspect.iscoroutine(said):
            said.close()  # nobody awaits it
        kind = type(said).__name__
        if kind not in self._told and len(self._told) < _MOST_TOLD:
            self._told.add(kind)
            _log.error(
                "event=inbox_guard_unclear type=%s help='it must give True to let in, False, or a"
                " response; nobody was let in'",
                kind,
            )

    def _guard_function(self) -> Callable[[], Any]:
        if self._resolved is None:
            guard = self._guard
            self._resolved = resolve_name(guard) if isinstance(guard, str) else guard
        return self._resolved  # type: ignore[return-value] # a guard is there, or nobody asks


def _answer(said: object) -> Response | None:
    """Give what a guard sends instead of the page: a response, or a tuple as Flask's views give."""
    if isinstance(said, tuple) and len(said) > 1 and isinstance(said[1], int):
        return make_response(said)
    return said if isinstance(said, Response) else None


def _is_of(origin: str, host: str) -> bool:
    """Tell whether an origin is of a host; a proxy may leave out the port, and take off TLS."""
    try:
        found = urlsplit(origin)
    except ValueError:
        return False
    return host in (found.netloc, found.hostname)
