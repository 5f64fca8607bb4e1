"""One trace through real processes: a web server and its workers, each with an SDK of its own."""

from __future__ import annotations

import json
import re
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import SMSBOX_KEY
from private import private_in
from processes import running, until
from servers import GRANIAN, SHOP, Web, is_ack, shop_environment
from support import message
from wire import FakeApi

PAGE = Path(__file__).parent.parent / "docs" / "how-to" / "logs-and-traces.md"
WORKER = ("flask", "--app", "traced", "receiver", "worker")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A shop with the tracing that the documentation shows, each process writing to one file."""
    path = Path(tempfile.mkdtemp(prefix="rcv"))  # short enough for the name of a socket
    (code,) = re.findall(r"```python\n# tracing\.py\n(.*?)```", PAGE.read_text(), re.S)
    shown = code.replace("ConsoleSpanExporter()", "ConsoleSpanExporter(out=spans)")
    assert shown != code
    (path / "tracing.py").write_text(f'spans = open("spans", "a")\n{shown}')
    (path / "shop.py").write_text(SHOP)
    (path / "traced.py").write_text("import tracing\nfrom shop import app\n")
    (path / "spans").touch()
    yield path
    shutil.rmtree(path)


def spans_in(folder: Path) -> list[dict[str, Any]]:
    """Read what the exporters of all processes wrote: one object after the other."""
    text, found, decoder = (folder / "spans").read_text().strip(), list[Any](), json.JSONDecoder()
    while text:
        try:
            span, end = decoder.raw_decode(text)
        except json.JSONDecodeError:  # it is being written
            return found
        found.append(span)
        text = text[end:].strip()
    return found


def test_a_trace_goes_on_from_the_web_server_to_the_workers(
    folder: Path, redis_url: str, api: FakeApi
) -> None:
    accounts = {"smsbox": {"api_key": SMSBOX_KEY, "api_secret": "s", "base_url": api.url}}
    environment = shop_environment(redis_url, ACCOUNTS=accounts)
    soon = {**environment, "OTEL_BSP_SCHEDULE_DELAY": "100"}  # milliseconds
    with running(*GRANIAN, "traced:app", folder=folder, **soon) as process:
        web = Web(folder, process.pid, "granian", environment)
        until(web.ready, "the web server")
        assert is_ack(web.post("/webhooks/smsbox", message("t-77")))
        until(
            lambda: [span for span in spans_in(folder) if "receiver.new" in span["attributes"]],
            "its span",
        )
    never = {**environment, "OTEL_BSP_SCHEDULE_DELAY": "3600000"}  # but when a worker ends
    with running(*WORKER, folder=folder, **never) as workers:
        until(lambda: api.requests, "the reply")
        workers.send_signal(signal.SIGTERM)
        assert workers.wait(30) == 0
    (event,) = web.handled()
    spans = {
        span["name"]: span for span in spans_in(folder) if event in span["context"]["trace_id"]
    }
    assert set(spans) == {"receive", "accept", "route", "handle app.note", "send"}
    parents = {
        name: next(
            (n for n, s in spans.items() if s["context"]["span_id"] == span["parent_id"]), None
        )
        for name, span in spans.items()
    }
    assert parents == {
        "receive": None,
        **dict.fromkeys(("accept", "route", "send"), "receive"),
        "handle app.note": "route",
    }
    assert private_in((folder / "spans").read_text()) == []
