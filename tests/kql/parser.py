"""Queries as Microsoft's parser reads them: what it has against them, and the columns that come out."""

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from kql.tables import TABLES

PARSES_WITHIN_S = 120.0
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Parsed:
    """problems are one line each; columns maps each column of the result to its Kusto type, in order."""

    problems: tuple[str, ...]
    columns: Mapping[str, str]


def parser_folder() -> Path:
    """Where the parser is: KUSTO_JS, else where `make test` puts it. Fails the test when it is not there."""
    installed = _ROOT / ".certfleet/kusto/node_modules/@kusto/language-service-next"
    folder = Path(os.environ.get("KUSTO_JS") or installed)
    if not (folder / "bridge.min.js").is_file():
        pytest.fail(f"the KQL parser is not installed, not in {folder}: run `make test`, or set KUSTO_JS")
    return folder


def parse(queries: Mapping[str, str]) -> dict[str, Parsed]:
    """Every query parsed against the workspace's tables, by its name."""
    asked = json.dumps({"tables": TABLES, "queries": dict(queries)})
    done = subprocess.run(
        ["node", Path(__file__).with_suffix(".cjs"), parser_folder()],
        input=asked,
        capture_output=True,
        text=True,
        timeout=PARSES_WITHIN_S,
        check=True,
    )
    answers = json.loads(done.stdout)
    return {name: Parsed(tuple(found["problems"]), dict(found["columns"])) for name, found in answers.items()}
