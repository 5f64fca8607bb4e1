"""What nginx lets through of the pages beside the webhooks, and when it restarts."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from conftest import LEFOKA_KEY, SMSBOX_KEY
from gateway import Gateway, serve_gateway
from processes import members, until
from servers import SERVERS, Answer, Web, is_ack, serve_shop, shop_environment
from support import MESSAGE, message
from test_nginx import (  # noqa: F401
    NUMBER,
    PROVIDER,
    SMSBOX,
    STANDALONE,
    STRANGER,
    TEXT,
    TOKEN,
    gateway,
    head,
    raw,
    statuses,
    web,
)


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
