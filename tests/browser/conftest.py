"""A station, and pages in a real browser that are not allowed to complain."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from doubles.stage import Stage, open_stage
from tests.browser.chromium import Watch, chromium_path, open_browser, open_page

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium. It is closed with the module: while its driver is open, no asyncio.run is possible in this process."""
    with open_browser(chromium_path(os.environ)) as opened:
        yield opened


@pytest.fixture(scope="module")
def station_options() -> dict[str, Any]:
    """How the module's station is to be, see `doubles.stage.open_stage`; a module that wants another one says so."""
    return {}


@pytest.fixture(scope="module")
def stage(
    browser: Browser, station_options: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    """The services, for what a test does beside the page. Where there is no browser they are not even started."""
    with open_stage(tmp_path_factory.mktemp("browser") / "services", **station_options) as opened:
        yield opened


@pytest.fixture(scope="module")
def station(stage: Stage) -> str:
    """The base address of a running station's HTTP API."""
    return stage.station.url


@pytest.fixture
def watched(browser: Browser, station: str) -> Iterator[tuple[Page, Watch]]:
    """A page and who watches it. The test fails by what its pages complained about."""
    with open_page(browser, station) as (page, watch):
        yield page, watch
        complaints = watch.complaints()
    assert complaints == []


@pytest.fixture
def browser_page(watched: tuple[Page, Watch]) -> Page:
    """A page, 1280 px wide and light, that may neither complain nor turn to anybody but the station."""
    return watched[0]


@pytest.fixture
def watch(watched: tuple[Page, Watch]) -> Watch:
    """What `browser_page` asked for and complained about so far, and what it may complain about."""
    return watched[1]


@pytest.fixture(scope="session")
def artefacts() -> Path:
    """Where pictures are kept: CERTFLEET_ARTEFACTS, else out/browser in the checkout."""
    folder = Path(os.environ.get("CERTFLEET_ARTEFACTS") or ROOT / "out" / "browser")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
