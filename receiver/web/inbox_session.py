"""The inbox's own session: a signed cookie, a token for its forms, and the texts of its searches.

Nothing of the app's session is used. What is signed is bound to the password's hash, so that
another password ends every session. That one was ended by hand is kept elsewhere: `inbox_access`.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass

from itsdangerous import BadData, URLSafeSerializer, URLSafeTimedSerializer

SESSION_SECONDS = 12 * 3600
LONGEST_SESSION = 7 * 86_400  # seconds, however often somebody looks

LONGEST_TEXT = 100  # characters that are searched for
_RENEWED_AFTER = 600  # seconds
_MOST_TEXTS = 4
_LONGEST_COOKIE = 3_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One browser that may come in; ``cookie`` is what it is to keep from now on, if it changed."""

    id: str
    cookie: str | None = None


class Sessions:
    """Make and check what the browser keeps.

    ``secret_keys``: newest first; ``bound_to``: what ends all sessions when it changes.
    """

    def __init__(self, secret_keys: Sequence[str | bytes], bound_to: str) -> None:
        keys = [_bytes(key) for key in reversed(secret_keys)]  # the last one signs
        bound = hashlib.sha256(bound_to.encode("utf-8")).hexdigest()
        options = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
        self._cookies = URLSafeTimedSerializer(
            keys, salt=f"sms-receiver.inbox.{bound}", signer_kwargs=options
        )
        self._tokens = URLSafeSerializer(
            keys, salt=f"sms-receiver.inbox-form.{bound}", signer_kwargs=options
        )
        self._texts = URLSafeSerializer(
            keys, salt=f"sms-receiver.inbox-find.{bound}", signer_kwargs=options
        )

    def begin(self) -> Session:
        """Make a session, with a cookie to be kept."""
        session_id = secrets.token_hex(16)
        return Session(id=session_id, cookie=self._cookie(session_id, int(time.time())))

    def find(self, cookie: str | None) -> Session | None:
        """Give the session of a cookie that is ours and in time; a renewed one after a while."""
        try:
            (session_id, began), signed_at = self._cookies.loads(
                cookie or "", max_age=SESSION_SECONDS, return_timestamp=True
            )
        except (BadData, ValueError):
            return None
        now = time.time()
        if now - began > LONGEST_SESSION:
            return None
        is_old = now - signed_at.timestamp() > _RENEWED_AFTER
        return Session(id=session_id, cookie=self._cookie(session_id, began) if is_old else None)

    def token(self, session: Session) -> str:
        """Give what each form of a session sends along."""
        return _text(self._tokens.dumps(session.id))

    def holds(self, session: Session, token: str | None) -> bool:
        """Tell whether a form was made for this session."""
        try:
            found: object = self._tokens.loads(token or "")
        except BadData:
            return False
        return found == session.id

    def keep_text(self, cookie: str | None, text: str) -> tuple[str, str]:
        """Keep a text that is searched for; gives its name for URLs, and the cookie that holds it.

        It is in no URL and in no log; the last four are kept.
        """
        kept = [(name, known) for name, known in self._kept(cookie) if known != text]
        name = next((n for n, known in self._kept(cookie) if known == text), secrets.token_hex(4))
        kept = [*kept[-(_MOST_TEXTS - 1) :], (name, text[:LONGEST_TEXT])]
        while len(written := _text(self._texts.dumps(kept))) > _LONGEST_COOKIE and len(kept) > 1:
            kept.pop(0)
        return name, written

    def text(self, cookie: str | None, name: str) -> str | None:
        """Give the text of a name, if this browser has it."""
        return dict(self._kept(cookie)).get(name)

    def _kept(self, cookie: str | None) -> list[tuple[str, str]]:
        try:
            return [(str(name), str(text)) for name, text in self._texts.loads(cookie or "")]
        except (BadData, ValueError, TypeError):
            return []

    def _cookie(self, session_id: str, began: int) -> str:
        return _text(self._cookies.dumps((session_id, began)))


def _text(signed: str | bytes) -> str:
    return signed if isinstance(signed, str) else signed.decode("ascii")


def _bytes(key: str | bytes) -> bytes:
    return key if isinstance(key, bytes) else key.encode("utf-8")
