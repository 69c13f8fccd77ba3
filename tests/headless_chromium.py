"""A real browser without a window, for the tests of pages."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    "--headless=new",
    "--window-size=1280,900",
    "--no-sandbox",  # which root, as in containers, cannot have
    "--disable-dev-shm-usage",  # small in containers
    "--disable-gpu",
    "--disable-background-networking",
)


def _program(*names: str) -> str:
    """The first of these programs that there is; the test is skipped without one."""
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip(f"needs {names[0]} (on Debian: apt-get install chromium chromium-driver)")
    return found


@contextmanager
def headless_chromium() -> Iterator[Any]:
    """A selenium driver; the test that asks for it is skipped where something is missing."""
    selenium = pytest.importorskip("selenium.webdriver", reason="needs selenium (pip)")
    options = selenium.ChromeOptions()
    options.binary_location = _program(*BROWSERS)
    for argument in ARGUMENTS:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # A driver that is named is not looked for in the network.
    service = selenium.ChromeService(executable_path=_program("chromedriver"))
    driver = selenium.Chrome(options=options, service=service)
    try:
        yield driver
    finally:
        driver.quit()


def console_errors(driver: Any) -> list[str]:
    """What the page has complained about since the last call: errors and warnings."""
    return [
        entry["message"]
        for entry in driver.get_log("browser")
        if entry["level"] in ("SEVERE", "WARNING")
    ]
