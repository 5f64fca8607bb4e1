"""What an app sends while it is tested: it is kept here, and nothing of it leaves.

Our own providers write their requests, to their simulated APIs: what those refuse fails as it would
for real. Of a provider of somebody else nothing is simulated: its `send` is not called.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from ..accounts import Account
from ..dev.provider_api import ProviderApi, simulates
from ..events import unique_id
from ..providers import wire
from ..providers.base import Provider, Sent, Sms
from ..settings import Settings

_OURS = "receiver.providers."


@dataclass(frozen=True, slots=True, kw_only=True)
class SentSms:
    """One SMS to one number; ``account`` is whose it was, ``source`` where it came from."""

    to: str
    text: str
    account: str
    source: str | None = None
    message_id: str | None = None
    schedule: str | None = None


class Outside:
    """The providers of one app; ``path`` is the file in which processes note what they sent."""

    def __init__(self, settings: Settings, path: Path) -> None:
        self._path = path
        credentials: dict[str, dict[str, str]] = {}
        for account in settings.accounts.values():
            keys = dict.fromkeys(account.api_keys, account.api_secret or "")
            user = account.options.get("username")
            more = {str(user): account.api_secret or ""} if user else {}
            credentials.setdefault(account.provider, {}).update(keys | more)
        self.api = ProviderApi(credentials)

    @property
    def sent(self) -> list[SentSms]:
        """What was sent, the oldest first."""
        if not self._path.exists():
            return []
        return [SentSms(**json.loads(line)) for line in self._path.read_text("utf-8").splitlines()]

    def forget(self) -> None:
        """Begin anew."""
        self._path.unlink(missing_ok=True)

    @contextmanager
    def standing_in(self) -> Iterator[None]:
        """Take the place of the network for the length of the block, in all threads."""
        wire.stand_in = httpx.WSGITransport(app=self.api)
        try:
            yield
        finally:
            wire.stand_in = None

    def watch(self, provider: Provider) -> None:
        """Keep what an account sends."""
        send = provider.send if _is_simulated(provider) else _take
        vars(provider)["send"] = self._noting(provider.account, send)

    def _noting(self, account: Account, send: Callable[[Sms], Sent]) -> Callable[[Sms], Sent]:
        def noting(sms: Sms) -> Sent:
            sent = send(sms)
            lines = [json.dumps(asdict(one)) + "\n" for one in _each(account.name, sms, sent)]
            self._note("".join(lines))
            return sent

        return noting

    def _note(self, lines: str) -> None:
        """Append in one call: a worker may be killed at any moment."""
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, lines.encode("ascii"))
        finally:
            os.close(descriptor)


def _is_simulated(provider: Provider) -> bool:
    return type(provider).__module__.startswith(_OURS) and simulates(provider.account)


def _take(sms: Sms) -> Sent:
    return Sent(message_id=unique_id())


def _each(account: str, sms: Sms, sent: Sent) -> Iterator[SentSms]:
    when: datetime | None = sms.schedule
    common: dict[str, Any] = {"text": sms.text, "account": account, "source": sms.source}
    for number in sms.recipients:
        message_id = sent.message_ids.get(number, sent.message_id)
        schedule = when.isoformat() if when else None
        yield SentSms(to=number, message_id=message_id, schedule=schedule, **common)
