"""One set of services for all runs that do not break them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from doubles.stage import Stage, open_stage


@pytest.fixture(scope="session")
def shared_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Storage, emulator and host."""
    with open_stage(tmp_path_factory.mktemp("stage")) as stage:
        yield stage


@pytest.fixture
def stage(shared_stage: Stage) -> Iterator[Stage]:
    """The shared services, with an emulator that behaves, before and after."""
    shared_stage.set_faults({})
    yield shared_stage
    shared_stage.set_faults({})


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where services of a test's own keep their state."""
    return tmp_path / "services"
