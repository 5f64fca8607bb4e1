"""An API of an unnamed provider with Bearer auth: its paths and names are the account's; no push.

Source: "Error Codes Reference" of the API, which shows its errors, and requests as JSON with the
header ``Authorization: Bearer``; it names no host, no path, no field and no success. All of these
are options of an account; answers are read under all usual names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
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
from .base import Ack, Asked, Balance, Provider, Sent, Sms, Stamp
from .bearer_account import DEFAULT_FIELDS, DEFAULT_PATHS, MESSAGE_ID, BearerAccountSchema
from .bearer_errors import is_of_one_number, own_refusal, refusal
from .bearer_reports import is_error, words_of
from .payload import Payload, mend_surrogates
from .undocumented import (
    Answer,
    answer_of,
    balance_of,
    message_id,
    message_ids,
    says_no,
    taken_in_part,
)
from .wire import Wire

if TYPE_CHECKING:
    import httpx

_REASONS = 3  # said of a send that reached some
_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
_LOOK = "Look it up at the provider before sending it again."
_CHECK_URLS = "Check base_url and paths of the account."


class Bearer(Provider):
    """An account at the API; it is polled only where ``status_path`` says how.

    Texts of more than 160 characters leave: the API's own error 1002 tells what it thinks of them.
    """

    name = "bearer"
    pushes = False
    needs = ("api_key",)
    account_schema = BearerAccountSchema

    # No document lists the words of a status: these are the trade's, without case and marks.
    STATUSES: ClassVar[Mapping[str, Status]] = {
        **dict.fromkeys(("pending", "queued", "accepted", "processing"), Status.PENDING),
        "scheduled": Status.SCHEDULED,
        **dict.fromkeys(("sent", "submitted", "sending", "dispatched"), Status.SUBMITTED),
        **dict.fromkeys(("delivered", "delivrd", "deliveredtohandset"), Status.DELIVERED),
        **dict.fromkeys(("undelivered", "undeliverable", "undeliv"), Status.UNDELIVERED),
        "expired": Status.EXPIRED,
        **dict.fromkeys(("blocked", "blacklisted", "optedout", "dnd"), Status.BLOCKED),
        "noroute": Status.NO_ROUTE,
        **dict.fromkeys(("failed", "rejected", "rejectd", "error"), Status.FAILED),
        **dict.fromkeys(("cancelled", "canceled"), Status.CANCELLED),
    }

    def __init__(self, account: Account, door: Door, *, transport: Any = None) -> None:
        super().__init__(account, door)
        self._wire = Wire(account.base_url or "", None, transport)
        self._paths = {
            name: account.options.get(name, path) for name, path in DEFAULT_PATHS.items()
        }
        self._fields = {**DEFAULT_FIELDS, **account.options.get("fields", {})}
        self.is_polled = self._paths["status_path"] is not None

    def parse(self, payload: Payload, stamp: Stamp) -> Iterable[InboundMessage | DeliveryReport]:
        """Refuse whatever comes: the API has no webhook."""
        raise Unreadable("this provider documents no callback")

    def ack(self, payload: Payload, problem: str | None) -> Ack:
        """Answer nothing."""
        return Ack()

    def send(self, sms: Sms) -> Sent:
        """POST the account's ``send_path`` as JSON, for each recipient or once, as it says."""
        self._check(sms)
        way = self.account.options.get("recipients", "one")
        if way == "one":
            return self._one_by_one(sms)
        to = ",".join(sms.recipients) if way == "comma" else list(sms.recipients)
        answer = self._post(sms, to)
        ids = message_ids(answer, sms.recipients) if len(sms.recipients) > 1 else {}
        return Sent(message_id=message_id(answer), message_ids=ids)

    def balance(self) -> Balance:
        """GET the account's ``balance_path``."""
        response = self._get(self._paths["balance_path"], "balance_path")
        answer = answer_of(response)
        if not response.is_success or (answer and says_no(answer)):
            raise refusal(response, answer or {}, self._private(), asks=True)
        found = balance_of(answer or {})
        if found is None:
            raise TemporaryDeliveryError("the answer holds no balance", mend=_CHECK_URLS)
        return found

    def status(self, asked: Asked, stamp: Stamp) -> tuple[DeliveryReport, ...]:
        """GET the account's ``status_path``; a word that nobody knows is ``UNKNOWN``."""
        path = self._paths["status_path"]
        path = path and path.replace(MESSAGE_ID, quote(asked.message_id, safe=""))
        response = self._get(path, "status_path")
        answer = answer_of(response)
        hidden = (*self._private(), *asked.recipients)
        if not response.is_success or (answer and is_error(answer)):
            raise refusal(response, answer or {}, hidden, asks=True)
        if answer is None:
            raise TemporaryDeliveryError("the answer is no JSON", mend=_CHECK_URLS)
        words = words_of(answer, asked.recipients, self.number)
        if not words and says_no(answer):
            raise refusal(response, answer, hidden, asks=True)
        return tuple(self._report(asked, stamp, number, *found) for number, found in words.items())

    def _report(
        self, asked: Asked, stamp: Stamp, number: str, word: str, when: datetime | None
    ) -> DeliveryReport:
        folded = "".join(char for char in word.lower() if char.isalpha())
        return DeliveryReport(
            **stamp(DeliveryReport.kind, [asked.message_id, word.lower(), number]),
            message_id=asked.message_id,
            recipient=number,
            status=self.STATUSES.get(folded, Status.UNKNOWN),
            provider_status=word,
            client_reference=asked.client_reference,
            delivered_at=when,
        )

    def _one_by_one(self, sms: Sms) -> Sent:
        """Send to each; a number that is refused holds up no other, and any other failure does."""
        ids: dict[str, str | None] = {}
        errors: list[DeliveryError] = []
        for number in dict.fromkeys(sms.recipients):
            try:
                ids[number] = message_id(self._post(sms, number))
            except DeliveryError as error:
                errors.append(error)
                if not is_of_one_number(error):
                    break
        if errors:
            raise _half_done(sms.recipients, ids, errors)
        if len(ids) == 1:
            return Sent(message_id=ids[sms.recipients[0]])
        return _sent_to(sms.recipients, ids)

    def _post(self, sms: Sms, to: str | list[str]) -> Answer:
        path, body = self._paths["send_path"], self._body(sms, to)
        response = self._wire.request("POST", path, json=body, headers=self._headers())
        answer = answer_of(response)
        if answer and isinstance(to, list) and taken_in_part(response, answer, to):
            raise UncertainDeliveryError("some of the recipients were taken", mend=_LOOK)
        if not response.is_success or (answer and says_no(answer)):
            raise refusal(response, answer or {}, (*self._private(), sms.text, *sms.recipients))
        if answer is None and response.content.strip():
            status = response.status_code
            raise UncertainDeliveryError(f"the answer is no JSON (HTTP {status})", mend=_LOOK)
        return answer or {}

    def _get(self, path: str | None, option: str) -> httpx.Response:
        if path is None:
            raise PermanentDeliveryError(
                f"account {self.account.name} has no {option}",
                mend=f"Set {option}, if there is one.",
            )
        return self._wire.request("GET", path, headers=self._headers(), asks=True)

    def _body(self, sms: Sms, to: str | list[str]) -> dict[str, Any]:
        when = sms.schedule and sms.schedule.astimezone(UTC).isoformat(timespec="seconds")
        values = {
            "to": to,
            "text": mend_surrogates(sms.text),
            "source": sms.source or self.account.source_addr,
            "reference": sms.client_reference,
            "schedule": when,
        }
        named = {name: values[word] for word, name in self._fields.items() if name and values[word]}
        return {**self.account.options.get("extra", {}), **named}

    def _headers(self) -> dict[str, str]:
        """Give the headers of the samples ("Handling Errors")."""
        [key] = self.account.api_keys[:1] or ("",)
        if not (key and key.isascii() and key.isprintable()):
            reason = f"account {self.account.name} has no api_key that a header can carry"
            raise own_refusal("401", reason)
        return {"Authorization": f"Bearer {key}", "Accept": "application/json"}

    def _private(self) -> tuple[str | None, ...]:
        return (*self.account.api_keys, self.account.api_secret)

    def _check(self, sms: Sms) -> None:
        if not sms.text:
            raise own_refusal("400", "the text is empty")
        if not sms.recipients:
            raise own_refusal("400", "there is no recipient")
        if not all(_NUMBER.fullmatch(number) for number in sms.recipients):
            raise own_refusal("1001", "a recipient is not in international format")
        if sms.schedule is None:
            return
        if sms.schedule.utcoffset() is None:
            raise own_refusal("1008", "the schedule has no time zone: give an aware datetime")
        if sms.schedule <= datetime.now(UTC):
            raise own_refusal("1008", "the schedule is in the past")
        if not self._fields["schedule"]:
            raise PermanentDeliveryError(
                "the API's name for a schedule is not known",
                mend="Set fields.schedule of the account to it, or send when it is due.",
            )


def _half_done(
    recipients: Sequence[str], ids: Mapping[str, str | None], errors: Sequence[DeliveryError]
) -> DeliveryError:
    """Give the error of a send that did not reach all: of one that reached some, it is uncertain.

    ``ids`` by number that was sent to. Of several errors the uncertain one counts, else the last:
    none of those before was worth another try.
    """
    unsure = (error for error in errors if isinstance(error, UncertainDeliveryError))
    error = next(unsure, errors[-1])
    if not ids:
        return error
    reasons = [*dict.fromkeys(each.reason for each in errors)][:_REASONS]
    half = UncertainDeliveryError(
        f"of {len(recipients)} recipients only {len(ids)} were sent to: {'; '.join(reasons)}",
        code=error.code,
        mend=f"Send it to the others only: see refused in this error's sent. {error.mend}".strip(),
    )
    half.__cause__ = error
    half.sent = _sent_to(recipients, ids)
    return half


def _sent_to(recipients: Sequence[str], ids: Mapping[str, str | None]) -> Sent:
    return Sent(
        message_id=next((id_ for id_ in ids.values() if id_ is not None), None),
        message_ids={number: id_ for number, id_ in ids.items() if id_ is not None},
        refused=tuple(number for number in recipients if number not in ids),
    )
