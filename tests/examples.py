"""A small deployment in which every example of the commands' help means something.

The help names things by made-up ids; here they are the ids of things that are there.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conftest import ACCOUNTS, LEFOKA_KEY, SMSBOX_KEY
from cryptography.fernet import Fernet
from flask import Flask
from support import message, report
from test_simulate import served

from receiver import GiveUp, InboundMessage, Receiver, send
from receiver.dev.folder import DEFAULT, Folder
from receiver.dev.provider_api import ProviderApi, serving

MakeApp = Callable[..., Flask]
RunJobs = Callable[[Flask], int]

WRITER = "+27637885448"
OPTED_OUT = "+27637885449"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The deployment: its app, its folder, and what the made-up words of the help stand for."""

    app: Flask
    folder: Path
    words: Mapping[str, str]

    def line(self, example: str) -> str:
        """Give an example with the words of this deployment."""
        for made_up, real in self.words.items():
            example = example.replace(made_up, real)
        return example


def register(receiver: Receiver) -> None:
    """The handlers of the deployment: one that answers nobody."""

    @receiver.keyword("BALANCE")
    def balance(message: InboundMessage) -> str:
        raise GiveUp("no such customer")

    @receiver.fallback()
    def other(message: InboundMessage) -> str:
        return "Sorry?"


@contextmanager
def deployment(make_app: MakeApp, run_jobs: RunJobs, folder: Path) -> Iterator[World]:
    """Make the deployment in a folder; its providers are simulated, and an `up` seems to run."""
    api = ProviderApi({name: {a["api_key"]: a["api_secret"]} for name, a in ACCOUNTS.items()})
    with serving(api) as url:
        settings: dict[str, Any] = {
            "ACCOUNTS": {
                name: {**account, "base_url": url, "source_addr": "15000"}
                for name, account in ACCOUNTS.items()
            },
            "ENCRYPTION_KEYS": [Fernet.generate_key().decode()],
        }
        gone = {"REDIS_URL": "redis://127.0.0.1:1/0", "SPOOL_DIR": str(folder / "other")}
        spooled(make_app(**gone, **settings), folder)
        app = make_app(handlers=register, **settings)
        words = filled(app, run_jobs) | {"~/.bashrc": str(folder / "bashrc")}
        words["/tmp/first-look"] = str(folder / "first-look")
        (folder / "note.txt").write_text("See you at nine.")
        case = app.test_cli_runner().invoke(args=["receiver", "capture", words["3f9a1c22"]])
        (folder / "tests" / "cases").mkdir(parents=True)
        (folder / "tests" / "cases" / "odd-report.json").write_text(case.stdout)
        with served(app) as base, announced(app, base, folder):
            yield World(app=app, folder=folder, words=words)


def spooled(app: Flask, folder: Path) -> None:
    """Leave a spool's file as if it had been set aside."""
    app.test_client().post("/webhooks/smsbox", json=message("s-1"), auth=(SMSBOX_KEY, ""))
    spool = app.extensions["receiver"].spool
    spool.close()
    for file in Path(app.extensions["receiver"].settings.spool_dir).glob("spool.db*"):
        shutil.copy(file, folder / file.name.replace("spool.db", "spool-corrupt-1.db"))


def filled(app: Flask, run_jobs: RunJobs) -> dict[str, str]:
    """Put one of everything into the deployment; gives what the made-up ids stand for."""
    client, parts = app.test_client(), app.extensions["receiver"]
    balance = {**message("t-1"), "from": WRITER, "message": {"text": "BALANCE"}}
    client.post("/webhooks/smsbox", json=balance, auth=(SMSBOX_KEY, ""))
    client.post("/webhooks/lefoka", json=report("failed", "27637885448"), auth=(LEFOKA_KEY, ""))
    client.post("/webhooks/smsbox", data=b"{cut", auth=(SMSBOX_KEY, ""))
    run_jobs(app)
    with app.app_context():
        sent = send("lefoka", WRITER, "hello")
    parts.optouts.add("lefoka", OPTED_OUT, words="STOP", source="operator")
    key, _ = parts.keybook.create("smsbox", 90)
    [letter], [body] = parts.deadletters, parts.quarantine
    return {
        "3f9a1c22": letter.call.event_id[:8],
        "5b0e77d1": body.id[:8],
        "7hKq2mWx9a": key.id,
        "b7e1f0a2": str(sent.message_id),
    }


@contextmanager
def announced(app: Flask, base: str, folder: Path) -> Iterator[None]:
    """Let `simulate` find the served app, as that of a running `up` in the folder."""
    running, parts = Folder(folder / DEFAULT), app.extensions["receiver"]
    accounts = {
        name: {
            "provider": name,
            "url": f"{base}/webhooks/{name}/{parts.urls.make(name)}",
            "successful": True,
        }
        for name in ACCOUNTS
    }
    running.lock()
    running.announce({"base": base, "accounts": accounts}, "")
    try:
        yield
    finally:
        running.unlock()
