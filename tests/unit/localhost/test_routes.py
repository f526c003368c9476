"""Tests for engine/localhost/routes.py."""

import pytest

from engine.localhost.errors import HostError
from engine.localhost.routes import parse_route

GUID = "0F8FAD5B-d9cb-469f-a165-70867728950e"


@pytest.mark.parametrize(
    ("template", "path", "parameters"),
    [
        ("api/runs", "/api/runs", {}),
        ("api/runs", "/API/Runs/", {}),
        ("api/runs", "/api/runs/1", None),
        ("api/runs/{id}", "/api/runs/a-1", {"id": "a-1"}),
        ("api/runs/{id}", "/api/runs/a%20b%2Fc", {"id": "a b/c"}),
        ("api/runs/{id}", "/api/runs/", None),
        ("api/{run-id}/report", "/api/7/report", {"run-id": "7"}),
        ("api/{n:int}", "/api/-12", {"n": "-12"}),
        ("api/{n:int}", "/api/12a", None),
        ("api/{b:bool}", "/api/True", {"b": "True"}),
        ("api/{a:alpha}", "/api/a1", None),
        ("api/{g:guid}", f"/api/{GUID}", {"g": GUID}),
        ("api/{g:guid}", f"/api/{GUID}0", None),
        ("api/{a}/{b?}", "/api/1", {"a": "1"}),
        ("api/{a}/{b:int?}", "/api/1/2", {"a": "1", "b": "2"}),
        ("api/{a}/{b:int?}", "/api/1/x", None),
        ("api/{*rest}", "/api", {}),
        ("api/{*rest}", "/api/a/b%2Fc", {"rest": "a/b/c"}),
        ("{*rest}", "/anything/at/all", {"rest": "anything/at/all"}),
        ("api/a.b", "/api/axb", None),
    ],
)
def test_route_matches(template: str, path: str, parameters: dict[str, str] | None) -> None:
    """Literals ignore case, parameters obey their constraint, an absent one is left out, values are decoded."""
    assert parse_route(template).match(path) == parameters


@pytest.mark.parametrize("template", ["{n:float}", "{n:int:min(1)}", "x{n}", "{}", "{n=5}", "{n"])
def test_route_that_is_not_understood_is_refused(template: str) -> None:
    """A segment of another kind is refused, not matched by guess, and the constraints known are listed."""
    with pytest.raises(HostError, match="constraints known are int, long, bool, alpha, guid"):
        parse_route(f"api/{template}")


def test_routes_sort_by_how_specific_they_are() -> None:
    """Literal before constrained before free before catch-all, segment by segment."""
    templates = ["api/{*rest}", "api/{id}", "api/{id}/log", "api/{n:int}", "api/all"]
    ordered = sorted((parse_route(template) for template in templates), key=lambda route: route.ranks)
    assert [route.template for route in ordered] == [
        "api/all",
        "api/{n:int}",
        "api/{id}",
        "api/{id}/log",
        "api/{*rest}",
    ]
