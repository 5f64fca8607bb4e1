"""What SMSBox's document says of a callback and its answer, for openapi.json; nothing is read here.

Source: section "Two way SMS" of the SMS API documentation at https://smsbox.devotek.africa. The
parser in `smsbox_callback` takes more: other names, forms, and JSON within strings.
"""

from __future__ import annotations

from marshmallow import EXCLUDE, Schema, fields

from .payload import Text


class _Open(Schema):
    class Meta:
        unknown = EXCLUDE


class _Media(_Open):
    mediaUrl = Text(  # noqa: N815 - as the document spells it
        allow_none=True, metadata={"example": "https://media.example.org/1.jpg"}
    )


class _Message(_Open):
    text = Text(allow_none=True, metadata={"description": "The text.", "example": "Test message"})
    media = fields.Nested(_Media, allow_none=True)
    custom = fields.Dict(
        allow_none=True, metadata={"description": "Data of your own.", "example": {"shop": "north"}}
    )


class _Billing(_Open):
    currency = Text(allow_none=True, metadata={"description": "ISO 4217.", "example": "XOF"})
    subscriber_price = Text(
        allow_none=True, metadata={"description": "What the sender paid.", "example": "100"}
    )
    billing_price = Text(
        allow_none=True, metadata={"description": "What the account is billed.", "example": "20.5"}
    )


class SMSBoxCallback(_Open):
    """Section "Callback parameters": one inbound message."""

    sender = Text(
        data_key="from",
        allow_none=True,
        metadata={"description": "Who wrote.", "example": "255701000000"},
    )
    recipient = Text(
        data_key="to",
        allow_none=True,
        metadata={
            "description": "The number or short code that was written to.",
            "example": "15000",
        },
    )
    channel = Text(allow_none=True, metadata={"example": "whatsapp"})
    time = Text(
        data_key="timeUTC",
        allow_none=True,
        metadata={
            "description": "When it was written: RFC 1123, or ISO 8601.",
            "example": "Wed, 14 Jun 2017 07:00:00 GMT",
        },
    )
    transaction_id = Text(
        allow_none=True,
        metadata={"description": "Is given back in the answer.", "example": "120a1039103910"},
    )
    message = fields.Nested(
        _Message,
        allow_none=True,
        metadata={"description": "Or the text itself, or a string that holds this object."},
    )
    billing = fields.Nested(_Billing, allow_none=True)


class SMSBoxAck(_Open):
    """The answer that SMSBox wants."""

    transaction_id = fields.Raw(
        required=True,
        metadata={"description": "As it came, of the same JSON type.", "example": "120a1039103910"},
    )
    successful = fields.Raw(
        required=True,
        metadata={
            "description": '`true`, or `"true"` for gateways that want the word.',
            "enum": [True, "true"],
            "example": True,
        },
    )
