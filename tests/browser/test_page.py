"""The live page in a real browser: runs started, watched, ended, resumed and compared on it."""

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Request, Route, expect

from doubles.stage import Stage
from tests.browser.chromium import Watch
from tests.browser.looking import keep, keep_views, pixels, settle, too_wide, views

PATIENCE_MS = 90_000
SPEC: dict[str, Any] = {
    "scenario": "cert-renewal",
    "devices": {"count": 10},
    "load": {"duration": "15s", "rampUp": "3s", "pacing": {"interval": "3s"}, "gracefulStop": "5s"},
    "results": {"interval": "5s"},
    "thresholds": [
        {"metric": "cert.issued", "expr": "p(95)<=60000"},
        {"metric": "cert.issued:lost", "expr": "count==0"},
    ],
}
MARKUP = "<img src=x onerror=alert(1)>"
EARLIER, LATER = "page-earlier", "page-later"
KEY = "not-a-real-key"


@pytest.fixture(scope="module")
def finished(stage: Stage) -> tuple[str, str]:
    """Two runs that have passed, by id."""
    found = [stage.start({**SPEC, "name": name, "labels": {"note": MARKUP}}) for name in (EARLIER, LATER)]
    for run_id in found:
        assert stage.summary(run_id)["verdict"] == "passed"
    return found[0], found[1]


def open_page(page: Page, station: str, fragment: str = "", *, key: str = "") -> None:
    """The live page, by its address."""
    page.goto(f"{station}/api/ui{f'?code={key}' if key else ''}#{fragment}")


def fill_small(page: Page, name: str) -> None:
    """The form asks for a small run of that name."""
    page.locator("#field-name").fill(name)
    page.locator("#field-load-duration").fill("15s")
    page.locator("#field-load-pacing-interval").fill("3s")


def charts(page: Page) -> list[int]:
    """How many colours each chart has, besides that of nothing."""
    settle(page)
    return [len(pixels(canvas)) for canvas in page.locator("#plots canvas").all()]


def test_page_starts_a_run_and_shows_it_move(browser_page: Page, station: str, artefacts: Path) -> None:
    """From the form to the verdict: progress rises, counts come in, all three charts are drawn."""
    page = browser_page
    open_page(page, station)
    page.get_by_role("navigation").get_by_role("link", name="New run").click()
    fill_small(page, "page-first")
    expect(page.locator("#estimate")).to_contain_text("20s")
    page.locator("#start").dblclick()
    expect(page.locator("#run-title")).to_have_text("page-first")
    assert re.search(r"#run=[a-z0-9-]+$", page.url)
    expect(page.locator("#progress-text")).to_contain_text("running", timeout=PATIENCE_MS)
    expect(page.locator("#progress")).to_have_attribute("value", re.compile(r"0\.[1-9]"), timeout=PATIENCE_MS)
    earlier = page.locator("#progress").evaluate("bar => bar.value")
    expect(page.locator("#progress")).not_to_have_attribute("value", str(earlier), timeout=PATIENCE_MS)
    assert page.locator("#progress").evaluate("bar => bar.value") > earlier
    expect(page.locator("#plots canvas")).to_have_count(3, timeout=PATIENCE_MS)
    keep(page, artefacts, "page-running")
    expect(page.locator("#verdict")).to_have_text("passed", timeout=PATIENCE_MS)
    expect(page.locator("#operations")).to_contain_text("cert.issued")
    assert min(charts(page)) > 2
    page.go_back()
    expect(page.locator("#new-view")).to_be_visible()
    page.go_back()
    expect(page.locator("#runs tbody tr").filter(has_text="page-first")).to_have_count(1)


