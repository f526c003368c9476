"""The service in memory as a fixture."""

from collections.abc import Callable

import pytest

from engine.emulator.faults import Faults
from engine.emulator.service import Options
from unit.emulator.rig import Rig, make_rig


@pytest.fixture
def new_rig() -> Callable[[Options], Rig]:
    """A maker of services with options."""
    return make_rig


@pytest.fixture
def rig() -> Rig:
    """A service without faults that issues after a second."""
    return make_rig(Options(faults=Faults(issue_delay_s=1.0)))
