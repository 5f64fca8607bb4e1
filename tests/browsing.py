"""A real Chromium for tests, and an app served to it on a port of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from axe_core_python.selenium import Axe
from conftest import need
from flask import Flask
from processes import until
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from werkzeug.serving import make_server

_FLAGS = (
    *("headless=new", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run"),
    *("disable-background-networking", "disable-component-update", "disable-sync"),
    *("disable-dev-shm-usage", "hide-scrollbars"),
)


@contextmanager
def serving(app: Flask) -> Iterator[str]:
    """Serve an app on a free port; gives its address."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=[0.05])
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def chromium(folder: Path) -> Iterator[Browser]:
    """Start a Chromium with a profile of its own."""
    options = ChromeOptions()
    options.binary_location = need("chromium")
    for flag in _FLAGS:
        options.add_argument(f"--{flag}")
    options.add_argument(f"--user-data-dir={folder}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options=options, service=Service(need("chromedriver")))
    try:
        yield Browser(driver)
    finally:
        driver.quit()


class Browser:
    """A browser, in the words of who looks at a page."""

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver

    def renew(self, *, width: int = 1280, dark: bool = False) -> None:
        """Forget who was logged in, and take another window and other colours."""
        self.driver.get("about:blank")
        self.driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
        self.driver.get_log("browser")
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def open(self, url: str) -> None:
        """Go to a page."""
        self.driver.get(url)

    def all(self, css: str) -> list[WebElement]:
        """Give what a selector finds."""
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def texts(self, css: str) -> list[str]:
        """Give what each that a selector finds reads, at one moment."""
        script = "return [...document.querySelectorAll(arguments[0])].map(one => one.innerText)"
        found: list[str] = self.run(script, css)
        return found

    def one(self, css: str) -> WebElement:
        """Wait for the first that a selector finds."""
        found: WebElement = until(lambda: next(iter(self.all(css)), None), css)
        return found

    def type(self, css: str, text: str) -> None:
        """Type into a field."""
        self.one(css).send_keys(text)

    def press(self, words: str) -> None:
        """Press the first button or link of these words, and wait for the page that follows."""
        page = self.one("html")
        shown = f"//*[self::button or self::a][normalize-space()='{words}']"
        self.driver.find_element(By.XPATH, shown).click()
        until(lambda: page.id != self.one("html").id, f"the page behind {words}")

    def reads(self, words: str) -> None:
        """Wait until the page says these words."""
        until(lambda: words in self.text, words)

    @property
    def text(self) -> str:
        """What the page says."""
        return str(self.run("return document.body ? document.body.innerText : ''"))

    @property
    def url(self) -> str:
        """Where we are."""
        return self.driver.current_url

    def run(self, script: str, *args: Any) -> Any:
        """Run JavaScript of the test's own."""
        return self.driver.execute_script(script, *args)

    def complaints(self) -> list[str]:
        """Give what the browser has to say against our pages since it was asked last."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def barriers(self) -> list[str]:
        """Name what keeps some people from using this page, as axe sees it."""
        found = Axe().run(self.driver)["violations"]
        return [f"{one['id']}: {node['html'][:200]}" for one in found for node in one["nodes"]]
