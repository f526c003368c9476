"""Ids that services make up."""

import re

from engine.emulator.names import Names


def test_ids_have_their_forms_and_are_new() -> None:
    """UUIDs, operation ids and tracking ids look as recorded, and no two are the same."""
    names = Names(1)
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}", names.uuid())
    assert re.fullmatch(r"4\.[0-9a-f]{16}\.[0-9a-f-]{36}", names.operation_id())
    assert re.fullmatch(r"[0-9a-f]{32}-G2:-TimeStamp:now", names.tracking_id("now"))
    assert len({names.uuid() for _ in range(1000)}) == 1000


def test_a_seed_gives_the_same_ids() -> None:
    """A run can be repeated to the byte."""
    assert [Names(5).uuid() for _ in range(2)] == [Names(5).uuid() for _ in range(2)]
    assert Names(5).uuid() != Names(6).uuid()
