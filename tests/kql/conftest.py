"""What the suites of queries have in common: everything parsed once, and a workspace with two runs in it."""

from typing import Any

import pytest
from kql import fiction, pack
from kql.asking import ASKED, BASELINE, BEGAN, RUN, Ask
from kql.fiction import Told
from kql.parser import Parsed, parse
from kql.workspace import Workspace


@pytest.fixture(scope="session")
def parsed() -> dict[str, Parsed]:
    """Every query of the pack as Microsoft's parser reads it."""
    return parse(pack.queries())


@pytest.fixture(scope="session")
def told() -> dict[str, Told]:
    """Two runs that never were, the later one slower, by their ids."""
    return {
        RUN: fiction.tell(RUN, BEGAN[RUN]),
        BASELINE: fiction.tell(BASELINE, BEGAN[BASELINE], seed=2, slowness=0.8),
    }


@pytest.fixture(scope="session")
def shared_workspace(told: dict[str, Told]) -> Workspace:
    """A workspace with both runs; no test adds to it."""
    workspace = Workspace()
    for run in told.values():
        workspace.ingest(run.envelopes())
    return workspace


@pytest.fixture
def ask(shared_workspace: Workspace) -> Ask:
    """Ask a query of the pack about the later run; more literals by name."""
    texts = pack.queries()

    def asked(query: str, **more: str) -> list[dict[str, Any]]:
        return shared_workspace.ask(pack.about(texts[query], {**ASKED, **more}))

    return asked
