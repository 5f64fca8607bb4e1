"""KoboMobile, Nigeria: sends SMS, and tells what became of them when it is asked; pushes nothing.

Source: https://kobomobile.net/developer; sections of that text are named below. User, password,
number and text travel in the URL, as in all of its examples. Nothing of a URL or of an answer is
quoted in an error, since an answer may repeat the request; see `wire` for the logs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from ..accounts import Account
from ..errors import (
    DeliveryError,
    PermanentDeliveryError,
    TemporaryDeliveryError,
    UncertainDeliveryError,
    Unreadable,
)
from ..events import DeliveryReport, InboundMessage, Status
from ..security import Door
from ..segmentation import segments
from .base import Ack, Asked, Balance, Provider, Sent, Sms, Stamp
from .kobomobile_answer import EITHER, SENT, read
from .kobomobile_status import CHECK_USER, REFUSED, words_by_status
from .payload import Payload, mend_surrogates
from .wire import Wire, delivery_error, temporary_by_status

if TYPE_CHECKING:
    import httpx

LIVE_URL = "https://kobomobile.net"

_MAX_RECIPIENTS = 500
_MAX_TEXT = 905
_MAX_NUMERIC_SOURCE = 16
_MAX_SOURCE = 11
_NORMAL, _FLASH, _UNICODE = "0", "1", "2"
_UUID_DIGITS = 32  # of at most 64
_PARAM = "error_param"
_CHECK_QUESTION = (
    "Check api_key and api_secret of the account, and the id of the message asked about."
)
_SET_BOTH = "KoboMobile wants user name and password: api_key and api_secret in RECEIVER_ACCOUNTS."


class KoboMobile(Provider):
    """An account at KoboMobile: ``api_key`` is its user name, ``api_secret`` its password."""

    name = "kobomobile"
    region = "NG"
    pushes = False
    needs = ("api_key", "api_secret", "source_addr")
    is_polled = True
    is_idempotent = True

    # Section "API Response": what is wrong, and what to do. `EITHER` is the number of two errors.
    ERRORS: ClassVar[Mapping[str, tuple[str, str]]] = {
        _PARAM: (
            "a required parameter is missing or incomplete",
            "Check the numbers, the sender ID and the text, and source_addr of the account.",
        ),
        "error_credit": ("the credit is insufficient", "Top up the account."),
        "error_billing": (
            "the account could not be debited",
            "Wait: it is usually a temporary error.",
        ),
        EITHER: (
            "the credit is insufficient, or the account could not be debited: 3 stands for both",
            "Top up the account if its balance is low; if not, wait: it is usually temporary.",
        ),
        "error_gw": (
            "the gateway is down, busy or not responding",
            "Wait, then try again: the same message_uuid is not sent twice.",
        ),
        "error_user": ("the user is invalid or suspended", CHECK_USER),
        "error_limit": (
            f"there are more than {_MAX_RECIPIENTS} numbers in one call",
            f"Send to at most {_MAX_RECIPIENTS} numbers at once.",
        ),
    }
    # A 3 may be a billing fault, and a second request of one message_uuid never is a second SMS.
    TEMPORARY: ClassVar[frozenset[str]] = frozenset({"error_billing", "error_gw", EITHER})

    # None is documented: the words of SMPP 3.4 (appendix B of its text), and plain English.
    STATUSES: ClassVar[Mapping[str, Status]] = {
        "pending": Status.PENDING,
        "queued": Status.PENDING,
        "scheduled": Status.SCHEDULED,
        "sent": Status.SUBMITTED,
        "submitted": Status.SUBMITTED,
        "acceptd": Status.SUBMITTED,
        "accepted": Status.SUBMITTED,
        "enroute": Status.SUBMITTED,
        "delivrd": Status.DELIVERED,
        "delivered": Status.DELIVERED,
        "undeliv": Status.UNDELIVERED,
        "undelivered": Status.UNDELIVERED,
        "undeliverable": Status.UNDELIVERED,
        "expired": Status.EXPIRED,
        "rejectd": Status.FAILED,
        "rejected": Status.FAILED,
        "failed": Status.FAILED,
        "blocked": Status.BLOCKED,
        "deleted": Status.CANCELLED,
        "cancelled": Status.CANCELLED,
        "unknown": Status.UNKNOWN,
    }

    def __init__(self, account: Account, door: Door, *, transport: Any = None) -> None:
        super().__init__(account, door)
        self._wire = Wire(account.base_url or LIVE_URL, transport=transport)

    def parse(self, payload: Payload, stamp: Stamp) -> Iterable[InboundMessage | DeliveryReport]:
        """Raise `Unreadable`: no callback of KoboMobile is documented."""
        raise Unreadable("KoboMobile pushes nothing")

    def ack(self, payload: Payload, problem: str | None) -> Ack:
        """Status 200 and nothing else."""
        return Ack()

    def send(self, sms: Sms) -> Sent:
        """POST /api/send/ (section "API Service URL For Sending SMS"), once for each key.

        What is sent a second time under the same ``message_uuid`` within 30 days is one SMS.
        """
        numbers = {number.lstrip("+"): number for number in sms.recipients}
        parameters = {
            "to": ",".join(numbers),
            "from": self._source(sms),
            "msg": mend_surrogates(sms.text),
            "type": _type_of(sms),
            "enable_msg_id": "1",
            "message_uuid": _uuid(sms.key),
        }
        self._check(sms, numbers)
        response = self._post("/api/send/", parameters)
        answer = read(response.text)
        ids = answer.ids(numbers)
        if response.is_success and (ids or answer.verdict == SENT):
            by_number = {numbers[to]: message_id for to, message_id in ids if to}
            return Sent(message_id=ids[0][1] if ids else None, message_ids=by_number)
        raise self._refusal(response, answer.verdict)

    def balance(self) -> Balance:
        """POST /api/credit/ (section "… For Checking Credit Balance").

        A number alone is the credit and no error: the answer's form is not documented.
        """
        response = self._post("/api/credit/", {}, asks=True)
        answer = read(response.text)
        if not response.is_success or answer.refusal:
            raise self._refusal(response, answer.refusal or answer.verdict, asks=True)
        found = answer.amount()
        if found is None:
            raise TemporaryDeliveryError(
                f"the answer has no balance (HTTP {response.status_code})",
                mend="Ask again; if it stays, KoboMobile answers in another form than it did.",
            )
        return Balance(amount=found[0], unit=found[1])

    def status(self, asked: Asked, stamp: Stamp) -> tuple[DeliveryReport, ...]:
        """POST /api/report/ (section "… For Checking Message Delivery Status").

        An id is one number's; a report for each recipient asked about, or for none where the
        answer has no status.
        """
        if not asked.recipients:
            raise PermanentDeliveryError(
                "no number was named", mend="Name the number that it went to."
            )
        response = self._post("/api/report/", {"msgid": asked.message_id}, asks=True)
        answer = read(response.text)
        if not response.is_success or answer.verdict not in (None, SENT):
            raise self._refusal(response, answer.verdict, asks=True)
        words = answer.statuses(self.STATUSES, asked.message_id)
        found = [(number, _word_of(number, words)) for number in asked.recipients]
        return tuple(self._report(asked, number, word, stamp) for number, word in found if word)

    def _post(
        self, path: str, parameters: Mapping[str, str], *, asks: bool = False
    ) -> httpx.Response:
        """Everything stands in the query, in the order of the examples; the body is empty."""
        if not self.account.api_keys or not self.account.api_secret:
            raise _wrong(f"account {self.account.name} has no api_key or no api_secret", _SET_BOTH)
        login = {"user": self.account.api_keys[0], "pass": self.account.api_secret}
        pairs = {**login, **parameters}.items()
        query = "&".join(f"{name}={quote(value, safe=',')}" for name, value in pairs)
        return self._wire.request("POST", f"{path}?{query}", asks=asks)

    def _source(self, sms: Sms) -> str:
        """Give the sender ID, without its plus where it is a number."""
        source = (sms.source or self.account.source_addr or "").strip()
        if not (source and source.isascii() and source.isprintable()):
            raise _wrong("there is no plain sender ID", "Set source_addr of the account.")
        digits = source.removeprefix("+")
        numeric = digits.isascii() and digits.isdigit()
        most = _MAX_NUMERIC_SOURCE if numeric else _MAX_SOURCE
        if len(digits if numeric else source) > most:
            kind = "a numeric" if numeric else "an alphanumeric"
            raise _wrong(
                f"the sender ID is too long: {most} characters are allowed in {kind} one",
                "Shorten source_addr of the account, or the source of the SMS.",
            )
        return digits if numeric else source

    def _check(self, sms: Sms, numbers: Mapping[str, str]) -> None:
        if sms.schedule is not None:
            raise _wrong("KoboMobile takes no time to send at", "Send it when it is due.")
        if not sms.text:
            raise _wrong("the text is empty", "Give the SMS a text.")
        if len(sms.text) > _MAX_TEXT:
            counted = f"{len(sms.text)} characters, {_MAX_TEXT} allowed"
            raise _wrong(counted, "Shorten the text, or send it as several SMS.")
        if not numbers:
            raise _wrong("there is no recipient", "Name at least one number.")
        if len(numbers) > _MAX_RECIPIENTS:
            counted = f"{len(numbers)} recipients, {_MAX_RECIPIENTS} allowed"
            mend = self.ERRORS["error_limit"][1]
            raise PermanentDeliveryError(counted, code="error_limit", mend=mend)
        if not all(map(_is_international, numbers)):
            raise _wrong(
                "a recipient is no number in international format",
                "Write numbers as E.164, with the country and a plus.",
            )

    def _report(self, asked: Asked, number: str, word: str, stamp: Stamp) -> DeliveryReport:
        """Make a report whose id stays the same, however often its status is asked for."""
        return DeliveryReport(
            **stamp(DeliveryReport.kind, [asked.message_id, word.lower(), number]),
            message_id=asked.message_id,
            recipient=number,
            status=self.STATUSES.get(word.lower(), Status.UNKNOWN),
            provider_status=word,
            client_reference=asked.client_reference,
        )

    def _refusal(
        self, response: httpx.Response, code: str | None, *, asks: bool = False
    ) -> DeliveryError:
        status = response.status_code
        if response.is_success and code is None:
            return UncertainDeliveryError(
                f"the answer has no id and no error (HTTP {status})",
                mend="Look it up at KoboMobile before sending it again.",
            )
        if code is None or code == SENT:
            code, (reason, mend) = f"HTTP_{status}", words_by_status(status)
        else:
            reason, mend = self.ERRORS.get(code, (REFUSED, "Ask KoboMobile what the code means."))
            mend = _CHECK_QUESTION if asks and code == _PARAM else mend
        temporary = code in self.TEMPORARY or temporary_by_status(response)
        return delivery_error(
            response, temporary=temporary, reason=reason, code=code, mend=mend, asks=asks
        )


def _uuid(key: str) -> str:
    """Give the ``message_uuid`` of a send: always the same, and nothing of the key is in it."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:_UUID_DIGITS]


def _type_of(sms: Sms) -> str:
    """Tell the message format; raises where a flash SMS could not hold its own characters."""
    plain = segments(mend_surrogates(sms.text)).encoding == "gsm7"
    if sms.flash and not plain:
        raise _wrong(
            "a flash SMS cannot hold characters outside GSM 03.38",
            "Send it without flash, or without these characters.",
        )
    return _FLASH if sms.flash else _NORMAL if plain else _UNICODE


def _is_international(number: str) -> bool:
    return number.isascii() and number.isdigit() and number[0] != "0" and 7 <= len(number) <= 15


def _word_of(number: str, words: Sequence[tuple[str | None, str]]) -> str | None:
    """Take the one status there is, or else the one that stands with the number, or with none."""
    if len(words) == 1:
        return words[0][1]
    named = dict(reversed(words))
    return named.get(number.lstrip("+")) or named.get(None)


def _wrong(reason: str, mend: str) -> PermanentDeliveryError:
    """Say what KoboMobile would answer with ``error_param``."""
    return PermanentDeliveryError(reason, code=_PARAM, mend=mend)
