"""Reports of real runs, opened from disk as somebody would who was sent one."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from doubles.stage import Stage
from tests.browser.chromium import Watch
from tests.browser.looking import keep, pixels, settle, show, too_faint, too_wide, views

NAMES = ("calm", "storm", "troubled", "compared", "under-way")
HOSTILE = "</script><script>hit = 1</script><img src=x onerror='hit = 1'>\"{{ 7 * 7 }}<!-- \u2028 &amp;"
FAULTS = {"conflict": 0.1, "server": 0.1, "throttled": 0.1, "lost": 0.1, "dropped": 0.15, "unusable": 0.1}
PACED = {"duration": "10s", "rampUp": "2s", "pacing": {"interval": "3s"}, "gracefulStop": "5s"}
RENEWAL: dict[str, Any] = {
    "scenario": "cert-renewal",
    "devices": {"count": 16, "prefix": "calm-"},
    "load": PACED,
    "connection": {"hold": "200ms"},
    "timeouts": {"certificate": "2s"},
    "execution": {"batchSize": 4},
    "results": {"interval": "5s"},
    "thresholds": [
        {"metric": "cert.issued", "expr": "fail_rate<0.01"},
        {"metric": "cert.issued", "expr": "p(95)<=2000"},
    ],
}
CALM = {**RENEWAL, "name": "calm", "description": HOSTILE, "labels": {"team": HOSTILE[:32]}}
STORM = {
    "scenario": "connect-storm",
    "name": "storm",
    "devices": {"count": 40, "prefix": "storm-"},
    "load": {"rampUp": "0s", "gracefulStop": "10s"},
    "connection": {"hold": "3s"},
    "execution": {"batchSize": 10, "startBarrier": True},
    "results": {"interval": "5s"},
    "thresholds": [{"metric": "iteration.connected", "expr": "p(99)<=30000"}],
}
TROUBLED = {**RENEWAL, "name": "troubled", "devices": {"count": 40, "prefix": "troubled-"}}
SECTIONS = ("verdict", "over-time", "operations", "batches", "trust", "spec")


@pytest.fixture(scope="module")
def station_options() -> dict[str, Any]:
    """Two hubs, so that reports have results per hub."""
    return {"hubs": 2}


@pytest.fixture(scope="module")
def reports(stage: Stage, artefacts: Path) -> Mapping[str, Path]:
    """The report of a run of each kind, by NAMES, as files that nothing lies beside."""
    calm, storm = stage.start(CALM), stage.start(STORM)
    stage.wait(calm, lambda view: view.get("operations", {}).get("cert.issued", {}).get("ok", 0) > 20)
    kept = {"under-way": kept_report(stage, calm, artefacts / "report-under-way.html")}
    assert stage.summary(calm)["verdict"] == stage.summary(storm)["verdict"] == "passed"
    stage.set_faults(FAULTS)
    troubled = stage.start(TROUBLED)
    assert stage.summary(troubled)["verdict"] == "failed"
    stage.set_faults({})
    compared = stage.start({**RENEWAL, "name": "compared", "baseline": troubled, "execution": {"batchSize": 8}})
    stage.summary(compared)
    runs = {"calm": calm, "storm": storm, "troubled": troubled, "compared": compared}
    return kept | {name: kept_report(stage, run_id, artefacts / f"report-{name}.html") for name, run_id in runs.items()}


def kept_report(stage: Stage, run_id: str, file: Path) -> Path:
    """A file with the run's report as it is now."""
    file.write_bytes(stage.api.document(run_id, "report.html"))
    return file


def lines_of(chart: Locator) -> int:
    """How many pixels of a chart have a colour: axes and letters are grey."""
    found = pixels(chart.locator("canvas"))
    parts = {colour: [int(colour[at : at + 2], 16) for at in (0, 2, 4)] for colour in found}
    return sum(found[colour] for colour, rgb in parts.items() if max(rgb) - min(rgb) >= 0x30)


