"""`simulate` against a real app: every shape becomes its event, and answers are judged as due."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from flask import Flask
from flask.cli import ScriptInfo
from werkzeug.serving import make_server
from wire import FakeApi

from receiver import ConfigurationError
from receiver.cli import receiver_commands
from receiver.dev.callbacks import SHAPES
from receiver.dev.folder import Folder

MakeApp = Callable[..., Flask]
Simulate = Callable[..., Result]

ALL_SHAPES = [(provider, case) for provider, shapes in SHAPES.items() for case in shapes]


@contextmanager
def served(app: Flask) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=[0.05])
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    return make_app()


@pytest.fixture
def url(app: Flask) -> Iterator[str]:
    with served(app) as base:
        yield base


@pytest.fixture
def simulate(app: Flask, tmp_path: Path) -> Simulate:
    def run(*words: str, create_app: Any = lambda: app) -> Result:
        line = ["simulate", *words, "--folder", str(tmp_path)]
        return CliRunner().invoke(receiver_commands, line, obj=ScriptInfo(create_app=create_app))

    return run


def no_app() -> Flask:
    raise ConfigurationError("RECEIVER_ACCOUNTS: is missing")


def events(app: Flask) -> list[Any]:
    journal = app.extensions["receiver"].journal
    return [record.event for record in journal.records(journal.ids(newest_first=False))]


def answers(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.parametrize(("provider", "case"), ALL_SHAPES)
def test_every_shape_is_acknowledged_exactly(
    simulate: Simulate, url: str, provider: str, case: str
) -> None:
    result = simulate(provider, case, "--to", url)
    assert result.exit_code == 0, result.output
    assert "1: 200 exactly the ack" in result.output
    assert ("kept in quarantine" in result.output) == (case in ("garbage", "verbatim"))


@pytest.mark.parametrize("case", ["inbound", "form", "node", "sample"])
def test_each_way_to_write_a_message_is_the_same_event(
    simulate: Simulate, app: Flask, url: str, case: str
) -> None:
    words = ["--text", "hëllo & more", "--from", "+255712345678", "--recipient", "15000"]
    assert simulate("smsbox", case, "--to", url, "--id", "t1", *words).exit_code == 0
    (event,) = events(app)
    assert (event.sender, event.recipient, event.text) == ("+255712345678", "15000", "hëllo & more")
    assert (event.message_id, event.billing.currency) == ("t1", "TZS")
    assert event.sent_at is not None


CASES = Path(__file__).parent / "providers" / "cases"


@pytest.mark.parametrize(
    "case", ["lefoka/form-of-a-reply", "smsbox/form-with-brackets", "smsbox/multipart"]
)
def test_the_file_of_a_case_is_sent_as_it_is(simulate: Simulate, url: str, case: str) -> None:
    result = simulate(case.partition("/")[0], str(CASES / f"{case}.json"), "--to", url)
    assert result.exit_code == 0, result.output
    assert "1: 200 exactly the ack" in result.output


def test_a_case_whose_ack_is_another_one_is_not_acknowledged(
    simulate: Simulate, url: str, tmp_path: Path
) -> None:
    told = json.loads((CASES / "smsbox" / "sample.json").read_text())
    told["ack"]["json"]["successful"] = "true"
    path = tmp_path / "another.json"
    path.write_text(json.dumps(told))
    result = simulate("smsbox", str(path), "--to", url)
    assert result.exit_code == 1
    assert "1: 200 not the ack" in result.output


@pytest.mark.parametrize(
    ("text", "said"),
    [(None, "there is no case"), ("{", "is no case"), ("{}", "is no case"), ("[]", "is no case")],
)
def test_what_is_no_case_is_said_to_be_none(
    simulate: Simulate, url: str, tmp_path: Path, text: str | None, said: str
) -> None:
    path = tmp_path / "case.json"
    if text is not None:
        path.write_text(text)
    result = simulate("smsbox", str(path), "--to", url)
    assert (result.exit_code, said in result.output) == (2, True), result.output


@pytest.mark.parametrize(
    "wish",
    [["--id", "X"], ["--text", "x"], ["--from", "+27637885448"], ["--recipient", "1"]],
    ids=lambda wish: wish[0],
)
def test_a_case_in_a_file_refuses_what_it_would_not_heed(
    simulate: Simulate, url: str, wish: list[str]
) -> None:
    path = str(CASES / "smsbox" / "sample.json")
    result = simulate("smsbox", path, "--to", url, *wish)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"is sent as it stands, and takes no {wish[0]}" in result.stderr


def test_the_cases_of_lefoka_are_its_documented_events(
    simulate: Simulate, app: Flask, url: str
) -> None:
    simulate("lefoka", "report", "--to", url, "--status", "blist", "--recipient", "+27800055555")
    simulate("lefoka", "sample", "--to", url)
    simulate("lefoka", "reply", "--to", url, "--from", "27637885448", "--text", "yes")
    report, *sample, reply = events(app)
    assert (report.recipient, report.status.value) == ("+27800055555", "blocked")
    assert sorted(event.recipient for event in sample) == ["+27637885448", "+27800055555"]
    assert {event.provider_status for event in sample} == {"pending"}
    assert (reply.sender, reply.text) == ("+27637885448", "yes")


def test_each_call_is_a_new_message_and_times_the_same_one(
    simulate: Simulate, app: Flask, url: str
) -> None:
    for _ in range(2):
        result = simulate("smsbox", "inbound", "--to", url, "--times", "3", "--json")
        assert [(a["call"], a["acknowledged"]) for a in answers(result)] == [
            (1, True),
            (2, True),
            (3, True),
        ]
    assert len(events(app)) == 2


@pytest.mark.parametrize("answer", [(503, {}), (500, {}), (201, {}), (204, b""), None])
def test_lefoka_sends_again_three_times_at_once(
    simulate: Simulate, api: FakeApi, answer: Any
) -> None:
    api.answers = [answer]
    result = simulate("lefoka", "reply", "--to", f"{api.url}/any", "--json")
    assert result.exit_code == 1
    assert [a["attempt"] for a in answers(result)] == [1, 2, 3, 4]
    assert {a["status"] for a in answers(result)} == {None if answer is None else answer[0]}
    assert len({request["body"] for request in api.requests}) == 1
    assert len(api.requests) == 4


def test_lefoka_stops_at_the_first_200(simulate: Simulate, api: FakeApi) -> None:
    api.answers = [(503, {}), (200, b"whatever")]
    result = simulate("lefoka", "report", "--to", f"{api.url}/any")
    assert result.exit_code == 0
    assert len(api.requests) == 2
    assert "1: 503 not the ack" in result.output
    assert "1, attempt 2: 200 exactly the ack" in result.output


@pytest.mark.parametrize(
    "answer",
    [
        (503, {}),
        (201, {"transaction_id": "t1", "successful": True}),
        (200, b""),
        (200, {"transaction_id": "t2", "successful": True}),
        (200, {"transaction_id": "t1", "successful": "true"}),
        (200, {"transaction_id": "t1", "successful": 1}),
        (200, {"transaction_id": "t1", "successful": True, "more": 1}),
    ],
)
def test_smsbox_sends_once_and_wants_its_exact_answer(
    simulate: Simulate, api: FakeApi, answer: Any
) -> None:
    api.answers = [answer]
    result = simulate("smsbox", "inbound", "--to", f"{api.url}/any", "--id", "t1")
    assert result.exit_code == 1
    assert "not the ack" in result.output
    assert len(api.requests) == 1


def test_a_signed_url_needs_neither_key_nor_app(simulate: Simulate, app: Flask, url: str) -> None:
    token = app.extensions["receiver"].urls.make("smsbox")
    to = f"{url}/webhooks/smsbox/{token}"
    assert simulate("smsbox", "inbound", "--to", to, create_app=no_app).exit_code == 0
    assert [event.trust for event in events(app)] == ["token"]


def test_the_url_of_an_account_is_sent_its_key(simulate: Simulate, app: Flask, url: str) -> None:
    to = f"{url}/webhooks/smsbox"
    assert simulate("smsbox", "inbound", "--to", to).exit_code == 0
    assert simulate("smsbox", "inbound", "--to", to, create_app=no_app).exit_code == 1
    assert [event.trust for event in events(app)] == ["key"]


def test_of_several_accounts_one_is_to_be_named(make_app: MakeApp, simulate: Simulate) -> None:
    one = {"provider": "smsbox", "api_key": "k1"}
    shop = make_app(ACCOUNTS={"north": one, "south": {**one, "key_in": "query"}})
    with served(shop) as url:
        line = ["smsbox", "inbound", "--to", url]
        result = simulate(*line, create_app=lambda: shop)
        assert result.exit_code == 1
        assert "give --account; there are: north, south" in result.output
        for name in ("north", "south"):
            assert simulate(*line, "--account", name, create_app=lambda: shop).exit_code == 0
        assert simulate(*line, "--account", "east", create_app=lambda: shop).exit_code == 3
        assert [(event.account, event.trust) for event in events(shop)] == [
            ("north", "key"),
            ("south", "token"),
        ]


def test_a_running_up_is_found_by_its_folder(
    simulate: Simulate, app: Flask, api: FakeApi, tmp_path: Path
) -> None:
    folder = Folder(tmp_path)
    entry = {"provider": "lefoka", "url": f"{api.url}/signed", "successful": True}
    folder.lock()
    folder.announce({"accounts": {"lefoka": entry}}, "")
    try:
        simulate("lefoka", "report", create_app=no_app)
        assert [request["path"] for request in api.requests] == ["/signed"]
    finally:
        folder.unlock()
    result = simulate("lefoka", "report", create_app=no_app)
    assert result.exit_code == 1
    assert "Start `up` first, or give --to URL." in result.output


@pytest.mark.parametrize("words", [("lefoka", "inbound"), ("nobody", "report")])
def test_an_unknown_case_names_those_there_are(simulate: Simulate, words: Any) -> None:
    result = simulate(*words)
    assert result.exit_code == 2
    assert "lefoka: report, reply, sample, garbage" in " ".join(result.output.split())


def test_an_answer_cannot_steer_the_terminal(simulate: Simulate, api: FakeApi) -> None:
    api.answers = [(200, b"\x1b[2Jhi")]
    result = simulate("lefoka", "report", "--to", f"{api.url}/any")
    assert r"\x1b[2Jhi" in result.output


def test_nothing_of_dev_is_loaded_in_production() -> None:
    program = "import sys, receiver.cli, receiver.standalone; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert b"receiver.dev" not in loaded.stdout
