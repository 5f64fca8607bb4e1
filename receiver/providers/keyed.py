"""The panel of an unnamed provider: v1 with user name and password, v2 with a key; pushes nothing.

Source: "API Documentation" of the panel, whose text names no host; its sections are named below.
It shows no success, no shape of a balance or a new key, and no body of v2's send: there the names
of v1 are used, as JSON, since its headers say so; answers are read under all usual names.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from ..accounts import Account
from ..errors import (
    DeliveryError,
    PermanentDeliveryError,
    TemporaryDeliveryError,
    UncertainDeliveryError,
    Unreadable,
)
from ..events import DeliveryReport, InboundMessage
from ..security import Door
from .base import Ack, Balance, Provider, Sent, Sms, Stamp
from .keyed_account import JSON, KeyedAccountSchema, key_headers, password, username, written
from .keyed_window import TOO_MANY, Window, pause
from .payload import Payload, mend_surrogates
from .undocumented import (
    Answer,
    answer_of,
    balance_of,
    error_in,
    first,
    message_id,
    message_ids,
    quoted,
    says_no,
    taken_in_part,
)
from .wire import (
    GATEWAY_TIMEOUT,
    LOOK_AT_ACCOUNT,
    LOOK_IT_UP,
    Wire,
    delivery_error,
    temporary_by_status,
)

if TYPE_CHECKING:
    import httpx

_LONGEST_EXPIRY = 365  # days
_NUMBER = re.compile(r"\+?[0-9]{3,15}", re.ASCII)
_KEYS = ("apikey", "key", "token")
_FAULT = 500
_CHECK_ADDRESS = "Check base_url of the account."
_LOOK = "Look it up in the panel before doing it again."


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelKey:
    """A key that the panel made: a secret, so that ``value`` stands in no repr."""

    value: str = field(repr=False)


class _Error(NamedTuple):
    """A documented error: the HTTP status it has there, and what to do."""

    status: int
    mend: str


class Keyed(Provider):
    """An account at the panel; options ``version`` (1 or 2), ``username``, ``numbers``, ``method``.

    ``method`` is v2's only: GET puts number and text into the URL, which servers log.
    """

    name = "keyed"
    pushes = False
    needs = ()  # the account's schema asks for what its version takes, and a first key is made
    account_schema = KeyedAccountSchema

    # Sections "Responses" and "Example response"; the second error comes with its own ``help``.
    ERRORS: ClassVar[Mapping[str, _Error]] = {
        "invalid phone number format": _Error(
            400, "Write numbers in full, or set numbers and region of the account."
        ),
        "unauthorized": _Error(401, "Check username and api_secret, or api_key, of the account."),
        "api key is required": _Error(401, "Provide X-API-Key header or api_key parameter"),
        "server error": _Error(500, "Try again later, or ask the panel's support."),
    }

    MENDS: ClassVar[Mapping[int, str]] = {
        **dict.fromkeys(range(200, 300), "Ask the panel's support what it means."),
        400: "Check numbers and text.",
        401: "Check username and api_secret, or api_key, of the account.",
        403: "Ask the panel's support for the permission.",
        422: "Check numbers and text.",
        429: "Wait; or ask the panel for a higher limit.",
        **dict.fromkeys(range(500, 600), "Try again later, or ask the panel's support."),
    }

    def __init__(
        self,
        account: Account,
        door: Door,
        *,
        transport: Any = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(account, door)
        self._wire = Wire(account.base_url or "", None, transport)
        self._window = Window(clock)

    def parse(self, payload: Payload, stamp: Stamp) -> Iterable[InboundMessage | DeliveryReport]:
        """Refuse whatever comes: the panel has no webhook."""
        raise Unreadable("this provider documents no callback")

    def ack(self, payload: Payload, problem: str | None) -> Ack:
        """Answer nothing."""
        return Ack()

    def send(self, sms: Sms) -> Sent:
        """POST /v1/sms/send as a form, or POST (GET) api/v2/sms/send with a key."""
        self._check(sms)
        body = {
            "numbers": ",".join(written(number, self.account) for number in sms.recipients),
            "message_body": mend_surrogates(sms.text),
        }
        response = self._send(body)
        answer = answer_of(response)
        if answer is not None and taken_in_part(response, answer, sms.recipients):
            raise UncertainDeliveryError("the panel took some of the recipients", mend=_LOOK)
        answer = self._taken(response, answer, hidden=(sms.text, *sms.recipients))
        ids = message_ids(answer, sms.recipients) if len(sms.recipients) > 1 else {}
        return Sent(message_id=message_id(answer), message_ids=ids)

    def balance(self) -> Balance:
        """GET api/v2/account/balance."""
        response = self._call(
            "GET", "/api/v2/account/balance", key_headers(self.account), asks=True
        )
        found = balance_of(self._taken(response, answer_of(response), asks=True))
        if found is None:
            raise TemporaryDeliveryError("the panel's answer holds no balance")
        return found

    def generate_key(self, expiry_days: int | None = None) -> PanelKey:
        """POST api/generate-key; ``expiry_days`` from 1 to 365. Raises `DeliveryError`.

        An account without a key asks with user name and password. The key is used once it stands
        as api_key of the account.
        """
        return self._new_key("/api/generate-key", expiry_days)

    def regenerate_key(self, expiry_days: int | None = None) -> PanelKey:
        """POST api/regenerate-key: a new key for the old one; else as `generate_key`."""
        return self._new_key("/api/regenerate-key", expiry_days)

    def revoke_key(self) -> None:
        """POST api/revoke-key: the account's key is good for nothing from then on."""
        response = self._call("POST", "/api/revoke-key", key_headers(self.account))
        self._taken(response, answer_of(response), silent=True)

    def documentation(self) -> str:
        """GET api/v2, the panel's own Swagger page: it tells whether base_url is the panel's."""
        response = self._call("GET", "/api/v2", JSON, asks=True)
        if not response.is_success:
            raise self._refusal(response, answer_of(response) or {}, (), asks=True)
        return response.text

    def _send(self, body: Mapping[str, str]) -> httpx.Response:
        if self.account.options.get("version", 2) == 1:
            form = {**body, **password(self.account)}
            return self._call("POST", "/v1/sms/send", {"Accept": JSON["Accept"]}, form=form)
        path = "/api/v2/sms/send"
        if self.account.options.get("method") == "GET":
            return self._call("GET", path, key_headers(self.account), params=body)
        return self._call("POST", path, key_headers(self.account), json=body)

    def _new_key(self, path: str, expiry_days: int | None) -> PanelKey:
        if expiry_days is not None and not 1 <= expiry_days <= _LONGEST_EXPIRY:
            raise PermanentDeliveryError(
                f"expiry_days is not from 1 to {_LONGEST_EXPIRY}", mend="Name days within a year."
            )
        body: dict[str, object] = {} if expiry_days is None else {"expiry_days": expiry_days}
        if not self.account.api_keys:
            body |= password(self.account)
        headers = key_headers(self.account) if self.account.api_keys else JSON
        response = self._call("POST", path, headers, json=body or None)
        value = first(self._taken(response, answer_of(response)), _KEYS)
        if not isinstance(value, str):
            raise UncertainDeliveryError("the panel's answer holds no key", mend=_LOOK)
        return PanelKey(value=value)

    def _call(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        *,
        asks: bool = False,
        params: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        json: Mapping[str, object] | None = None,
    ) -> httpx.Response:
        """Send one request, unless the rate limit is used up."""
        self._window.check()
        response = self._wire.request(
            method,
            path,
            params=params,
            form=form,
            json=json,
            headers=headers,
            asks=asks,
            in_doubt=_in_doubt(path),
        )
        self._window.note(response)
        return response

    def _taken(
        self,
        response: httpx.Response,
        answer: Answer | None,
        *,
        hidden: Iterable[str] = (),
        asks: bool = False,
        silent: bool = False,
    ) -> Answer:
        """Give a success, or raise; ``silent``: one that says nothing is enough."""
        if not response.is_success or (answer and (says_no(answer) or self._known(answer))):
            raise self._refusal(response, answer or {}, hidden, asks=asks)
        if answer or (silent and not response.content):
            return answer or {}
        reason = f"the panel's answer says nothing (HTTP {response.status_code})"
        if asks:
            raise TemporaryDeliveryError(reason, mend="Check base_url of the account.")
        raise UncertainDeliveryError(reason, mend=_LOOK)

    def _known(self, answer: Answer) -> _Error | None:
        words = error_in(answer).get("message")
        return self.ERRORS.get(words.strip(" .").lower()) if isinstance(words, str) else None

    def _refusal(
        self, response: httpx.Response, answer: Answer, hidden: Iterable[str], *, asks: bool = False
    ) -> DeliveryError:
        """Say what the panel said, without what we sent; ``help`` is its advice."""
        known, status = self._known(answer), response.status_code
        private = (*self.account.api_keys, self.account.api_secret, username(self.account), *hidden)
        reason = quoted(error_in(answer).get("message"), private) or _unlisted(status)
        mend = quoted(first(answer, ("help",)), private) or (known.mend if known else "")
        error = delivery_error(
            response,
            temporary=temporary_by_status(response) or bool(known and known.status >= _FAULT),
            reason=reason,
            code=str(known.status if known and response.is_success else status),
            mend=mend or self.MENDS.get(status, _CHECK_ADDRESS),
            asks=asks,
            in_doubt=_in_doubt(response.request.url.path),
        )
        if status == TOO_MANY:
            error = TemporaryDeliveryError(
                error.reason, code=error.code, mend=error.mend, retry_after=pause(response)
            )
        return error

    def _check(self, sms: Sms) -> None:
        if not sms.text:
            raise PermanentDeliveryError("the text is empty", code="400", mend="Write a text.")
        if not sms.recipients:
            raise PermanentDeliveryError(
                "there is no recipient", code="400", mend="Name a recipient."
            )
        if not all(_NUMBER.fullmatch(number) for number in sms.recipients):
            mend = self.ERRORS["invalid phone number format"].mend
            raise PermanentDeliveryError("a recipient is no phone number", code="400", mend=mend)
        if sms.schedule is not None:
            raise PermanentDeliveryError(
                "the panel sends at once only", mend="Send it when it is due."
            )


def _in_doubt(path: str) -> str:
    return LOOK_IT_UP if path.endswith("/sms/send") else LOOK_AT_ACCOUNT


def _unlisted(status: int) -> str:
    late = status == GATEWAY_TIMEOUT
    return "the panel did not answer in time" if late else "the panel refused the request"
