"""The door: an account's webhook, and the one place where HTTP status codes are decided.

It finds the account, makes a `WebhookRequest`, lets the provider read it and the intake keep it,
and says the provider's answer. It knows WSGI (PEP 3333) and no framework: `blueprint` and `front`
bring the requests. Answers are returned, never raised.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from time import perf_counter
from typing import Any
from urllib.parse import parse_qsl

from .. import traces
from ..arrivals import count_refusal, count_unknown
from ..errors import Refused, StorageUnavailable, without_values
from ..intake import Intake
from ..measures import UNKNOWN, word
from ..providers.base import Provider, Received, WebhookRequest
from ..store.counted import Key
from ..store.tally import Tally
from .body import may_be_cut
from .quiet import Quiet

_RETRY_AFTER = 5  # seconds
_MAX_HEADER = 500  # characters
_MOST_KEYS = 500
_BODY_PROBLEMS = {
    400: ("The body did not arrive whole.", "Send it again."),
    413: ("The body is too large.", "The operator can raise RECEIVER_MAX_BODY."),
}
_KEY_HELP = "Send the account's API key (Basic user name, X-API-Key or api_key), or use its URL."

_log = logging.getLogger(__name__)

Environ = Mapping[str, Any]
CountedAs = tuple[str, str]  # see `Answer`


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer; ``headers`` are those beside Content-Type and Content-Length.

    ``counted_as``: what it is among the acks, where its status does not say it all, and the type
    that the callback names.
    """

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    counted_as: CountedAs = ("", "")

    @property
    def has_body(self) -> bool:
        """Tell whether HTTP allows this status a body."""
        return self.status >= 200 and self.status not in (204, 304)


class Webhooks:
    """The webhooks of one app; ``providers`` by account name, ``max_body`` in bytes."""

    def __init__(
        self, providers: Mapping[str, Provider], intake: Intake, max_body: int, tally: Tally
    ) -> None:
        self._tally = tally
        self._keys: dict[tuple[str, int, CountedAs], tuple[Key, ...]] = {}
        self.providers = providers
        self.max_body = max_body
        self._intake = intake
        self._refusals, self._losses = Quiet(_log, "refused"), Quiet(_log, "body_lost")

    def answer(
        self, account: str, token: str | None, environ: Environ, body: bytes | int
    ) -> Answer:
        """Answer a request; ``body`` may be the status code of why there is none."""
        began = perf_counter()
        respond = self._traced if traces.is_on() else self._safely
        answer = respond(account, token, environ, body)
        what = (account, answer.status, answer.counted_as)
        keys = self._keys.get(what) or self._key_of(*what)
        self._tally.note(keys, perf_counter() - began)
        return answer

    def _key_of(self, account: str, status: int, counted_as: CountedAs) -> tuple[Key, ...]:
        """Say what an answer counts as; what a stranger wrote into the URL is not remembered."""
        tally, provider = self._tally, self.providers.get(account)
        name, (word, kind) = UNKNOWN if provider is None else account, counted_as
        keys = [tally.key("acks", account=name, answer=word or str(status))]
        keys.append(tally.key("ack_seconds", account=name))
        if provider is not None and kind:
            keys.append(tally.key("provider_types", provider=provider.account.provider, type=kind))
        if provider is not None and len(self._keys) < _MOST_KEYS:
            self._keys[account, status, counted_as] = tuple(keys)
        return tuple(keys)

    def _traced(
        self, account: str, token: str | None, environ: Environ, body: bytes | int
    ) -> Answer:
        provider = self.providers.get(account)
        with traces.receiving() as traced:
            if provider is not None:
                traced.note(account=account, provider=provider.name)
            answer = self._safely(account, token, environ, body)
            traced.note(answer=answer.status)
        return answer

    def _safely(
        self, account: str, token: str | None, environ: Environ, body: bytes | int
    ) -> Answer:
        try:
            return self._answer(self.providers.get(account), token, environ, body)
        except Exception as error:  # noqa: BLE001 - whatever fails, the provider may try again
            _log.error("event=webhook_failed account=%r", account, exc_info=without_values(error))
            return _later("The event could not be taken.")

    def take_over(self, providers: Mapping[str, Provider], intake: Intake, tally: Tally) -> None:
        """Answer for other parts from now on: a test moves an app to a Redis of its own."""
        self.providers, self._intake, self._tally = providers, intake, tally

    def lost(self, account: str, error: Exception) -> None:
        """Say that a body broke off on its way."""
        name = account if account in self.providers else "?"
        self._losses.warning(name, "error=%s", type(error).__name__)

    def _answer(
        self, provider: Provider | None, token: str | None, environ: Environ, body: bytes | int
    ) -> Answer:
        if provider is None or not provider.pushes:
            return _error(404, "There is no such webhook.", "Check the account's name in the URL.")
        if environ["REQUEST_METHOD"] != "POST":
            return _error(405, "Webhooks are sent by POST.", "Use POST.", ("Allow", "POST"))
        if isinstance(body, int):
            return _error(body, *_BODY_PROBLEMS[body])
        account, callback = provider.account, _framework_free(environ, body, token)
        try:
            received = provider.receive(callback)
            if may_be_cut(environ, body, received.unreadable):
                return _error(400, *_BODY_PROBLEMS[400])
            fresh = self._intake.accept(received, callback, account)
        except Refused as error:
            places = ",".join(error.looked_in)
            count_refusal(self._tally, account.name, error.reason)
            self._refusals.warning(account.name, "reason=%r looked_in=%s", error.reason, places)
            wanted = ("WWW-Authenticate", 'Basic realm="sms-receiver"')
            return _error(401, "The caller is not authenticated.", _KEY_HELP, wanted)
        except StorageUnavailable as error:
            _log.error("event=storage_unavailable account=%s reason=%r", account.name, str(error))
            return _later("The event could not be stored.")
        if received.unknown:
            count_unknown(self._tally, account.provider, received)
        ack, why = received.ack, received.unreadable
        headers = (("Receiver-Quarantined", _header_text(why)),) if why is not None else ()
        return Answer(ack.status, ack.body, ack.content_type, headers, _counted_as(fresh, received))


