"""Hosts for tests: one to share, and any number of one's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.localhost.hosting import Host, StartHost


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """One host for all tests that leave it as they found it."""
    folder = tmp_path_factory.mktemp("shared")
    shared = Host(folder, "--no-timers", "--state", str(folder / "state.db"))
    yield shared
    shared.kill()


@pytest.fixture
def start_host(tmp_path: Path) -> Iterator[StartHost]:
    """Starts hosts that all use this test's folder; kills what is left of them."""
    started: list[Host] = []

    def start(*flags: str, env: dict[str, str] | None = None) -> Host:
        started.append(Host(tmp_path, *flags, env=env))
        return started[-1]

    yield start
    for each in started:
        each.kill()
