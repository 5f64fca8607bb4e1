"""What no webhook brought becomes an event, and what did is not handled twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from conftest import ACCOUNTS, LEFOKA_KEY
from flask import Flask
from redis import Redis
from test_cli import invoke

from receiver import DeliveryReport, Receiver, Status
from receiver.dev.provider_api import ProviderApi, serving
from receiver.providers.base import Sms
from receiver.reconcile import Findings, Reconciler

MakeApp = Callable[..., Flask]
RunJobs = Callable[[Flask], int]

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
WEEK = 604_800
ONE, TWO = "+27637885448", "+27637885449"


class Shop:
    """An app that sends by a simulated Lefoka, whose webhooks a test brings or does not."""

    def __init__(self, make_app: MakeApp, api: ProviderApi, url: str) -> None:
        self.reports: list[DeliveryReport] = []
        self.api = api
        accounts = {name: {**account, "base_url": url} for name, account in ACCOUNTS.items()}
        self.app = make_app(handlers=self._register, ACCOUNTS=accounts)
        parts = self.app.extensions["receiver"]
        self.lefoka = parts.providers["lefoka"]
        self.reconciler: Reconciler = parts.reconciler

    def _register(self, receiver: Receiver) -> None:
        @receiver.report()
        def note(report: DeliveryReport) -> None:
            self.reports.append(report)

    def send(self, *numbers: str, status: str = "delivered") -> dict[str, Any]:
        """Send an SMS and let it come to its end; gives what Lefoka has of it."""
        sms = Sms(recipients=numbers or (ONE,), text="hello", key="k", client_reference="r")
        self.lefoka.send(sms)
        entry: dict[str, Any] = self.api.sent[-1]
        entry |= {"status": status, "delivery_date": entry["creation_date"]}
        return entry

    def webhook(self, entry: dict[str, Any], *without: str) -> None:
        """Bring what Lefoka posts about an SMS, with the fields of its sample."""
        body = {
            "id": entry["message_id"],
            "type": "sms",
            "recipient": [number.lstrip("+") for number in entry["to"]],
            "message": entry["text"],
            "client_reference": entry["client_reference"],
            "schedule": None,
            "status": entry["status"],
            "credit": entry["credit"],
            "creation_date": entry["creation_date"],
            "delivery_date": entry["delivery_date"],
        }
        for name in without:
            del body[name]
        client = self.app.test_client()
        answer = client.post(f"/webhooks/lefoka?api_key={LEFOKA_KEY}", json=body)
        assert answer.status_code == 200

    def reconcile(self, hours: float = 24, **more: Any) -> Findings:
        return self.reconciler.reconcile("lefoka", datetime.now(UTC) - hours * HOUR, **more)

    def command(self, *args: str) -> Any:
        return invoke(self.app, "reconcile", *args)


@pytest.fixture
def shop(make_app: MakeApp, redis: Redis) -> Iterator[Shop]:
    api = ProviderApi({"lefoka": {LEFOKA_KEY: "lefoka-secret"}})
    with serving(api) as url:
        yield Shop(make_app, api, url)


def test_what_no_webhook_brought_is_handled_and_what_did_not_twice(
    shop: Shop, run_jobs: RunJobs
) -> None:
    for number in range(25):
        entry = shop.send(ONE, TWO)
        if number % 5:
            shop.webhook(entry)
    run_jobs(shop.app)
    assert len(shop.reports) == 40
    findings = shop.reconcile()
    assert (findings.seen, findings.missing) == (50, {"delivered": 10})
    run_jobs(shop.app)
    handled = [(report.message_id, report.recipient) for report in shop.reports]
    assert len(handled) == len(set(handled)) == 50
    assert sorted(findings.ids) == sorted(r.id for r in shop.reports if r.trust == "asked")
    again = shop.reconcile()
    assert (again.seen, again.events) == (50, ())
    assert run_jobs(shop.app) == 0


def test_ids_come_out_the_same_from_the_list_and_from_the_webhook(
    shop: Shop, run_jobs: RunJobs
) -> None:
    entries = [shop.send(ONE, TWO), shop.send(status="expired"), shop.send(status="blist")]
    listed = shop.reconcile(dry_run=True)
    assert run_jobs(shop.app) == 0
    for entry in entries:
        shop.webhook(entry)
    run_jobs(shop.app)
    assert sorted(listed.ids) == sorted(report.id for report in shop.reports)
    assert listed.missing == {"delivered": 2, "expired": 1, "blocked": 1}
    assert shop.reconcile(dry_run=True).events == ()


def test_a_webhook_that_comes_after_all_is_known(shop: Shop, run_jobs: RunJobs) -> None:
    entry = shop.send(ONE, TWO)
    assert len(shop.reconcile().events) == 2
    shop.webhook(entry)
    run_jobs(shop.app)
    assert len(shop.reports) == 2


@pytest.mark.parametrize("first", ["the webhook", "the list"])
def test_a_webhook_without_the_date_is_known_by_its_word(
    shop: Shop, run_jobs: RunJobs, first: str
) -> None:
    """Lefoka gives ``delivery_date`` sometimes only, and it is part of the id."""
    entry = shop.send()
    late = datetime.fromisoformat(entry["creation_date"]) + timedelta(seconds=7)
    entry["delivery_date"] = late.isoformat()
    if first == "the list":
        assert len(shop.reconcile().events) == 1
    shop.webhook(entry, "delivery_date")
    assert shop.reconcile(dry_run=True).events == ()
    assert shop.reconcile().events == ()
    run_jobs(shop.app)
    assert len(shop.reports) == 1


def test_a_later_status_is_another_event(shop: Shop, run_jobs: RunJobs) -> None:
    entry = shop.send(status="submitted")
    shop.webhook(entry)
    entry["status"] = "delivered"
    assert shop.reconcile().missing == {"delivered": 1}
    run_jobs(shop.app)
    assert [report.status for report in shop.reports] == [Status.SUBMITTED, Status.DELIVERED]


def test_what_redis_has_forgotten_is_not_handled_again(shop: Shop, redis: Any) -> None:
    entry = shop.send()
    long_ago = datetime.now(UTC) - timedelta(days=7, minutes=1)
    entry |= {"creation_date": long_ago.isoformat(), "delivery_date": long_ago.isoformat()}
    nearly = shop.send()
    recent = datetime.now(UTC) - timedelta(days=6, hours=22)
    nearly |= {"creation_date": recent.isoformat(), "delivery_date": recent.isoformat()}
    findings = shop.reconcile(hours=24 * 365)
    assert [event.message_id for event in findings.events] == [nearly["message_id"]]
    assert timedelta(days=6) < datetime.now(UTC) - findings.since < timedelta(days=7)


# --- the command


def test_the_command_lists_what_it_found_and_masks_numbers(shop: Shop, run_jobs: RunJobs) -> None:
    shop.webhook(shop.send())
    shop.send(TWO, status="expired")
    dry = shop.command("lefoka", "--dry-run")
    assert "2 listed. 1 were missing and would become events: 1 expired." in dry.output
    result = shop.command("lefoka", "--since", "2h")
    assert result.exit_code == 0
    *lines, total = result.stdout.splitlines()
    (line,) = lines
    assert line.endswith("  report  +2763***449  expired")
    assert total == "2 listed. 1 were missing and became events: 1 expired."
    assert "2 listed. Nothing was missing." in shop.command("lefoka").stdout
    run_jobs(shop.app)
    assert len(shop.reports) == 2


def test_the_command_gives_json(shop: Shop) -> None:
    entry = shop.send()
    found = json.loads(shop.command("lefoka", "--json", "--dry-run").stdout)
    assert (found["account"], found["seen"], found["missing"]) == ("lefoka", 1, {"delivered": 1})
    assert found["events"][0]["message_id"] == entry["message_id"]


def test_the_command_says_when_it_does_not_look_back_so_far(shop: Shop) -> None:
    shop.send()
    assert " (retention). 1 were missing" in shop.command("lefoka", "--since", "30d").stdout


def test_the_command_says_what_is_wrong(shop: Shop) -> None:
    for args, said in (
        (["smsbox"], "does not list what it sent"),
        (["lefka"], "there are: lefoka, smsbox"),
        (["lefoka", "--since", "yesterday"], "write 2h (ago)"),
    ):
        result = shop.command(*args)
        assert result.exit_code != 0
        assert said in result.output
