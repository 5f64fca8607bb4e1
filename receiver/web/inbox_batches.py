"""Replay, retry and drop: for one, or for all that a filter names, after a count to confirm.

What is asked for is done in steps of bounded size, each a request of its own whose form carries all
that the next one has to know.
"""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

from flask import Response, redirect, request
from werkzeug.exceptions import BadRequest

from .inbox_desk import Desk, is_ours, url
from .inbox_events import EventPages
from .inbox_filter import Filter
from .inbox_pages import letter_filter
from .inbox_selection import Selection

MOST_COUNTED = 5_000
COUNT_SECONDS = 1.5

A_STEP = 100  # of them
STEP_SECONDS = 0.5

_MOST = 10**9  # of anything that a form counts
_ACTIONS = {"events": ("replay",), "failed": ("retry", "drop"), "quarantine": ("replay", "drop")}

_log = logging.getLogger(__name__)


class Batches:
    """The actions of one app's inbox."""

    def __init__(self, desk: Desk, pages: EventPages) -> None:
        self._desk = desk
        self._selection = Selection(desk, pages)

    def confirm(self) -> Response:
        """Count what is asked for, and ask back."""
        state = _state()
        state["cursor"] = self._selection.beginning(state)
        total, began, more = 0, time.monotonic(), False
        for step in self._selection.steps(state):
            total += step.act is not None
            if total >= MOST_COUNTED or time.monotonic() - began > COUNT_SECONDS:
                more = True
                break
        state["total"] = str(total)
        return self._page("confirm.html", state, more=more)

    def run(self) -> Response:
        """Do as much as one request may, and say how far that went."""
        state = _state()
        left, done, is_over = Counter(_reasons(state["left"])), int(state["done"]), True
        began, tried = time.monotonic(), 0
        for step in self._selection.steps(state):
            state["cursor"] = step.cursor
            if step.act is not None:
                tried += 1
                why = step.act()
                done += why is None
                left.update([] if why is None else [why])
            if tried >= A_STEP or time.monotonic() - began > STEP_SECONDS:
                is_over = False
                break
        state.update(done=str(done), left=json.dumps(left))
        if not is_over and not state.get("id"):
            return self._page("progress.html", state, left=left)
        _log.info(
            "event=inbox_action what=%s action=%s done=%d left=%d",
            state["what"],
            state["action"],
            done,
            sum(left.values()),
        )
        if done == 1 and not left and state["total"] == "1":
            return redirect(_back(state), 303)  # type: ignore[return-value] # it is Flask's own
        return self._page("result.html", state, left=left)

    def _page(self, template: str, state: Mapping[str, str], **values: Any) -> Response:
        numbers = {name: int(state[name]) for name in ("total", "done")}
        attention = self._desk.attention()
        back = _back(state)
        return self._desk.page(
            template, state=state, attention=attention, back=back, **numbers, **values
        )


def _state() -> dict[str, str]:
    """Read what the form carries; what the browser made of it is judged again."""
    form = request.form
    what, action = form.get("what", ""), form.get("action", "")
    if action not in _ACTIONS.get(what, ()):
        raise BadRequest
    state = {"what": what, "action": action}
    if what == "events":
        state |= Filter.read(form).args()
        state |= {name: form.get(name, "")[:200] for name in ("id", "only")}
    elif what == "failed":
        state |= letter_filter(form)
    else:
        state |= {name: form.get(name, "")[:200] for name in ("account", "body")}
    state |= {name: str(form.get(name, 0, type=_count)) for name in ("done", "total")}
    state |= {name: form.get(name, "") for name in ("cursor", "uncertain", "back")}
    return state | {"left": form.get("left") or "{}"}


def _back(state: Mapping[str, str]) -> str:
    """Give where to go afterwards: a page of ours, whatever the form says."""
    return state["back"] if is_ours(state["back"]) else url("events")


def _reasons(text: str) -> dict[str, int]:
    """Read how many were left, and why; raises `BadRequest` where it is no form of ours."""
    try:
        found: Any = json.loads(text)
        return {str(why): _count(count) for why, count in found.items()}
    except (ValueError, AttributeError, TypeError, OverflowError, RecursionError):
        raise BadRequest from None


def _count(given: Any) -> int:
    return min(max(int(given), 0), _MOST)
