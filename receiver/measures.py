"""The names of all figures that are counted or looked up: what each is, and its labels; data alone.

Counting is `store.tally`'s business, reading `store.figures`', and how it is written for
Prometheus `web.metrics`'. No label holds a number, a text or a key: what comes from outside goes
through `word` first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Kind = Literal["counter", "histogram", "gauge"]

PREFIX = "sms_receiver_"
OTHER = "(other)"  # stands for what is one too many
ODD = "(odd)"  # stands for what may hold a number, a text or a key
UNKNOWN = "(unknown)"

# Answers of the web process, up to what a provider waits; seconds.
_ANSWERS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
# What handlers do, and what waits for them: up to an hour.
_WORK = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[ _.:/-][A-Za-z0-9]+)*", re.ASCII)
_DIGITS = re.compile(r"[0-9]{3}")
_MOST_LETTERS = 40
_MOST_PARTS = 3  # words of a sentence; names written with _ and - may have more


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One figure: ``name`` without `PREFIX`, ``help`` as Prometheus shows it, ``labels`` in order.

    ``buckets``: the upper bounds of a histogram, in seconds. ``most``: how many sets of labels are
    kept; what comes after is `OTHER`. ``is_charted``: kept over time as well, not only in total.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    most: int = 200
    is_charted: bool = False

    @property
    def metric(self) -> str:
        """The name that Prometheus knows it by."""
        return PREFIX + self.name + ("_total" if self.kind == "counter" else "")


def _counter(
    name: str, help_: str, *labels: str, charted: bool = False, most: int = 200
) -> Measure:
    return Measure(
        name=name, kind="counter", help=help_, labels=labels, is_charted=charted, most=most
    )


def _times(
    name: str, help_: str, *labels: str, buckets: Sequence[float], charted: bool = False
) -> Measure:
    bounds = tuple(buckets)
    return Measure(
        name=name, kind="histogram", help=help_, labels=labels, buckets=bounds, is_charted=charted
    )


def _gauge(name: str, help_: str, *labels: str, sampled: bool = False) -> Measure:
    return Measure(
        name=name,
        kind="gauge",
        help=help_,
        labels=labels,
        is_charted=sampled,
    )


_ALL = (
    # the door
    _counter(
        "acks",
        "Requests to webhooks: 200 is news, then quarantined, duplicate, spooled, or a status.",
        *("account", "answer"),
        charted=True,
    ),
    _times(
        "ack_seconds",
        "From the whole body to the answer.",
        "account",
        buckets=_ANSWERS,
        charted=True,
    ),
    _counter("refusals", "Callers turned away with 401, by reason.", "account", "reason"),
    # what came
    _counter("messages", "New inbound messages.", "account", charted=True),
    _counter("reports", "New delivery reports, by our word.", "account", "status", charted=True),
    _counter("duplicates", "Events that came again and were known.", "account"),
    # providers, as they are today
    _counter("provider_types", "Callbacks by the type they name.", "provider", "type", most=100),
    _counter(
        "provider_statuses", "Reports by the provider's word.", "provider", "status", most=100
    ),
    _counter(
        "unknown_fields",
        "Fields in callbacks that the provider never documented.",
        *("provider", "field"),
        most=100,
    ),
    # networks
    _counter(
        "network_reports",
        "Final delivery reports by the recipient's network; ported numbers keep their first one.",
        *("network", "status"),
        charted=True,
        most=400,
    ),
    # handlers
    _counter(
        "handlers",
        "Attempts of handlers: done, retrying, or failed for good.",
        *("handler", "outcome"),
        charted=True,
        most=400,
    ),
    _times("handler_seconds", "How long handlers took.", "handler", buckets=_WORK),
    _times("handling_delay_seconds", "From the ack to the handler's start.", "kind", buckets=_WORK),
    # the way out
    _counter(
        "sends",
        "SMS by result: sent, retrying, failed, unknown, or refused (opted out).",
        *("account", "result"),
        charted=True,
    ),
    # sampled by the supervisors, and looked up
    _gauge("backlog", "Jobs that wait in a queue.", "queue", sampled=True),
    _gauge("backlog_oldest_seconds", "How long the first job waits.", "queue", sampled=True),
    # looked up
    _gauge("workers", "Living workers of a queue.", "queue"),
    _gauge("unloaded_handlers", "Handlers that failed to load, in the workers."),
    _gauge("dead_letters", "Jobs that ended badly, in Redis now.", "queue"),
    _gauge("quarantine", "Bodies that nobody could read, in Redis now."),
    _gauge("spool", "Callbacks that wait on this host's disk."),
    _gauge("spool_oldest_seconds", "How long the first of them waits."),
    _gauge("spool_free_bytes", "Room on the disk of the spool."),
    _gauge("issued_key_seconds_left", "Until an issued key ends.", "account", "key"),
    _gauge("redis_up", "1 where Redis answers this process."),
    _gauge(
        "unsent_acks",
        "Acks of this process alone that Redis has not heard of; while it is away.",
        *("account", "answer"),
    ),
)

MEASURES = {measure.name: measure for measure in _ALL}

# Why a caller was refused, as logs say it, and as a label does.
REASONS = {
    "no key in the request": "no_key",
    "wrong key": "wrong_key",
    "the caller has no IP address": "no_address",
    "the caller's address is outside the account's networks": "network",
    "the token in the URL is not ours": "token",
    "the token in the URL is not spelled as we spell it": "token",
    "the token in the URL has expired": "expired_token",
}


def word(text: object) -> str:
    """Give a provider's word or name as a label may show it, or `ODD`.

    It must look like one: ASCII letters, and few digits in a row, 40 characters at most. A number,
    a sentence or a key never does.

    >>> word("delivery_report"), word("27637885448"), word("see you at nine")
    ('delivery_report', '(odd)', '(odd)')
    """
    found = str(text)
    return _judged(found) if len(found) <= _MOST_LETTERS else ODD


@lru_cache(maxsize=512)  # the same few again and again
def _judged(text: str) -> str:
    fits = _WORD.fullmatch(text) and not _DIGITS.search(text)
    return text if fits and text.count(" ") < _MOST_PARTS else ODD
