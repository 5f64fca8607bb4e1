"""A provider's API at the wire: a loopback HTTP server that answers what a test tells it to."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SMSBOX_SENT = (200, {"status": True, "code": 200, "data": "message_id:sms-2025"})


class FakeApi:
    """``requests`` holds what came; ``answers`` what is answered, the last one again and again.

    An answer is ``(status, body)``, or ``None`` to hang up after the request has arrived.
    """

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.answers: list[tuple[int, Any] | None] = [SMSBOX_SENT]
        self.headers: dict[str, str] = {}
        self.url = ""

    def texts(self) -> list[str]:
        """The texts of the SMS that were sent."""
        return [request["json"]["message"] for request in self.requests]


@contextmanager
def serve() -> Iterator[FakeApi]:
    """Run a `FakeApi` on a free port."""
    api = FakeApi()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("content-length", 0))
            body = self.rfile.read(length)
            if len(body) < length:  # its sender was killed in the middle: no API takes that
                self.close_connection = True
                return
            entry = {"path": self.path, "headers": dict(self.headers), "body": body}
            api.requests.append({**entry, "json": json.loads(body) if body else None})
            answer = api.answers.pop(0) if len(api.answers) > 1 else api.answers[0]
            if answer is None:
                self.close_connection = True
                return
            status, content = answer
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in {**api.headers, "content-length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    api.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