def _counted_as(fresh: int | None, received: Received) -> CountedAs:
    """Say what became of a callback; a spooled one is judged when it is drained."""
    kind = word(received.kind) if received.kind else ""
    if fresh is None:
        return "spooled", kind
    if received.unreadable is not None:
        return "quarantined", kind
    return "duplicate" if received.events and not fresh else "", kind


def _framework_free(environ: Environ, body: bytes, token: str | None) -> WebhookRequest:
    query = environ.get("QUERY_STRING")
    return WebhookRequest(
        body=body,
        headers=_headers(environ),
        query=_pairs(query) if query else (),
        token=token,
        remote_addr=environ.get("REMOTE_ADDR"),
        received_at=datetime.now(UTC),
    )


def _headers(environ: Environ) -> dict[str, str]:
    """Give the headers by their names in lower case, out of the words of WSGI."""
    found = {
        name[5:].replace("_", "-").lower(): value
        for name, value in environ.items()
        if name[:5] == "HTTP_"
    }
    if environ.get("CONTENT_TYPE"):
        found["content-type"] = environ["CONTENT_TYPE"]
    return found


def _pairs(query: str) -> list[tuple[str, str]]:
    """Read a query of any bytes, which WSGI hands over as Latin-1; frameworks fail at some."""
    text = query.encode("latin-1", "replace").decode("utf-8", "replace")
    return parse_qsl(text, keep_blank_values=True, errors="replace")


def _header_text(text: str) -> str:
    """One line of ASCII, whatever a provider's file says: more than that cannot be sent."""
    shown = "".join(char if char.isascii() and char.isprintable() else " " for char in text)
    return " ".join(shown.split())[:_MAX_HEADER]


def _later(problem: str) -> Answer:
    return _error(503, problem, "Send it again.", ("Retry-After", str(_RETRY_AFTER)))


def _error(status: int, error: str, help_: str, *headers: tuple[str, str]) -> Answer:
    return Answer(
        status, json.dumps({"error": error, "help": help_}).encode("ascii"), headers=headers
    )
