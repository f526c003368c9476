"""What is checked: the folder infra, and the files beside it that have to agree with it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from infra.bicep.source import Template
from infra.bicep.types import TypeData, load

ROOT: Final = Path(__file__).parents[2]


@dataclass(frozen=True)
class Project:
    """root is where infra and azure.yaml lie; data is None where Azure's types are absent."""

    root: Path
    template: Template
    data: TypeData | None = field(repr=False)


def read(root: Path = ROOT) -> Project:
    """The project in a folder."""
    return Project(root.resolve(), Template(root / "infra"), load())