def test_page_cancels_and_resumes_a_run(browser_page: Page, stage: Stage, station: str, artefacts: Path) -> None:
    """Only after a question; resumed, the run comes to the end it was meant to have."""
    page = browser_page
    load = {**SPEC["load"], "duration": "40s"}
    run_id = stage.start({**SPEC, "name": "page-cancelled", "load": load})
    open_page(page, station, f"run={run_id}")
    expect(page.locator("#progress-text")).to_contain_text("steady", timeout=PATIENCE_MS)
    page.locator("#cancel").click()
    page.get_by_role("button", name="Leave it").click()
    expect(page.locator("#cancel")).to_be_focused()
    page.locator("#cancel").click()
    page.get_by_role("button", name="Cancel the run").click()
    expect(page.locator("#verdict")).to_have_text("cancelled", timeout=PATIENCE_MS)
    expect(page.locator("#cancel")).to_be_hidden()
    keep(page, artefacts, "page-cancelled")
    page.locator("#resume").click()
    expect(page.locator("#progress-text")).to_contain_text("running", timeout=PATIENCE_MS)
    expect(page.locator("#verdict")).to_have_text("passed", timeout=PATIENCE_MS)
    assert stage.summary(run_id)["attempts"] == 2


def test_page_compares_two_runs(browser_page: Page, station: str, finished: tuple[str, str], artefacts: Path) -> None:
    """The choice is in the address, so the comparison can be kept and comes back."""
    page = browser_page
    earlier, later = finished
    open_page(page, station, f"run={later}")
    page.locator("#compare-with").select_option(earlier)
    expect(page.locator("#comparison")).to_contain_text(f"Beside {earlier}")
    expect(page.locator("#comparison table").first).to_contain_text("p95 ms")
    assert page.url.endswith(f"#run={later}&to={earlier}")
    keep_views(page, artefacts, "page-run")
    page.reload()
    expect(page.locator("#comparison")).to_contain_text(f"Beside {earlier}")
    expect(page.locator("#compare-with")).to_have_value(earlier)
    page.get_by_role("link", name=earlier, exact=True).click()
    expect(page.locator("#run-title")).to_have_text(EARLIER)
    expect(page.locator("#comparison")).to_be_empty()


def test_page_shows_what_it_is_told_as_text(browser_page: Page, station: str, finished: tuple[str, str]) -> None:
    """Markup in a label stays the text that somebody wrote."""
    open_page(browser_page, station, f"run={finished[0]}")
    expect(browser_page.locator("#run-facts")).to_contain_text(f"note={MARKUP}")
    expect(browser_page.locator("img")).to_have_count(0)


def test_page_opens_the_report(browser_page: Page, station: str, finished: tuple[str, str]) -> None:
    """In a tab of its own, by a link that needs nothing of the page."""
    open_page(browser_page, station, f"run={finished[0]}")
    expect(browser_page.locator("#verdict")).to_have_text("passed")
    with browser_page.expect_popup() as opened:
        browser_page.locator("#open-report").click()
    report = opened.value
    assert report.url == f"{station}/api/runs/{finished[0]}/report"
    expect(report.get_by_role("heading", name=EARLIER)).to_be_visible()


def test_page_sends_its_key_with_every_call_and_puts_it_nowhere(
    browser_page: Page, station: str, finished: tuple[str, str]
) -> None:
    """In a header, in no link; the report is fetched with it, and drawn as it is without."""
    page = browser_page
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request))
    open_page(page, station, f"run={finished[0]}", key=KEY)
    expect(page.locator("#plots canvas")).to_have_count(3)
    with page.expect_popup() as opened:
        page.locator("#open-report").click()
    report = opened.value
    expect(report.get_by_role("heading", name=EARLIER)).to_be_visible()
    expect(report.locator("canvas").first).to_be_visible()
    assert report.url.startswith("blob:")
    page.get_by_role("link", name="Runs", exact=True).click()
    expect(page.locator("#runs tbody tr")).not_to_have_count(0)
    calls = [request for request in asked if "/api/" in request.url and not request.is_navigation_request()]
    assert len(calls) > 4
    assert {request.headers.get("x-functions-key") for request in calls} == {KEY}
    assert not [request.url for request in calls if KEY in request.url]
    links = page.eval_on_selector_all("a", "all => all.map(one => one.href)")
    assert not [link for link in links if KEY in link]


