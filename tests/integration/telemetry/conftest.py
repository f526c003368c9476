"""An ingestion endpoint, and ways out that lead to it."""

from collections.abc import Iterator

import pytest

from doubles.ingestion import Ingestion, run_ingestion


@pytest.fixture
def endpoint() -> Iterator[Ingestion]:
    """It takes everything until it is told otherwise."""
    with run_ingestion() as found:
        yield found
