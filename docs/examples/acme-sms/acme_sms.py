"""Acme SMS, Kenya: pushes messages and delivery reports to one URL; sends SMS.

Source: Acme's API document, version 3 (sections "Webhooks", "Send").
"""

from collections.abc import Iterable
from typing import Any

from marshmallow import EXCLUDE, Schema, fields

from receiver import DeliveryReport, InboundMessage, Status
from receiver.accounts import Account
from receiver.errors import Unreadable
from receiver.providers.base import Ack, Provider, Sent, Sms, Stamp
from receiver.providers.payload import Payload, Text
from receiver.providers.wire import Wire, answer_in, delivery_error, temporary_by_status
from receiver.security import Door

LIVE_URL = "https://api.acme-sms.example"

STATUSES = {
    "queued": Status.PENDING,
    "sent": Status.SUBMITTED,
    "delivered": Status.DELIVERED,
    "failed": Status.FAILED,
    "expired": Status.EXPIRED,
}
MENDS = {"12": "Write the number in E.164.", "20": "Buy credits."}


class Callback(Schema):
    """Section "Webhooks"; ``sender`` is Acme's ``from``."""

    class Meta:
        unknown = EXCLUDE

    event = Text(required=True)
    id = Text(required=True)
    sender = Text(data_key="from", load_default=None, allow_none=True)
    to = Text(required=True)
    text = Text(load_default="", allow_none=True)
    state = Text(load_default="", allow_none=True)
    time = fields.AwareDateTime(load_default=None, allow_none=True)


class Acme(Provider):
    """An account at Acme; numbers without a country are Kenyan."""

    name = "acme"
    region = "KE"

    def __init__(self, account: Account, door: Door, *, transport: Any = None) -> None:
        super().__init__(account, door)
        key = account.api_keys[0] if account.api_keys else ""
        self._wire = Wire(account.base_url or LIVE_URL, (key, account.api_secret or ""), transport)

    def parse(self, payload: Payload, stamp: Stamp) -> Iterable[InboundMessage | DeliveryReport]:
        """Give the one event of a callback."""
        data = Callback().load(payload)
        to = self.number(data["to"])
        if data["event"] == "mo":
            sender = self.number(data["sender"]) if data["sender"] else None
            yield InboundMessage(
                **stamp(InboundMessage.kind, [data["id"]]),
                message_id=data["id"],
                sender=sender,
                candidates=(sender,) if sender else (),
                recipient=to,
                text=data["text"] or "",
                sent_at=data["time"],
            )
        elif data["event"] == "dlr":
            word = (data["state"] or "").strip().lower()
            yield DeliveryReport(
                **stamp(DeliveryReport.kind, [data["id"], to, word]),
                message_id=data["id"],
                recipient=to,
                status=STATUSES.get(word, Status.UNKNOWN),
                provider_status=data["state"] or "",
                delivered_at=data["time"] if word == "delivered" else None,
            )
        else:
            raise Unreadable("event is neither mo nor dlr")

    def ack(self, payload: Payload, problem: str | None) -> Ack:
        """Say ``OK <id>``, also for what cannot be read: it is kept, and no resend would help."""
        return Ack(body=f"OK {payload.get('id', '')}".encode())

    def send(self, sms: Sms) -> Sent:
        """POST /v2/messages (section "Send"); raises `DeliveryError`."""
        body = {
            "to": list(sms.recipients),
            "text": sms.text,
            "from": sms.source or self.account.source_addr,
            "ref": sms.client_reference,
        }
        given = {name: value for name, value in body.items() if value is not None}
        response = self._wire.request("POST", "/v2/messages", json=given)
        answer = answer_in(response)
        if response.status_code == 201 and answer.get("id"):
            return Sent(message_id=str(answer["id"]))
        error = answer.get("error")
        code = str(error.get("code")) if isinstance(error, dict) else None
        raise delivery_error(
            response,
            temporary=temporary_by_status(response),
            reason="Acme refused it",
            code=code,
            mend=MENDS.get(code or "", "Look the code up in Acme's document."),
        )
