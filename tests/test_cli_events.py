"""`events list`: what an operator can ask for, and how it looks in a narrow terminal."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import click
import pytest
from conftest import LEFOKA_KEY, SMSBOX_KEY
from flask import Flask
from support import message, report
from test_cli import invoke

from receiver import DeliveryReport, GiveUp, InboundMessage, Receiver

MakeApp = Callable[..., Flask]
RunJobs = Callable[[Flask], int]

LONG_ACCOUNT = "the-shop-in-south-africa-production"
WRITER, OTHER, TO = "+255712345678", "+255712345679", "+27637885448"


def register(receiver: Receiver) -> None:
    """One handler that gives up, one that replies, one for reports."""

    @receiver.keyword("BROKEN")
    def broken(message: InboundMessage) -> None:
        raise GiveUp("no such customer")

    @receiver.keyword("HI")
    def answer_everybody_who_says_hello_in_a_friendly_way(message: InboundMessage) -> str:
        return "Hi!"

    @receiver.report()
    def books(found: DeliveryReport) -> None: ...


@pytest.fixture
def app(make_app: MakeApp, accounts: Any, run_jobs: RunJobs) -> Flask:
    """An app with five events of all sorts, and one that waits."""
    smsbox = {**accounts["smsbox"], "provider": "smsbox"}
    app = make_app(
        handlers=register,
        ACCOUNTS={"lefoka": accounts["lefoka"], LONG_ACCOUNT: {**smsbox, "region": "TZ"}},
    )
    client = app.test_client()

    def write(number: int, sender: str, text: str) -> None:
        body = {**message(f"t-{number}"), "from": sender, "message": {"text": text}}
        client.post(f"/webhooks/{LONG_ACCOUNT}", json=body, auth=(SMSBOX_KEY, ""))

    write(1, WRITER, "BROKEN")
    write(2, OTHER, "HI")
    write(3, OTHER, "nobody takes this")
    for status in ("delivered", "failed"):
        body = report(status, TO.lstrip("+"), client_reference=status)
        client.post("/webhooks/lefoka", json={**body, "id": status}, auth=(LEFOKA_KEY, ""))
    run_jobs(app)
    write(4, WRITER, "waits")
    return app


def listed(app: Flask, *options: str) -> list[str]:
    """What is listed: the text of a message, the status of a report; the newest first."""
    output = invoke(app, "events", "list", "--json", *options).stdout
    found = [json.loads(line) for line in output.splitlines()]
    return [event.get("text") or event["status"] for event in found]


ALL = ["waits", "failed", "delivered", "nobody takes this", "HI", "BROKEN"]
MESSAGES = ["waits", "nobody takes this", "HI", "BROKEN"]
NOW = datetime.now(UTC)
ASKED = {
    "nothing": ([], ALL),
    "account": (["--account", "lefoka"], ["failed", "delivered"]),
    "kind": (["--kind", "message"], MESSAGES),
    "status": (["--status", "failed"], ["failed"]),
    "handler": (["--handler", "app.broken"], ["BROKEN"]),
    "a failed handler": (["--outcome", "failed"], ["BROKEN"]),
    "a sent reply": (["--outcome", "sent"], ["HI"]),
    "no handler": (["--outcome", "unhandled"], ["nobody takes this"]),
    "not yet routed": (["--outcome", "waiting"], ["waits"]),
    "outcome of a handler": (["--handler", "app.books", "--outcome", "failed"], []),
    "number of a writer": (["--number", WRITER], ["waits", "BROKEN"]),
    "number as people write it": (["--number", "0712 345 679"], ["nobody takes this", "HI"]),
    "number of a recipient": (["--number", TO], ["failed", "delivered"]),
    "a part of a number": (["--number", "712345"], []),
    "since": (["--since", "1h"], ALL),
    "since later": (["--since", (NOW + timedelta(days=1)).isoformat()], []),
    "until": (["--until", (NOW - timedelta(days=1)).isoformat()], []),
    "limit": (["--limit", "1"], ["waits"]),
    "limit of what is asked for": (["--kind", "message", "--limit", "1"], ["waits"]),
    "two things": (["--kind", "report", "--status", "delivered"], ["delivered"]),
}


@pytest.mark.parametrize(("options", "found"), ASKED.values(), ids=ASKED)
def test_events_are_asked_for_by(app: Flask, options: list[str], found: list[str]) -> None:
    # what came within a millisecond is in no order
    assert sorted(listed(app, *options)) == sorted(found)


def test_a_number_that_was_asked_for_is_masked_all_the_same(app: Flask) -> None:
    output = invoke(app, "events", "list", "--number", WRITER).output
    assert output.count("+2557***678") == 2
    assert "255712345678" not in output


WRONG = {
    "account": (["--account", "lefka"], 3, "Try: lefoka"),
    "nothing like it": (["--handler", "app.nobody"], 0, "No event is like that."),
    "status": (["--status", "delivred"], 2, "delivered"),
    "option": (["--acount", "lefoka"], 2, "--account"),
    "time": (["--since", "yesterday"], 2, "write 2h (ago)"),
}


@pytest.mark.parametrize(("options", "status", "said"), WRONG.values(), ids=WRONG)
def test_what_was_mistyped_is_said(app: Flask, options: list[str], status: int, said: str) -> None:
    result = invoke(app, "events", "list", *options)
    assert (result.exit_code, result.stdout) == (status, "")
    assert said in result.stderr


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("options", [[], ["--reveal"]], ids=["masked", "revealed"])
def test_long_names_are_broken_and_ids_and_numbers_are_not(
    app: Flask, monkeypatch: pytest.MonkeyPatch, columns: int, options: list[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(columns))
    ids = re.findall(r'"id": "(\w{8})', invoke(app, "events", "list", "--json").stdout)
    shown = click.unstyle(invoke(app, "events", "list", *options).stdout)
    assert max(map(len, shown.splitlines())) <= columns
    assert len(ids) == 6
    assert all(event_id in shown for event_id in ids)
    assert ("+255712345678" if options else "+2557***678") in shown


def test_in_a_pipe_an_event_is_one_whole_line(app: Flask) -> None:
    lines = invoke(app, "events").stdout.splitlines()
    assert len(lines) == 6
    [line] = [line for line in lines if "friendly" in line]
    name = "app.answer_everybody_who_says_hello_in_a_friendly_way"
    assert re.fullmatch(
        rf"\S+ \S+  \w{{8}}  {LONG_ACCOUNT}  message  \+2557\*\*\*679  2 chars +"
        rf"{name}: done, reply: sent",
        line,
    )


def test_a_show_tells_what_each_handler_made_of_it(app: Flask) -> None:
    output = invoke(app, "events", "list", "--outcome", "failed", "--json").stdout
    shown = invoke(app, "events", "show", json.loads(output)["id"][:8]).stdout
    assert "handlers:\n  app.broken:\n    state: failed\n" in shown
    assert "replies: -\n" in shown


@pytest.mark.parametrize("words", [["list", "--json"], ["tail"], ["--limit", "5"]], ids=" ".join)
def test_an_account_that_is_not_there_ends_with_its_status(app: Flask, words: list[str]) -> None:
    result = invoke(app, "events", *words, "--account", "nosuch")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "there is no account nosuch; there are: " in result.stderr


def test_a_group_that_lists_takes_the_options_of_its_list(app: Flask) -> None:
    assert len(invoke(app, "events", "--limit", "2").stdout.splitlines()) == 2
    assert [json.loads(line)["status"] for line in _lines(app, "events", "--status", "failed")] == [
        "failed"
    ]
    assert [json.loads(line)["handler"] for line in _lines(app, "failed")] == ["app.broken"]
    assert _lines(app, "quarantine") == []
    for group in ("keys", "optouts"):
        assert _lines(app, group) == []
        assert invoke(app, group).stderr == invoke(app, group, "list").stderr != ""
        assert invoke(app, group, "--help").stdout.startswith("Usage:")


def _lines(app: Flask, group: str, *options: str) -> list[str]:
    result = invoke(app, group, *options, "--json")
    assert result.exit_code == 0, result.output
    return list(result.stdout.splitlines())
