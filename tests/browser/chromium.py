"""Chromium as this machine has it, with nowhere to go but loopback, and a watch over what its pages complain about."""

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, WebError, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost",
)
"""Whoever asks for another host gets no address, so that nothing is contacted even where a test would not see it."""
INWARD = ("about", "blob", "data", "file")
"""Schemes of addresses that lead nowhere."""
ABORTED = "net::ERR_ABORTED"
"""What a request ends with that the page itself gave up, or left behind when it went elsewhere."""


def chromium_path(environ: Mapping[str, str]) -> str:
    """The browser to start: CHROMIUM, else the first of NAMES on PATH. Where there is none, CI fails; others skip."""
    found = environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), "")
    if found and shutil.which(found):
        return found
    missing = f"there is no Chromium ({found or 'none on PATH'}): apt-get install chromium, or set CHROMIUM to one"
    if environ.get("CI") == "true":
        pytest.fail(missing)
    pytest.skip(missing)


@contextmanager
def open_browser(path: str) -> Iterator[Browser]:
    """A browser with a profile of its own that is gone with the block."""
    with sync_playwright() as driver:
        # The sandbox needs a user other than root.
        sandbox = os.geteuid() != 0
        browser = driver.chromium.launch(executable_path=path, args=list(OPTIONS), chromium_sandbox=sandbox)
        try:
            yield browser
        finally:
            browser.close()


@dataclass  # no slots: Playwright notes its own things at whom it is to call
class Watch:
    """What pages of one context did: addresses they asked for, and what went wrong.

    origin is the only one besides INWARD that they may turn to, "" for none. What `expect` was told of may go wrong,
    and has to.
    """

    origin: str
    asked: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def follow(self, context: BrowserContext) -> None:
        """Watch all pages of the context from now on, those that they open too."""
        context.on("console", self._heard)
        context.on("weberror", self._threw)
        context.on("request", self._requested)
        context.on("requestfailed", self._failed)

    def expect(self, pattern: str) -> None:
        """Let complaints pass in which the pattern is found; without one of them the test fails."""
        self.expected.append(pattern)

    def complaints(self) -> list[str]:
        """What went wrong unexpectedly, and what did not though it should have."""
        unexpected = [each for each in self.wrong if not any(re.search(one, each) for one in self.expected)]
        absent = [one for one in self.expected if not any(re.search(one, each) for each in self.wrong)]
        return unexpected + [f"expected, but did not happen: {one}" for one in absent]

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "assert"):
            self.wrong.append(f"console: {message.text} ({message.location.get('url', '')})")

    def _threw(self, error: WebError) -> None:
        self.wrong.append(f"thrown: {error.error}")

    def _requested(self, request: Request) -> None:
        self.asked.append(request.url)
        parts = urlsplit(request.url)
        if parts.scheme not in INWARD and f"{parts.scheme}://{parts.netloc}" != self.origin:
            self.wrong.append(f"foreign address: {request.url}")

    def _failed(self, request: Request) -> None:
        if request.failure != ABORTED:
            self.wrong.append(f"failed: {request.method} {request.url}: {request.failure}")


@contextmanager
def open_page(browser: Browser, origin: str = "") -> Iterator[tuple[Page, Watch]]:
    """A page with nothing remembered from others, under watch. Whoever asks for it weighs the complaints."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light")
    watch = Watch(origin)
    watch.follow(context)
    try:
        yield context.new_page(), watch
    finally:
        context.close()
