"""How log lines are written: key=value as it is, or as JSON, one object a line."""

from __future__ import annotations

import ast
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import receiver
from receiver.logs import CallbackFilter, JsonFormatter, LogfmtFormatter, follow, one_job, pairs

ROOT = Path(receiver.__file__).parent
STANDARD = {"time", "level", "logger"}


def record(message: str, *values: object, **more: Any) -> logging.LogRecord:
    return logging.LogRecord("shop", logging.WARNING, "shop.py", 1, message, values, None, **more)


def entry(message: str, *values: object) -> dict[str, Any]:
    line = JsonFormatter().format(record(message, *values))
    assert "\n" not in line
    found: dict[str, Any] = json.loads(line)
    return {name: value for name, value in found.items() if name not in STANDARD}


LINES: dict[str, tuple[tuple[object, ...], dict[str, Any]]] = {
    "plain words": (
        ("event=%s account=%s", "0123", "shop"),
        {"event": "0123", "account": "shop"},
    ),
    "a number": (
        ("event=x attempt=%d took=%.1f", 2, 0.51),
        {"event": "x", "attempt": 2, "took": 0.5},
    ),
    "a word of digits": (("event=x code=%s", "102"), {"event": "x", "code": "102"}),
    "spaces": (("event=x reason=%r", "no key at all"), {"event": "x", "reason": "no key at all"}),
    "a quote": (("event=x reason=%r", "it's"), {"event": "x", "reason": "it's"}),
    "both quotes": (("event=x reason=%r", "'a' \"b\""), {"event": "x", "reason": "'a' \"b\""}),
    "an equals sign": (("event=x reason=%r", "a=b c=d"), {"event": "x", "reason": "a=b c=d"}),
    "a line's end": (("event=x reason=%r", "a\nb\\"), {"event": "x", "reason": "a\nb\\"}),
    "letters": (("event=x reason=%r", "ARRÊT 😀"), {"event": "x", "reason": "ARRÊT 😀"}),
    "nothing": (
        ("event=x code=%s reason=%r", None, ""),
        {"event": "x", "code": "None", "reason": ""},
    ),
    "an empty value": (("event=x addr= n=1",), {"event": "x", "addr": "", "n": "1"}),
    "no number after all": (("event=x took=%f", float("nan")), {"event": "x", "took": "nan"}),
    "a sentence": (("message %s failed", "a=1"), {"message": "message a=1 failed"}),
    "a sentence that ends in a pair": (("failed a=1",), {"message": "failed a=1"}),
    "a name twice": (("a=1 a=2",), {"message": "a=1 a=2"}),
    "a name of ours": (("level=high time=now",), {"message": "level=high time=now"}),
    "an open quote": (("a='b c",), {"message": "a='b c"}),
    "several lines": (("one\ntwo",), {"message": "one\ntwo"}),
    "nothing at all": (("",), {"message": ""}),
}


@pytest.mark.parametrize("case", LINES)
def test_a_line_becomes_the_fields_that_it_says(case: str) -> None:
    (message, *values), wanted = LINES[case]
    assert entry(str(message), *values) == wanted


@given(st.dictionaries(st.from_regex(r"\A[a-z_]{1,8}\Z"), st.text(), min_size=1, max_size=4))
def test_whatever_is_quoted_comes_out_as_it_was(values: dict[str, str]) -> None:
    values = {f"x_{name}": value for name, value in values.items()}
    line = " ".join(f"{name}={value!r}" for name, value in values.items())
    assert pairs(line) == values


def test_when_and_how_bad_and_who_stand_in_each_line() -> None:
    found = json.loads(JsonFormatter().format(record("event=x")))
    assert list(found) == ["time", "level", "logger", "event"]
    assert found["level"] == "WARNING"
    assert found["time"].endswith("+00:00")


def test_a_traceback_is_a_field_of_its_line() -> None:
    try:
        raise ValueError("wrong")
    except ValueError:
        broken = record("event=x")
        broken.exc_info = sys.exc_info()
    line = JsonFormatter().format(broken)
    found = json.loads(line)
    assert "\n" not in line
    assert found["traceback"].splitlines()[0] == "Traceback (most recent call last):"
    assert found["traceback"].splitlines()[-1] == "ValueError: wrong"


def test_in_a_job_every_line_says_what_it_is_about() -> None:
    json_line, logfmt = JsonFormatter(), LogfmtFormatter()
    with one_job():
        assert "callback" not in json.loads(json_line.format(record("hello")))
        follow("ca11", "e0e0")
        found = json.loads(json_line.format(record("hello")))
        assert (found["message"], found["callback"], found["event"]) == ("hello", "ca11", "e0e0")
        assert logfmt.format(record("hello")).endswith(" hello callback=ca11 event=e0e0")
        own = record("event=paused callback=mine")
        assert json.loads(json_line.format(own))["event"] == "paused"
        assert logfmt.format(own).endswith(" event=paused callback=mine")
    assert "callback" not in json.loads(json_line.format(record("hello")))
    assert logfmt.format(record("hello")).endswith(" WARNING hello")


def test_a_filter_keeps_what_a_line_is_about_for_another_thread_and_for_own_formats() -> None:
    line, own = record("hello"), logging.Formatter("%(message)s <%(callback)s %(event)s>")
    with one_job():
        follow("ca11", "e0e0")
        assert CallbackFilter().filter(line)
    assert json.loads(JsonFormatter().format(line))["callback"] == "ca11"
    assert own.format(line) == "hello <ca11 e0e0>"
    outside = record("hello")
    CallbackFilter().filter(outside)
    assert own.format(outside) == "hello < >"
    assert "callback" not in json.loads(JsonFormatter().format(outside))


def templates() -> Iterator[tuple[str, str]]:
    """Give all lines that the package logs, with the place of each."""
    for file in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            if node.func.attr not in ("debug", "info", "warning", "error", "log"):
                continue
            if "log" not in ast.unparse(node.func.value):
                continue
            for argument in node.args:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield f"{file.name}:{node.lineno}", argument.value
                    break


def test_every_line_of_ours_can_be_taken_apart() -> None:
    found = dict(templates())
    assert len(found) > 40
    for place, template in found.items():
        line = template.replace("%r", "'a b'").replace("%s", "w").replace("%d", "1")
        assert pairs(line), place
        assert "help=w" not in line, place
