"""Asking before something is gone for good; without anybody to ask, only ``--yes`` is an answer."""

from __future__ import annotations

import sys

import click

from .exits import Fault, UsageFault


def confirm(question: str, *, yes: bool) -> None:
    """Go on only if somebody at a terminal says so, or ``yes`` was given with the command.

    ``question`` names what and how many: ``Drop 3 dead letters?`` Raises `Fault`, or
    `UsageFault` where nobody can be asked.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageFault(f"nobody is there to be asked: {question}", "the same with --yes")
    if not click.confirm(question, err=True):
        raise Fault("left as it was")
