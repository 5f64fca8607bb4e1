"""`up --simulate`: no SMS leaves, though the accounts are the user's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from upping import clean_environment, running, running_flask

SHOP = """
from flask import Flask
from receiver import Receiver

app = Flask("shop")
app.config.from_prefixed_env()
receiver = Receiver(app)

@receiver.fallback()
def answer(message):
    return f"The shop has {message.text}"
"""

ACCOUNTS = {
    "box": {"provider": "smsbox", "api_key": ["k-1", "k-0"], "api_secret": "s-1"},
    "lefoka": {"api_key": "pk-1", "api_secret": "s-2"},
}
ENVIRONMENT = {
    "FLASK_SECRET_KEY": "a-secret-key-of-some-length",
    "FLASK_RECEIVER_ACCOUNTS": json.dumps(ACCOUNTS),
}
ASK = "flask --app shop receiver"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(SHOP)
    return tmp_path


def test_a_simulated_provider_takes_what_a_mounted_app_sends(shop: Path) -> None:
    words = ("--app", "shop", "receiver", "up", "--port", "0", "--simulate")
    with running_flask(shop, *words, **ENVIRONMENT) as up:
        up.ready()
        assert "no SMS leaves this machine" in up.output
        ready = "export FLASK_SECRET_KEY=a-secret-key-of-some-length; . .receiver/env; "
        ask = ready + ASK
        up.shell(f"{ask} simulate smsbox inbound --from +255712345678 --text hello")
        up.see("SMS to +255712345678: The shop has hello")
        assert "hello" in up.shell(f"{ask} events list --reveal")
        assert "money" in up.shell(f"{ask} balance box")
        assert up.end() == 0


def test_so_it_does_standalone(tmp_path: Path) -> None:
    with running(tmp_path, "--simulate", **ENVIRONMENT) as up:
        up.ready()
        assert "no SMS leaves this machine" in up.output
        up.shell("sms-receiver simulate lefoka reply --text hello")
        up.see("You wrote: hello")
        assert up.end() == 0


def test_a_shell_that_has_its_settings_starts_another_one(shop: Path) -> None:
    words = ("--app", "shop", "receiver", "up", "--port", "0", "--simulate")
    with running_flask(shop, *words, **ENVIRONMENT) as up:
        up.ready()
        environment = up.shell(". .receiver/env; env -0").split("\0")
        assert up.end() == 0
    known = dict(line.split("=", 1) for line in environment if line)
    found = {k: v for k, v in known.items() if k not in clean_environment()} | {
        "FLASK_SECRET_KEY": ENVIRONMENT["FLASK_SECRET_KEY"]
    }
    with running_flask(shop, *words, **found) as up:
        up.ready()
        up.shell(up.lines("curl ")[0])
        up.see("The shop has hello")
        assert up.end() == 0


def test_accounts_that_an_app_names_itself_stay_as_they_are(shop: Path) -> None:
    named = SHOP.replace(
        "\nreceiver", f"\napp.config['RECEIVER_ACCOUNTS'] = {ACCOUNTS!r}\nreceiver"
    )
    (shop / "shop.py").write_text(named)
    words = ("--app", "shop", "receiver", "up", "--port", "0", "--simulate")
    given = {"FLASK_SECRET_KEY": ENVIRONMENT["FLASK_SECRET_KEY"]}
    with running_flask(shop, *words, **given) as up:
        assert up.status() == 1
        assert "there are no accounts in FLASK_RECEIVER_ACCOUNTS" in up.output


PLUGIN = """
from receiver.providers.base import Ack, Provider, Sent

class Acme(Provider):
    name = "acme"

    def parse(self, payload, stamp):
        return []

    def ack(self, payload, problem):
        return Ack(body=b"OK")

    def send(self, sms):
        raise AssertionError("nobody is written to here")
"""


def test_whose_provider_is_not_simulated_is_said(tmp_path: Path) -> None:
    plugin = tmp_path / "plugins"
    (plugin / "acme_sms-1.dist-info").mkdir(parents=True)
    (plugin / "acme_sms.py").write_text(PLUGIN)
    about = {
        "METADATA": "Metadata-Version: 2.1\nName: acme-sms\nVersion: 1\n",
        "entry_points.txt": "[receiver.providers]\nacme = acme_sms:Acme\n",
    }
    for name, text in about.items():
        (plugin / "acme_sms-1.dist-info" / name).write_text(text)
    accounts = {**ACCOUNTS, "shop2": {"provider": "acme", "api_key": "k-3"}}
    environment = {**ENVIRONMENT, "FLASK_RECEIVER_ACCOUNTS": json.dumps(accounts)}
    with running(tmp_path, "--simulate", PYTHONPATH=str(plugin), **environment) as up:
        up.ready()
        up.see("SENDS REAL SMS")
        assert "no SMS leaves this machine" not in up.output
        assert "  shop2 (acme). What they send to their base_url" in up.output
        assert up.end() == 0
