"""mypy, as a user runs it: takes handlers of the right shape, and refuses the others."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

HEAD = """
import re
from receiver import (
    Billing, ConfigurationError, DeliveryReport, GiveUp, InboundMessage, Receiver, ReceiverError,
    RetryLater, Router, Status,
)
from flask import Flask

router = Router("r")
receiver = Receiver()
"""

RIGHT = {
    "a reply": """
@router.keyword("BALANCE", "SOLDE", timeout=5, retries=2)
def balance(message: InboundMessage) -> str:
    return f"You have 5 left, {message.sender or 'friend'}."
""",
    "a reply or none": """
@router.matching(r"BAL (?P<account>\\d+)", provider="smsbox", account="shop")
def balance(message: InboundMessage) -> str | None:
    return message.groups["account"]
""",
    "no reply": """
@router.fallback()
def rest(message: InboundMessage) -> None:
    raise GiveUp("no such customer") if message.billing is None else RetryLater(300)
""",
    "a compiled pattern": """
@router.matching(re.compile("BAL"))
def balance(message: InboundMessage) -> str:
    return message.text
""",
    "a watcher": """
seen: list[InboundMessage] = []
router.every()(seen.append)
""",
    "a report": """
@router.report(Status.FAILED, Status.EXPIRED)
def failed(report: DeliveryReport) -> None:
    print(report.recipient, report.status.final, report.credit)
""",
    "straight on the receiver": """
receiver.init_app(Flask("shop"))

@receiver.keyword("STOP")
def stop(message: InboundMessage) -> str:
    return "You will get no more messages."

@receiver.report()
def reports(report: DeliveryReport) -> None:
    print(report.id)
""",
    "a decorated function keeps its type": """
@router.keyword("STOP")
def stop(message: InboundMessage) -> str:
    return "bye"

def shout(message: InboundMessage) -> str:
    return stop(message).upper()
""",
}

MESSAGE_DECORATORS = {
    "keyword": 'router.keyword("A")',
    "matching": 'router.matching("A")',
    "fallback": "router.fallback()",
    "every": "router.every()",
    "keyword on the receiver": 'receiver.keyword("A")',
    "every on the receiver": "receiver.every()",
}
REPORT_DECORATORS = {
    "report": "router.report()",
    "report on the receiver": "receiver.report(Status.FAILED)",
}
WRONG_FUNCTIONS = {
    "returns a number": "def handler({event}) -> int:\n    return 5",
    "takes nothing": "def handler() -> None: ...",
    "takes two": "def handler({event}, other: int) -> None: ...",
    "takes the other kind": "def handler({other_event}) -> None: ...",
    "is async": "async def handler({event}) -> None: ...",
}
EVENTS = ("event: InboundMessage", "event: DeliveryReport")

WRONG = {
    "an unknown option": '@router.fallback(acount="a")\ndef f(m: InboundMessage) -> None: ...',
    "a timeout of text": '@router.every(timeout="5")\ndef f(m: InboundMessage) -> None: ...',
    "a status as text": '@router.report("failed")\ndef f(r: DeliveryReport) -> None: ...',
    "a misspelt field": "def f(message: InboundMessage) -> str:\n    return message.txt",
    "no brackets": "@router.fallback\ndef f(message: InboundMessage) -> None: ...",
}
for decorators, (event, other_event) in (
    (MESSAGE_DECORATORS, EVENTS),
    (REPORT_DECORATORS, EVENTS[::-1]),
):
    for where, decorator in decorators.items():
        for what, function in WRONG_FUNCTIONS.items():
            code = function.format(event=event, other_event=other_event)
            WRONG[f"{where}: {what}"] = f"@{decorator}\n{code}"


def file_of(name: str) -> str:
    return re.sub(r"\W", "_", name) + ".py"


@pytest.fixture(scope="module")
def complaints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What mypy says about each file; one run for all of them, since a run takes seconds."""
    folder = tmp_path_factory.mktemp("snippets")
    for name, code in {**RIGHT, **WRONG}.items():
        (folder / file_of(name)).write_text(HEAD + code + "\n")
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir=.cache"]
    result = subprocess.run(
        [*command, "."], cwd=folder, capture_output=True, text=True, check=False
    )
    assert result.returncode in (0, 1), result.stderr
    found: dict[str, list[str]] = {}
    for line in result.stdout.splitlines():
        name, _, text = line.partition(":")
        if ": error:" in line:
            found.setdefault(Path(name).name, []).append(text)
    return found


@pytest.mark.parametrize("name", RIGHT)
def test_a_handler_of_the_right_shape_passes(complaints: dict[str, list[str]], name: str) -> None:
    assert complaints.get(file_of(name), []) == []


@pytest.mark.parametrize("name", WRONG)
def test_a_handler_of_the_wrong_shape_is_refused(
    complaints: dict[str, list[str]], name: str
) -> None:
    found = complaints.get(file_of(name), [])
    codes = r"\[(type-var|arg-type|call-arg|call-overload|misc|attr-defined)\]$"
    assert any(re.search(codes, complaint) for complaint in found)
