"""The address of the caller: what proxies of ours say counts, what a caller says does not."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import SMSBOX_KEY
from flask import Flask, request
from support import BODY, PATH

from receiver import ConfigurationError, standalone

PROVIDER, STRANGER, PROXY = "10.1.2.3", "203.0.113.9", "192.0.2.1"

MakeStandalone = Callable[..., Flask]


@pytest.fixture
def make_standalone(
    tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> MakeStandalone:
    """Make the standalone app from the environment; RECEIVER_ is left out of the names."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    accounts = {"smsbox": {"api_key": SMSBOX_KEY, "networks": ["10.0.0.0/8"]}}
    monkeypatch.setenv("FLASK_SECRET_KEY", "a-secret-key-of-some-length")
    monkeypatch.setenv("FLASK_RECEIVER_ACCOUNTS", json.dumps(accounts))
    monkeypatch.setenv("FLASK_RECEIVER_REDIS_URL", redis_url)

    def make(**settings: Any) -> Flask:
        for name, value in settings.items():
            monkeypatch.setenv(f"FLASK_RECEIVER_{name}", json.dumps(value))
        return standalone.create_app(tmp_path)

    return make


def knock(app: Flask, address: str, **headers: str) -> int:
    """Send a callback with a good key from an address; gives the status."""
    answer = app.test_client().post(
        PATH,
        data=BODY,
        headers={"x-api-key": SMSBOX_KEY, **headers},
        environ_base={"REMOTE_ADDR": address},
    )
    return answer.status_code


@pytest.mark.parametrize(
    ("proxies", "address", "forwarded", "status"),
    [
        pytest.param(0, PROVIDER, None, 200, id="no proxy: the provider"),
        pytest.param(0, STRANGER, PROVIDER, 401, id="no proxy: a forged address"),
        pytest.param(0, PROVIDER, STRANGER, 200, id="no proxy: the header is not read"),
        pytest.param(1, PROXY, PROVIDER, 200, id="one: the provider"),
        pytest.param(1, PROXY, STRANGER, 401, id="one: a stranger"),
        pytest.param(1, PROXY, f"{PROVIDER}, {STRANGER}", 401, id="one: a forged left-most"),
        pytest.param(1, PROXY, f"{STRANGER}, {PROVIDER}", 200, id="one: the last entry"),
        pytest.param(1, PROXY, None, 401, id="one: nobody is named"),
        pytest.param(2, PROXY, f"{PROVIDER}, {PROXY}", 200, id="two: the provider"),
        pytest.param(2, PROXY, f"{PROVIDER}, {STRANGER}, {PROXY}", 401, id="two: a forged one"),
        pytest.param(2, PROVIDER, PROVIDER, 200, id="two: too few entries change nothing"),
        pytest.param(2, STRANGER, PROVIDER, 401, id="two: too few entries name nobody"),
    ],
)
def test_only_so_many_entries_count_as_there_are_proxies(
    make_standalone: MakeStandalone,
    proxies: int,
    address: str,
    forwarded: str | None,
    status: int,
) -> None:
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    assert knock(make_standalone(PROXIES=proxies), address, **headers) == status


def test_by_default_nothing_is_believed(make_standalone: MakeStandalone) -> None:
    app = make_standalone()
    assert app.extensions["receiver"].settings.proxies == 0
    assert knock(app, STRANGER, **{"X-Forwarded-For": PROVIDER}) == 401


def test_scheme_and_host_come_from_the_proxy_too_and_no_prefix(
    make_standalone: MakeStandalone,
) -> None:
    app = make_standalone(PROXIES=1)
    app.add_url_rule("/where", "where", lambda: f"{request.url_root} {request.root_path}")
    headers = {
        "X-Forwarded-Proto": "http, https",
        "X-Forwarded-Host": "forged.example.org, sms.example.org",
        "X-Forwarded-Prefix": "/moved",
    }
    assert app.test_client().get("/where", headers=headers).text == "https://sms.example.org/ "


@pytest.mark.parametrize("value", [-1, 11, 1.5, True, "two", "*"])
def test_a_number_of_proxies_that_cannot_be_is_refused(
    make_standalone: MakeStandalone, value: Any
) -> None:
    with pytest.raises(ConfigurationError, match=r"^RECEIVER_PROXIES: "):
        make_standalone(PROXIES=value)


def test_a_mounted_app_is_told_to_do_it_itself(make_app: Callable[..., Flask]) -> None:
    with pytest.raises(ConfigurationError, match=r"^RECEIVER_PROXIES: .*ProxyFix"):
        make_app(PROXIES=1)
