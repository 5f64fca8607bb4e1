"""docs/how-to/metrics.md and docs/reference/metrics.md say what is true."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import need
from flask import Flask
from support import KEYS, message

from receiver.measures import MEASURES, REASONS
from receiver.settings import _SettingsSchema
from receiver.store.counted import STEPS

ROOT = Path(__file__).parents[1]
HOW_TO = (ROOT / "docs" / "how-to" / "metrics.md").read_text()
REFERENCE = (ROOT / "docs" / "reference" / "metrics.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", re.sub(r"(?m)^ {4}", "", HOW_TO), re.S)
MOST_LINES = 70


def test_the_table_of_figures_is_that_of_the_code() -> None:
    rows = re.findall(r"^\| `(sms_receiver_\w+)` \| (\w+) \| (.+?) \| (.+) \|$", REFERENCE, re.M)
    assert rows == [
        (m.metric, m.kind, ", ".join(f"`{name}`" for name in m.labels) or "–", m.help)
        for m in MEASURES.values()
    ]


def test_the_labels_are_explained() -> None:
    text = REFERENCE[REFERENCE.index("## Labels") : REFERENCE.index("## Over time")]
    explained = set(re.findall(r"^\| `(\w+)` \|", text, re.M))
    used = {label for measure in MEASURES.values() for label in measure.labels}
    assert explained <= used
    assert used - explained == {"outcome", "result", "kind", "provider", "type", "field"}
    assert all(f"`{word}`" in text for word in REASONS.values())


def test_what_is_kept_over_time() -> None:
    text = REFERENCE[REFERENCE.index("## Over time") :]
    named = set(re.findall(r"`(\w+)`", text.partition("```")[0]))
    assert named == {m.name for m in MEASURES.values() if m.is_charted}
    assert [step // 60 for step in STEPS] == [1, 15, 120]


def test_the_code_of_the_reference_runs(make_app: Callable[..., Flask]) -> None:
    ((code),) = re.findall(r"```python\n(.*?)```", REFERENCE, re.S)
    app = make_app()
    headers = {"x-api-key": KEYS["smsbox"]}
    app.test_client().post("/webhooks/smsbox", json=message("one"), headers=headers)
    app.extensions["receiver"].tally.flush()
    with app.app_context():
        found: dict[str, Any] = {}
        exec(code, found)
    assert found["latency"][-1] > 0
    assert found["by_status"] == {}


def test_the_how_to_is_short_and_names_what_there_is() -> None:
    assert len(HOW_TO.splitlines()) <= MOST_LINES
    assert set(re.findall(r"RECEIVER_(\w+)", HOW_TO)) <= set(_SettingsSchema._declared_fields)
    metrics = {measure.metric for measure in MEASURES.values()}
    assert set(re.findall(r"sms_receiver_\w+", HOW_TO)) <= metrics
    for name in re.findall(r"deploy/[\w.]+", HOW_TO):
        assert (ROOT / name).exists()


@pytest.mark.parametrize("code", [code for language, code in BLOCKS if language == "sh"])
def test_a_shell_reads_its_commands(code: str) -> None:
    subprocess.run([need("sh"), "-n", "-c", code], check=True)


def test_prometheus_reads_its_configuration(tmp_path: Path) -> None:
    ((code),) = [code for language, code in BLOCKS if language == "yaml"]
    (job,) = yaml.safe_load(code)["scrape_configs"]
    assert job["metrics_path"] == "/webhooks/metrics"
    (tmp_path / "prometheus.yml").write_text(code)
    command = [need("promtool"), "check", "config", "--syntax-only", "prometheus.yml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, json.dumps(done.stderr)


def test_prometheus_reads_the_query(tmp_path: Path) -> None:
    ((code),) = [code for language, code in BLOCKS if language == "text"]
    groups = [{"name": "shown", "rules": [{"record": "shown", "expr": code}]}]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": groups}))
    command = [need("promtool"), "check", "rules", tmp_path / "rules.yml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
