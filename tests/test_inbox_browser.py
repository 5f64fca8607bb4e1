"""The inbox in a real browser: live, with a keyboard, on a phone, in the dark, for everybody."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import pytest
from browsing import Browser, chromium, serving
from conftest import ACCOUNTS, LEFOKA_KEY
from flask import Flask
from inboxes import PASSWORD, SENDER, come, send, with_inbox
from private import private_in
from processes import until
from selenium.webdriver import Keys
from support import report

from receiver.dev.provider_api import ProviderApi
from receiver.dev.provider_api import serving as serving_api

MakeApp = Callable[..., Flask]

RunJobs = Callable[[Flask], int]

ARABIC = "مرحبا، متى يصل طلبي؟"

LONG = "https://shop.example.org/orders/" + "a1b2c3d4" * 30

PAGES = ["", "failed", "quarantine", "figures", "system"]


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def browser(chrome: Browser) -> Iterator[Browser]:
    """A browser that nobody is logged in to; whatever it does, our pages give it no complaint."""
    chrome.renew()
    yield chrome
    assert chrome.complaints() == []


@pytest.fixture
def app(make_app: MakeApp) -> Iterator[Flask]:
    keys = {
        "lefoka": {LEFOKA_KEY: "lefoka-secret"},
        "smsbox": {"smsbox-test-key-0001": "smsbox-secret"},
    }
    with serving_api(ProviderApi(keys)) as url:
        accounts = {name: {**account, "base_url": url} for name, account in ACCOUNTS.items()}
        yield with_inbox(make_app, ACCOUNTS=accounts)


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    with serving(app) as url:
        yield f"{url}/webhooks/inbox/"


def enter(browser: Browser, address: str) -> None:
    browser.open(address)
    browser.type("#password", PASSWORD + Keys.ENTER)
    browser.reads("Events")


def furnish(app: Flask, run_jobs: RunJobs) -> None:
    """Have everything happen that a page may show."""
    for text in ("BALANCE", "CLOSED account", "CLOSED again", ARABIC, LONG, "<b>bold</b>", "STOP"):
        send(app, text)
    told = {"id": "m-1", "message": "Your parcel is at the depot."}
    come(app, "lefoka", report("delivered", "27637885448", "27637885449", **told))
    come(app, "lefoka", report("failed", "27637885448", id="m-2", message=LONG))
    come(app, "smsbox", "no JSON " + LONG)
    come(app, "lefoka", "<xml/>")
    app.extensions["receiver"].keybook.create("smsbox", 90)
    run_jobs(app)
    send(app, "this one waits")
    app.extensions["receiver"].tally.flush()


def visit(browser: Browser, address: str) -> Iterator[str]:
    """Go to each kind of page, and name it."""
    for page in PAGES:
        browser.open(address + page)
        yield page or "events"
    browser.open(f"{address}?outcome=failed")
    yield "a filter"
    event = browser.one(".event .what").get_attribute("href")
    browser.open(str(event))
    for details in browser.all("details"):
        browser.run("arguments[0].open = true", details)
    yield "an event"
    browser.open(f"{event}/conversation")
    yield "a conversation"
    browser.open(f"{address}quarantine")
    browser.open(str(browser.one("td a").get_attribute("href")))
    yield "a body"
    browser.open(f"{address}failed")
    browser.one(".bar .primary").click()
    browser.reads("Retry 2 dead letters?")
    yield "a question"


def test_the_password_lets_in_and_a_wrong_one_does_not(
    browser: Browser, app: Flask, address: str
) -> None:
    browser.open(address)
    browser.type("#password", "open sesame" + Keys.ENTER)
    browser.reads("This is not the password.")
    assert "401" in "".join(browser.complaints())  # the browser's own word for that
    enter(browser, address)
    assert browser.url == address
    browser.press("Log out")
    browser.open(f"{address}failed")
    assert "/login?next=" in browser.url


def test_events_appear_and_change_without_a_reload(
    browser: Browser, app: Flask, address: str, run_jobs: RunJobs
) -> None:
    send(app, "was there before")
    enter(browser, address)
    browser.run("window.untouched = true")
    send(app, "BALANCE")
    until(lambda: len(browser.all(".event")) == 2, "the new event")
    assert browser.one("#news").get_attribute("textContent") == "1 new event"
    first = browser.texts(".event")[0]
    assert "BALANCE" in first
    assert "waiting" in first
    run_jobs(app)
    until(lambda: "done" in browser.texts(".event")[0], "its outcome")
    assert "You have 5 left." in browser.texts(".event")[0]
    assert browser.run("return window.untouched")


def test_a_flood_is_shown_and_what_follows_it_is_live(
    browser: Browser, app: Flask, address: str
) -> None:
    send(app, "before")
    enter(browser, address)
    numbers = [f"2760000{number:04d}" for number in range(60)]
    come(app, "lefoka", report("delivered", *numbers, id="m-1"))
    until(lambda: len(browser.all(".event")) == 50, "one page of the flood")
    send(app, "after")
    until(lambda: "after" in browser.texts(".event")[0], "what follows it")
    assert len(browser.all(".event")) == 51


def test_a_link_from_elsewhere_leads_in_who_is_logged_in(
    browser: Browser, app: Flask, address: str
) -> None:
    enter(browser, address)
    browser.open(f"data:text/html,<a href='{address}failed'>look</a>")
    browser.one("a").click()
    browser.reads("No dead letters.")


def test_a_list_says_that_it_is_not_live_any_more(browser: Browser, app: Flask) -> None:
    with serving(app) as url:
        enter(browser, f"{url}/webhooks/inbox/")
    browser.reads("Not live: the server does not answer")
    assert "ERR_CONNECTION_REFUSED" in "".join(browser.complaints())


def test_a_number_and_a_text_are_found_and_stay_out_of_every_url_and_log(
    browser: Browser, app: Flask, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    send(app, "hello there")
    send(app, "BALANCE")
    send(app, "not mine, hello", "+255712345670")
    enter(browser, address)
    browser.type("#f-number", "0255 712 345 678".removeprefix("0"))
    browser.type("#f-text", "HELLO")
    browser.press("Filter")
    assert browser.texts(".event .text") == ["hello there"]
    assert browser.one("#f-text").get_attribute("value") == "HELLO"
    assert browser.one("#f-number").get_attribute("value") == SENDER
    browser.one(".event .contact").click()
    browser.reads("account smsbox")
    assert "conversation" in browser.url
    lines = [line.getMessage() for line in caplog.records if line.name == "werkzeug"]
    assert len(lines) > 5
    assert private_in("\n".join(lines)) == []
    assert "HELLO" not in "\n".join(lines)


def test_a_filter_by_time_is_meant_by_the_clock_of_the_reader(
    browser: Browser, app: Flask, address: str
) -> None:
    send(app, "hello")
    zone = {"timezoneId": "Africa/Nairobi"}
    browser.driver.execute_cdp_cmd("Emulation.setTimezoneOverride", zone)
    try:
        enter(browser, address)
        here = browser.run(
            "const d = new Date(Date.now() - 600000);"
            "return new Date(d - d.getTimezoneOffset() * 60000).toISOString().slice(0, 16)"
        )
        browser.run("document.getElementById('f-since').value = arguments[0]", here)
        browser.press("Filter")
        assert len(browser.all(".event")) == 1
        assert browser.one("#f-since").get_attribute("value") == here
        until(lambda: "UTC" not in browser.one(".event time").text, "the reader's own time")
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": ""})
