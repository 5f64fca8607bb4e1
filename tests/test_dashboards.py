"""The dashboard and the alerts that we ship: whole, right, and about figures that there are."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import need
from flask import Flask

from receiver.measures import MEASURES

ROOT = Path(__file__).parents[1]
ALERTS = ROOT / "deploy" / "alerts.yml"
UNIT_TESTS = ROOT / "tests" / "alerts_test.yml"
DASHBOARD = json.loads((ROOT / "deploy" / "grafana.json").read_text())
RULES = yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [(panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]]
EXPRESSIONS = [(rule["alert"], rule["expr"]) for rule in RULES] + QUERIES
OF_THE_PAGE = ("_bucket", "_count", "_sum")


def promtool(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run Prometheus' own tool."""
    command = [need("promtool"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def test_prometheus_takes_the_rules() -> None:
    done = promtool("check", "rules", ALERTS)
    assert done.returncode == 0, done.stderr
    assert f"{len(RULES)} rules found" in done.stdout


def test_the_rules_fire_when_they_should() -> None:
    done = promtool("test", "rules", UNIT_TESTS)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_test_and_says_what_to_do() -> None:
    tested = UNIT_TESTS.read_text()
    for rule in RULES:
        assert rule["alert"] in tested
        assert set(rule["annotations"]) == {"summary", "mend"}
        assert rule["labels"]["severity"] in ("critical", "warning", "info")


def names_in(expression: str) -> set[str]:
    return set(re.findall(r"sms_receiver_\w+", expression))


@pytest.fixture
def on_the_page(make_app: Callable[..., Flask]) -> set[str]:
    """The names of all that /webhooks/metrics can show."""
    text = make_app().test_client().get("/webhooks/metrics").text
    found = set(re.findall(r"^# TYPE (\S+) ", text, re.M))
    histograms = re.findall(r"^# TYPE (\S+) histogram$", text, re.M)
    return found | {name + ending for name in histograms for ending in OF_THE_PAGE}


def test_every_figure_of_dashboard_and_alerts_is_on_the_page(on_the_page: set[str]) -> None:
    for where, expression in EXPRESSIONS:
        assert names_in(expression), where
        assert names_in(expression) <= on_the_page, where


def test_every_figure_is_on_the_dashboard() -> None:
    shown = set().union(*(names_in(expression) for _, expression in QUERIES))
    assert {m.metric for m in MEASURES.values()} <= {name.removesuffix("_bucket") for name in shown}


def labels_in(expression: str) -> Iterator[tuple[str, set[str]]]:
    """Give each figure with the labels that are asked of it or kept of the expression."""
    kept = set().union(*(re.split(r",\s*", g) for g in re.findall(r"by \(([^)]*)\)", expression)))
    for name, selector in re.findall(r"(sms_receiver_\w+)(?:\{([^}]*)\})?", expression):
        yield name, kept | set(re.findall(r"(\w+)[=!]", selector))


def test_every_label_of_dashboard_and_alerts_is_one_of_the_figure() -> None:
    figures = {measure.metric: measure for measure in MEASURES.values()}
    for where, expression in EXPRESSIONS:
        for name, labels in labels_in(expression):
            measure = figures[re.sub(r"_(bucket|count|sum)$", "", name)]
            assert labels <= {*measure.labels, "le", "instance"}, (where, name)


def test_totals_are_never_added_up_over_hosts() -> None:
    for where, expression in EXPRESSIONS:
        for found in re.finditer(r"(rate|increase|delta)\(", expression):
            before = expression[: found.start()]
            assert re.search(r"max (without \(instance\)|by \([^)]*\)) \($", before), where


def test_prometheus_reads_every_query_of_the_dashboard(tmp_path: Path) -> None:
    expressions = [e.replace("$__rate_interval", "5m") for _, e in QUERIES]
    rules = [{"record": f"panel:{n}", "expr": e} for n, e in enumerate(expressions)]
    content = yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]})
    (tmp_path / "rules.yml").write_text(content)
    done = promtool("check", "rules", tmp_path / "rules.yml")
    assert done.returncode == 0, done.stderr


def test_the_dashboard_can_be_imported() -> None:
    assert {"title", "uid", "schemaVersion", "panels", "templating", "time"} <= set(DASHBOARD)
    (variable,) = DASHBOARD["templating"]["list"]
    assert (variable["name"], variable["type"]) == ("datasource", "datasource")
    sources = {p["datasource"]["uid"] for p in PANELS}
    sources |= {t["datasource"]["uid"] for p in PANELS for t in p["targets"]}
    assert sources == {"${datasource}"}
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    rows = [p["title"] for p in DASHBOARD["panels"] if p["type"] == "row"]
    assert rows == ["Acks", "Handlers", "Backlog", "Sends", "Providers' drift"]


def test_no_two_panels_lie_on_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
