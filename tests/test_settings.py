"""Settings: what a user may write, and what a wrong one is told."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from conftest import ACCOUNTS
from flask import Flask

from receiver import ConfigurationError, Receiver
from receiver.consent import Consent
from receiver.settings import Account, Settings

KEY = "a-secret-key-of-some-length"
HIDDEN = "tell-nobody-0001"


def settings_of(app: Flask) -> Settings:
    Receiver(app)
    found: Settings = app.extensions["receiver"].settings
    return found


def load(tmp_path: Path, **config: Any) -> Settings:
    """Settings of a fresh app; ``None`` takes a key out."""
    app = Flask("shop", instance_path=str(tmp_path))
    config = {"SECRET_KEY": KEY, "RECEIVER_ACCOUNTS": ACCOUNTS, **config}
    app.config.update({name: value for name, value in config.items() if value is not None})
    return settings_of(app)


def account(tmp_path: Path, **credentials: Any) -> Account:
    credentials = {"provider": "smsbox", "api_key": "k", **credentials}
    return load(tmp_path, RECEIVER_ACCOUNTS={"shop": credentials}).accounts["shop"]


def problems(tmp_path: Path, **config: Any) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as raised:
        load(tmp_path, **config)
    assert all(problem in str(raised.value) for problem in raised.value.problems)
    return raised.value.problems


def test_the_defaults_are_the_documented_ones(tmp_path: Path) -> None:
    found = load(tmp_path)
    assert found.handlers == ()
    assert found.redis_url == "redis://localhost:6379/0"
    assert found.url_prefix == "/webhooks"
    assert found.spool_dir == tmp_path / "spool"
    assert found.secret_keys == (KEY,)
    assert found.max_body == 262_144
    assert found.retention == 604_800
    assert found.retries == 8
    assert found.inline is False
    assert found.consent == Consent()
    assert found.reconcile == 3600


def test_an_account_is_read_whole(tmp_path: Path) -> None:
    found = account(
        tmp_path,
        api_key=["new", "old"],
        api_secret="s",
        networks=["10.0.0.0/8", "2001:db8::/32"],
        base_url="https://sandbox.example.org",
        key_in="x-api-key",
        source_addr="SHOP",
        region="BF",
    )
    assert (found.name, found.provider) == ("shop", "smsbox")
    assert found.api_keys == ("new", "old")
    assert found.networks == (ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"))
    assert (found.key_in, found.source_addr, found.region) == ("x-api-key", "SHOP", "BF")


def test_the_provider_may_be_left_out_where_the_name_is_one(tmp_path: Path) -> None:
    found = load(tmp_path, RECEIVER_ACCOUNTS={"lefoka": {}, "eu": {"provider": "lefoka"}})
    assert [entry.provider for entry in found.accounts.values()] == ["lefoka", "lefoka"]


@pytest.mark.parametrize(
    ("config", "keys"),
    [
        pytest.param({}, (KEY,), id="the app's"),
        pytest.param({"SECRET_KEY_FALLBACKS": ["b", "c"]}, (KEY, "b", "c"), id="with fallbacks"),
        pytest.param({"SECRET_KEY_FALLBACKS": "b"}, (KEY, "b"), id="one fallback as text"),
        pytest.param({"RECEIVER_SECRET_KEYS": ["n", b"o"]}, ("n", b"o"), id="our own"),
        pytest.param({"RECEIVER_SECRET_KEYS": "n"}, ("n",), id="one of our own"),
        pytest.param(
            {"RECEIVER_SECRET_KEYS": ["n"], "SECRET_KEY": None}, ("n",), id="without the app's"
        ),
    ],
)
def test_secret_keys_are_newest_first(
    tmp_path: Path, config: dict[str, Any], keys: tuple[Any, ...]
) -> None:
    assert load(tmp_path, **config).secret_keys == keys


def test_without_any_secret_key_the_app_does_not_start(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, SECRET_KEY=None)
    assert problem.startswith(
        "RECEIVER_SECRET_KEYS: there is none; set it, or the app's SECRET_KEY"
    )


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("ACCOUNTS", None, "is missing; write {"),
        ("ACCOUNTS", {}, "names no account; write {"),
        ("ACCOUNTS", "{'lefoka'", "must be a mapping; write {"),
        ("ACCOUNTS", ["lefoka"], "must be a mapping; write {"),
        ("ACCOUNTS", {5: {}}, "the name of an account must be text"),
        ("HANDLERS", 5, "must be a list of import names"),
        ("HANDLERS", ["a", 5], "must be a list of import names"),
        ("REDIS_URL", "postgres://localhost", "must begin with redis://"),
        ("REDIS_URL", "redis://[", "is no URL"),
        ("URL_PREFIX", "webhooks", "must be a path as /webhooks, without a slash at its end"),
        ("URL_PREFIX", "/webhooks/", "must be a path as /webhooks, without a slash at its end"),
        ("SPOOL_DIR", 5, "must be the path of a folder"),
        ("SECRET_KEYS", ["good", ""], "must be non-empty strings, newest first"),
        ("SECRET_KEYS", [None], "must be non-empty strings, newest first"),
        ("SECRET_KEYS", {"a": 1}, "must be non-empty strings, newest first"),
        ("MAX_BODY", 0, "Must be greater than or equal to 1024"),
        ("RETENTION", "a week", "Not a valid integer"),
        ("RETENTION", 0.5, "Not a valid integer"),
        ("RETRIES", -1, "Must be greater than or equal to 0"),
        ("RETRIES", True, "Not a valid integer"),
        ("INLINE", "perhaps", "Not a valid boolean"),
        ("NAMESPACE", "a b", "must be letters, digits, - and _ only"),
        ("MAXBODY", 1, "unknown key; did you mean RECEIVER_MAX_BODY?"),
        ("ZZZ", 1, "unknown key"),
        ("URL_PREFIX", "/a<int:x>", "must be a path as /webhooks"),
        ("REDIS_URL", "redis://localhost:abc/0", "is no URL"),
        ("REDIS_URL", "redis://localhost:6379/abc", "must end with a port and a number"),
        ("RECONCILE", 299, "must be 300 seconds at least, or 0 for never"),
        ("RECONCILE", -1, "must be 300 seconds at least, or 0 for never"),
        ("RECONCILE", "hourly", "Not a valid integer"),
    ],
)
def test_a_wrong_key_is_named(tmp_path: Path, name: str, value: Any, sentence: str) -> None:
    (problem,) = problems(tmp_path, **{f"RECEIVER_{name}": value})
    assert problem.startswith(f"RECEIVER_{name}: {sentence}")


@pytest.mark.parametrize("seconds", [0, 300, 86_400])
def test_how_often_accounts_are_reconciled_is_set(tmp_path: Path, seconds: int) -> None:
    assert load(tmp_path, RECEIVER_RECONCILE=seconds).reconcile == seconds


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("api_key", "", "must be a non-empty string, or a list of them"),
        ("api_key", ["good", ""], "must be a non-empty string, or a list of them"),
        ("api_key", {"a": 1}, "must be a non-empty string, or a list of them"),
        ("api_secret", "", "Shorter than minimum length 1"),
        ("networks", "10.0.0.0/8", "must be a list, such as"),
        ("networks", ["10.0.0.1/8"], "must be networks, such as 10.0.0.0/8"),
        ("networks", ["anywhere"], "must be networks, such as 10.0.0.0/8"),
        ("base_url", "http://api.example.org", "must begin with https://"),
        ("base_url", "http://127.0.0.1.example.org", "must begin with https://"),
        ("base_url", "http://10.0.0.1", "must begin with https://"),
        ("base_url", "file:///tmp", "must begin with https://"),
        ("base_url", "https://", "names no host"),
        ("base_url", "https://[", "is no URL"),
        ("key_in", "cookie", "Must be one of: basic, api-key"),
        ("region", "bf", "must be the two letters of a country (ISO 3166), as ZA"),
        ("region", "UK", "must be the two letters of a country (ISO 3166), as ZA"),
        ("provider", "lefoca", "is none of the known ones: bearer, keyed, kobomobile, lefoka"),
        ("provider", ["lefoka"], "is none of the known ones: bearer, keyed, kobomobile, lefoka"),
        ("successful", "yes", "Must be one of: True, true"),
        ("api_kye", "k", "unknown key; did you mean RECEIVER_ACCOUNTS.shop.api_key?"),
    ],
)
def test_a_wrong_key_of_an_account_is_named(
    tmp_path: Path, name: str, value: Any, sentence: str
) -> None:
    shop = {"provider": "smsbox", "api_key": "k", name: value}
    (problem,) = problems(tmp_path, RECEIVER_ACCOUNTS={"shop": shop})
    assert problem.startswith(f"RECEIVER_ACCOUNTS.shop.{name}: {sentence}")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8080",
        "http://localhost:8080",
        "http://[::1]:8080",
        "https://api.example.org/v1",
    ],
)
def test_a_base_url_is_encrypted_or_on_this_machine(tmp_path: Path, url: str) -> None:
    assert account(tmp_path, base_url=url).base_url == url


@pytest.mark.parametrize("name", ["live", "ready", "metrics", "openapi.json", "inbox"])
def test_an_account_cannot_have_the_name_of_a_page(tmp_path: Path, name: str) -> None:
    (problem,) = problems(tmp_path, RECEIVER_ACCOUNTS={name: {"provider": "lefoka"}})
    assert problem == f"RECEIVER_ACCOUNTS.{name}: the name is a page of ours; choose another"


@pytest.mark.parametrize("name", ["a/b", "", "a b", "é", ".hidden", "x" * 65, "a\n"])
def test_an_account_has_a_name_for_a_url(tmp_path: Path, name: str) -> None:
    (problem,) = problems(tmp_path, RECEIVER_ACCOUNTS={name: {"provider": "lefoka"}})
    assert "the name cannot stand in a URL" in problem


def test_all_that_is_wrong_is_said_at_once_and_no_secret_with_it(tmp_path: Path) -> None:
    wrong = {
        "provider": "smsbox",
        "api_key": [HIDDEN, ""],
        "api_secret": [HIDDEN],
        "base_url": f"http://{HIDDEN}@api.example.org",
        "key_in": HIDDEN,
        "networks": [HIDDEN],
        "region": HIDDEN,
        "api_kye": HIDDEN,
    }
    found = problems(
        tmp_path,
        SECRET_KEY=None,
        RECEIVER_ACCOUNTS={"shop": wrong, "live": {"api_key": HIDDEN}, "lefoka": HIDDEN},
        RECEIVER_REDIS_URL=f"http://:{HIDDEN}@localhost",
        RECEIVER_SECRET_KEYS=[HIDDEN, 0.5],
        RECEIVER_RETRIES=HIDDEN,
        RECEIVER_SECRET_KEY=HIDDEN,
    )
    assert sorted(problem.partition(":")[0].removeprefix("RECEIVER_") for problem in found) == [
        "ACCOUNTS.lefoka",
        "ACCOUNTS.live",
        "ACCOUNTS.shop.api_key",
        "ACCOUNTS.shop.api_kye",
        "ACCOUNTS.shop.api_secret",
        "ACCOUNTS.shop.base_url",
        "ACCOUNTS.shop.key_in",
        "ACCOUNTS.shop.networks",
        "ACCOUNTS.shop.region",
        "REDIS_URL",
        "RETRIES",
        "SECRET_KEY",
        "SECRET_KEYS",
    ]
    assert HIDDEN not in str(ConfigurationError(found))


def test_settings_do_not_show_secrets_when_they_are_printed(tmp_path: Path) -> None:
    found = load(
        tmp_path,
        SECRET_KEY=HIDDEN,
        RECEIVER_REDIS_URL=f"redis://:{HIDDEN}@localhost",
        RECEIVER_ACCOUNTS={"lefoka": {"api_key": HIDDEN, "api_secret": HIDDEN}},
    )
    assert HIDDEN not in repr(found)


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {
        "SECRET_KEY": KEY,
        "RECEIVER_ACCOUNTS": '{"lefoka": {"api_key": "pk"}}',
        "RECEIVER_ACCOUNTS__shop__provider": "smsbox",
        "RECEIVER_ACCOUNTS__shop__api_key": "123456",
        "RECEIVER_ACCOUNTS__shop__api_secret": "007",
        "RECEIVER_ACCOUNTS__shop__source_addr": "15000",
        "RECEIVER_HANDLERS": "handlers.optout, handlers.echo",
        "RECEIVER_RETRIES": "3",
        "RECEIVER_INLINE": "true",
        "RECEIVER_URL_PREFIX": "/hooks/sms",
        "RECEIVER_OPTOUT": '{"match": "first"}',
        "RECEIVER_OPTOUT__language": "pt",
    }
    for name, value in variables.items():
        monkeypatch.setenv(f"FLASK_{name}", value)
    app = Flask("shop")
    app.config.from_prefixed_env()
    found = settings_of(app)
    shop = found.accounts["shop"]
    assert found.accounts["lefoka"].api_keys == ("pk",)
    assert (shop.api_keys, shop.api_secret, shop.source_addr) == (("123456",), "007", "15000")
    assert found.handlers == ("handlers.optout", "handlers.echo")
    assert (found.retries, found.inline, found.url_prefix) == (3, True, "/hooks/sms")
    assert found.consent == Consent(match="first", language="pt")
