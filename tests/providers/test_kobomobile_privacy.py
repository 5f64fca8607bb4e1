"""User, password, number and text travel in KoboMobile's URL: they are in no log and no error.

On real sockets: what httpx and httpcore write is what a deployment at level DEBUG would see.
"""

from __future__ import annotations

import logging
import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from receiver.accounts import Account
from receiver.errors import DeliveryError
from receiver.providers.base import Asked, Sms, Stamp
from receiver.providers.kobomobile import KoboMobile
from receiver.security import Door
from receiver.signing import SignedUrls

USER, PASSWORD = "user-nobody-may-see", "pass&word nobody may see"
NUMBER, TEXT, ID = "+2348030012345", "text nobody may see", "id-that-nobody-may-see"
MARKS = (
    *(USER, PASSWORD, NUMBER[1:], NUMBER[4:], TEXT, ID, "nobody"),
    *("pass%26word", "%20nobody", "user=", "pass=", "msgid="),
)
DO: dict[str, Callable[[KoboMobile], object]] = {
    "send": lambda kobo: kobo.send(Sms(recipients=(NUMBER,), text=TEXT, key="k")),
    "credit": lambda kobo: kobo.balance(),
    "report": lambda kobo: kobo.status(
        Asked(message_id=ID, recipients=(NUMBER,)), Stamp(kobo.account, "asked", datetime.now(UTC))
    ),
}


def plain(status: str, *headers: bytes, body: bytes = b"") -> bytes:
    head = (f"HTTP/1.1 {status}".encode(), *headers, b"Content-Length: %d" % len(body))
    return b"\r\n".join([*head, b"Connection: close", b"", body])


# What a server makes of a request, of which it repeats what it can.
ANSWERS: dict[str, Callable[[bytes], bytes]] = {
    "hangs-up": lambda request: b"",
    "garbage": lambda request: request,
    "garbage-in-a-header": lambda request: b"HTTP/1.1 200 OK\r\n" + request,
    "garbage-in-a-chunk": lambda request: (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + request
    ),
    "garbage-packed": lambda request: plain("200 OK", b"Content-Encoding: gzip", body=request),
    "garbage-in-the-body": lambda request: plain("200 OK", body=request),
    "cut": lambda request: plain("200 OK", body=request)[:-9],
    "moved": lambda request: plain("301 Moved", b"Location: " + request.split()[1]),
    "refused": lambda request: plain("400 " + TEXT, b"X-Was: " + request.split()[1], body=request),
    "error": lambda request: plain(
        "200 OK", body=b'{"status": "error_user", "for": "%s"}' % request
    ),
    "their-fault": lambda request: plain("500 Oh", b"X-Was: " + request.split()[1], body=request),
    "busy": lambda request: plain("503 Busy", b"Retry-After: 9", body=request),
    "gave-up": lambda request: plain("504 Late", body=request),
}


@contextmanager
def server(answer: Callable[[bytes], bytes]) -> Iterator[str]:
    """Answer one request on a free port; gives the base URL."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        caller, _ = listening.accept()
        with caller:
            request = b""
            while b"\r\n\r\n" not in request:
                request += caller.recv(65_536)
            caller.sendall(answer(request))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        thread.join()
        listening.close()


def kobo(base_url: str, transport: Any = None) -> KoboMobile:
    account = Account(
        name="shop",
        provider="kobomobile",
        api_keys=(USER,),
        api_secret=PASSWORD,
        source_addr="INFO",
        base_url=base_url,
    )
    return KoboMobile(account, Door(account, SignedUrls(["x"])), transport=transport)


def failure(do: str, made: KoboMobile) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        DO[do](made)
    return caught.value


def shown(error: BaseException | None, caplog: pytest.LogCaptureFixture, *things: object) -> str:
    """Everything of a failure that somebody may come to see."""
    said = [repr(thing) for thing in things]
    if error is not None:
        said += [str(error), repr(error), repr(vars(error)), *traceback.format_exception(error)]
    for record in caplog.records:
        said += [logging.Formatter().format(record), repr(record.args)]
    return "\n".join(said)


def marks_in(text: str) -> list[str]:
    return [mark for mark in MARKS if mark in text]


# A body that says nothing is no status, and no error either.
FAILURES = [(kind, do) for kind in ANSWERS for do in DO]
FAILURES.remove(("garbage-in-the-body", "report"))


@pytest.mark.parametrize(("kind", "do"), FAILURES)
def test_whatever_is_answered_nothing_private_is_shown(
    kind: str, do: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), server(ANSWERS[kind]) as url:
        made = kobo(url)
        error = failure(do, made)
        assert marks_in(shown(error, caplog, made, made.account)) == []


@pytest.mark.parametrize("do", DO)
def test_a_refused_connection_shows_nothing_private(
    do: str, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with caplog.at_level(logging.DEBUG):
        error = failure(do, kobo(f"http://127.0.0.1:{port}"))
    assert "ConnectError" in error.reason
    assert marks_in(shown(error, caplog)) == []


@pytest.mark.parametrize("do", DO)
@pytest.mark.parametrize("kind", [httpx.ConnectTimeout, httpx.ReadTimeout, httpx.PoolTimeout])
def test_a_time_out_shows_nothing_private(
    kind: type[httpx.RequestError], do: str, caplog: pytest.LogCaptureFixture
) -> None:
    def late(request: httpx.Request) -> httpx.Response:
        raise kind(f"{request.method} {request.url} took too long", request=request)

    with caplog.at_level(logging.DEBUG):
        error = failure(do, kobo("http://127.0.0.1:9", httpx.MockTransport(late)))
    assert kind.__name__ in error.reason
    assert marks_in(shown(error, caplog)) == []


@pytest.mark.parametrize("do", DO)
def test_a_success_is_not_logged_either(do: str, caplog: pytest.LogCaptureFixture) -> None:
    answers = {"send": b'"sent"', "credit": b"12.5", "report": b"DELIVRD"}
    echo = b"X-Was: "
    with (
        caplog.at_level(logging.DEBUG),
        server(lambda r: plain("200 OK", echo + r.split()[1], body=answers[do])) as url,
    ):
        DO[do](kobo(url))
    assert marks_in(shown(None, caplog)) == []


def test_httpcore_is_heard_again_after_a_request_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), server(lambda request: plain("200 OK")) as url:
        httpx.get(url)
    assert {record.name for record in caplog.records} >= {"httpx", "httpcore.http11"}


def test_what_is_refused_before_it_leaves_names_no_number_and_no_text(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for fields in (
        {"text": TEXT * 60},
        {"source": TEXT},
        {"recipients": (f"x{NUMBER}",)},
        {"recipients": tuple(f"{NUMBER}{n}" for n in range(501))},
        {"flash": True, "text": f"{TEXT} 你"},
    ):
        with pytest.raises(DeliveryError) as caught:
            kobo("http://127.0.0.1:9").send(
                Sms(**{"recipients": (NUMBER,), "text": TEXT, "key": "k", **fields})
            )
        assert marks_in(shown(caught.value, caplog)) == []
