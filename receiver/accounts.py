"""An account at a provider: its credentials, and how its callbacks come in."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit

import phonenumbers
from marshmallow import RAISE, Schema, ValidationError, fields, post_load, validate, validates

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

KEY_PLACES = (
    "basic",
    "api-key",
    "x-api-key",
    "bearer",
    "beem-secure-token",
    "query",
    "body",
)

_LONGEST = 3653 * 86_400  # seconds; ten years

_REGION = validate.OneOf(
    phonenumbers.SUPPORTED_REGIONS, error="must be the two letters of a country (ISO 3166), as ZA"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One account at one provider: its credentials and how its callbacks come in.

    ``retention``: seconds for which its events are kept, where that is not the deployment's.
    """

    name: str
    provider: str
    api_keys: tuple[str, ...] = field(default=(), repr=False)
    api_secret: str | None = field(default=None, repr=False)
    networks: tuple[Network, ...] = ()
    base_url: str | None = None
    key_in: str | None = None
    source_addr: str | None = None
    region: str | None = None
    retention: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict, hash=False, repr=False)


@dataclass(frozen=True, slots=True)
class Retentions:
    """For how many seconds events are kept: ``usual``, and by account where it has its ``own``.

    >>> kept = Retentions(600, {"shop": 60})
    >>> kept.of("shop"), kept.of("other"), kept.longest, kept.shortest
    (60, 600, 600, 60)
    """

    usual: int
    own: Mapping[str, int] = field(default_factory=dict, hash=False)
    longest: int = field(init=False)
    shortest: int = field(init=False)

    def __post_init__(self) -> None:
        all_of_them = (self.usual, *self.own.values())
        object.__setattr__(self, "longest", max(all_of_them))
        object.__setattr__(self, "shortest", min(all_of_them))

    def of(self, account: str) -> int:
        """Give the retention of an account."""
        return self.own.get(account, self.usual)


class _Text(fields.String):
    """Text; Flask reads a variable such as ``12345`` as a number, which stands for its digits."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        return super()._deserialize(_digits(value), attr, data, **kwargs)


class AccountSchema(Schema):
    """What an account may say; a provider with options of its own extends it."""

    class Meta:
        unknown = RAISE

    provider = fields.String(required=True)
    api_key = fields.Raw(load_default=())
    api_secret = _Text(allow_none=True, validate=validate.Length(min=1))
    networks = fields.List(
        fields.String(),
        load_default=list,
        error_messages={"invalid": 'must be a list, such as ["10.0.0.0/8"]'},
    )
    base_url = fields.String(allow_none=True)
    key_in = fields.String(allow_none=True, validate=validate.OneOf(KEY_PLACES))
    source_addr = _Text(allow_none=True, validate=validate.Length(min=1))
    region = fields.String(allow_none=True, validate=_REGION)
    retention = fields.Integer(
        allow_none=True, strict=True, validate=validate.Range(min=86_400, max=_LONGEST)
    )

    @validates("api_key")
    def _check_api_key(self, value: Any, data_key: str) -> None:
        if not all(isinstance(key, str) and key for key in as_many(value)):
            raise ValidationError("must be a non-empty string, or a list of them")

    @validates("networks")
    def _check_networks(self, value: Sequence[str], data_key: str) -> None:
        for text in value:
            try:
                ipaddress.ip_network(text)
            except ValueError as error:
                raise ValidationError("must be networks, such as 10.0.0.0/8") from error

    @validates("base_url")
    def _check_base_url(self, value: str | None, data_key: str) -> None:
        if value is None:
            return
        parts = split_url(value)
        if parts.scheme != "https" and not (
            parts.scheme == "http" and _is_loopback(parts.hostname)
        ):
            raise ValidationError("must begin with https:// (http:// is for this machine only)")
        if not parts.hostname:
            raise ValidationError("names no host; write https://api.example.org")

    @post_load
    def _split_options(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        known = {*AccountSchema._declared_fields}
        options = {name: data.pop(name) for name in list(data) if name not in known}
        keys = as_many(data.pop("api_key"))
        networks = tuple(ipaddress.ip_network(text) for text in data.pop("networks"))
        return {**data, "api_keys": tuple(keys), "networks": networks, "options": options}


def as_many(value: Any) -> tuple[Any, ...]:
    """Give one value, or several, as several."""
    return tuple(map(_digits, value if isinstance(value, list | tuple) else [value]))


def _digits(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def split_url(url: str) -> SplitResult:
    """Take a URL apart; raises marshmallow's `ValidationError` for what is none."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading it judges it
    except ValueError as error:
        raise ValidationError("is no URL") from error
    return parts


def _is_loopback(host: str | None) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