def test_page_asks_for_a_key_where_one_is_needed(browser_page: Page, station: str, watch: Watch) -> None:
    """What is refused says so, and the same view is there once the key is right."""
    page = browser_page
    watch.expect("status of 401")

    def guard(route: Route) -> None:
        """A host that wants a key, and says nothing else, as the Functions host does."""
        if route.request.headers.get("x-functions-key") == KEY:
            route.continue_()
        else:
            route.fulfill(status=401, body="")

    page.route(re.compile(r"/api/(?!ui)"), guard)
    open_page(page, station)
    expect(page.locator("#access")).to_be_visible()
    expect(page.get_by_label("Function key")).to_be_focused()
    page.keyboard.type("wrong")
    page.keyboard.press("Enter")
    expect(page.locator("#access-says")).to_have_text("The server does not accept this key")
    page.get_by_label("Function key").fill(KEY)
    page.get_by_role("button", name="Use this key").click()
    expect(page.locator("#access")).to_be_hidden()
    expect(page.locator("#runs-none, #runs tbody tr").first).to_be_attached()
    assert KEY not in page.url


def test_page_goes_on_when_the_server_is_back(browser_page: Page, station: str, watch: Watch) -> None:
    """A server that is away is named, and asked again without anybody's help."""
    page = browser_page
    watch.expect("failed: GET .*/api/runs")
    watch.expect("ERR_CONNECTION_REFUSED")
    open_page(page, station)
    expect(page.locator("#runs-none, #runs tbody tr").first).to_be_attached()
    page.route("**/api/runs?*", lambda route: route.abort("connectionrefused"))
    page.locator("#filter-state").select_option("finished")
    expect(page.locator("#notice")).to_contain_text("cannot be reached")
    page.unroute("**/api/runs?*")
    expect(page.locator("#notice")).to_be_hidden(timeout=PATIENCE_MS)


def test_page_shows_a_problem_at_its_field(browser_page: Page, station: str, watch: Watch, artefacts: Path) -> None:
    """All of them at once, each where it can be mended; what is mended loses it."""
    page = browser_page
    watch.expect("status of 400")
    open_page(page, station, "new")
    page.locator("#field-load-duration").fill("soon")
    page.get_by_role("button", name="Add a threshold").click()
    page.locator("#field-thresholds-0-metric").fill("cert.issued")
    page.locator("#field-thresholds-0-expr").fill("p(95)<fast")
    page.locator("summary", has_text="Timeouts").click()
    page.locator("#field-timeouts-register").fill("0s")
    expect(page.locator("#estimate")).to_contain_text("3 things are wrong")
    for at in ("load-duration", "thresholds-0-expr", "timeouts-register"):
        expect(page.locator(f"#field-{at}")).to_have_attribute("aria-invalid", "true")
        expect(page.locator(f"#field-{at}-problem")).to_contain_text("allowed")
    keep_views(page, artefacts, "page-problems")
    page.get_by_role("button", name="thresholds / 0 / expr").click()
    expect(page.locator("#field-thresholds-0-expr")).to_be_focused()
    page.locator("#field-load-duration").fill("15s")
    page.locator("#field-timeouts-register").fill("")
    page.get_by_role("button", name="Remove threshold 1").click()
    expect(page.locator("#estimate")).to_contain_text("takes about")
    expect(page.locator("[aria-invalid]")).to_have_count(0)


def test_page_shows_the_limit_that_refuses(browser_page: Page, station: str, watch: Watch) -> None:
    """With its value and what the run would need."""
    page = browser_page
    watch.expect("status of 422")
    open_page(page, station, "new")
    page.locator("#field-devices-count").fill("100000")
    expect(page.locator("#estimate")).to_contain_text("Over a limit")
    expect(page.locator("#estimate")).to_contain_text("execution.maxParallelBatches")
    expect(page.locator("#estimate")).to_contain_text("200 batches")


