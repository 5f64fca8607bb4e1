"""The figures of the inbox: what its charts show, and that they are tables first."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from inboxes import HOME, come, log_in, send, with_inbox
from support import report

MakeApp = Callable[..., Flask]

TITLES = [
    "Messages in and out",
    "Delivery reports by status",
    "How fast callbacks are acknowledged",
    "Jobs that wait",
    "Failures by handler",
    "Delivered, by network",
]


def chart(page: str, title: str) -> str:
    """Give the part of a page that one chart is in."""
    (found,) = [one for one in re.findall(r"<figure.*?</figure>", page, re.S) if title in one]
    return found


def sums(figure: str) -> dict[str, float]:
    """Add up the columns of a chart's table."""
    names = re.findall(r'<th scope="col" class="number">([^<]+)</th>', figure)
    cells = re.findall(r'<td class="number">([^<]+)</td>', figure)
    columns = [cells[n :: len(names)] for n in range(len(names))]
    return {
        name: sum(float(cell) for cell in column if cell != "–")
        for name, column in zip(names, columns, strict=True)
    }


@pytest.fixture
def page(make_app: MakeApp, run_jobs: Any, accounts: Any) -> str:
    app = with_inbox(make_app, ACCOUNTS=accounts)
    for text in ("BALANCE", "CLOSED", "hello"):
        send(app, text)
    come(app, "lefoka", report("delivered", "27637885448", "27637885449"))
    come(app, "lefoka", report("failed", "27637885440", id="m-2"))
    run_jobs(app)
    app.extensions["receiver"].tally.flush()
    return log_in(app).get(f"{HOME}figures").text


def test_each_chart_is_a_table_of_what_was_counted(page: str) -> None:
    assert re.findall(r"<h2[^>]*>([^<(]+?)\s*<", page) == TITLES
    assert sums(chart(page, TITLES[0])) == {"in": 3, "out": 1}
    assert sums(chart(page, TITLES[1])) == {"delivered": 2, "failed": 1}
    assert set(sums(chart(page, TITLES[2]))) == {"p50", "p95", "p99"}
    assert sums(chart(page, TITLES[4])) == {"app.closed": 1}
    assert "66.7 % of 3 arrived." in chart(page, TITLES[5])


def test_each_chart_says_in_a_sentence_what_it_shows(page: str) -> None:
    found = re.findall(r'<p class="summary">([^<]+)</p>', page)
    assert found[0] == "3 came, 1 was sent."
    assert found[1] == "3 came, most delivered."
    assert found[4] == "1 attempt failed: app.closed."
    assert len(found) == len(TITLES)


@pytest.mark.parametrize(("span", "rows"), [("hour", 60), ("day", 96), ("week", 84), ("x", 60)])
def test_a_chart_has_a_row_for_each_step_of_its_time(
    make_app: MakeApp, span: str, rows: int
) -> None:
    app = with_inbox(make_app)
    send(app, "hello")
    app.extensions["receiver"].tally.flush()
    page = log_in(app).get(f"{HOME}figures?span={span}").text
    assert len(re.findall(r'<th scope="row">', chart(page, TITLES[0]))) == rows


def test_where_nothing_was_counted_a_chart_says_so(make_app: MakeApp) -> None:
    page = log_in(with_inbox(make_app)).get(f"{HOME}figures").text
    assert page.count("Nothing in the last hour.") == len(TITLES)
