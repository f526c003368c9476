"""The process's limit of open files."""

import resource
from collections.abc import Iterator

import pytest

from engine.adapters.descriptors import raise_descriptors

SOFT = 256


@pytest.fixture
def hard() -> Iterator[int]:
    """The hard limit; inside the test the soft one is low."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (SOFT, before[1]))
    yield before[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_soft_limit_is_raised_as_wanted(hard: int) -> None:
    """To what is wanted, and no further."""
    assert raise_descriptors(SOFT + 10) == SOFT + 10
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (SOFT + 10, hard)


def test_limit_that_is_enough_is_left_alone(hard: int) -> None:
    """It is never lowered."""
    assert raise_descriptors(10) == SOFT
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (SOFT, hard)


def test_hard_limit_is_as_far_as_it_goes(hard: int) -> None:
    """What may really be opened is told."""
    if hard == resource.RLIM_INFINITY:
        pytest.skip("this machine has no hard limit")
    assert raise_descriptors(hard + 1) == hard
