"""Behind nginx, with the file that we ship: what passes, what ends there, and what is logged."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from conftest import LEFOKA_KEY, SMSBOX_KEY
from gateway import Gateway, serve_gateway
from processes import members, until
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


def test_only_who_carries_no_key_is_limited(gateway: Gateway) -> None:
    stranger = gateway.seen_from(STRANGER)

    def knock() -> Answer:
        return stranger.post(SMSBOX, MESSAGE, key="")

    assert knock().status == 401
    limited = until(lambda: (answer := knock()).status == 429 and answer, "the limit")
    assert set(limited.json) == {"error", "help"}
    assert int(limited.headers["retry-after"]) > 0
    for number in range(100):  # from the very address that is limited
        assert is_ack(stranger.post(SMSBOX, message(f"t-{number}")), f"t-{number}")
        assert is_ack(stranger.post(f"{SMSBOX}/{TOKEN}", MESSAGE, key=""))
        assert is_ack(stranger.post(f"{SMSBOX}?api_key={SMSBOX_KEY}", MESSAGE, key=""))
        assert stranger.post(SMSBOX, MESSAGE, key="wrong").status == 401
    assert gateway.post(SMSBOX, MESSAGE, key="").status == 401, "another address"


@pytest.mark.parametrize("proxies", [1, 2], ids=["one proxy", "one too many"])
def test_the_address_is_the_one_that_nginx_saw(redis_url: str, proxies: int) -> None:
    account = {"api_key": SMSBOX_KEY, "networks": [f"{PROVIDER}/32"]}
    environment = shop_environment(redis_url, ACCOUNTS={"smsbox": account}, PROXIES=proxies)
    forged = {"X-Forwarded-For": PROVIDER, "Forwarded": f"for={PROVIDER}", "X-Real-IP": PROVIDER}
    lines = [f"{name}: {value}" for name, value in forged.items()]
    sent = head(*lines, "Content-Length: 2", "Connection: close") + b"{}"
    with serve_shop(STANDALONE, **environment) as web, serve_gateway(web) as gateway:
        assert raw(gateway.seen_from(STRANGER), sent).startswith(b"HTTP/1.1 401 ")
        assert gateway.seen_from(STRANGER).post(SMSBOX, MESSAGE).status == 401
        provider = gateway.seen_from(PROVIDER).post(SMSBOX, MESSAGE)
        assert is_ack(provider) if proxies == 1 else provider.status == 401


def get(gateway: Gateway, path: str) -> Answer:
    """Read a page."""
    client = gateway.client()
    client.request("GET", path)
    response = client.getresponse()
    headers = {name.lower(): value for name, value in response.headers.items()}
    answer = Answer(response.status, headers, response.read())
    client.close()
    return answer


METRICS = "/webhooks/metrics"
SPELLINGS = (METRICS, f"{METRICS}/", "/webhooks/%6Detrics", "/webhooks//metrics", "/x/.." + METRICS)


def test_figures_are_for_this_machine_and_health_is_for_all(redis_url: str) -> None:
    environment = shop_environment(redis_url, PROXIES=1)
    with serve_shop(STANDALONE, **environment) as web, serve_gateway(web) as gateway:
        for path in SPELLINGS:
            answer = get(gateway.seen_from(STRANGER), path)
            assert (answer.status, set(answer.json)) == (404, {"error", "help"}), path
        assert b"sms_receiver_redis_up 1.0" in get(gateway, METRICS).body
        assert get(gateway.seen_from(STRANGER), "/webhooks/live").json == {"status": "ok"}
        assert get(gateway.seen_from(STRANGER), "/webhooks/ready").json["status"] == "degraded"


def test_a_restart_in_turn_turns_no_callback_away(redis_url: str, redis: Any) -> None:
    environment = shop_environment(redis_url)
    with ExitStack() as running:
        first, spare = (
            running.enter_context(serve_shop(SERVERS["granian"], **environment)) for _ in range(2)
        )
        gateway = running.enter_context(serve_gateway(first, spare))
        client = gateway.client()
        assert is_ack(gateway.post(SMSBOX, message("before"), client=client), "before")
        stop(first)
        for number in range(20):
            name = f"during-{number}"
            assert is_ack(gateway.post(SMSBOX, message(name), client=client), name)
        client.close()
        assert redis.zcard("receiver:events") == 21
        stop(spare)
        assert_away(gateway)


def test_without_the_app_the_provider_is_asked_to_send_it_again(gateway: Gateway, web: Web) -> None:
    pids = members(web.pid)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        assert gateway.post(f"{SMSBOX}/{TOKEN}", MESSAGE).status == 504
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    assert is_ack(gateway.post(SMSBOX, MESSAGE))
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    until(lambda: not members(web.pid), "the end of the app")
    assert_away(gateway)  # the socket is there, and nobody listens
    Path(web.path).unlink()
    assert_away(gateway)
    assert_nothing_private(gateway.logs())


def test_no_log_holds_a_token_a_key_a_number_or_a_text(gateway: Gateway, web: Web) -> None:
    body = {**MESSAGE, "message": {"text": TEXT}}
    for path in (f"{SMSBOX}/{TOKEN}", f"/webhooks/{TOKEN}", f"/{TOKEN}", f"{SMSBOX}/x/{TOKEN}"):
        for sent in (body, f"{TEXT}{NUMBER}".encode(), b"{" * 300_000, [b"{" * 300_000]):
            gateway.post(f"{path}?api_key={SMSBOX_KEY}&text={TEXT}", sent)
            gateway.post(path, sent, key="")
        gateway.post(f"/webhooks/lefoka?{TOKEN}", sent, key=LEFOKA_KEY)
        for rest in (
            "Content-Length: 500",
            "Transfer-Encoding: chunked",
            f"{TEXT}",
            "X: " + "x" * 40_000,
        ):
            raw(gateway, head(rest, f"Referer: {TOKEN}", f"User-Agent: {SMSBOX_KEY}", path=path))
    until(lambda: gateway.post(SMSBOX, body, key="").status == 429, "the limit")
    wanted = {"status=200", "status=401", "status=404", "status=413", "status=429"}
    until(lambda: wanted <= statuses(gateway), "the lines in the log")
    assert f" {SMSBOX}/[token] status=200 " in gateway.logs()
    assert_nothing_private(gateway.logs())
    of_the_app = (web.folder / "process.log").read_text()
    assert "event=refused" in of_the_app
    assert_nothing_private(of_the_app)


def statuses(gateway: Gateway) -> set[str]:
    """All statuses that are in the access log, where each comes after its answer."""
    return {line.split(" ")[4] for line in gateway.lines()}


def stop(web: Web) -> None:
    """Stop a server as systemd does, and wait for its end."""
    os.kill(web.pid, signal.SIGTERM)
    until(lambda: not members(web.pid), "the end of the server")


def assert_away(gateway: Gateway) -> None:
    """A provider is told, in the app's own form, to send it again."""
    answer = gateway.post(f"{SMSBOX}/{TOKEN}?api_key={SMSBOX_KEY}", MESSAGE)
    assert answer.status == 502
    assert set(answer.json) == {"error", "help"}
    assert int(answer.headers["retry-after"]) > 0


def assert_nothing_private(log: str) -> None:
    """Nothing of a request is in a log but its method and its account."""
    private = (TOKEN, TOKEN[-20:], SMSBOX_KEY, LEFOKA_KEY, NUMBER, NUMBER[4:], TEXT)
    assert [mark for mark in private if mark in log] == []
