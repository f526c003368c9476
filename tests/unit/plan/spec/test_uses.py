"""What a form is told of scenarios and executors: it is what the parser does."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from engine.plan.document import take
from engine.plan.spec.parse import CHOSEN_WHEN_NULL, FILLED_IN
from engine.plan.spec.runspec import RunSpec
from engine.plan.spec.scenario import DEFAULT_EXECUTORS, Executor, Scenario
from engine.plan.spec.uses import of_executors, of_scenarios
from unit.plan.spec.fields import LEAVES, NEEDED, good_value, has, is_under, smallest, unused_by, with_value

type Parse = Callable[[Mapping[str, Any]], RunSpec]
type Problems = Callable[[Mapping[str, Any]], dict[str, str]]


def test_uses_tell_of_every_scenario_and_executor() -> None:
    """Each has an entry, and each scenario a title of its own."""
    assert list(of_scenarios()) == list(Scenario)
    assert list(of_executors()) == list(Executor)
    assert len({told["title"] for told in of_scenarios().values()}) == len(Scenario)


@pytest.mark.parametrize("scenario", Scenario)
def test_scenario_defaults_are_what_the_echo_shows(parse: Parse, scenario: Scenario) -> None:
    """All of them and no others, but for what is chosen anew for each run."""
    told = of_scenarios()[scenario]
    echo = parse({"scenario": scenario}).echo()
    shown = {path for path in LEAVES if has(echo, path)}
    assert {path: take(echo, path) for path in told["defaults"]} == told["defaults"]
    assert shown - set(told["defaults"]) <= {"/scenario", *FILLED_IN, *CHOSEN_WHEN_NULL}
    assert told["executor"] == echo["load"]["executor"] == DEFAULT_EXECUTORS[scenario]


@pytest.mark.parametrize("scenario", Scenario)
@pytest.mark.parametrize("executor", Executor)
def test_defaults_hold_with_any_executor_but_for_the_scenarios_own(
    parse: Parse, scenario: Scenario, executor: Executor
) -> None:
    """With another executor a form takes the field's default instead; every executor listed is accepted."""
    told = of_scenarios()[scenario]
    assert executor in told["executors"]
    echo = parse(smallest(scenario, executor)).echo()
    needed = {f"/load/{name}" for name in NEEDED.get(executor, {})}
    for path, schema in LEAVES.items():
        if not has(echo, path) or path in {"/scenario", *FILLED_IN, *CHOSEN_WHEN_NULL, *needed}:
            continue
        is_own = path in told["ownDefaults"] and executor is not DEFAULT_EXECUTORS[scenario]
        default = schema.get("default") if is_own else told["defaults"].get(path, schema.get("default"))
        assert take(echo, path) == default, path


@pytest.mark.parametrize("scenario", Scenario)
@pytest.mark.parametrize("executor", Executor)
def test_form_asks_for_what_is_used_and_for_nothing_else(
    problems: Problems, scenario: Scenario, executor: Executor
) -> None:
    """Of the scenario and executor together: every unused field is refused when given, every other one is accepted."""
    base = smallest(scenario, executor)
    for path in LEAVES:
        if path in ("/scenario", "/load/executor"):
            continue
        document = with_value(base, path, good_value(path))
        found = problems(document)
        if is_under(path, unused_by(document, scenario, executor)):
            told = [message for wrong, message in found.items() if is_under(path, [wrong])]
            assert told, f"{path} was not refused"
            assert told[0].startswith("not used by"), path
        else:
            assert found == {}, path


@pytest.mark.parametrize(
    ("path", "value", "unused"),
    [
        ("/load/pacing/ofValidity", 0.5, "/load/pacing/interval"),
        ("/certificate/path", "dps", "/certificate/onPending"),
        ("/execution/runner", "activity", "/execution/cpu"),
    ],
)
def test_value_that_leaves_another_field_without_meaning(
    problems: Problems, path: str, value: Any, unused: str
) -> None:
    """The field is used without the value, and refused and named beside it."""
    document = with_value(smallest(Scenario.CERT_RENEWAL), unused, good_value(unused))
    assert problems(document) == {}
    beside = with_value(document, path, value)
    assert list(problems(beside)) == [unused]
    assert unused in unused_by(beside, Scenario.CERT_RENEWAL, Executor.PER_DEVICE_PACING)