@pytest.mark.parametrize("name", NAMES)
def test_report_opens_from_disk_and_asks_for_nothing(
    browser_page: Page, watch: Watch, reports: Mapping[str, Path], name: str
) -> None:
    """It has all its sections, nothing complains, and no address but its own was turned to."""
    url = reports[name].as_uri()
    browser_page.goto(url)
    settle(browser_page)
    for section in SECTIONS:
        expect(browser_page.locator(f"#{section}")).to_be_visible()
    expect(browser_page.locator("h1")).to_have_text("calm" if name == "under-way" else name)
    assert watch.asked == [url]


@pytest.mark.parametrize("name", NAMES)
def test_report_can_be_read_in_every_view(
    browser_page: Page, reports: Mapping[str, Path], artefacts: Path, name: str
) -> None:
    """Wide and narrow, light and dark: it never scrolls sideways, every text stands out, and every chart has lines."""
    browser_page.goto(reports[name].as_uri())
    for view in views(browser_page):
        assert too_wide(browser_page) == [], view
        assert too_faint(browser_page) == [], view
        for chart in browser_page.locator(".chart").all():
            assert lines_of(chart) > 50, (view, chart.get_attribute("data-chart"))
        keep(browser_page, artefacts, f"report-{name}-{view}")


def test_text_of_people_stays_text(browser_page: Page, reports: Mapping[str, Path]) -> None:
    """What was written into description and labels is shown as it was written, and does nothing."""
    browser_page.goto(reports["calm"].as_uri())
    settle(browser_page)
    assert browser_page.evaluate("typeof hit") == "undefined"
    expect(browser_page.locator(".description")).to_have_text(HOSTILE)
    spec = json.loads(browser_page.locator("#spec-text").text_content() or "")
    assert (spec["description"], spec["labels"]["team"]) == (HOSTILE, HOSTILE[:32])


def test_choosing_an_operation_redraws_its_charts(browser_page: Page, reports: Mapping[str, Path]) -> None:
    """Charts of operations change with it, those of the generator do not; the main one is chosen at first."""
    browser_page.goto(reports["troubled"].as_uri())
    settle(browser_page)
    chooser = browser_page.get_by_role("combobox", name="operation")
    expect(chooser).to_have_value("cert.issued")
    before = drawings(browser_page)
    chooser.select_option("hub.connect")
    settle(browser_page)
    after = drawings(browser_page)
    assert {kind for kind in before if before[kind] != after[kind]} == {"intended", "actual", "throughput", "inflight"}


def drawings(page: Page) -> dict[str, str]:
    """What is drawn in each chart."""
    look = "figures => figures.map(f => [f.dataset.chart, f.querySelector('canvas').toDataURL()])"
    return dict(page.locator(".chart").evaluate_all(look))


def test_charts_can_be_read_by_keyboard(browser_page: Page, reports: Mapping[str, Path]) -> None:
    """Arrows tell what was measured when, in all charts at once; plus and zero zoom in and out."""
    browser_page.goto(reports["troubled"].as_uri())
    settle(browser_page)
    plot = browser_page.locator("[data-chart=intended] .plot")
    plot.press("0")
    settle(browser_page)
    before = drawings(browser_page)
    plot.press("ArrowRight")
    for moment in browser_page.locator(".chart .when").all():
        expect(moment).not_to_be_empty()
    value = browser_page.locator("[data-chart=intended] b[data-line=p50]")
    read = [value.text_content() or ""]
    for _ in range(3):
        plot.press("ArrowRight")
        read.append(value.text_content() or "")
    assert [text for text in read if text.endswith(" ms")], read
    plot.press("+")
    settle(browser_page)
    after = drawings(browser_page)
    assert {kind for kind in before if before[kind] == after[kind]} == set()
    plot.press("0")
    settle(browser_page)
    assert drawings(browser_page) == before


def test_theme_can_be_chosen_against_that_of_the_system(browser_page: Page, reports: Mapping[str, Path]) -> None:
    """The button takes turns: as the system has it, light, dark."""
    browser_page.goto(reports["calm"].as_uri())
    paper = "() => getComputedStyle(document.body).backgroundColor"
    show(browser_page, 1280, "dark")
    dark = browser_page.evaluate(paper)
    button = browser_page.locator("#theme")
    button.click()
    light = browser_page.evaluate(paper)
    show(browser_page, 1280, "light")
    button.click()
    assert dark != light
    assert browser_page.evaluate(paper) == dark
    button.click()
    assert browser_page.evaluate(paper) == light
