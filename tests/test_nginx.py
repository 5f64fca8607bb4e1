"""Behind nginx, with the file that we ship: what passes, what ends there, and what is logged."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from conftest import LEFOKA_KEY, SMSBOX_KEY
from gateway import Gateway, serve_gateway
from processes import until
from servers import SERVERS, Answer, Web, is_ack, kept, serve_shop, shop_environment
from support import ACK, MESSAGE, message, report

from receiver.security import SignedUrls

SMSBOX = "/webhooks/smsbox"

TOKEN = SignedUrls(["a-secret-key-of-some-length"]).make("smsbox")

NUMBER, TEXT = MESSAGE["from"], "text-that-nobody-may-see"

PROVIDER, STRANGER = "127.0.0.2", "127.0.0.3"

OF_THE_WAY = {"date", "server", "connection"}  # headers of the connection, not of the answer

STANDALONE = (*SERVERS["granian"][:-1], "--factory", "receiver.standalone:create_app")


@pytest.fixture
def web(redis_url: str) -> Iterator[Web]:
    """The shop, directly."""
    with serve_shop(SERVERS["granian"], **shop_environment(redis_url)) as web:
        yield web


@pytest.fixture
def gateway(web: Web) -> Iterator[Gateway]:
    """The shop, through nginx."""
    with serve_gateway(web) as gateway:
        yield gateway


def raw(gateway: Gateway, data: bytes) -> bytes:
    """Send bytes as they are; gives all that came back until nginx hung up."""
    with gateway.connect() as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65_536), b""))


def head(*lines: str, path: str = SMSBOX) -> bytes:
    """The head of a request with a good key."""
    first = (f"POST {path} HTTP/1.1", "Host: sms.example.org", f"X-API-Key: {SMSBOX_KEY}")
    return "\r\n".join([*first, *lines, "", ""]).encode()


def exactly(answer: Answer) -> tuple[int, dict[str, str], bytes]:
    """Give what a provider sees of an answer, but for what belongs to the connection."""
    headers = {name: value for name, value in answer.headers.items() if name not in OF_THE_WAY}
    return answer.status, headers, answer.body


CASES: dict[str, tuple[str, Any, str]] = {
    "an ack of SMSBox": (SMSBOX, MESSAGE, SMSBOX_KEY),
    "an ack of Lefoka": ("/webhooks/lefoka", report("delivered", "27637885448"), LEFOKA_KEY),
    "a signed URL": (f"{SMSBOX}/{TOKEN}", MESSAGE, ""),
    "a key in the query": (f"{SMSBOX}?api_key={SMSBOX_KEY}", MESSAGE, ""),
    "broken JSON": (SMSBOX, b'{"from": ', SMSBOX_KEY),
    "not for this provider": ("/webhooks/lefoka", b"{}", LEFOKA_KEY),
    "a wrong key": (SMSBOX, MESSAGE, "wrong"),
    "no key": (SMSBOX, MESSAGE, ""),
    "an unknown account": ("/webhooks/nobody", MESSAGE, SMSBOX_KEY),
    "the largest body": (SMSBOX, json.dumps(MESSAGE).encode().ljust(262_144), SMSBOX_KEY),
}


@pytest.mark.parametrize(("path", "body", "key"), CASES.values(), ids=CASES)
def test_an_answer_of_the_app_passes_unchanged(
    web: Web, gateway: Gateway, path: str, body: Any, key: str
) -> None:
    direct = web.post(path, body, key)
    assert exactly(gateway.post(path, body, key)) == exactly(direct)
    assert direct.status < 500


def statuses(gateway: Gateway) -> set[str]:
    """All statuses that are in the access log, where each comes after its answer."""
    return {line.split(" ")[4] for line in gateway.lines()}


def test_the_inbox_is_for_the_addresses_that_the_operator_names(gateway: Gateway) -> None:
    """It is off in this app, so that whom nginx lets in is told by the app."""
    stranger = gateway.seen_from(STRANGER)
    for path in ("/webhooks/inbox", "/webhooks/inbox/", "/webhooks/inbox/login"):
        for door, said in ((stranger, "page"), (gateway, "webhook")):
            answer = door.post(path, b"")
            assert answer.status == 404
            assert answer.json["error"] == f"There is no such {said}."
    assert stranger.post("/webhooks/inbox-2", b"").json["error"] == "There is no such webhook."


def test_an_ack_is_not_compressed(gateway: Gateway) -> None:
    body = json.dumps(MESSAGE).encode()
    rest = ("Accept-Encoding: gzip", "Connection: close", f"Content-Length: {len(body)}")
    answer = raw(gateway, head(*rest) + body)
    assert json.loads(answer.rpartition(b"\r\n")[2]) == ACK


def test_a_callback_and_its_resend_are_one_event(gateway: Gateway, redis: Any) -> None:
    body = json.dumps(MESSAGE).encode()
    pieces = [body[start : start + 7] for start in range(0, len(body), 7)]
    for sent in (body, body, pieces):
        assert is_ack(gateway.post(SMSBOX, sent))
    assert redis.zcard("receiver:events") == 1
    assert "receiver-quarantined" in gateway.post(SMSBOX, b"{").headers


@pytest.mark.parametrize("chunked", [False, True], ids=["whole", "in chunks"])
def test_a_huge_body_ends_at_nginx(web: Web, gateway: Gateway, redis: Any, chunked: bool) -> None:
    body = b"{" * 262_145
    answer = gateway.post(SMSBOX, [body[:200_000], body[200_000:]] if chunked else body)
    assert (answer.status, answer.json) == (413, web.post(SMSBOX, body).json)
    assert answer.headers["content-type"] == "application/json"
    until(lambda: "status=413" in statuses(gateway), "the line in the log")
    assert "status=413 upstream=- " in gateway.logs()
    assert kept(redis) == []


BOMBS = {
    "a header of 100 kB": head("X-Long: " + "x" * 100_000),
    "50,000 headers": head(*(f"X-{number}: x" for number in range(50_000))),
    "a path of 100 kB": head(path=f"{SMSBOX}/{'x' * 100_000}"),
    "a cut body": head("Content-Length: 500") + b'{"from": ',
    "a chunk that does not end": head("Transfer-Encoding: chunked") + b"ff\r\n{",
    "a chunk of no size": head("Transfer-Encoding: chunked") + b"xyz\r\n{}\r\n0\r\n\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "two lengths": head("Content-Length: 2", "Content-Length: 9") + b"{}{}{}{}{",
}

INNER = head("Content-Length: 2") + b"{}"

CHUNKS = b"0\r\n\r\n" + INNER

SMUGGLED = {
    "a length and chunks": head(f"Content-Length: {len(CHUNKS)}", "Transfer-Encoding: chunked"),
    "chunks and a length": head("Transfer-Encoding: chunked", "Content-Length: 5"),
    "chunks twice": head("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
    "chunks under another name": head("Transfer-Encoding: xchunked", "Content-Length: 5"),
}

BOMBS |= {f"smuggling: {name}": begin + CHUNKS for name, begin in SMUGGLED.items()}


@pytest.mark.parametrize("data", BOMBS.values(), ids=BOMBS)
def test_what_is_no_request_never_reaches_the_app(
    gateway: Gateway, redis: Any, data: bytes
) -> None:
    answer = raw(gateway, data)
    assert re.match(rb"(HTTP/1.1 (400|414|501) |\Z)", answer), answer[:200]
    assert answer.count(b"HTTP/1.1 ") <= 1, "the inner request was answered"
    until(lambda: len(gateway.lines()) > 1, "the line in the log")
    assert all("upstream=-" in line for line in gateway.lines() if "nobody" not in line)
    assert kept(redis) == []
    assert is_ack(gateway.post(SMSBOX, MESSAGE))


def test_slow_senders_hold_up_nobody(gateway: Gateway, redis: Any) -> None:
    """More than the app has threads; nginx says that it waits for each of their bodies."""
    body = json.dumps(message("slow")).encode()
    wanted = head(f"Content-Length: {len(body)}", "Expect: 100-continue")
    with ExitStack() as open_ones:
        for _ in range(60):
            open_ones.enter_context(gateway.connect()).sendall(wanted[:40])
        slow = [open_ones.enter_context(gateway.connect()) for _ in range(60)]
        for connection in slow:
            connection.sendall(wanted)
            assert connection.recv(1024).startswith(b"HTTP/1.1 100 ")
            connection.sendall(body[:1])
        for number in range(40):
            assert is_ack(gateway.post(SMSBOX, message(f"t-{number}")), f"t-{number}")
        assert redis.zcard("receiver:events") == 40
        for connection in slow:
            connection.sendall(body[1:])
            assert connection.recv(1024).startswith(b"HTTP/1.1 200 ")
    assert redis.zcard("receiver:events") == 41
