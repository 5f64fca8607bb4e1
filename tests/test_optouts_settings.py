"""RECEIVER_OPTOUT: how a deployment reads opt-outs, and what a wrong one is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from test_settings import load, problems

from receiver.consent import Consent


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("first", 'must be a mapping, as {"match": "first", "stop": ["HALT"]'),
        ({"stop": [" "]}, "' ' is no word, or too many"),
        ({"stop": ["START"]}, "'START' would opt people out and in"),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, value: Any, sentence: str) -> None:
    (problem,) = problems(tmp_path, RECEIVER_OPTOUT=value)
    assert problem.startswith(f"RECEIVER_OPTOUT: {sentence}")


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("match", "last", "Must be one of: exact, first"),
        ("match", ["first"], "Not a valid string"),
        ("stop", [None], "must be a list of words"),
        ("start", {"HALT": 1}, "must be a list of words"),
        ("language", "French", "must be a language (ISO 639-1), as fr"),
        ("stopp", [], "unknown key; did you mean RECEIVER_OPTOUT.stop?"),
    ],
)
def test_a_wrong_key_of_the_optouts_is_named(
    tmp_path: Path, name: str, value: Any, sentence: str
) -> None:
    (problem,) = problems(tmp_path, RECEIVER_OPTOUT={name: value})
    assert problem.startswith(f"RECEIVER_OPTOUT.{name}: {sentence}")


@pytest.mark.parametrize(
    ("given", "consent"),
    [
        ({}, Consent()),
        ({"match": "first", "language": "fr"}, Consent(match="first", language="fr")),
        ({"stop": ["HALT", "1"]}, Consent(stop=("HALT", "1"))),
        ({"start": "JIUNGE"}, Consent(start=("JIUNGE",))),
    ],
)
def test_how_optouts_are_read_is_set(
    tmp_path: Path, given: dict[str, Any], consent: Consent
) -> None:
    assert load(tmp_path, RECEIVER_OPTOUT=given).consent == consent