def test_page_sends_only_what_was_changed(browser_page: Page, station: str) -> None:
    """The form and its JSON are one spec; what a scenario does not use is neither shown nor sent."""
    page = browser_page
    open_page(page, station, "new")
    page.locator("#json-view > summary").click()
    page.locator("#field-devices-count").fill("20")
    page.locator("#field-load-pacing-interval").fill("5s")
    expect(page.locator("#json")).to_have_value(re.compile('"interval": "5s"'))
    page.locator("#field-scenario").select_option("conformance")
    expect(page.locator("#field-load-pacing-interval")).to_be_hidden()
    expect(page.locator("#field-devices-count")).to_be_hidden()
    expect(page.locator("#json")).to_have_value('{\n  "scenario": "conformance"\n}')
    page.locator("#field-scenario").select_option("cert-renewal")
    expect(page.locator("#field-devices-count")).to_have_value("20")
    page.locator("#json").fill('{"scenario": "telemetry", "autoStop": null, "thresholds": [{"metric": "iteration"}]}')
    expect(page.locator("#field-scenario")).to_have_value("telemetry")
    expect(page.locator("#field-thresholds-0-metric")).to_have_value("iteration")
    page.locator("summary", has_text="Auto stop").click()
    expect(page.get_by_label("switched off")).to_be_checked()
    page.locator("#json").fill("{")
    expect(page.locator("#json-problem")).to_contain_text("This is no JSON")


def test_page_can_be_used_by_keyboard_alone(browser_page: Page, station: str) -> None:
    """From the address to a running run, by Tab, Enter, Space and typing; Enter in a field starts nothing."""
    page = browser_page
    open_page(page, station)
    expect(page.locator("#runs-none, #runs tbody tr").first).to_be_attached()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    tab_to(page, "nav a[data-view=new]")
    page.keyboard.press("Enter")
    expect(page.locator("#estimate")).to_contain_text("takes about")
    for field, text in (("name", "page-keyboard"), ("load-duration", "15s"), ("load-pacing-interval", "3s")):
        tab_to(page, f"#field-{field}")
        page.keyboard.type(text)
        page.keyboard.press("Enter")
    expect(page.locator("#estimate")).to_contain_text("20s")
    expect(page.locator("#new-view")).to_be_visible()
    tab_to(page, "#start")
    page.keyboard.press("Space")
    expect(page.locator("#run-title")).to_have_text("page-keyboard")
    expect(page.locator("#run-title")).to_be_focused()
    expect(page.locator("#verdict")).to_have_text("passed", timeout=PATIENCE_MS)


def tab_to(page: Page, selector: str) -> None:
    """Go from where the focus is to the element by Tab alone, within a hundred steps, and see that it shows."""
    for _ in range(100):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none"
            return
    raise AssertionError(f"{selector} cannot be reached by Tab")


def test_page_fits_every_width(browser_page: Page, station: str, finished: tuple[str, str], artefacts: Path) -> None:
    """Nothing makes it scroll sideways, in light and dark, at 1280 and 400 px."""
    page = browser_page
    ready = {"": "#runs tbody tr", "new": "#estimate dl", f"run={finished[1]}&to={finished[0]}": "#comparison table"}
    for name, (fragment, shown) in zip(("runs", "new", "run"), ready.items(), strict=True):
        open_page(page, station, fragment)
        expect(page.locator(shown).first).to_be_visible()
        for view in views(page):
            assert too_wide(page) == []
            if name == "run":
                page.locator(".menu > summary").click()
                assert too_wide(page) == []
                page.keyboard.press("Escape")
            keep(page, artefacts, f"page-{name}-{view}")


def test_page_tells_of_a_run_that_is_not_there(browser_page: Page, station: str, watch: Watch) -> None:
    """In words, with the way back."""
    watch.expect("status of 404")
    open_page(browser_page, station, "run=no-such-run")
    expect(browser_page.locator("#reasons")).to_contain_text("there is none of that id")
    browser_page.get_by_role("link", name="Runs", exact=True).click()
    expect(browser_page.locator("#runs-view")).to_be_visible()
