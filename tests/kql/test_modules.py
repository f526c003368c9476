"""The Bicep that ships queries, workbook and alert: it loads what there is, and all of it."""

import re
from pathlib import Path

import pytest
from kql import pack
from kql.test_pack import COLUMNS
from kql.workbook import WORKSPACE

PLATFORM = pack.FOLDER.parent / "platform"
LOADED = re.compile(r"loadTextContent\('([^']+)'\)")
MODULES = ("alert.bicep", "queries.bicep", "workbook.bicep")


def loaded(module: str) -> list[Path]:
    """The files that a module loads."""
    return [(PLATFORM / name).resolve() for name in LOADED.findall((PLATFORM / module).read_text(encoding="utf-8"))]


@pytest.mark.parametrize("module", MODULES)
def test_module_loads_files_that_exist(module: str) -> None:
    """A path is relative to the module."""
    assert loaded(module)
    assert all(path.is_file() for path in loaded(module))


def test_query_pack_ships_every_numbered_query_once() -> None:
    """What is for lists and the alert alone stays out of it."""
    numbered = sorted(path.stem for path in pack.FOLDER.glob("[0-9]*.kql"))
    assert sorted(path.stem for path in loaded("queries.bicep")) == numbered


def test_alert_splits_by_columns_of_its_query() -> None:
    """Each schedule is an alert of its own."""
    text = (PLATFORM / "alert.bicep").read_text(encoding="utf-8")
    assert [path.stem for path in loaded("alert.bicep")] == ["alert-scheduled-runs"]
    split = re.findall(r"name: '(\w+)', operator: 'Include'", text)
    assert split
    assert set(split) <= set(COLUMNS["alert-scheduled-runs"])


def test_workbook_is_given_the_workspace() -> None:
    """The word that stands for the workspace's id in the file is the one that the module replaces."""
    assert f"'{WORKSPACE}'" in (PLATFORM / "workbook.bicep").read_text(encoding="utf-8")
