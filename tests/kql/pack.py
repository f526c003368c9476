"""The queries as they are shipped, and how one is asked about a certain run."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parents[2] / "infra" / "queries"

_LET: Final = re.compile(r"^let (?P<name>\w+) = (?P<value>'[^']*'|[0-9.]+[a-z]*);$", re.MULTILINE)


def queries() -> dict[str, str]:
    """Every query's text by its name, sorted."""
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.kql"))}


def parameters(query: str) -> dict[str, str]:
    """What may be set in a query: the literal that each name stands for."""
    return {found["name"]: found["value"] for found in _LET.finditer(query)}


def with_parameters(query: str, **values: str) -> str:
    """The query with other literals. Raises KeyError for a name that it does not have."""
    if unknown := values.keys() - parameters(query).keys():
        raise KeyError(*unknown)
    return _LET.sub(lambda found: f"let {found['name']} = {values.get(found['name'], found['value'])};", query)


def about(query: str, values: Mapping[str, str]) -> str:
    """The query with those of the literals that it has."""
    return with_parameters(query, **{name: value for name, value in values.items() if name in parameters(query)})
