import json
from collections.abc import Callable
from dataclasses import replace

from engine.errors import Outcome
from engine.measure.health import Health
from engine.measure.operation import Operation, Phase
from engine.measure.sample import Sample, Series
from engine.measure.signal import Delivery
from engine.measure.timeline import Timeline
from engine.report.render import report_markdown
from engine.report.results import BatchFacts, RunResult, conclude


def test_report_of_a_troubled_run(troubled: RunResult, golden: Callable[[str, str], None]) -> None:
    """The report of a run in which everything went wrong once."""
    golden("troubled.md", report_markdown(troubled))


def test_report_of_a_calm_run(calm: RunResult, golden: Callable[[str, str], None]) -> None:
    """The report of a run that passed leaves out what did not happen."""
    golden("calm.md", report_markdown(calm))


def test_report_begins_with_the_verdict(troubled: RunResult, calm: RunResult) -> None:
    """After the name comes what it all amounts to."""
    assert report_markdown(troubled).splitlines()[2] == "**ERROR** (exit code 1): batch 2 was lost"
    assert report_markdown(calm).splitlines()[2] == "**PASSED** (exit code 0): nothing spoke against it"


def test_report_of_a_running_run_says_so(calm: RunResult) -> None:
    """A verdict so far is called that."""
    going_on = replace(calm, facts=replace(calm.facts, is_partial=True))
    assert "**PASSED so far**" in report_markdown(going_on)


def test_report_tables_have_as_many_cells_as_headings(troubled: RunResult) -> None:
    """Nothing from outside breaks a table."""
    width = 0
    for line in report_markdown(troubled).splitlines():
        cells = line.replace("\\|", "").count("|") if line.startswith("|") else 0
        assert cells in (0, width) or not width
        width = cells


def test_report_ends_with_the_spec(troubled: RunResult) -> None:
    """The spec can be copied from the report and posted again."""
    spec = report_markdown(troubled).partition("```json\n")[2].partition("\n```")[0]
    assert json.loads(spec) == troubled.facts.spec


def test_report_prints_sums_that_do_not_agree(calm: RunResult) -> None:
    """A mismatch is shown where the sums are, and named."""
    timeline = Timeline(5)
    timeline.merge(calm.timeline)
    timeline.start(Series(Operation.HUB_CONNECT, Phase.STEADY, "hub-a.example"), 3.0)
    report = report_markdown(conclude(calm.facts, timeline))
    assert "due 10 ≠ started 11 + dropped 0; started 11 = ok 10" in report
    assert "- **mismatch** hub.connect in steady: due 10 is not started 11 + dropped 0" in report
    assert "**INVALID**" in report


def test_report_caps_long_tables(calm: RunResult) -> None:
    """Hundreds of batches and kinds of failure do not drown the rest."""
    timeline = Timeline(5)
    connect = Series(Operation.HUB_CONNECT, Phase.STEADY)
    for n in range(53):
        timeline.due(connect, 0.0)
        timeline.start(connect, 0.0)
        timeline.settle(Sample(connect, 0.0, 0.0, 1.0, Outcome.SERVER, code=f"5{n:03}"))
    facts = replace(calm.facts, batches=[BatchFacts(f"batch {n}", "finished") for n in range(1052)])
    report = report_markdown(conclude(facts, timeline))
    assert ("… and 3 more in summary.json." in report, "… and 1,002 more in summary.json." in report) == (True, True)
    assert "| batch 50 |" not in report


def test_report_believes_a_healthy_generator(calm: RunResult) -> None:
    """Where no interval was over a limit the answer is yes, with the numbers."""
    batch = BatchFacts("batch 0", "finished", total=calm.total, health=(Health(0, Phase.STEADY, cpu_share=0.4),))
    report = report_markdown(conclude(replace(calm.facts, batches=(batch,)), calm.timeline))
    assert "Yes: 0 of 1 judged intervals were over a limit" in report


def test_report_says_what_became_of_telemetry(calm: RunResult) -> None:
    """Where any was sent."""
    told = report_markdown(replace(calm, facts=replace(calm.facts, telemetry=Delivery(7, 2, 1))))
    assert "## Telemetry\n\n7 signals sent, 1 dropped; 2 times one was tried again." in told
    assert "## Telemetry" not in report_markdown(calm)
