"""The OpenAPI document: valid, and of the calls that there are."""

import json
import runpy
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from doubles.means import make_means
from engine.errors import HarnessError
from engine.plan.spec.schema import spec_schema
from engine.run.access import Access, Guard
from engine.run.answers import STATUSES, TRY_LATER, Request, answer
from engine.run.openapi.document import get_openapi, openapi
from engine.run.openapi.refusals import FROM_ALL, MEANINGS
from unit.run.asking import post
from unit.run.openapi.described import calls, check, document, validator

FILE = Path(__file__).parents[4] / "function_app.py"


def routes() -> dict[str, tuple[str, str]]:
    """Method and path of each HTTP function of the app, by its name."""
    found = {}
    for function in runpy.run_path(str(FILE))["app"].get_functions():
        trigger = function.get_trigger()
        if trigger.get_binding_name() == "httpTrigger":
            (method,) = trigger.methods
            found[function.get_function_name()] = (method.value.lower(), f"/{trigger.route}")
    return found


@pytest.mark.parametrize("guard", Guard)
def test_document_is_valid_openapi(guard: Guard) -> None:
    """By the standard's own schema and rules, whoever is let in; its examples and defaults are checked as well."""
    validate(json.loads(json.dumps(openapi(guard))), cls=OpenAPIV31SpecValidator)


def test_document_has_the_apps_calls_and_no_others() -> None:
    """Every HTTP function is described under its name, with its method and path, and nothing else is."""
    assert routes() == {name: (method, path) for name, (method, path, _) in calls().items()}


def test_document_names_the_parameters_of_its_paths() -> None:
    """Each once, and no other."""
    for name, (_, path, call) in calls().items():
        in_path = [one["name"] for one in call["parameters"] if one["in"] == "path"]
        assert in_path == [part[1:-1] for part in path.split("/") if part.startswith("{")], name
        assert len({(one["in"], one["name"]) for one in call["parameters"]}) == len(call["parameters"])


def test_document_has_the_schema_of_a_spec() -> None:
    """The very one, extensions included: a form can be made of it."""
    assert document()["components"]["schemas"]["RunSpec"] == json.loads(json.dumps(spec_schema()))


def test_document_has_no_schema_that_nobody_uses() -> None:
    """Each is referred to, and every reference leads somewhere."""
    found = document()
    text = json.dumps(found)
    for kind in ("schemas", "headers"):
        for name in found["components"][kind]:
            assert f'"#/components/{kind}/{name}"' in text, name
    for refused in FROM_ALL:
        assert refused in text


def test_document_says_how_callers_are_let_in() -> None:
    """With a function key in the header or the query, with a token of Entra ID, or freely on one's own machine."""
    assert openapi(Guard.NONE)["security"] == []
    assert openapi(Guard.KEY)["security"] == [{"functionKey": []}, {"functionKeyInQuery": []}]
    assert openapi(Guard.ENTRA)["security"] == [{"entra": []}]
    for guard in Guard:
        found = openapi(guard)
        schemes = found["components"]["securitySchemes"]
        assert all(name in schemes for needed in found["security"] for name in needed)
    assert schemes["functionKey"]["name"] == "x-functions-key"
    assert schemes["functionKeyInQuery"]["name"] == "code"


def test_get_openapi_answers_for_the_servers_own_guard() -> None:
    """The document in JSON, which may be kept for a while by whoever asked, and by nobody else."""
    for guard in Guard:
        found = answer(get_openapi, Request(), make_means(access=Access(guard)))
        assert check("get_openapi", found) == json.loads(json.dumps(openapi(guard)))
        assert found.headers == {"Cache-Control": "private, max-age=300"}


def test_every_code_is_described_with_its_status() -> None:
    """Each code that has a status of its own has a meaning, and some call may refuse with it; a call names no code
    under another status."""
    assert set(MEANINGS) == set(STATUSES)
    told: dict[str, set[int]] = {}
    for _, _, call in calls().values():
        for status, described in call["responses"].items():
            if int(status) < 400 or int(status) == 500:
                continue
            codes = described["content"]["application/json"]["schema"]["allOf"][1]["properties"]["code"]["enum"]
            assert ("headers" in described) is (int(status) in TRY_LATER)
            for code in codes:
                told.setdefault(code, set()).add(int(status))
                assert f"`{code}`" in described["description"]
    assert told == {code: {status} for code, status in STATUSES.items()}


def test_every_call_tells_of_what_may_befall_any() -> None:
    """Nobody known, somebody who may not, settings that are wrong, a storage that is away."""
    for name, (_, _, call) in calls().items():
        assert {"401", "403", "500", "503"} <= set(call["responses"]), name


def test_codes_without_a_status_are_ours() -> None:
    """What the document says of 500 holds: no error that somebody else could mend ends there."""

    def kinds(root: type[HarnessError]) -> set[str]:
        return {root.code}.union(*(kinds(one) for one in root.__subclasses__()))

    ours = kinds(HarnessError) - set(STATUSES) - {"refused"}
    assert {"internal", "settings-invalid"} <= ours
    assert not ours & set(MEANINGS)


def test_examples_of_specs_are_accepted() -> None:
    """Every body that the document shows can be posted, and is a run."""
    _, _, call = calls()["post_run"]
    shown = call["requestBody"]["content"]["application/json"]["examples"]
    assert len(shown) >= 3
    for name, example in shown.items():
        check_accepted(example["value"], name)
    for example in spec_schema()["examples"]:
        check_accepted(example, "of the schema")


def check_accepted(spec: Any, name: str) -> None:
    """A spec that the schema allows, and that starts a run."""
    validator({"$ref": "#/components/schemas/RunSpec"}).validate(spec)
    found = post(make_means(), spec)
    assert found.status == 202, (name, found.body)
