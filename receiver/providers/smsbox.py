"""SMSBox, Burkina Faso and Tanzania: pushes inbound SMS; sends SMS, and changes what is scheduled.

Source: the SMS API documentation at https://smsbox.devotek.africa; sections of that text are
named below. What a callback holds is read in `smsbox_callback`, requests are written in
`smsbox_requests`, answers are read in `smsbox_answers`, the codes stand in `smsbox_errors`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn

from marshmallow import fields, validate

from ..accounts import Account, AccountSchema
from ..errors import PermanentDeliveryError, TemporaryDeliveryError, UncertainDeliveryError
from ..events import DeliveryReport, InboundMessage
from ..security import Door
from .base import Ack, Asked, Balance, Provider, Sent, Sms, Stamp, json_ack
from .payload import Payload
from .smsbox_answers import (
    SenderName,
    made_id_in,
    message_id_in,
    money_in,
    read_answer,
    says_yes,
    sender_names_in,
)
from .smsbox_callback import (
    DOCUMENTED,
    documented_name,
    read_callback,
    salvage_transaction,
    transaction_in,
)
from .smsbox_errors import refusal
from .smsbox_requests import (
    change_as_query,
    check_keys,
    name_as_json,
    names_query,
    sms_as_bytes,
    sms_as_json,
)
from .smsbox_schema import SMSBoxAck, SMSBoxCallback
from .wire import LOOK_AT_ACCOUNT, LOOK_IT_UP, Wire

if TYPE_CHECKING:
    import httpx

LIVE_URL = "https://smsbox.devotek.africa"

_ROOT = "/api/sms/v1"
_LOOK_IT_UP = "Look it up at SMSBox before doing it again."


class _AccountSchema(AccountSchema):
    """``successful`` is what the ack says: ``True``, or ``"true"`` for sibling gateways.

    ``format``: how an SMS is sent, ``json`` where nothing is said, or ``xml``.
    """

    successful = fields.Raw(validate=validate.OneOf([True, "true"]))
    format = fields.String(validate=validate.OneOf(["json", "xml"]))


class SMSBox(Provider):
    """An account at SMSBox; a reply comes from the number that was written to."""

    name = "smsbox"
    region = "BF"
    account_schema = _AccountSchema
    callback_schema = SMSBoxCallback
    ack_schema = SMSBoxAck
    type_field = "channel"
    documented = DOCUMENTED

    def __init__(self, account: Account, door: Door, *, transport: Any = None) -> None:
        super().__init__(account, door)
        key = account.api_keys[0] if account.api_keys else ""
        self._wire = Wire(account.base_url or LIVE_URL, (key, account.api_secret or ""), transport)
        self._in_xml = account.options.get("format") == "xml"
        self._headers = {"Content-Type": "application/xml" if self._in_xml else "application/json"}

    def parse(self, payload: Payload, stamp: Stamp) -> Iterable[InboundMessage | DeliveryReport]:
        """Give the one message of a callback."""
        call = read_callback(payload)
        sender, recipient = self._party(call.sender), self._party(call.recipient)
        transaction = call.transaction_id
        identity = [transaction, sender or "", call.text] if transaction else None
        alike = (sender or "", recipient or "", call.text)
        return [
            InboundMessage(
                **stamp(InboundMessage.kind, identity, alike=alike),
                message_id=transaction or None,
                sender=sender,
                candidates=(sender,) if sender else (),
                recipient=recipient,
                text=call.text,
                sent_at=call.sent_at,
                channel=call.channel,
                billing=call.billing,
                media_url=call.media_url,
                custom=call.custom,
            )
        ]

    def ack(self, payload: Payload, problem: str | None) -> Ack:
        """Echo the transaction id as it came, same JSON type; also for what cannot be read.

        ``{"transaction_id": …, "successful": true}``, as section "Two way SMS" has it.
        """
        successful = self.account.options.get("successful", True)
        return json_ack({"transaction_id": transaction_in(payload), "successful": successful})

    def spelled(self, name: str) -> str:
        """Give a name without case and underscores: the samples disagree about them."""
        return documented_name(name)

    def salvage(self, body: bytes) -> Payload:
        """Find the transaction id in a body that is no JSON, like the document's own sample."""
        return salvage_transaction(body)

    def send(self, sms: Sms) -> Sent:
        """POST /api/sms/v1/send_sms (section "Sending SMS"): to at most 1,000 recipients.

        ``[{RECEIVERNAME}]`` in the text becomes each one's name of ``Sms.names``; all need one
        then. SMSBox has no place for ``client_reference`` and ``flash``. Raises `DeliveryError`.
        """
        check_keys(self.account)
        source = sms.source or self.account.source_addr
        body: dict[str, Any] = {}
        if self._in_xml:
            body["content"] = sms_as_bytes(sms, source)
        else:
            body["json"] = sms_as_json(sms, source)
        private = (sms.text, *sms.names.values())
        answer = self._asked("POST", "send_sms", private=private, **body)
        message_id = message_id_in(answer)
        if message_id is None and str(answer.get("code")) != "200":
            _uncertain("the answer has neither an id nor the code of success")
        return Sent(message_id=message_id)

    def balance(self) -> Balance:
        """GET /api/sms/v1/query_sms_balance (section "Check balance"); it names no currency."""
        check_keys(self.account)
        amount = money_in(self._asked("GET", "query_sms_balance", asks=True))
        if amount is None:
            raise TemporaryDeliveryError("the answer has no balance", mend="Ask again later.")
        return Balance(amount=amount, unit="money")

    def status(self, asked: Asked, stamp: Stamp) -> tuple[DeliveryReport, ...]:
        """Refuse: SMSBox documents no such request.

        Section "Change SMS info" begins with delivery reports that "can be accessed by requesting
        the status", but the call that it describes changes the SMS and answers no status.
        """
        raise PermanentDeliveryError(
            f"{self.name} cannot be asked for a status",
            mend="Look the message up on the portal: SMSBox documents no request for it.",
        )

    def change(
        self,
        message_id: str,
        *,
        suspended: bool | None = None,
        schedule: datetime | None = None,
        at_once: bool = False,
        text: str | None = None,
        source: str | None = None,
    ) -> str:
        """GET /api/sms/v1/change_sms_info: change a scheduled SMS; gives its id, as SMSBox has it.

        ``suspended``: hold it back, or let it go again. ``schedule``: an aware time; ``at_once``:
        send it now instead. What is not named stays. Raises `DeliveryError`, code 403 where there
        is no such SMS (section "Change SMS info").
        """
        check_keys(self.account)
        query = change_as_query(
            message_id,
            suspended=suspended,
            schedule=schedule,
            at_once=at_once,
            text=text,
            source=source,
        )
        answer = self._asked("GET", "change_sms_info", params=query, private=(text or "",))
        changed = message_id_in(answer)
        if changed is None and "code" not in answer:
            _uncertain("the answer has no id and no code")
        return changed or query["message_id"]

    def suspend(self, message_id: str) -> str:
        """Hold a scheduled SMS back; see `change`."""
        return self.change(message_id, suspended=True)

    def resume(self, message_id: str) -> str:
        """Let a suspended SMS go at its time; see `change`."""
        return self.change(message_id, suspended=False)

    def reschedule(self, message_id: str, when: datetime) -> str:
        """Send a scheduled SMS at another time, an aware one; see `change`."""
        return self.change(message_id, schedule=when)

    def rewrite(self, message_id: str, text: str) -> str:
        """Give a scheduled SMS another text; see `change`."""
        return self.change(message_id, text=text)

    def sender_names(
        self, q: str | None = None, status: str | None = None
    ) -> tuple[SenderName, ...]:
        """GET /api/sms/v1/query_sender_names: the sender names of the account, as they come.

        ``q`` is looked for in names and samples; ``status`` is ``approved``, ``rejected`` or
        ``pending`` (section "View sender names"). Raises `DeliveryError`.
        """
        check_keys(self.account)
        query = names_query(q, status)
        answer = self._asked("GET", "query_sender_names", params=query, asks=True)
        names = sender_names_in(answer)
        if not names and "code" not in answer and "data" not in answer:
            raise TemporaryDeliveryError("the answer has no list of names", mend="Ask again later.")
        return names

    def request_sender_name(self, name: str, sample: str) -> str | None:
        """POST /api/sms/v1/request_sender_name: ask for a new name; gives its id, if it is told.

        ``name``: at most 11 letters, digits, spaces, dots and hyphens; ``sample``: 15 to 170
        characters of what it is for (section "Request sender name"). It leaves as JSON always:
        no element is documented for it. Raises `DeliveryError`.
        """
        check_keys(self.account)
        body = name_as_json(name, sample)
        answer = self._asked("POST", "request_sender_name", json=body, private=(sample,))
        if "code" not in answer:
            _uncertain("the answer has no code")
        return made_id_in(answer)

    def _asked(
        self,
        method: str,
        call: str,
        *,
        asks: bool = False,
        private: Collection[str] = (),
        params: Mapping[str, str] | None = None,
        json: object = None,
        content: bytes | None = None,
    ) -> Mapping[str, Any]:
        """Make a call, and give its answer where that says yes; raises `DeliveryError`."""
        headers = self._headers if json is None else {"Content-Type": "application/json"}
        in_doubt = LOOK_IT_UP if call == "send_sms" else LOOK_AT_ACCOUNT
        response: httpx.Response = self._wire.request(
            method,
            f"{_ROOT}/{call}",
            params=params,
            json=json,
            content=content,
            headers=headers,
            asks=asks,
            in_doubt=in_doubt,
        )
        answer = read_answer(response)
        if not says_yes(response, answer):
            hidden = (*private, *self.account.api_keys, self.account.api_secret or "")
            raise refusal(response, answer, asks=asks, in_doubt=in_doubt, private=hidden)
        return answer

    def _party(self, raw: str | None) -> str | None:
        return self.number(raw) if raw and raw.strip() else None


def _uncertain(reason: str) -> NoReturn:
    raise UncertainDeliveryError(reason, mend=_LOOK_IT_UP)
