"""Where handlers and providers are found, and what a broken one costs: only itself."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from test_jobs import make_all_due, only_record, post
from wire import FakeApi

from receiver import ConfigurationError, InboundMessage
from receiver.plugins import Loaded, load_handlers, provider_classes

MakeApp = Callable[..., Flask]
RunJobs = Callable[[Flask], int]
Write = Callable[[str, str], None]

HANDLER = """
from receiver import InboundMessage, Router

{variable} = Router("{router}")

@{variable}.keyword("{word}")
def answer(message: InboundMessage) -> str:
    return "{word} from {router}"
"""

PROVIDER = """
from receiver.events import InboundMessage
from receiver.providers.base import Ack, Provider, Received, Sent

class Acme(Provider):
    name = "acme"

    def parse(self, payload, stamp):
        text = payload["body"]
        common = stamp(InboundMessage.kind, [payload["ref"]])
        return [InboundMessage(**common, sender=self.number(payload["who"]), text=text)]

    def ack(self, payload, problem):
        return Ack(status=202, body=b"thanks")

    def send(self, sms):
        return Sent(message_id="acme-1")
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write files that can be imported, for this test only."""

    def write(name: str, code: str) -> None:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(code)
        monkeypatch.syspath_prepend(tmp_path)

    yield write
    for name, module in list(sys.modules.items()):
        paths = [getattr(module, "__file__", None), *getattr(module, "__path__", [])]
        if any(path and Path(path).is_relative_to(tmp_path) for path in paths):
            del sys.modules[name]


def handler(router: str, word: str = "HELLO", variable: str = "router") -> str:
    return HANDLER.format(router=router, word=word, variable=variable)


def install(write: Write, group: str, entries: str) -> None:
    """Make an installed distribution of what was written, as pip would leave it."""
    write(
        "acme_sms-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: acme-sms\nVersion: 1.0\n"
    )
    write("acme_sms-1.0.dist-info/entry_points.txt", f"[{group}]\n{entries}\n")


def names(loaded: Loaded) -> list[str]:
    return [found.name for found in loaded.table]


@pytest.mark.parametrize(
    ("given", "found"),
    [
        pytest.param(["a_balance"], ["balance.answer"], id="a module"),
        pytest.param(["a_package"], ["first.answer", "second.answer"], id="a package of modules"),
        pytest.param(["a_package.second"], ["second.answer"], id="a module of a package"),
        pytest.param(["a_balance:other"], ["other.answer"], id="an attribute"),
        pytest.param(
            ["a_package.second", "a_balance", "a_package"],
            ["second.answer", "balance.answer", "first.answer"],
            id="each once, in the order of the names",
        ),
    ],
)
def test_a_name_is_a_module_a_package_or_an_attribute(
    write: Write, given: list[str], found: list[str]
) -> None:
    write("a_balance.py", handler("balance") + handler("other", variable="other"))
    write("a_package/__init__.py", "")
    write("a_package/second.py", handler("second", "TWO"))
    write("a_package/first.py", handler("first"))
    write("a_package/words.py", "HELLO = 'HELLO'")
    loaded = load_handlers(given)
    assert names(loaded) == found
    assert loaded.failures == ()


def test_names_can_be_given_in_one_text(
    make_app: MakeApp, accounts: Any, run_jobs: RunJobs, api: FakeApi, write: Write
) -> None:
    write("a_balance.py", handler("balance", "BALANCE"))
    write("a_stop.py", handler("stop", "STOP"))
    app = make_app(HANDLERS="a_balance, a_stop,", ACCOUNTS=accounts)
    post(app, "stop", transaction="1")
    post(app, "balance", "2", sender="+255712345670")  # nobody answers who has opted out
    run_jobs(app)
    assert sorted(api.texts()) == ["BALANCE from balance", "STOP from stop"]


def test_an_installed_package_brings_its_handlers(
    make_app: MakeApp, accounts: Any, run_jobs: RunJobs, api: FakeApi, write: Write
) -> None:
    write("acme_sms.py", handler("acme"))
    install(write, "receiver.handlers", "acme = acme_sms:router")
    app = make_app(ACCOUNTS=accounts)
    post(app)
    run_jobs(app)
    assert api.texts() == ["HELLO from acme"]


def test_the_deployments_own_handlers_come_before_installed_ones(write: Write) -> None:
    write("acme_sms.py", handler("acme"))
    write("own.py", handler("own"))
    install(write, "receiver.handlers", "acme = acme_sms:router")
    assert names(load_handlers(["own"])) == ["own.answer", "acme.answer"]


BROKEN = {
    "not there": (None, "ModuleNotFoundError"),
    "a typing error": ("import flsk", "ModuleNotFoundError: No module named 'flsk'"),
    "a syntax error": ("def broken(:", "SyntaxError"),
    "raises": ("1 / 0", "ZeroDivisionError"),
    "ends the process": ("import sys; sys.exit('usage: …')", "SystemExit: usage: …"),
    "no router": ("x = 5", "ConfigurationError: a_broken has no router"),
    "a router of another kind": ("router = 5", "ConfigurationError: a_broken is no receiver.Rout"),
    "a wrong handler": (
        "from receiver import Router\nrouter = Router('r')\nrouter.fallback()(lambda m: None)",
        "ConfigurationError: handler r.<lambda>: has no name of its own",
    ),
}


@pytest.mark.parametrize(("code", "reason"), BROKEN.values(), ids=BROKEN)
def test_a_broken_plugin_is_reported_and_the_others_go_on(
    make_app: MakeApp,
    accounts: Any,
    run_jobs: RunJobs,
    api: FakeApi,
    write: Write,
    caplog: pytest.LogCaptureFixture,
    code: str | None,
    reason: str,
) -> None:
    write("a_good.py", handler("good"))
    if code is not None:
        write("a_broken.py", code)
    app = make_app(HANDLERS=["a_broken", "a_good"], ACCOUNTS=accounts)
    post(app)
    run_jobs(app)
    assert api.texts() == ["HELLO from good"]
    assert "event=plugin_failed name=a_broken" in caplog.text
    result = app.test_cli_runner().invoke(args=["receiver", "check"])
    assert result.exit_code == 1
    assert f"BAD handlers: a_broken failed to load: {reason}" in result.output


def test_of_a_package_only_the_broken_module_fails(write: Write) -> None:
    write("a_package/__init__.py", "")
    write("a_package/broken.py", "1 / 0")
    write("a_package/good.py", handler("good"))
    loaded = load_handlers(["a_package"])
    assert names(loaded) == ["good.answer"]
    assert [failure.name for failure in loaded.failures] == ["a_package.broken"]


def test_a_broken_installed_package_is_reported_too(write: Write) -> None:
    install(write, "receiver.handlers", "acme = acme_sms:router")
    (failure,) = load_handlers([]).failures
    assert failure.name == "acme_sms:router"
    assert "No module named 'acme_sms'" in failure.reason


def test_the_web_side_imports_no_handler(make_app: MakeApp, write: Write) -> None:
    write("a_broken.py", "raise SystemExit(1)")
    write("a_good.py", handler("good"))
    app = make_app(HANDLERS=["a_broken", "a_good"])
    post(app)  # asserts the exact ack
    assert not {"a_broken", "a_good"} & set(sys.modules)


def test_a_message_that_nobody_else_takes_waits_for_the_broken_plugin(
    make_app: MakeApp, accounts: Any, run_jobs: RunJobs, api: FakeApi, write: Write, redis: Any
) -> None:
    write("a_balance.py", "1 / 0")
    config = {"HANDLERS": ["a_balance"], "ACCOUNTS": accounts}
    app = make_app(**config)
    post(app)
    run_jobs(app)
    waiting = only_record(app).handlers["(routing)"]
    assert waiting["state"] == "retrying"
    assert waiting["reason"] == "handlers failed to load: a_balance"

    write("a_balance.py", handler("balance"))
    mended = make_app(**config)  # what a restart of the worker does
    make_all_due(redis)
    run_jobs(mended)
    assert api.texts() == ["HELLO from balance"]


def test_watchers_do_not_wait_for_a_broken_plugin_and_do_not_take_its_message(
    make_app: MakeApp, run_jobs: RunJobs, write: Write, redis: Any
) -> None:
    write("a_balance.py", "1 / 0")
    got: list[InboundMessage] = []
    config = {"HANDLERS": ["a_balance"], "handlers": lambda r: r.every()(got.append)}
    app = make_app(**config)
    post(app)
    run_jobs(app)
    assert len(got) == 1
    write("a_balance.py", handler("balance"))
    make_all_due(redis)
    run_jobs(make_app(**config))
    assert only_record(app).handlers["balance.answer"]["state"] == "done"
    assert len(got) == 1


def test_two_handlers_of_one_name_are_refused_but_cost_no_ack(
    make_app: MakeApp, run_jobs: RunJobs, write: Write
) -> None:
    write("a_north.py", handler("shop"))
    write("a_south.py", handler("shop"))
    app = make_app(HANDLERS=["a_north", "a_south"])
    post(app)
    with pytest.raises(ConfigurationError, match=r"handler shop\.answer: there are two"):
        run_jobs(app)
    for command in ("check", "worker --burst"):
        result = app.test_cli_runner().invoke(args=["receiver", *command.split()])
        assert result.exit_code == 1
        assert "handler shop.answer: there are two" in result.output


def test_an_installed_package_brings_a_provider(
    make_app: MakeApp, run_jobs: RunJobs, write: Write
) -> None:
    write("acme_sms.py", PROVIDER)
    install(write, "receiver.providers", "acme = acme_sms:Acme")
    got: list[InboundMessage] = []
    accounts = {"north": {"provider": "acme", "api_key": "k-1", "region": "ZA"}}
    app = make_app(ACCOUNTS=accounts, handlers=lambda receiver: receiver.every()(got.append))
    body = {"who": "0637885448", "body": "hello", "ref": "1"}
    answer = app.test_client().post("/webhooks/north?api_key=k-1", json=body)
    assert (answer.status_code, answer.data) == (202, b"thanks")
    assert app.test_client().post("/webhooks/north", json=body).status_code == 401
    run_jobs(app)
    (message,) = got
    assert (message.provider, message.account) == ("acme", "north")
    assert message.sender == "+27637885448"


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        pytest.param("acme = nowhere:Acme", "ModuleNotFoundError", id="not there"),
        pytest.param("acme = acme_sms:InboundMessage", "is no Provider", id="another class"),
        pytest.param("acme = acme_exits:Acme", "SystemExit", id="ends the process"),
        pytest.param("lefoka = acme_sms:Acme", "there is a provider lefoka already", id="taken"),
    ],
)
def test_a_broken_provider_is_reported_and_ours_stay(
    write: Write, caplog: pytest.LogCaptureFixture, entry: str, reason: str
) -> None:
    write("acme_sms.py", PROVIDER)
    write("acme_exits.py", "raise SystemExit(1)")
    install(write, "receiver.providers", entry)
    classes = provider_classes()
    assert sorted(classes) == ["bearer", "keyed", "kobomobile", "lefoka", "smsbox"]
    assert classes["lefoka"].__module__ == "receiver.providers.lefoka"
    assert f"event=provider_failed name={entry.partition(' = ')[2]} reason=" in caplog.text
    assert reason in caplog.text
