# SPDX-License-Identifier: MIT
"""A real browser: Debian's Chromium, without a screen."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

CHROMIUM = "/usr/bin/chromium"
# Named, so that selenium looks for no driver to download.
DRIVER = "/usr/bin/chromedriver"

OPTIONS = (
    "--headless=new",
    "--window-size=1200,900",
    "--lang=en",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    # Nothing but the pages under test goes over the network.
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
)


def start(profile: Path) -> WebDriver:
    options = Options()
    options.binary_location = CHROMIUM
    for option in OPTIONS:
        options.add_argument(option)
    options.add_argument(f"--user-data-dir={profile}")
    if os.geteuid() == 0:
        # Chromium refuses to run its sandbox as root.
        options.add_argument("--no-sandbox")
    # Every request, for requested_hosts().
    options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
    return webdriver.Chrome(service=Service(DRIVER), options=options)


def keep(driver: WebDriver, directory: Path) -> None:
    """Leaves in the directory what the browser shows."""
    directory.mkdir(parents=True, exist_ok=True)
    driver.save_screenshot(str(directory / "screenshot.png"))
    (directory / "page.html").write_text(driver.page_source, encoding="utf-8")
    print(f"at {driver.current_url}; screenshot and page are in {directory}")


@contextmanager
def open_browser(directory: Path) -> Iterator[WebDriver]:
    """A browser with an empty profile in the directory, for one test.

    If the test fails, what it showed is kept there, or under the folder
    that BUZON_TEST_ARTIFACTS names.
    """
    driver = start(directory / "profile")
    try:
        yield driver
    except BaseException:
        artifacts = os.environ.get("BUZON_TEST_ARTIFACTS")
        keep(driver, Path(artifacts, directory.name) if artifacts else directory)
        raise
    finally:
        driver.quit()


def find(driver: WebDriver, selector: str) -> WebElement:
    """The first element of a CSS selector, as soon as it is there."""
    return WebDriverWait(driver, 20).until(
        lambda _: driver.find_element(By.CSS_SELECTOR, selector),
        f"no element {selector}",
    )


def requested_hosts(driver: WebDriver) -> set[str]:
    """The hosts that were asked for anything since this was called last."""
    hosts = set()
    for entry in driver.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            url = urlsplit(message["params"]["request"]["url"])
            # Not data: and the browser's own chrome:.
            if url.scheme in ("http", "https", "ws", "wss"):
                hosts.add(url.netloc)
    return hosts
