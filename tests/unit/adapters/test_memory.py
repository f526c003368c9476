"""What only the store in memory promises; that it is a store is shown in contract/test_store.py."""

import pytest

from engine.adapters.memory import MemoryStore
from engine.errors import AlreadyExists


def test_keys_are_as_they_were_at_the_call() -> None:
    """Writing while going through the keys is allowed."""
    store = MemoryStore()
    store.create("a", b"")
    store.create("b", b"")
    for key in store.keys(""):
        store.create(f"{key}{key}", b"")
    assert list(store.keys("")) == ["a", "aa", "b", "bb"]


def test_errors_name_the_key() -> None:
    """Who reads the message learns which key it was."""
    store = MemoryStore()
    store.create("a", b"")
    with pytest.raises(AlreadyExists) as caught:
        store.create("a", b"")
    assert (str(caught.value), caught.value.key, caught.value.retryable) == ("a", "a", False)
