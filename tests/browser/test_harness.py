"""The browser tests' own means see what they are there to see."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.chromium import Watch, chromium_path, open_page
from tests.browser.looking import keep_views, pixels, settle, too_faint, too_wide, views


@pytest.fixture
def opened(browser: Browser) -> Iterator[tuple[Page, Watch]]:
    """A page that nobody judges."""
    with open_page(browser) as both:
        yield both


class Silent(BaseHTTPRequestHandler):
    """Answers everything with an empty page."""

    def do_GET(self) -> None:
        """Nothing but a status."""
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    """The address of a server on loopback."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Silent) as running:
        Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def html(folder: Path, body: str) -> str:
    """The address of a page on disk."""
    file = folder / "page.html"
    file.write_text(f"<!doctype html><meta charset=utf-8><title>x</title>{body}")
    return file.as_uri()


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("<script>console.error('broken')</script>", "console: broken"),
        ("<script>console.assert(false, 'untrue')</script>", "untrue"),
        ("<script>setTimeout(() => { throw new Error('late') })</script>", "thrown: late"),
        ("<script>Promise.reject(new Error('unkept'))</script>", "thrown: unkept"),
        ("<script>open('about:blank').eval('console.error(1)')</script>", "console: 1"),
        ("<img src='nothing.png'>", "failed: GET file:///"),
        ("<img src='http://example.invalid/x.png'>", "foreign address: http://example.invalid/x.png"),
        ("<script src='https://127.0.0.1:9/x.js'></script>", "foreign address: https://127.0.0.1:9/x.js"),
    ],
)
def test_page_that_goes_wrong_is_complained_about(
    opened: tuple[Page, Watch], tmp_path: Path, body: str, complaint: str
) -> None:
    """Errors on the console, thrown or unkept, in pages that it opens too; and requests that fail or go elsewhere."""
    page, watch = opened
    page.goto(html(tmp_path, body))
    page.wait_for_load_state("networkidle")
    settle(page)
    assert any(complaint in each for each in watch.complaints()), watch.wrong


def test_page_that_keeps_to_itself_is_not_complained_about(opened: tuple[Page, Watch], tmp_path: Path) -> None:
    """Words on the console, data in its own text and requests it gives up are its own business."""
    page, watch = opened
    given_up = "const a = new AbortController(); fetch('data:,x', {signal: a.signal}).catch(() => 0); a.abort()"
    page.goto(html(tmp_path, f"<img src='data:image/gif;base64,R0lGODlhAQABAAAAACw='><script>{given_up}</script>"))
    page.evaluate("console.warn('only a word')")
    assert watch.complaints() == []
    assert watch.asked[0].startswith("file://")


def test_complaint_that_is_expected_has_to_come(opened: tuple[Page, Watch], tmp_path: Path) -> None:
    """An expected one passes, and one that does not come is a complaint itself."""
    page, watch = opened
    watch.expect("brok.n")
    assert watch.complaints() == ["expected, but did not happen: brok.n"]
    page.goto(html(tmp_path, "<script>console.error('broken')</script>"))
    assert watch.complaints() == []


def test_no_host_but_loopback_has_an_address(browser: Browser, server: str, tmp_path: Path) -> None:
    """A name that always leads to this machine leads nowhere in the browser; loopback does, for whoever is allowed."""
    with open_page(browser, server) as (page, watch):
        page.goto(server)
        assert watch.complaints() == []
        page.goto(html(tmp_path, f"<img src='{server.replace('127.0.0.1', 'any.localhost')}'>"))
        page.wait_for_load_state("networkidle")
        assert any("net::ERR_NAME_NOT_RESOLVED" in each for each in watch.complaints())


def test_absent_browser_fails_in_ci_and_is_skipped_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing passes in silence because there is no Chromium."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(pytest.fail.Exception, match="no Chromium"):
        chromium_path({"CI": "true"})
    for environ in ({}, {"CHROMIUM": str(tmp_path / "none")}):
        with pytest.raises(pytest.skip.Exception, match="no Chromium"):
            chromium_path(environ)
    own = tmp_path / "chromium"
    own.touch(mode=0o755)
    assert chromium_path({"CI": "true"}) == str(own)


def test_views_are_the_page_in_each_width_and_scheme(opened: tuple[Page, Watch], tmp_path: Path) -> None:
    """Two widths, light and dark, each with a picture of its own."""
    page, _ = opened
    page.goto(html(tmp_path, "<style>@media (prefers-color-scheme: dark) { body { background: #000 } }</style>"))
    look = "() => [innerWidth, getComputedStyle(document.body).backgroundColor]"
    seen = {view: tuple(page.evaluate(look)) for view in views(page)}
    clear, black = "rgba(0, 0, 0, 0)", "rgb(0, 0, 0)"
    assert seen == {
        "1280-light": (1280, clear),
        "1280-dark": (1280, black),
        "400-light": (400, clear),
        "400-dark": (400, black),
    }
    keep_views(page, tmp_path, "x")
    assert {file.name for file in tmp_path.glob("*.png")} == {f"x-{view}.png" for view in seen}


def test_what_sticks_out_is_named(opened: tuple[Page, Watch], tmp_path: Path) -> None:
    """A wide element is, one in a box that scrolls by itself is not."""
    page, _ = opened
    wide = "<div id=wide style='width: 3000px'>wide</div>"
    page.goto(html(tmp_path, f"<div style='overflow-x: auto'>{wide}</div>"))
    assert too_wide(page) == []
    page.goto(html(tmp_path, wide))
    assert too_wide(page)[1:] == ["div#wide. wide"]


@pytest.mark.parametrize(
    ("style", "is_faint"),
    [
        ("color: #777", True),
        ("color: #767676", False),
        ("color: #777; font-size: 24px", False),
        ("color: #000; opacity: 0.4", True),
        ("color: #fff; background: rgb(0 0 0 / 30%)", True),
        ("color: #fff; visibility: hidden", False),
    ],
)
def test_faint_text_is_named(opened: tuple[Page, Watch], tmp_path: Path, style: str, is_faint: bool) -> None:
    """A text against all that is behind it, with its size, as in the table of WCAG's grey on white."""
    page, _ = opened
    page.goto(html(tmp_path, f"<body style='background: #fff'><p style='{style}'>words</p>"))
    assert bool(too_faint(page)) == is_faint, too_faint(page)


def test_pixels_are_what_was_drawn(opened: tuple[Page, Watch], tmp_path: Path) -> None:
    """A blank canvas has none."""
    page, _ = opened
    page.goto(html(tmp_path, "<canvas width=10 height=10></canvas>"))
    canvas = page.locator("canvas")
    assert pixels(canvas) == {}
    canvas.evaluate("c => { const d = c.getContext('2d'); d.fillStyle = '#ff0080'; d.fillRect(0, 0, 4, 5) }")
    assert pixels(canvas) == {"f00080": 20}
