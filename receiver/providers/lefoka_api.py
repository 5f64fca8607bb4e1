"""Lefoka's API: its calls as requests, and their answers as the JSON objects that they are.

Source: https://developer.lefoka.co.za/docs/sms/reference. What a call changes is signed where it
has a body: "Send" and "Schedule" demand it, and "Edit" has no such parameter but names a mismatch
as its common error. GET and DELETE have no request string to sign, and their samples no signature.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..accounts import Account
from ..errors import PermanentDeliveryError, Unreadable
from .lefoka_errors import NOTHING_THERE, code_in, refusal
from .lefoka_request import sign
from .payload import amount, parse_sloppy_json
from .wire import LOOK_AT_ACCOUNT, LOOK_IT_UP, Wire

if TYPE_CHECKING:
    import httpx

LIVE_URL = "https://api.lefoka.co.za"
SANDBOX_URL = "https://sandbox.lefoka.co.za"

MOST_LISTED = 100  # "Number of messages to be returned. Default is 10 and maximum is 100."

_MESSAGES = "/v1/messages"
_STALE_PAGES = 3
_STRING = r'"(?:[^"\\]|\\[\s\S]?)*+"?'  # one without an end goes to the end: no way back
_BARE_WORD = re.compile(rf"({_STRING})|(?<=:)(\s*)([A-Z][A-Z0-9_]+)(?=\s*[,}}])")
_LOST_COMMA = re.compile(rf'({_STRING}|[\w}}\]])(\s+(?=["{{]))?')

Answer = Mapping[str, Any]


class LefokaApi:
    """The calls of one account; all raise `DeliveryError`."""

    def __init__(self, account: Account, transport: httpx.BaseTransport | None = None) -> None:
        self._account = account
        key = account.api_keys[0] if account.api_keys else ""
        self._wire = Wire(account.base_url or LIVE_URL, (key, ""), transport)

    def change(
        self, method: str, path: str, body: Mapping[str, Any] | None, done: Callable[[Answer], bool]
    ) -> Answer:
        """Send what changes something, signed if it has a body; ``done`` knows its success."""
        self._check_credentials(secret=body is not None)
        headers = {"Content-Type": "application/json"}
        if body is not None:
            headers["Signature"] = sign(body, self._account.api_secret or "")
        in_doubt = _in_doubt(method)
        response = self._wire.request(method, path, json=body, headers=headers, in_doubt=in_doubt)
        answer = read(response)
        if not response.is_success or not done(answer):
            given = body or {}
            private = [given[name] for name in ("message", "client_reference") if name in given]
            raise refusal(response, answer, in_doubt=in_doubt, private=private)
        return answer

    def ask(self, path: str, name: str) -> Answer:
        """GET an object that has a member ``name``."""
        self._check_credentials(secret=False)
        response = self._wire.request("GET", path, asks=True)
        answer = read(response)
        if not response.is_success or answer.get(name) in (None, ""):
            raise refusal(response, answer, asks=True)
        return answer

    def listed(
        self, filters: Mapping[str, str], limit: int = MOST_LISTED, page: int = 1
    ) -> Iterator[Answer]:
        """GET the list, page after page, newest first (section "Returns a list of SMS messages").

        Gives each object once, although they move from page to page while others come. Three pages
        in a row without a new one end the list: an API that ignores ``page`` has no last one.
        """
        seen: set[str] = set()
        stale = 0
        for number in itertools.count(page):
            answer = self._page({**filters, "page": str(number), "limit": str(limit)})
            named = {_name(entry): entry for entry in _entries(answer)}
            new = [entry for name, entry in named.items() if name not in seen]
            seen.update(named)
            yield from new
            stale = 0 if new else stale + 1
            last = amount(answer.get("total_pages"))
            if not named or stale == _STALE_PAGES or (last is not None and number >= last):
                return

    def _page(self, params: Mapping[str, str]) -> Answer:
        """Give one page; nothing where Lefoka says that there is none."""
        self._check_credentials(secret=False)
        response = self._wire.request("GET", _MESSAGES, params=params, asks=True)
        answer = read(response)
        if code_in(response, answer) == NOTHING_THERE:
            return {}
        if not response.is_success or "list" not in answer:
            private = [value for name, value in params.items() if name in ("search", "recipient")]
            raise refusal(response, answer, asks=True, private=private)
        return answer

    def _check_credentials(self, *, secret: bool) -> None:
        if not self._account.api_keys or (secret and not self._account.api_secret):
            raise PermanentDeliveryError(
                f"account {self._account.name} has no api_key or no api_secret",
                mend="Lefoka wants both; add them to RECEIVER_ACCOUNTS.",
            )


def read(response: httpx.Response) -> Answer:
    """Give the JSON object of an answer; an empty one where none is.

    The samples of the text have trailing commas, lack a comma between members ("Returns a list of
    SMS messages") and hold words without quotes ("Example error response object"): all are read.
    """
    text = response.text.removeprefix("\ufeff")
    try:
        answer = parse_sloppy_json(text)
    except Unreadable:
        try:
            answer = parse_sloppy_json(_mended(text))
        except Unreadable:
            return {}
    return answer if isinstance(answer, dict) else {}


def _mended(text: str) -> str:
    quoted = _BARE_WORD.sub(lambda m: m[1] if m[1] else f'{m[2]}"{m[3]}"', text)
    return _LOST_COMMA.sub(lambda m: f"{m[1]}," if m[2] else m[1], quoted)


def _entries(answer: Answer) -> list[Answer]:
    """Give the objects of a page; PHP writes an array with gaps as an object."""
    found = answer.get("list")
    found = list(found.values()) if isinstance(found, dict) else found
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def _name(entry: Answer) -> str:
    """Tell objects apart: by kind and id, or else by all that they hold."""
    known = entry.get("id")
    return f"{entry.get('type')} {known}" if isinstance(known, str | int) and known else repr(entry)


def _in_doubt(method: str) -> str:
    """Only POST sends an SMS."""
    return LOOK_IT_UP if method == "POST" else LOOK_AT_ACCOUNT
