"""What an account at the keyed panel says, and how its credentials and numbers are written.

Source: "API Documentation" of the panel, sections "Authentication" and "Request Parameters".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import phonenumbers
from marshmallow import ValidationError, fields, validate, validates_schema

from ..accounts import Account, AccountSchema
from ..errors import PermanentDeliveryError
from .payload import Text

JSON = {"Content-Type": "application/json", "Accept": "application/json"}


class KeyedAccountSchema(AccountSchema):
    """``version`` of the API, its ``username``, v2's ``method``; how ``numbers`` are written.

    ``api_secret`` is v1's password. ``numbers`` are ``international``, or ``national`` as in the
    text's sample, where they are of the account's ``region``.
    """

    base_url = fields.String(
        required=True,
        error_messages={
            "required": "is missing: the panel's text names no host; write https://panel.example.org",
            "null": "must be the panel's address, as https://panel.example.org",
        },
    )
    username = Text(validate=validate.Length(min=1))
    version = fields.Integer(
        validate=validate.OneOf((1, 2), error="must be 1 (user name and password) or 2 (key)")
    )
    numbers = fields.String(validate=validate.OneOf(("international", "national")))
    method = fields.String(validate=validate.OneOf(("POST", "GET")))

    @validates_schema
    def _check_together(self, data: Mapping[str, Any], **_: Any) -> None:
        missing = {}
        if data.get("version") == 1:
            missing = {
                name: ["is missing: version 1 wants it"]
                for name in ("username", "api_secret")
                if not data.get(name)
            }
        if data.get("numbers") == "national" and not data.get("region"):
            missing["region"] = ["is missing: numbers = national are those of a region"]
        if missing:
            raise ValidationError(missing)


def key_headers(account: Account) -> dict[str, str]:
    """Give the headers of v2, X-API-Key among them; never the parameter, since URLs are logged."""
    key = account.api_keys[0] if account.api_keys else ""
    if not (key and key.isascii() and key.isprintable()):
        raise PermanentDeliveryError(
            f"account {account.name} has no api_key that a header can carry",
            code="401",
            mend="Add it to RECEIVER_ACCOUNTS; generate_key makes one.",
        )
    return {**JSON, "X-API-Key": key}


def password(account: Account) -> dict[str, str]:
    """Give the credentials of v1, for a form or a body, never for the URL."""
    name, secret = username(account), account.api_secret
    if not name or not secret:
        raise PermanentDeliveryError(
            f"account {account.name} has no username or no api_secret",
            code="401",
            mend="Add both to RECEIVER_ACCOUNTS; api_secret is the password.",
        )
    return {"username": name, "password": secret}


def username(account: Account) -> str | None:
    """Give the user name, if the account has one."""
    name = account.options.get("username")
    return name if isinstance(name, str) else None


def written(number: str, account: Account) -> str:
    """Write a number in E.164 as the account says: nationally, if it is one of the region."""
    region = account.region
    if account.options.get("numbers") != "national" or not region:
        return number
    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return number
    if parsed.country_code != phonenumbers.country_code_for_region(region):
        return number
    national = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL)
    return "".join(char for char in national if char.isdecimal())
