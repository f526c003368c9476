"""The workbook: its queries are the pack's, and what its charts show is in their results."""

import json
import re
from typing import Any

import pytest
from kql import pack
from kql.asking import ASKED, BASELINE, RUN
from kql.parser import parse
from kql.workbook import PARAMETERS, PATH, WORKSPACE, rendered, shown_query
from kql.workspace import Workspace

VALUES = {"{RunId}": RUN, "{Baseline}": BASELINE, "{Operation}": "cert.issued", "{Step}": "10s"}
NUMBERS = {"long", "int", "real"}
LEFT_OVER = re.compile(r"\{[A-Za-z]\w*(?::\w+)?\}")


def workbook() -> dict[str, Any]:
    """The workbook as it is shipped."""
    found: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
    return found


def panels() -> dict[str, dict[str, Any]]:
    """The contents that show a query, by their names."""
    return {item["name"]: item["content"] for item in workbook()["items"] if item["type"] == 3}


def pickers() -> dict[str, dict[str, Any]]:
    """The parameters, by their names."""
    [content] = [item["content"] for item in workbook()["items"] if item["type"] == 9]
    return {one["name"]: one for one in content["parameters"]}


def filled_in(query: str) -> str:
    """The query as the portal sends it, with the parameters' values in it."""
    for name, value in VALUES.items():
        query = query.replace(name, value)
    assert not LEFT_OVER.search(query), query
    return query


PANELS = panels()
CHARTS = {name: content for name, content in PANELS.items() if "chartSettings" in content}


def test_workbook_is_made_of_the_pack() -> None:
    """After a change of a query or of a panel, `python tests/kql/workbook.py` writes the workbook anew."""
    assert PATH.read_text(encoding="utf-8") == rendered()


def test_queries_are_the_packs_with_parameters_in_them() -> None:
    """Seen from the file itself: with the values that are asked for, each is the pack's query, to the letter."""
    texts = pack.queries()
    asked = {"run": f"'{RUN}'", "baseline": f"'{BASELINE}'", "chosen": "'cert.issued'", "step": "10s"}
    for name, content in PANELS.items():
        assert filled_in(content["query"]) == pack.about(texts[name], asked), name
    for name, query in (("RunId", "pick-run"), ("Operation", "pick-operation"), ("Baseline", "pick-run")):
        assert filled_in(pickers()[name]["query"]) == pack.about(texts[query], asked), name


def test_every_parameter_that_is_used_exists() -> None:
    """A name in braces, in a query or a title, is a parameter's."""
    used = set(LEFT_OVER.findall(PATH.read_text(encoding="utf-8")))
    assert {name.strip("{}") for name in used} <= set(pickers())
    assert {word.strip("'{}") for word in PARAMETERS.values()} == {name.strip("{}") for name in VALUES}


def test_every_panel_asks_the_workspace_in_the_chosen_time() -> None:
    """The time range is the parameter's, and the workspace's id is put in by the deployment."""
    for content in PANELS.values():
        assert content["timeContextFromParameter"] == "TimeRange"
        assert (content["queryType"], content["resourceType"]) == (0, "microsoft.operationalinsights/workspaces")
    assert workbook()["fallbackResourceIds"] == [WORKSPACE]
    assert PATH.read_text(encoding="utf-8").count(WORKSPACE) == 1


def test_names_and_ids_are_unique() -> None:
    """The portal finds items by their names, parameters by their ids."""
    names = [item["name"] for item in workbook()["items"]]
    ids = [one["id"] for one in pickers().values()]
    assert len(set(names)) == len(names)
    assert len(set(ids)) == len(ids)


def test_panels_answer_what_is_asked_of_a_workbook() -> None:
    """Verdict, progress, latency bands, throughput, failures, throttling, generator health, hubs and workers."""
    assert set(PANELS) >= {
        "02-verdict",
        "04-percentiles-over-time",
        "05-throughput",
        "06-failures",
        "07-throttling",
        "09-hubs",
        "10-progress",
        "11-workers",
        "12-health",
    }


@pytest.fixture(scope="module")
def columns() -> dict[str, dict[str, str]]:
    """The result columns of each panel's query, which has no problem with its parameters in it."""
    found = parse({name: filled_in(content["query"]) for name, content in PANELS.items()})
    assert {name: parsed.problems for name, parsed in found.items() if parsed.problems} == {}
    return {name: dict(parsed.columns) for name, parsed in found.items()}


@pytest.mark.parametrize("name", PANELS)
def test_panel_has_rows_to_show(name: str, shared_workspace: Workspace) -> None:
    """Each query, as the portal sends it, finds something of a run."""
    assert shared_workspace.ask(filled_in(PANELS[name]["query"]))


@pytest.mark.parametrize("name", CHARTS)
def test_chart_shows_columns_of_its_query(
    name: str, columns: dict[str, dict[str, str]], shared_workspace: Workspace
) -> None:
    """Time on one axis, numbers on the other, text as series; no point is without its numbers."""
    settings, found = CHARTS[name]["chartSettings"], columns[name]
    assert found[settings["xAxis"]] == "datetime"
    assert {found[column] for column in settings["yAxis"]} <= NUMBERS
    assert "group" not in settings or (found[settings["group"]], len(settings["yAxis"])) == ("string", 1)
    rows = shared_workspace.ask(filled_in(CHARTS[name]["query"]))
    shown = [settings["xAxis"], *settings["yAxis"], *([settings["group"]] if "group" in settings else [])]
    assert all(row[column] is not None for row in rows for column in shown)
    points = [(row[settings["xAxis"]], row.get(settings.get("group", ""))) for row in rows]
    assert len(set(points)) == len(points) or name == "07-throttling"


@pytest.mark.parametrize("name", [name for name in PANELS if name not in CHARTS])
def test_table_marks_columns_of_its_query(name: str, columns: dict[str, dict[str, str]]) -> None:
    """A formatter of a column that is not there would show nothing."""
    marked = [one["columnMatch"] for one in PANELS[name]["gridSettings"]["formatters"]]
    assert set(marked) <= set(columns[name])


@pytest.mark.parametrize("name", ["RunId", "Operation"])
def test_picker_has_a_value_first(name: str, shared_workspace: Workspace) -> None:
    """A list takes the first column as value and the second as label, and begins with what is chosen at first."""
    rows = shared_workspace.ask(filled_in(pickers()[name]["query"]))
    assert list(rows[0]) == ["value", "label"]
    assert rows[0]["value"] == {"RunId": RUN, "Operation": "cert.issued"}[name]
    assert pickers()[name]["defaultValue"] == "value::1"


def test_steps_are_timespans_and_one_is_chosen() -> None:
    """The list of steps is JSON of its own."""
    steps = json.loads(pickers()["Step"]["jsonData"])
    assert [step["value"] for step in steps if step["selected"]] == ["1m"]
    texts = pack.queries()
    probes = {step["value"]: pack.with_parameters(texts["05-throughput"], step=step["value"]) for step in steps}
    assert all(not found.problems for found in parse(probes).values())


def test_query_without_parameters_is_shown_as_it_is() -> None:
    """Only what a reader chooses is a parameter."""
    texts = pack.queries()
    assert shown_query(texts["01-runs"]) == texts["01-runs"]
    assert "{RunId}" in shown_query(texts["03-percentiles"])
    assert set(ASKED) <= set(PARAMETERS)
