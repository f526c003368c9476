"""The checks bite: each mistake, planted into a copy of the real templates, is told of with its file and line."""

from pathlib import Path

import pytest

from infra import check
from infra.bicep.types import load, path_of_types
from infra.planted import MISTAKES, Mistake, copy_of_project, plant
from infra.project import read
from infra.rules import queries
from infra.samples import places

HAS_TYPES = load() is not None


@pytest.mark.parametrize("name", MISTAKES)
def test_planted_mistake_is_told_with_its_line(name: str, tmp_path: Path) -> None:
    """Nothing but the mistake changed, so whoever reads the line sees it."""
    mistake = MISTAKES[name]
    if mistake.needs_types and not HAS_TYPES:
        pytest.skip(f"{path_of_types()} is absent")
    project = copy_of_project(tmp_path)
    expected = plant(mistake, project)
    assert expected in places(check.offline(read(project)), project)


def test_broken_query_is_told_with_its_line(tmp_path: Path) -> None:
    """What the alert asks is what the portal would refuse."""
    project = copy_of_project(tmp_path)
    path = "infra/queries/alert-scheduled-runs.kql"
    expected = plant(Mistake(path, r"^\| where ", "| were ", ""), project)
    found = places(queries.check(read(project)), project)
    assert expected[:2] in [place[:2] for place in found]


def test_template_without_a_mistake_has_none_planted(tmp_path: Path) -> None:
    """The copy itself is as sound as the project."""
    project = copy_of_project(tmp_path)
    assert check.offline(read(project)) == []
