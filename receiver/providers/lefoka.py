"""Lefoka, South Africa: pushes delivery reports and replies to one URL; sends SMS and lists them.

Source: https://developer.lefoka.co.za/docs/sms/reference (version 0.0.1, 2024-01-02). Sections of
that text are named below. Only status 200 counts as an ack; anything else is re-sent at once,
three times, and then given up (section "Webhooks"). How its objects are read stands in
`lefoka_messages`, what leaves in `lefoka_request`, and its errors in `lefoka_errors`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from marshmallow import ValidationError

from ..accounts import Account
from ..errors import PermanentDeliveryError, Unreadable
from ..events import DeliveryReport, InboundMessage, Status
from ..security import Door
from .base import Asked, Balance, Sent, Sms, Stamp
from .lefoka_api import LIVE_URL, MOST_LISTED, SANDBOX_URL, Answer, LefokaApi
from .lefoka_errors import NOTHING_THERE, unclear
from .lefoka_messages import LefokaMessages, Message, date
from .lefoka_request import body_of, is_msisdn, path_of
from .payload import amount, mend_surrogates
from .wire import LOOK_AT_ACCOUNT

__all__ = ["LIVE_URL", "SANDBOX_URL", "Lefoka", "Message"]

_OLDER_IN_A_ROW = 10  # end a list that is sorted, though not to the second
_CLOCKS_DIFFER = timedelta(minutes=5)
_FILTERS = {Status.BLOCKED: "blist", Status.NO_ROUTE: "noroute"}
_DATES = ("creation_date", "schedule", "delivery_date")


class Lefoka(LefokaMessages):
    """An account at Lefoka; ``base_url`` may be `SANDBOX_URL`."""

    has_history = True
    can_find = True

    def __init__(self, account: Account, door: Door, *, transport: Any = None) -> None:
        super().__init__(account, door)
        self._api = LefokaApi(account, transport)

    def send(self, sms: Sms) -> Sent:
        """POST /v1/messages (sections "Send" and "Schedule"), signed; to 500 numbers at most.

        A schedule is 15 minutes to 7 days ahead; one without an offset is GMT+2.
        """
        body = body_of(
            recipients=sms.recipients,
            text=sms.text,
            schedule=sms.schedule,
            client_reference=sms.client_reference,
        )
        return _sent(self._api.change("POST", "/v1/messages", body, done=_has_id))

    def edit(
        self,
        message_id: str,
        *,
        recipients: str | Sequence[str] | None = None,
        text: str | None = None,
        schedule: datetime | None = None,
        client_reference: str | None = None,
    ) -> Message:
        """PATCH /v1/messages/ID (section "Edit"), signed: change what is given, while scheduled.

        One number or several, each read in the account's region; a schedule is as in `send`.
        Raises `DeliveryError`.
        """
        path = path_of(message_id)
        numbers = (recipients,) if isinstance(recipients, str) else recipients
        body = body_of(
            recipients=None if numbers is None else [self.number(number) for number in numbers],
            text=text,
            schedule=schedule,
            client_reference=client_reference,
        )
        if not body:
            raise PermanentDeliveryError(
                "there is nothing to edit", mend="Give recipients, text, schedule or a reference."
            )
        return self._understood(self._api.change("PATCH", path, body, done=_has_id), asks=False)

    def delete(self, message_id: str) -> None:
        """DELETE /v1/messages/ID (section "Delete"), while scheduled; raises `DeliveryError`."""
        self._api.change("DELETE", path_of(message_id), None, done=_is_successful)

    def get(self, message_id: str) -> Message:
        """GET /v1/messages/ID (section "Retrieves the message log"); raises `DeliveryError`."""
        return self._understood(self._api.ask(path_of(message_id), "id"), asks=True)

    def messages(
        self,
        *,
        recipient: str | None = None,
        status: Status | str | None = None,
        search: str | None = None,
        limit: int = MOST_LISTED,
        page: int = 1,
    ) -> Iterator[Message]:
        """GET /v1/messages (section "Returns a list"): newest first, page after page as needed.

        ``recipient``: a number, read in the account's region, or a part of one; ``search``: a part
        of the text; ``status``: ours, or Lefoka's word; ``limit``: on one page, 1 to 100; ``page``:
        the first. Raises `DeliveryError`, while it is iterated over as well.
        """
        if not 1 <= limit <= MOST_LISTED or page < 1:
            raise PermanentDeliveryError(
                f"limit {limit} or page {page} is out of bounds",
                mend=f"A page holds 1 to {MOST_LISTED} messages, and the first is 1.",
            )
        filters = {
            "recipient": self._part(recipient or ""),
            "status": self._filter(status) if status else "",
            "search": search or "",
        }
        given = {name: value for name, value in filters.items() if value}
        entries = self._api.listed(given, limit, page)
        return (message for entry in entries if (message := self._message(entry)))

    def balance(self) -> Balance:
        """GET /v1/messages/balance (section "Balance"): credits; raises `DeliveryError`."""
        left = amount(self._api.ask("/v1/messages/balance", "balance")["balance"])
        if left is None:
            raise unclear("the balance is no number", asks=True)
        return Balance(amount=left, unit="credits")

    def status(self, asked: Asked, stamp: Stamp) -> tuple[DeliveryReport, ...]:
        """GET /v1/messages/ID: a report for each recipient, with the ids of the webhook's."""
        try:
            answer = self._api.ask(path_of(asked.message_id), "id")
        except PermanentDeliveryError as error:
            if error.code == NOTHING_THERE:
                return ()
            raise
        events = self._events(answer, stamp)
        if not events:
            raise unclear("the answer is no message", asks=True)
        return tuple(event for event in events if isinstance(event, DeliveryReport))

    def find(self, sms: Sms, since: datetime) -> Sent | None:
        """GET /v1/messages: look for the ``client_reference`` among what was taken since then.

        The list's sample shows none: an object without one is compared by text and recipients, and
        is not ours if it was made before. Of several such ones nobody can say which is ours.
        """
        if not sms.client_reference or not sms.recipients:
            raise PermanentDeliveryError(
                "without a client_reference an SMS cannot be found at Lefoka",
                mend="Look for it in the Lefoka account before sending it again.",
            )
        start = since - _CLOCKS_DIFFER
        alike: list[Answer] = []
        for entry in self._since(start, {"recipient": sms.recipients[0].lstrip("+")}):
            found = self._message(entry)
            if found is None or found.kind != "sms":
                continue
            named = {**entry, "id": found.id}
            if "client_reference" not in entry:
                alike += [named] if _is_like(found, sms, start) else []
            elif found.client_reference == sms.client_reference:
                return _sent(named)
        if len(alike) > 1:
            raise PermanentDeliveryError(
                f"{len(alike)} messages at Lefoka have this text and number, and no"
                " client_reference: they cannot be told apart",
                mend="Look for it in the Lefoka account before sending it again.",
            )
        return _sent(alike[0]) if alike else None

    def history(self, since: datetime, stamp: Stamp) -> Iterator[InboundMessage | DeliveryReport]:
        """GET /v1/messages: what was made, scheduled for or delivered since then, newest first.

        The list is followed until what it holds is older: an SMS that was scheduled days before is
        found where it stands among newer ones. What cannot be read is left out.
        """
        for entry in self._since(since, {}):
            yield from self._events(entry, stamp)

    def _since(self, since: datetime, filters: Mapping[str, str]) -> Iterator[Answer]:
        """Follow the list until so many in a row are older that all the rest will be."""
        older = 0
        for entry in self._api.listed(filters):
            latest = max(filter(None, (date(entry.get(name)) for name in _DATES)), default=since)
            older = older + 1 if latest < since else 0
            if older == _OLDER_IN_A_ROW:
                return
            if not older:
                yield entry

    def _part(self, recipient: str) -> str:
        """Write a number as Lefoka does; a part of one stands as it came."""
        number = self.number(recipient)
        return (number if is_msisdn(number) else recipient.strip()).lstrip("+")

    def _filter(self, status: str) -> str:
        word = _FILTERS.get(Status(status), status) if status in set(Status) else status.lower()
        if word not in self.STATUSES:
            raise PermanentDeliveryError(
                "Lefoka has no such status", mend=f"It knows: {', '.join(self.STATUSES)}."
            )
        return str(word)

    def _events(self, entry: Answer, stamp: Stamp) -> list[InboundMessage | DeliveryReport]:
        try:
            return list(self.parse(dict(entry), stamp))
        except (Unreadable, ValidationError):
            return []

    def _message(self, entry: Answer) -> Message | None:
        try:
            message = self.message(entry)
        except (Unreadable, ValidationError):
            return None
        return message if message.recipients else None

    def _understood(self, answer: Answer, *, asks: bool) -> Message:
        message = self._message(answer)
        if message is None:
            raise unclear("the answer is no message", asks=asks, in_doubt=LOOK_AT_ACCOUNT)
        return message


def _has_id(answer: Answer) -> bool:
    return answer.get("id") not in (None, "")


def _is_successful(answer: Answer) -> bool:
    return str(answer.get("status")).lower().startswith("success")


def _is_like(found: Message, sms: Sms, start: datetime) -> bool:
    """Compare content; who opted out since it was sent is among its recipients still."""
    is_old = found.created_at is not None and found.created_at < start
    same = found.text == mend_surrogates(sms.text) and {*sms.recipients} <= {*found.recipients}
    return same and not is_old


def _sent(answer: Answer) -> Sent:
    credit = answer.get("credit")
    return Sent(message_id=str(answer["id"]), credit=None if credit is None else str(credit))
