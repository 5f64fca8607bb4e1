"""RECEIVER_* keys of Flask's config, checked once and frozen.

Only values are judged here: whether a provider exists is passed in, whether Redis answers is the
business of `check`.
"""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, validate, validates

from .accounts import Account, AccountSchema, Retentions, as_many
from .consent import Consent
from .errors import ConfigurationError
from .logs import FORMATS
from .redis_url import check_redis_url

RESERVED_ACCOUNTS = frozenset({"live", "ready", "metrics", "openapi.json", "inbox"})
_PREFIX = "RECEIVER_"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", re.ASCII)
# Braces are doubled, since marshmallow formats its messages.
_ACCOUNTS_HELP = 'write {{"lefoka": {{"api_key": …, "api_secret": …}}}}, as JSON in the environment'

_OPTOUT_HELP = 'a mapping, as {{"match": "first", "stop": ["HALT"], "language": "fr"}}'
_LEAST_RECONCILE = 300  # seconds
_RAW_RETENTION = 259_200  # seconds; three days

_PATH = validate.Regexp(
    r"(/[A-Za-z0-9._~-]+)*\Z", error="must be a path as /webhooks, without a slash at its end"
)
_WORD = validate.Regexp(
    r"[A-Za-z0-9_-]{1,32}\Z", error="must be letters, digits, - and _ only, 32 at most"
)
_GUARD = re.compile(r"\w+(\.\w+)*:\w+(\.\w+)*")
_LOGS_HELP = "must be logfmt (key=value) or json"
_LANGUAGE = validate.Regexp(r"[a-z]{2,3}\Z", error="must be a language (ISO 639-1), as fr")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings; times in seconds, sizes in bytes, ``secret_keys`` newest first."""

    accounts: Mapping[str, Account]
    handlers: tuple[str, ...]
    redis_url: str = field(repr=False)
    url_prefix: str
    spool_dir: Path
    secret_keys: tuple[str | bytes, ...] = field(repr=False)
    max_body: int
    retention: int
    retries: int
    inline: bool
    namespace: str
    proxies: int
    consent: Consent
    reconcile: int
    raw_retention: int
    encryption_keys: tuple[str, ...] = field(repr=False)
    inbox_url: str
    inbox_password: str | None = field(repr=False)
    inbox_guard: Callable[[], Any] | str | None = field(repr=False)
    metrics_token: str | None = field(repr=False)
    log_format: str

    @property
    def retentions(self) -> Retentions:
        """How long the events of each account are kept."""
        own = {name: account.retention for name, account in self.accounts.items()}
        return Retentions(self.retention, {name: kept for name, kept in own.items() if kept})


class _SettingsSchema(Schema):
    class Meta:
        unknown = RAISE

    ACCOUNTS = fields.Dict(
        keys=fields.String(error_messages={"invalid": "the name of an account must be text"}),
        required=True,
        validate=validate.Length(min=1, error=f"names no account; {_ACCOUNTS_HELP}"),
        error_messages={
            "required": f"is missing; {_ACCOUNTS_HELP}",
            "invalid": f"must be a mapping; {_ACCOUNTS_HELP}",
        },
    )
    HANDLERS = fields.Raw(load_default=())
    REDIS_URL = fields.String(load_default="redis://localhost:6379/0")
    URL_PREFIX = fields.String(load_default="/webhooks", validate=_PATH)
    SPOOL_DIR = fields.Raw(load_default=None)
    SECRET_KEYS = fields.Raw(load_default=())
    MAX_BODY = fields.Integer(load_default=262_144, strict=True, validate=validate.Range(min=1024))
    RETENTION = fields.Integer(load_default=604_800, strict=True, validate=validate.Range(min=60))
    RETRIES = fields.Integer(load_default=8, strict=True, validate=validate.Range(min=0, max=50))
    INLINE = fields.Boolean(load_default=False)
    NAMESPACE = fields.String(load_default="receiver", validate=_WORD)
    PROXIES = fields.Integer(load_default=0, strict=True, validate=validate.Range(min=0, max=10))
    OPTOUT = fields.Dict(load_default=dict, error_messages={"invalid": f"must be {_OPTOUT_HELP}"})
    RECONCILE = fields.Integer(load_default=3600, strict=True)
    RAW_RETENTION = fields.Integer(load_default=None, strict=True, validate=validate.Range(min=60))
    ENCRYPTION_KEYS = fields.Raw(load_default=())
    INBOX_URL = fields.String(load_default=None, allow_none=True, validate=_PATH)
    INBOX_PASSWORD = fields.String(load_default=None, allow_none=True)
    INBOX_GUARD = fields.Raw(load_default=None)
    METRICS_TOKEN = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.Length(min=16, error="must be 16 random characters or more"),
    )
    LOG_FORMAT = fields.String(
        load_default="logfmt", validate=validate.OneOf(FORMATS, error=_LOGS_HELP)
    )

    @validates("RECONCILE")
    def _check_reconcile(self, value: int, data_key: str) -> None:
        if value and value < _LEAST_RECONCILE:
            raise ValidationError(f"must be {_LEAST_RECONCILE} seconds at least, or 0 for never")

    @validates("INBOX_PASSWORD")
    def _check_password(self, value: str | None, data_key: str) -> None:
        if value is not None and not value.startswith(("scrypt:", "pbkdf2:")):
            raise ValidationError("must be a hash; sms-receiver password makes one")

    @validates("INBOX_GUARD")
    def _check_guard(self, value: Any, data_key: str) -> None:
        if value is not None and not callable(value) and not _GUARD.fullmatch(str(value)):
            raise ValidationError("must be a function, or name one as module:function")
        if _answers_later(value):
            raise ValidationError(
                "must be a plain function: nobody awaits what async def gives, or reads what yields"
            )

    @validates("SPOOL_DIR")
    def _check_spool_dir(self, value: Any, data_key: str) -> None:
        if value is not None and not isinstance(value, str | Path):
            raise ValidationError("must be the path of a folder")

    @validates("REDIS_URL")
    def _check_redis_url(self, value: str, data_key: str) -> None:
        check_redis_url(value)


class _OptOutSchema(Schema):
    class Meta:
        unknown = RAISE

    match = fields.String(load_default="exact", validate=validate.OneOf(("exact", "first")))
    stop = fields.Raw(load_default=())
    start = fields.Raw(load_default=())
    language = fields.String(load_default="en", validate=_LANGUAGE)

    @validates("stop", "start")
    def _check_words(self, value: Any, data_key: str) -> None:
        if not all(isinstance(word, str) for word in as_many(value)):
            raise ValidationError("must be a list of words")


def load_settings(
    config: Mapping[str, Any], schemas: Mapping[str, type[AccountSchema]], instance: Path
) -> Settings:
    """Read the RECEIVER_* keys of ``config``.

    ``schemas``: the account schema of each known provider, by name. ``instance``: the app's
    instance folder. Raises `ConfigurationError` naming every wrong key.
    """
    given = {k.removeprefix(_PREFIX): v for k, v in config.items() if k.startswith(_PREFIX)}
    problems: list[str] = []
    try:
        data = _SettingsSchema().load(given)
    except ValidationError as error:
        problems += _sentences(error, "", list(_SettingsSchema._declared_fields))
        data = error.valid_data
    accounts = _accounts(data.get("ACCOUNTS") or {}, schemas, problems)
    secret_keys = _secret_keys(data.get("SECRET_KEYS"), config, problems)
    handlers = _names(data.get("HANDLERS"), "RECEIVER_HANDLERS", "import names", problems)
    encryption_keys = _names(
        data.get("ENCRYPTION_KEYS"), "RECEIVER_ENCRYPTION_KEYS", "Fernet keys", problems
    )
    consent = _consent(data.get("OPTOUT") or {}, problems)
    if problems:
        raise ConfigurationError(problems)
    url_prefix, retention = data["URL_PREFIX"], data["RETENTION"]
    del data["OPTOUT"]
    judged = {
        "ACCOUNTS": accounts,
        "HANDLERS": handlers,
        "SPOOL_DIR": Path(data["SPOOL_DIR"] or instance / "spool"),
        "SECRET_KEYS": secret_keys,
        "CONSENT": consent,
        "ENCRYPTION_KEYS": encryption_keys,
        "RAW_RETENTION": data["RAW_RETENTION"] or min(retention, _RAW_RETENTION),
        "INBOX_URL": data["INBOX_URL"] or f"{url_prefix}/inbox",
    }
    return Settings(**{name.lower(): value for name, value in (data | judged).items()})


def _accounts(
    given: Mapping[str, Any], schemas: Mapping[str, type[AccountSchema]], problems: list[str]
) -> dict[str, Account]:
    accounts = {}
    for name, value in given.items():
        where = f"ACCOUNTS.{name}"
        if not _NAME.fullmatch(name) or name in RESERVED_ACCOUNTS:
            taken = "is a page of ours" if name in RESERVED_ACCOUNTS else "cannot stand in a URL"
            problems.append(f"RECEIVER_{where}: the name {taken}; choose another")
            continue
        if not isinstance(value, Mapping):
            problems.append(f"RECEIVER_{where}: must be a mapping of credentials")
            continue
        provider = value.get("provider", name)
        if not isinstance(provider, str) or provider not in schemas:
            known = ", ".join(sorted(schemas))
            problems.append(f"RECEIVER_{where}.provider: is none of the known ones: {known}")
            continue
        schema = schemas[provider]
        try:
            data = schema().load({**value, "provider": provider})
        except ValidationError as error:
            problems += _sentences(error, f"{where}.", list(schema._declared_fields))
            continue
        accounts[name] = Account(name=name, **data)
    return accounts


def _secret_keys(given: Any, config: Mapping[str, Any], problems: list[str]) -> tuple[Any, ...]:
    if not given:
        given = [config.get("SECRET_KEY"), *as_many(config.get("SECRET_KEY_FALLBACKS") or ())]
        given = [key for key in given if key]
    keys = as_many(given)
    if not keys:
        problems.append(
            "RECEIVER_SECRET_KEYS: there is none; set it, or the app's SECRET_KEY, to a long random"
            " string (python -c 'import secrets; print(secrets.token_hex())')"
        )
    if not all(isinstance(key, str | bytes) and key for key in keys):
        problems.append("RECEIVER_SECRET_KEYS: must be non-empty strings, newest first")
    return keys


def _names(given: Any, where: str, what: str, problems: list[str]) -> tuple[str, ...]:
    names = [n.strip() for n in given.split(",")] if isinstance(given, str) else given or ()
    if isinstance(names, list | tuple) and all(isinstance(name, str) for name in names):
        return tuple(name for name in names if name)
    problems.append(f"{where}: must be a list of {what}")
    return ()


def _consent(given: Mapping[str, Any], problems: list[str]) -> Consent:
    try:
        data = _OptOutSchema().load(given)
        data.update(stop=as_many(data["stop"]), start=as_many(data["start"]))
        return Consent(**data)
    except ValidationError as error:
        problems += _sentences(error, "OPTOUT.", list(_OptOutSchema._declared_fields))
    except ConfigurationError as error:
        problems.append(f"RECEIVER_OPTOUT: {error}")
    return Consent()


def _sentences(error: ValidationError, where: str, known: Sequence[str]) -> list[str]:
    """Say each problem in one line, without the wrong value: it may be a secret."""
    found = []
    for key, messages in error.messages_dict.items():
        name = str(key)
        text = "; ".join(_flat(messages)).rstrip(".")
        if "Unknown field" in text:
            close = difflib.get_close_matches(name, known, 1)
            text = "unknown key" + (f"; did you mean RECEIVER_{where}{close[0]}?" if close else "")
        found.append(f"RECEIVER_{where}{name}: {text}")
    return found


def _flat(messages: Any) -> list[str]:
    if isinstance(messages, Mapping):
        return [text for inner in messages.values() for text in _flat(inner)]
    if isinstance(messages, list):
        return [text for inner in messages for text in _flat(inner)]
    return [str(messages)]


def _answers_later(value: object) -> bool:
    """Tell whether a call gives what has not run yet: a coroutine, or a generator."""
    kinds = (
        inspect.iscoroutinefunction,
        inspect.isgeneratorfunction,
        inspect.isasyncgenfunction,
    )
    called = getattr(type(value), "__call__", None)  # noqa: B004 - what runs, not whether it may
    return any(kind(found) for kind in kinds for found in (value, called))
