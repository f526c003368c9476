"""The report as a page."""

import base64
import hashlib
import itertools
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from engine.errors import Outcome
from engine.measure.operation import Operation, Phase
from engine.measure.sample import Sample, Series
from engine.measure.signal import Delivery
from engine.measure.threshold import parse_threshold
from engine.measure.timeline import Timeline
from engine.measure.verdict import Ending, Verdict
from engine.report.charts import charts
from engine.report.heat import Heat
from engine.report.page import GLYPHS, policy_of, report_html
from engine.report.results import BatchFacts, RunResult, conclude
from engine.report.rows import SUMMARY_HEADINGS, summary_rows
from engine.report.tables import MOST_ROWS, batches_table, hubs_table
from engine.report.units import count

HOSTILE = "</script><img src=x onerror=alert(1)>\"'&{{ 7 * 7 }}<!--"
UPLOT_SHA256 = "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f"
VOID = {"meta", "link", "input", "br"}


class Page(HTMLParser):
    """A page, read: elements with their attributes, texts of scripts and styles, and rows of tables."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.raw: dict[str, list[str]] = {"script": [], "style": []}
        self.tables: dict[str, list[list[str]]] = {}
        self.text = ""
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag in self.raw:
            self.raw[tag].append("")
        elif tag == "caption":
            self.caption = ""
        elif tag == "tr":
            self.tables.setdefault(self.caption, []).append([])
        elif tag in ("td", "th"):
            self.tables[self.caption][-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in self.raw:
            self.raw[self.open[-1]][-1] += data
            return
        self.text += data
        if self.open and self.open[-1] == "caption":
            self.caption += data
        elif {"td", "th"} & set(self.open):
            self.tables[self.caption][-1][-1] += data

    def data(self, name: str) -> Any:
        """What a script element of this id holds."""
        scripts = [attributes for tag, attributes in self.elements if tag == "script"]
        place = next(n for n, attributes in enumerate(scripts) if attributes.get("id") == name)
        return json.loads(self.raw["script"][place])

    def code(self) -> list[str]:
        """The scripts that are run."""
        scripts = [attributes for tag, attributes in self.elements if tag == "script"]
        return [text for attributes, text in zip(scripts, self.raw["script"], strict=True) if not attributes]


def heated(result: RunResult) -> RunResult:
    """The run with a heat map of all it measured as one batch."""
    heat = Heat(result.facts.main, result.timeline.interval_s)
    heat.add("batch 0", result.timeline, result.total)
    return replace(result, facts=replace(result.facts, heat=heat))


def hostile(calm: RunResult) -> RunResult:
    """A run in which everything from outside tries to leave its place."""
    timeline = Timeline(5)
    series = Series(Operation.HUB_CONNECT, Phase.STEADY, HOSTILE)
    for hub in (series, replace(series, hub="hub-b.example")):
        timeline.begin(hub, 0.0)
        timeline.settle(Sample(hub, 0.0, 0.0, 1.0, Outcome.SERVER, HOSTILE[:60], HOSTILE, HOSTILE, ((HOSTILE, 0.5),)))
        timeline.begin(hub, 0.0)
        timeline.settle(Sample(hub, 0.0, 0.0, 1.0, Outcome.OK, parts=((HOSTILE, 0.5),)))
    facts = replace(
        calm.facts,
        name=HOSTILE,
        run_id=HOSTILE,
        target=HOSTILE,
        labels={HOSTILE: HOSTILE},
        spec={"description": HOSTILE, HOSTILE: HOSTILE},
        batches=[BatchFacts(HOSTILE, HOSTILE, HOSTILE)],
        emulator={HOSTILE: 3},
        search={
            "stopWhen": HOSTILE,
            "knee": {"held": None, "failed": None, "limitedBy": HOSTILE},
            "curve": [
                {"rate": 1.0, "beginS": 0.0, "endS": 1.0, "starts": 1, "dropped": 0, "value": 0.1, "held": True},
                {"rate": 2.0, "beginS": 1.0, "endS": 2.0, "starts": 1, "dropped": 0, "value": 0.9, "held": False},
            ],
        },
        baseline=calm.side(),
    )
    found = conclude(facts, timeline, ending=Ending(errors=(HOSTILE, HOSTILE + "2")))
    judgement = replace(found.judgement, warnings=(HOSTILE,), mismatches=(HOSTILE,))
    heat = Heat(facts.main, 5.0)
    heat.add(HOSTILE, timeline, timeline.total())
    return replace(found, judgement=judgement, facts=replace(facts, heat=heat))


def test_page_begins_with_the_verdict(troubled: RunResult) -> None:
    """Verdict, name and first reason come before anything else of the main part."""
    text = " ".join(Page(report_html(troubled)).text.partition("Theme: auto")[2].split())
    assert text.startswith("!error exit code 1 nightly | renewal batch 2 was lost also invalid batch 1:")


@pytest.mark.parametrize("verdict", list(Verdict))
def test_page_tells_every_verdict_by_a_sign_and_a_word(calm: RunResult, verdict: Verdict) -> None:
    """A colour alone does not tell."""
    found = replace(calm, judgement=replace(calm.judgement, verdict=verdict))
    page = report_html(found)
    assert f'<span class="glyph" aria-hidden="true">{GLYPHS[verdict]}</span><strong>{verdict}</strong>' in page
    assert f"<title>{verdict.upper()}: churn</title>" in page


def test_page_of_a_running_run_says_so(calm: RunResult) -> None:
    """In its title, and beside the verdict."""
    page = report_html(replace(calm, facts=replace(calm.facts, is_partial=True)))
    assert "<title>PASSED so far: churn</title>" in page
    assert "<strong>passed</strong> <span>so far</span>" in page


def test_page_has_the_rows_of_the_other_reports(troubled: RunResult) -> None:
    """The same cells as in Markdown and in the terminal."""
    tables = Page(report_html(heated(troubled))).tables
    assert tables["All operations: counts and intended latencies"] == [
        list(SUMMARY_HEADINGS),
        *map(list, summary_rows(troubled)),
    ]
    assert tables["Batches of the plan"][1:] == [list(row) for row in batches_table(troubled).rows]
    assert tables["Each hub, by operation"][1:] == [list(row) for row in hubs_table(troubled).rows]
    throttled = tables["Failures of all phases, the most frequent first; times in seconds from the start of the load"][
        1
    ]
    assert throttled == [
        "cert.issued", "throttled", "429002", "service", "2", "7.0", "8.0",
        "device-5: too many | requests, <slow> *down*device-6",
    ]  # fmt: skip


def test_page_tables_are_regular(troubled: RunResult) -> None:
    """Every row has as many cells as its heading; every table a caption; every heading says for what."""
    page = Page(report_html(heated(troubled)))
    for caption, rows in page.tables.items():
        assert {len(row) for row in rows} == {len(rows[0])}, caption
    counted = [tag for tag, _ in page.elements]
    assert counted.count("table") == counted.count("caption") == len(page.tables)
    assert {attributes.get("scope") for tag, attributes in page.elements if tag == "th"} == {"col", "row"}


def test_page_closes_what_it_opens(troubled: RunResult, calm: RunResult) -> None:
    """Elements nest, and ids are given once."""
    for result in (heated(troubled), calm, hostile(calm)):
        page = Page(report_html(result))
        assert page.open == []
        ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
        assert len(ids) == len(set(ids))


def test_page_headings_leave_no_level_out(troubled: RunResult) -> None:
    """One first heading, sections below it."""
    levels = [int(tag[1]) for tag, _ in Page(report_html(heated(troubled))).elements if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_page_leads_only_to_its_own_sections(troubled: RunResult) -> None:
    """Every link of it has its place on the page."""
    page = Page(report_html(troubled))
    ids = {attributes.get("id") for _, attributes in page.elements}
    links = [attributes["href"] for tag, attributes in page.elements if tag == "a"]
    assert len(links) > 5
    assert all(link is not None and link.removeprefix("#") in ids and link[0] == "#" for link in links)


def test_page_shows_what_the_run_was(troubled: RunResult, calm: RunResult) -> None:
    """Sections of what did not happen are left out."""
    ids = {
        name: {found.get("id") for _, found in Page(report_html(result)).elements}
        for name, result in (("troubled", troubled), ("calm", calm))
    }
    assert {"failures", "batches", "trust", "spec"} <= ids["troubled"]
    assert not {"failures", "comparison", "knee", "storm", "heat"} & ids["calm"]


def test_page_compares_with_the_baseline(troubled: RunResult, calm: RunResult) -> None:
    """Where there is one."""
    page = Page(report_html(replace(calm, facts=replace(calm.facts, baseline=troubled.side()))))
    assert page.tables["Beside run nightly-7"][0] == ["operation", "number", "churn-1", "nightly-7", "change"]


def test_page_says_what_became_of_telemetry(calm: RunResult) -> None:
    """That something was dropped stands out."""
    told = replace(calm, facts=replace(calm.facts, telemetry=Delivery(7, 2, 1)))
    assert '<p class="bad">7 signals sent, 1 dropped; 2 times one was tried again.</p>' in report_html(told)
    assert "None was sent." in report_html(calm)


def test_page_caps_long_tables(calm: RunResult) -> None:
    """summary.json has the rest."""
    facts = replace(calm.facts, batches=[BatchFacts(f"batch {n}", "finished") for n in range(MOST_ROWS + 1002)])
    page = Page(report_html(replace(calm, facts=facts)))
    assert len(page.tables["Batches of the plan"]) == 1 + MOST_ROWS
    assert f"… and {count(1002)} more in summary.json." in page.text


def test_page_holds_the_charts_data(troubled: RunResult) -> None:
    """Machines can read the page too."""
    found = heated(troubled)
    assert Page(report_html(found)).data("charts-data") == charts(found)


def test_page_holds_the_limits_of_latencies(calm: RunResult) -> None:
    """Those of the operation as a whole: they are drawn where its latency is."""
    thresholds = [
        parse_threshold("hub.connect", "p(95)<1000"),
        parse_threshold("hub.connect@actual", "max<=70"),
        parse_threshold("hub.connect.tls", "p(95)<1000"),
        parse_threshold("hub.connect", "fail_rate<0.5"),
        parse_threshold("hub.connect", "avg<2*baseline"),
    ]
    limits = Page(report_html(conclude(calm.facts, calm.timeline, thresholds=thresholds))).data("limits-data")
    assert [(limit["operation"], limit["latency"], limit["ms"]) for limit in limits] == [
        ("hub.connect", "intended", 1000),
        ("hub.connect", "actual", 70),
    ]


def test_page_takes_nothing_from_outside_as_markup(calm: RunResult) -> None:
    """Names, codes, details, hosts and specs stay text, in elements, attributes and data."""
    result = hostile(calm)
    text = report_html(result)
    page, plain = Page(text), Page(report_html(heated(calm)))
    assert "img" not in {tag for tag, _ in page.elements}
    assert {name for _, attributes in page.elements for name in attributes if name.startswith("on")} == set()
    assert page.code() == plain.code()
    assert "<!--" not in text.partition("charts-data")[2].partition("<!-- uPlot")[0]
    assert page.data("charts-data") == charts(result)
    assert HOSTILE in page.text
    assert "{{ 7 * 7 }}" in page.text


def test_page_data_cannot_end_its_element(calm: RunResult) -> None:
    """No tag and no comment can begin in it, and lines end only where JSON says."""
    text = report_html(hostile(calm))
    for name in ("charts-data", "limits-data"):
        held = text.partition(f'id="{name}">')[2].partition("</script>")[0]
        assert not re.search("[<>&\u2028\u2029]", held)


def test_page_spec_can_be_posted_again(troubled: RunResult) -> None:
    """It is on the page as JSON, whole."""
    text = Page(report_html(troubled)).text
    assert json.loads(text[text.index('{\n  "specVersion"') : text.rindex("}") + 1]) == troubled.facts.spec


def test_page_allows_just_what_was_put_in(calm: RunResult) -> None:
    """Its policy has the hash of every script and style on it, and of nothing else."""
    text = report_html(heated(calm))
    page = Page(text)
    policy = next(
        attributes["content"] for tag, attributes in page.elements if tag == "meta" and "http-equiv" in attributes
    )
    assert policy is not None
    allowed = dict(part.split(" ", 1) for part in policy.split("; "))
    for name, sources in (("script-src", page.code()), ("style-src", page.raw["style"])):
        hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(one.encode()).digest()).decode()}'" for one in sources]
        assert allowed[name].split() == hashes
        assert len(hashes) == 2
    assert (allowed["default-src"], allowed["base-uri"], allowed["form-action"]) == ("'none'", "'none'", "'none'")


def test_page_has_no_inline_style_nor_handler(troubled: RunResult) -> None:
    """Its policy would not let them work."""
    page = Page(report_html(heated(troubled)))
    names = {name for _, attributes in page.elements for name in attributes}
    assert not {name for name in names if name == "style" or name.startswith("on")}


def test_page_loads_nothing(troubled: RunResult, calm: RunResult) -> None:
    """No address of another host is on it, but in the comment that names where a script came from."""
    for result in (heated(troubled), calm):
        page = report_html(result)
        rest = re.sub(r"/\*! https://github\.com/leeoniya/uPlot \(v[\d.]+\) \*/", "", page)
        assert len(rest) < len(page)
        assert not re.findall(r"(?:https?:)?//[a-z0-9-]+\.[a-z]", rest)
        assert not re.findall(r"https?:", rest)
        sources = [attributes for tag, attributes in Page(page).elements if {"src", "srcset"} & set(attributes)]
        assert sources == []
        links = [attributes["href"] for tag, attributes in Page(page).elements if tag == "link"]
        assert links == ["data:,"]


def test_page_names_what_it_is_drawn_with(calm: RunResult) -> None:
    """uPlot 1.6.32 as published, with its licence."""
    page = report_html(calm)
    assert "Charts: uPlot 1.6.32, MIT licence." in page
    assert "Permission is hereby granted, free of charge" in page
    assert "Leon Sorokin" in page
    script = Page(page).code()[0]
    assert hashlib.sha256(script.encode()).hexdigest() == UPLOT_SHA256


def test_page_is_small(troubled: RunResult) -> None:
    """The scripts and styles are most of a short run's page."""
    assert len(report_html(heated(troubled)).encode()) < 150_000


def test_policy_of_a_page_is_its_own(calm: RunResult) -> None:
    """And that nobody may frame it, which only a header can say."""
    page = report_html(calm).encode()
    policy = policy_of(page)
    assert policy.endswith("; frame-ancestors 'none'")
    assert f'content="{policy.removesuffix("; frame-ancestors 'none'")}"'.encode() in page


def test_policy_of_anything_else_allows_nothing() -> None:
    """A page that says nothing of it is nothing that was made here."""
    assert policy_of(b"<script>alert(1)</script>") == "default-src 'none'; frame-ancestors 'none'"
