"""The commands over the opt-outs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask

from receiver.cli.optouts import optouts
from receiver.cli.tables import moment

MakeApp = Callable[..., Flask]

TWO = {
    "shop": {"provider": "smsbox", "api_key": "k", "region": "ZA"},
    "lefoka": {"api_key": "k", "api_secret": "s"},
}
NUMBER = "+27637885448"


@pytest.fixture
def app(make_app: MakeApp, redis: Any) -> Flask:
    return make_app(ACCOUNTS=TWO)


def run(app: Flask, *args: str) -> Any:
    return app.test_cli_runner().invoke(optouts, args)


def opt_out(app: Flask, account: str, number: str, day: int = 1, words: str = "STOP") -> None:
    when = datetime(2026, 11, day, 9, 30, 5, tzinfo=UTC)
    book = app.extensions["receiver"].optouts
    assert book.add(account, number, words=words, source="message", event="e1", at=when)


def test_the_list_shows_the_newest_first_and_hides_numbers_and_words(app: Flask) -> None:
    opt_out(app, "shop", NUMBER, 1)
    opt_out(app, "lefoka", "+255712345678", 2, "Acha!")
    times = [moment(datetime(2026, 11, day, 9, 30, 5, tzinfo=UTC)) for day in (2, 1)]
    assert run(app, "list").stdout.splitlines() == [
        f"{times[0]}  lefoka  +2557***678  message",
        f"{times[1]}  shop    +2763***448  message",
    ]
    assert run(app, "list", "--reveal", "--account", "lefoka").stdout == (
        f"{times[0]}  lefoka  +255712345678  message  'Acha!'\n"
    )
    assert run(app, "list", "--limit", "1").stdout.count("\n") == 1


def test_the_list_as_json_is_whole(app: Flask) -> None:
    opt_out(app, "shop", NUMBER)
    (line,) = run(app, "list", "--json").stdout.splitlines()
    assert json.loads(line) == {
        "account": "shop",
        "number": NUMBER,
        "at": "2026-11-01T09:30:05+00:00",
        "source": "message",
        "words": "STOP",
    }


def test_the_list_of_nobody_says_so(app: Flask) -> None:
    result = run(app, "list")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "Nobody has opted out.\n"
    assert run(app, "list", "--json").output == ""


@pytest.mark.parametrize("number", [NUMBER, "0637885448", "27 63 788 5448", "0027637885448"])
def test_a_number_is_added_and_removed_however_it_is_written(app: Flask, number: str) -> None:
    book = app.extensions["receiver"].optouts
    result = run(app, "add", "shop", number, "--words", "by telephone")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "+2763***448 gets nothing more from shop" in result.stderr
    found = book.find("shop", NUMBER)
    assert (found.source, found.words, found.event) == ("operator", "by telephone", None)
    assert book.find("lefoka", NUMBER) is None

    result = run(app, "remove", "shop", number, "--words", "asked to come back", "--yes")
    assert result.exit_code == 0
    assert "Messages from shop to +2763***448 leave again" in result.stderr
    assert book.find("shop", NUMBER) is None
    assert book.last_opt_in("shop", NUMBER)["words"] == "asked to come back"
    assert NUMBER not in result.output


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (("list", "--account", "x"), "there is no account x; there are: shop, lefoka"),
        (("export", "--account", "x"), "there is no account x; there are: shop, lefoka"),
        (("add", "x", NUMBER), "there is no account x; there are: shop, lefoka"),
        (("remove", "x", NUMBER), "there is no account x; there are: shop, lefoka"),
        (("add", "lefoka", "0000000"), "that is no number\nTry: give it as +27…"),
        (("add", "shop", "MTN"), "that is no number\nTry: give it as +27…"),
        (("remove", "shop", NUMBER), "+2763***448 is not opted out of shop"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    app: Flask, redis: Any, args: tuple[str, ...], sentence: str
) -> None:
    result = run(app, *args)
    assert (result.exit_code, result.stdout) == (2 if "no number" in sentence else 3, "")
    assert result.stderr.startswith(f"Error: {sentence}")
    assert redis.keys("*opt*") == []


def test_the_export_is_csv_that_no_spreadsheet_runs(app: Flask) -> None:
    opt_out(app, "shop", NUMBER, 1, '=HYPERLINK("x"), STOP')
    opt_out(app, "lefoka", NUMBER, 2, "قف")
    result = run(app, "export")
    assert result.stdout.startswith("account,number,at,source,words\n")
    rows = [list(row.values()) for row in csv.DictReader(io.StringIO(result.stdout))]
    assert rows == [
        ["shop", NUMBER, "2026-11-01T09:30:05+00:00", "message", '\'=HYPERLINK("x"), STOP'],
        ["lefoka", NUMBER, "2026-11-02T09:30:05+00:00", "message", "قف"],
    ]
    assert run(app, "export", "--account", "lefoka").stdout.count("\n") == 2
