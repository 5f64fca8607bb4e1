"""The inbox in a real browser, for everybody: keyboard, narrow pages, dark ones."""

from __future__ import annotations

import pytest
from browsing import Browser
from flask import Flask
from inboxes import PASSWORD, send
from processes import until
from selenium.webdriver import Keys
from test_inbox_browser import (  # noqa: F401
    RunJobs,
    address,
    app,
    browser,
    chrome,
    enter,
    furnish,
    visit,
)

from receiver.web import inbox_batches


def test_a_conversation_stands_as_on_a_phone(
    browser: Browser, app: Flask, address: str, run_jobs: RunJobs
) -> None:
    send(app, "BALANCE")
    send(app, "thanks")
    run_jobs(app)
    enter(browser, address)
    browser.one(".event .contact").click()
    browser.reads("You have 5 left.")
    sides = {item.get_attribute("class") for item in browser.all(".talk li")}
    assert sides == {"in", "out"}
    left = browser.one(".talk .in .bubble").rect["x"]
    assert left < browser.one(".talk .out .bubble").rect["x"]


def test_a_handler_is_mended_and_its_dead_letters_are_retried_step_by_step(
    browser: Browser,
    app: Flask,
    address: str,
    run_jobs: RunJobs,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inbox_batches, "A_STEP", 1)
    for number in range(4):
        send(app, f"CLOSED {number}")
    run_jobs(app)
    enter(browser, address)
    browser.press("Failed 4")
    browser.press("Retry all 4…")
    browser.reads("Retry 4 dead letters?")
    browser.press("Retry them")
    browser.reads("4 queued again")  # the steps between follow by themselves
    browser.press("Back")
    browser.reads("No dead letters.")


def test_one_dead_letter_is_retried_and_dropped_and_its_event_replayed(
    browser: Browser, app: Flask, address: str, run_jobs: RunJobs
) -> None:
    send(app, "CLOSED")
    run_jobs(app)
    enter(browser, address)
    browser.one(".event .what").click()
    browser.reads("no such customer")
    for press, asked, sure in (
        ("Retry…", "Retry 1 dead letter?", "Retry it"),
        ("Replay this handler…", "Replay 1 event of handler app.closed?", "Replay it"),
        ("Drop…", "Drop 1 dead letter?", "Drop it"),
    ):
        browser.press(press)
        browser.reads(asked)
        browser.press("Cancel")
        browser.press(press)
        browser.press(sure)
        browser.reads("Inbound message")
        run_jobs(app)
        browser.open(browser.url)
    assert len(app.extensions["receiver"].deadletters) == 0


def test_with_the_keyboard_alone(
    browser: Browser, app: Flask, address: str, run_jobs: RunJobs
) -> None:
    send(app, "hello")
    run_jobs(app)
    browser.open(address)
    assert browser.run("return document.activeElement.id") == "password"
    browser.driver.switch_to.active_element.send_keys(PASSWORD, Keys.ENTER)
    browser.reads("Events")
    press = browser.one("body").send_keys
    press(Keys.TAB)
    active = browser.driver.switch_to.active_element
    assert active.text == "Skip to the content"
    assert active.rect["y"] >= 0
    active.send_keys(Keys.ENTER)
    assert browser.run("return document.activeElement.id") == "main"
    seen = list[str]()
    while "contact" not in seen[-1:] and len(seen) < 40:
        browser.driver.switch_to.active_element.send_keys(Keys.TAB)
        seen.append(
            browser.run("return document.activeElement.className || document.activeElement.id")
        )
        outline = browser.run("return getComputedStyle(document.activeElement).outlineStyle")
        # a field for a time shows by itself which part of it has the focus
        assert outline != "none" or seen[-1] in ("f-since", "f-until"), seen
    browser.driver.switch_to.active_element.send_keys(Keys.TAB)
    ring = "return getComputedStyle(document.activeElement.closest('.event')).outlineStyle"
    assert browser.run(ring) == "solid"
    browser.driver.switch_to.active_element.send_keys(Keys.ENTER)
    browser.reads("As we read it")


def test_a_new_event_does_not_take_the_focus_away(
    browser: Browser, app: Flask, address: str, run_jobs: RunJobs
) -> None:
    send(app, "hello")
    enter(browser, address)
    browser.run("document.querySelector('.event .what').focus()")
    focused = browser.run("return document.activeElement.id")
    run_jobs(app)
    send(app, "another")
    until(lambda: len(browser.all(".event")) == 2, "the new event")
    until(lambda: "done" in browser.texts(".event")[1], "the change of the one in focus")
    assert browser.run("return document.activeElement.id") == focused


@pytest.mark.parametrize(
    ("width", "dark"),
    [(1280, False), (1280, True), (768, False), (390, True)],
    ids=["wide", "wide and dark", "tablet", "phone, in the dark"],
)
def test_every_page_fits_and_can_be_used_by_everybody(
    browser: Browser, app: Flask, address: str, run_jobs: RunJobs, width: int, dark: bool
) -> None:
    browser.renew(width=width, dark=dark)
    furnish(app, run_jobs)
    browser.open(address)
    assert browser.barriers() == []
    enter(browser, address)
    for page in visit(browser, address):
        assert browser.barriers() == [], page
        wide = browser.run("return document.documentElement.scrollWidth")
        assert wide <= width, page
        ground = browser.run("return getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, ground[4:-1].split(","))) < 200) is dark


def test_what_would_be_a_barrier_is_found(browser: Browser, app: Flask, address: str) -> None:
    enter(browser, address)
    browser.run("document.querySelector('label[for=f-kind]').remove()")
    browser.run("document.querySelector('h1').style.color = '#999'")
    found = "".join(browser.barriers())
    assert "select-name" in found
    assert "color-contrast" in found


def test_the_figures_are_drawn(
    browser: Browser, app: Flask, address: str, run_jobs: RunJobs
) -> None:
    furnish(app, run_jobs)
    enter(browser, address)
    browser.open(f"{address}figures")
    tables = len(browser.all("figure table.plain"))
    assert len(browser.all("figure canvas")) == tables > 3
    drawn = (
        "return [...arguments[0].getContext('2d').getImageData(0, 0, 900, 400).data].some(x => x)"
    )
    assert all(browser.run(drawn, canvas) for canvas in browser.all("figure canvas"))


def test_markup_in_a_text_never_runs(
    browser: Browser, app: Flask, address: str, run_jobs: RunJobs
) -> None:
    send(app, "<script>document.title = 'owned'</script><img src=x onerror='document.title=1'>")
    run_jobs(app)
    enter(browser, address)
    send(app, "<script>document.title = 'owned'</script><svg onload='document.title=1'>")
    until(lambda: len(browser.all(".event")) == 2, "the new event")
    for page in ("", browser.one(".event .what").get_attribute("href")):
        browser.open(page or address)
        assert "owned" in browser.text
        assert "SMS inbox" in browser.driver.title
        assert browser.all("main img, main svg, main script") == []
