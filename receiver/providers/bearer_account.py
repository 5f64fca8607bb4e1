"""What an account at the bearer API says: its address, its paths, and the API's names for things.

The API's text has none of these, so that each deployment writes down what its provider told it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from marshmallow import RAISE, ValidationError, fields, validate, validates

from ..accounts import AccountSchema

MESSAGE_ID: Final = "{message_id}"
DEFAULT_PATHS: Mapping[str, str | None] = {
    "send_path": "/sms/send",
    "balance_path": "/account/balance",
    "status_path": None,
}
# Our words, and the API's. Without a name for the schedule it would be sent at once: none is
# guessed.
DEFAULT_FIELDS: Mapping[str, str | None] = {
    "to": "to",
    "text": "message",
    "source": "sender_id",
    "reference": "reference",
    "schedule": None,
}

_PATH = validate.Regexp(r"/(?!/)[^?#\s]*\Z", error="must be a path, as /sms/send")
_ADDRESS = "the API's text names no host; write https://api.example.org"


class BearerAccountSchema(AccountSchema):
    """``recipients``: ``one`` a request, a ``list``, or in one text with a ``comma`` between.

    ``fields``: the API's name for each of our words, ``None`` where it has none; ``extra``: what
    stands in every request beside.
    """

    class Meta(AccountSchema.Meta):
        unknown = RAISE
        include: ClassVar[dict[str, Any]] = {
            "fields": fields.Dict(
                keys=fields.String(validate=validate.OneOf([*DEFAULT_FIELDS])),
                values=fields.String(allow_none=True, validate=validate.Length(min=1)),
            )
        }

    base_url = fields.String(
        required=True,
        error_messages={"required": f"is missing: {_ADDRESS}", "null": f"is missing: {_ADDRESS}"},
    )
    send_path = fields.String(validate=_PATH)
    balance_path = fields.String(allow_none=True, validate=_PATH)
    status_path = fields.String(allow_none=True, validate=_PATH)
    recipients = fields.String(validate=validate.OneOf(("one", "list", "comma")))
    extra = fields.Dict(keys=fields.String())

    @validates("status_path")
    def _check_status_path(self, value: str | None, data_key: str) -> None:
        if value is not None and MESSAGE_ID not in value:
            raise ValidationError(f"must hold {MESSAGE_ID}, as /sms/{MESSAGE_ID}")

    @validates("fields")
    def _check_fields(self, value: Mapping[str, str | None], data_key: str) -> None:
        if not all(value.get(word, "named") for word in ("to", "text")):
            raise ValidationError("to and text cannot go without a name")
