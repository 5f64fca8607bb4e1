"""Both directions, end to end: real Redis, real workers, providers simulated at the wire."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import ACCOUNTS, LEFOKA_KEY, SMSBOX_KEY
from flask import Flask
from processes import running, until
from redis import Redis
from servers import own_valkey, shop_environment, url_of
from support import message

from receiver import DeliveryReport, InboundMessage, Receiver, Status, send
from receiver.dev.provider_api import ProviderApi, serving
from receiver.worker import Worker

MakeApp = Callable[..., Flask]
RunJobs = Callable[[Flask], int]

KOBO = {"api_key": "demo-user", "api_secret": "demo-pass", "source_addr": "Testing"}
CREDENTIALS = {
    name: {entry["api_key"]: entry["api_secret"]}
    for name, entry in {**ACCOUNTS, "kobomobile": KOBO}.items()
}
WORKER = ("flask", "--app", "shop", "receiver", "worker")

SHOP = '''
"""A shop that answers by SMS; its worker dies once, right after the provider took the answer."""

import os
import signal
from pathlib import Path

from flask import Flask

from receiver import InboundMessage, Receiver

app = Flask(__name__)
app.config.from_prefixed_env()
receiver = Receiver(app)
DEAD = Path(__file__).with_name("dead")


@receiver.keyword("BALANCE")
def balance(message: InboundMessage) -> str:
    return "You have 5 left."


def die_once(provider) -> None:
    send = provider.send

    def send_and_die(sms):
        sent = send(sms)
        if not DEAD.exists():
            DEAD.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return sent

    provider.send = send_and_die


for provider in app.extensions["receiver"].providers.values():
    die_once(provider)
'''


@contextmanager
def providers() -> Iterator[tuple[ProviderApi, dict[str, Any]]]:
    """The simulated providers, and accounts that lead to them."""
    api = ProviderApi(CREDENTIALS)
    with serving(api) as url:
        known = {**ACCOUNTS, "kobomobile": KOBO}
        yield api, {name: {**account, "base_url": url} for name, account in known.items()}


def reply_of(redis: Redis) -> dict[str, Any]:
    """The field of the one reply that there is, as JSON."""
    for key in redis.keys("receiver:event:*"):
        for name, value in redis.hgetall(key).items():
            if name.startswith(b"reply:"):
                return dict(json.loads(value))
    return {}


def lefoka_reply(text: str, *numbers: str) -> dict[str, Any]:
    """A reply as Lefoka pushes it."""
    created = {"creation_date": "2025-12-31T20:57:37Z", "delivery_date": "2025-12-31T20:57:37Z"}
    kind = {"id": "r" * 64, "type": "sms-reply", "status": "delivered", "credit": 0}
    return {**kind, **created, "recipient": list(numbers), "message": text}


@pytest.mark.parametrize(
    ("account", "key", "body", "ends"),
    [
        ("lefoka", LEFOKA_KEY, lefoka_reply("BALANCE", "27637885448"), "sent"),
        ("smsbox", SMSBOX_KEY, message("t-1", message={"text": "BALANCE"}), "unknown"),
    ],
    ids=["Lefoka can be asked", "SMSBox cannot"],
)
def test_a_reply_is_sent_once_although_its_worker_is_killed_after_the_send(
    make_app: MakeApp, tmp_path: Path, account: str, key: str, body: dict[str, Any], ends: str
) -> None:
    (tmp_path / "shop.py").write_text(SHOP)
    with own_valkey() as server, providers() as (api, accounts):
        environment = shop_environment(url_of(server), ACCOUNTS=accounts)
        client = make_app(REDIS_URL=url_of(server)).test_client()
        assert client.post(f"/webhooks/{account}", json=body, auth=(key, "")).status_code == 200
        with (
            Redis.from_url(url_of(server)) as redis,
            running(*WORKER, folder=tmp_path, **environment),
        ):
            until((tmp_path / "dead").exists, "the death of the worker")
            until(lambda: reply_of(redis).get("state") in ("asking", "unknown"), "the next worker")
            until(lambda: make_due(redis) or reply_of(redis).get("state") == ends, ends)
        assert [sms["text"] for sms in api.sent] == ["You have 5 left."]


def test_a_second_attempt_that_was_cut_short_is_given_time_to_be_listed_as_well(
    make_app: MakeApp, redis: Any, run_jobs: RunJobs
) -> None:
    with providers() as (api, accounts):
        app = make_app(
            ACCOUNTS=accounts, handlers=lambda receiver: receiver.keyword("BALANCE")(balance)
        )
        body = lefoka_reply("BALANCE", "27637885448")
        app.test_client().post("/webhooks/lefoka", json=body, auth=(LEFOKA_KEY, ""))
        Worker(app, ["messages"]).burst()
        [(key, field)] = [
            (k, f)
            for k in redis.keys("receiver:event:*")
            for f in redis.hkeys(k)
            if f.startswith("reply:")
        ]
        now = datetime.now(UTC).isoformat()
        cut = {"state": "sending", "since": "2001-01-01T00:00:00+00:00", "at": now, "by": "dead"}
        draft = {**json.loads(redis.hget(key, field)), **cut}
        redis.hset(key, field, json.dumps(draft, separators=(",", ":")))
        run_jobs(app)
        assert json.loads(redis.hget(key, field))["state"] == "asking"
        assert api.sent == []


def balance(message: InboundMessage) -> str:
    return "You have 5 left."


def make_due(redis: Redis) -> None:
    """Let the half minute pass after which a provider is asked."""
    for key in redis.keys("receiver:event:*"):
        for name, value in redis.hgetall(key).items():
            reply = json.loads(value) if name.startswith(b"reply:") else {}
            if reply.get("state") == "asking" and not reply["since"].startswith("2001"):
                older = {**reply, "since": "2001-01-01T00:00:00+00:00"}
                older = json.dumps(older, separators=(",", ":"))
                redis.hset(key, name, older)
    for scheduled in redis.keys("rq:scheduled:*"):
        redis.zadd(scheduled, dict.fromkeys(redis.zrange(scheduled, 0, -1), 1), xx=True)


class Books:
    """An app that keeps books of the delivery reports it gets."""

    def __init__(self, make_app: MakeApp, accounts: dict[str, Any]) -> None:
        self.reports: list[DeliveryReport] = []
        self.app = make_app(ACCOUNTS=accounts, handlers=self._register)

    def _register(self, receiver: Receiver) -> None:
        @receiver.report()
        def book(report: DeliveryReport) -> None:
            self.reports.append(report)

    @property
    def lines(self) -> list[tuple[str, Status]]:
        return [(report.recipient, report.status) for report in self.reports]


def test_a_kobomobile_send_ends_as_a_report_in_a_handler_without_any_webhook(
    make_app: MakeApp, redis: Any, run_jobs: RunJobs
) -> None:
    with providers() as (api, accounts):
        books = Books(make_app, accounts)
        with books.app.app_context():
            sent = send("kobomobile", ["+2348030000000", "+2348030000011"], "hello")
        assert len(sent.message_ids) == 2
        run_jobs(books.app)
        assert books.lines == []
        polls_are_due(redis)
        run_jobs(books.app)
        assert {status for _, status in books.lines} <= {Status.PENDING}
        api.sent[0]["status"] = "DELIVERED"
        polls_are_due(redis)
        run_jobs(books.app)
        delivered = {report.recipient for report in books.reports if report.final}
        assert delivered == {"+2348030000000", "+2348030000011"}
        assert {report.trust for report in books.reports} == {"asked"}
        assert redis.zcard("receiver:polls") == 0
        before = len(books.reports)
        polls_are_due(redis)
        run_jobs(books.app)
        assert len(books.reports) == before


def polls_are_due(redis: Any) -> None:
    """Let time pass until all that is to be asked is due."""
    due = dict.fromkeys(redis.zrange("receiver:polls", 0, -1), 1)
    if due:
        redis.zadd("receiver:polls", due)


def test_what_no_webhook_brought_is_made_good_by_reconcile_and_nothing_comes_twice(
    make_app: MakeApp, run_jobs: RunJobs
) -> None:
    with providers() as (api, accounts):
        books = Books(make_app, accounts)
        client, runner = books.app.test_client(), books.app.test_cli_runner()
        numbers = ["+27637885448", "+27800055555"]
        with books.app.app_context():
            pushed = send("lefoka", numbers, "first").message_id
            missed = send("lefoka", numbers, "second").message_id
        for sms in api.sent:
            sms["status"] = "delivered"
        webhooks = [callback_of(accounts, sms) for sms in api.sent]
        assert [body["id"] for body in webhooks] == [pushed, missed]
        post = {"auth": (LEFOKA_KEY, "")}
        assert client.post("/webhooks/lefoka", json=webhooks[0], **post).status_code == 200
        run_jobs(books.app)
        assert {report.message_id for report in books.reports} == {pushed}
        for _ in range(2):
            done = runner.invoke(args=["receiver", "reconcile", "lefoka", "--since", "24h"])
            assert done.exit_code == 0, done.output
            run_jobs(books.app)
        assert client.post("/webhooks/lefoka", json=webhooks[1], **post).status_code == 200
        run_jobs(books.app)
        found = sorted((str(report.message_id), report.recipient) for report in books.reports)
        assert found == sorted((str(i), number) for i in (pushed, missed) for number in numbers)
        assert all(report.status is Status.DELIVERED for report in books.reports)


def callback_of(accounts: dict[str, Any], sms: dict[str, Any]) -> dict[str, Any]:
    """What Lefoka would push of an SMS: what it says of it when it is asked."""
    url = accounts["lefoka"]["base_url"]
    answer = httpx.get(f"{url}/v1/messages/{sms['message_id']}", auth=(LEFOKA_KEY, ""))
    return dict(answer.json())
