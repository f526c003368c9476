"""What existed when a load began is not walked while it runs."""

import gc

import pytest

from engine.batch.hush import hushed


def test_hushed_freezes_until_the_last_load_is_over():
    """Loads overlap; whoever ends first leaves the others their peace."""
    assert gc.get_freeze_count() == 0
    with hushed():
        frozen = gc.get_freeze_count()
        assert frozen > 0
        with hushed():
            assert gc.get_freeze_count() >= frozen
        assert gc.get_freeze_count() >= frozen
    assert gc.get_freeze_count() == 0


def test_hushed_ends_with_an_error_too():
    """A batch that loses its claim does not leave the process frozen."""
    with pytest.raises(KeyError), hushed():
        raise KeyError("lost")
    assert gc.get_freeze_count() == 0
