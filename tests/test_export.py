"""`export`: everything known of a number, and nothing that others wrote."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import planting
import pytest
from cryptography.fernet import Fernet
from flask import Flask
from planting import DIGITS, NUMBER, OTHER, OTHERS_WORDS, WORDS
from test_cli import invoke
from wire import FakeApi

MakeApp = Callable[..., Flask]
RunJobs = Callable[[Flask], int]

KEYS = {"in clear": [], "encrypted": [Fernet.generate_key().decode()]}


@pytest.fixture(params=KEYS.values(), ids=KEYS)
def told(
    request: pytest.FixtureRequest,
    make_app: MakeApp,
    api: FakeApi,
    tmp_path: Path,
    run_jobs: RunJobs,
) -> dict[str, Any]:
    """What is told of a number that is everywhere."""
    settings = planting.settings(api, tmp_path / "spool", ENCRYPTION_KEYS=request.param)
    app = make_app(handlers=planting.handlers, **settings)
    planting.let_all_happen(app, run_jobs)
    document: dict[str, Any] = json.loads(invoke(app, "export", NUMBER, "--json").stdout)
    assert json.loads(invoke(app, "export", NUMBER).stdout).keys() == document.keys()
    return document


def test_everything_of_the_number_is_told(told: dict[str, Any]) -> None:
    assert told["number"] == NUMBER
    texts = [event["text"] for event in told["events"] if event["kind"] == "message"]
    assert {WORDS, f"FAIL {WORDS}", f"TALK {WORDS}"} < set(texts)
    assert len([event for event in told["events"] if event["kind"] == "report"]) == 2
    (talked,) = (event for event in told["events"] if event.get("text") == f"TALK {WORDS}")
    assert talked["replies"]["app.talks"]["text"] == f"Noted: TALK {WORDS}"
    assert json.loads(talked["raw"])["from"] == NUMBER
    own = next(talk for talk in told["conversations"] if "state" in talk)
    assert own["state"] == {"said": f"TALK {WORDS}", "who": NUMBER}
    histories = {entry["account"]: entry for entry in told["opt_outs"]}
    assert histories["smsbox"]["out"]["words"] == f"STOP {WORDS}"
    assert histories["lefoka"]["in"]["ended"]["words"] == WORDS
    assert WORDS in told["quarantined"][0]["raw"]
    for part in ("sent", "sends", "polls", "events_with_others", "named_in"):
        assert told[part], part


def test_nothing_that_others_wrote_is_told(told: dict[str, Any]) -> None:
    shared = told.pop("events_with_others")
    whole = json.dumps(told)
    assert OTHER[1:] not in whole
    assert OTHERS_WORDS not in whole.replace(json.dumps(OTHERS_WORDS), "")
    assert shared[0]["candidates"] == [NUMBER]
    assert shared[0]["other_candidates"] == 1
    assert set(told["named_in"][0]) == {"id", "received_at"}


def test_of_a_number_that_nobody_knows_nothing_is_told(make_app: MakeApp) -> None:
    document = json.loads(invoke(make_app(), "export", NUMBER, "--json").stdout)
    assert document.pop("number") == NUMBER
    assert "T" in document.pop("made_at")
    assert not any(document.values())


def test_what_could_steer_a_terminal_is_written_out(make_app: MakeApp, api: FakeApi) -> None:
    text = "Habari, \u00e9l\u00e8ve \u0645\u0631\u062d\u0628\u0627 \x9b31m\x7f\u202e\u2066\x1b[2J\U000e0041"
    app = make_app(ACCOUNTS={"smsbox": {"api_key": planting.SMSBOX_KEY}})
    planting.write(app, text)
    result = invoke(app, "export", NUMBER)
    assert "Habari, \u00e9l\u00e8ve \u0645\u0631\u062d\u0628\u0627" in result.stdout
    assert all(char.isprintable() for char in result.stdout if char != "\n")
    assert json.loads(result.stdout)["events"][0]["text"] == text


WRONG = {"a word": "smsbox", "half a number": "+2783", "a national one": f"0{DIGITS}"}


@pytest.mark.parametrize("number", WRONG.values(), ids=WRONG)
def test_what_is_no_number_in_full_is_refused(make_app: MakeApp, number: str) -> None:
    result = invoke(make_app(), "export", number)
    assert result.exit_code == 2
    assert "write it as +27" in result.output


def test_a_national_number_is_read_where_all_accounts_have_one_region(make_app: MakeApp) -> None:
    accounts = {"lefoka": {"api_key": "pk_1", "region": "ZA"}}
    result = invoke(make_app(ACCOUNTS=accounts), "export", f"0{DIGITS}", "--json")
    assert json.loads(result.stdout)["number"] == NUMBER
