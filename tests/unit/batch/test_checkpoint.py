"""What a batch saves."""

import json

import pytest

from engine.batch.checkpoint import Archived, Checkpoint, CheckpointUnreadable, encode
from engine.measure.operation import Operation, Phase
from engine.measure.sample import Series
from engine.measure.timeline import Timeline


def a_timeline(at, interval_s=10.0):
    """One start."""
    timeline = Timeline(interval_s)
    timeline.due(Series(Operation.ITERATION, Phase.STEADY), at)
    return timeline


def test_checkpoint_comes_back_merged():
    """The pieces mean what they are together; the rest comes back as it was."""
    body = encode([a_timeline(1.0).encode(), a_timeline(99.0).encode()], {"next": 4, "outstanding": [2]}, handed=3)
    found = Checkpoint.decode(body)
    assert (found.roster, found.handed) == ({"next": 4, "outstanding": [2]}, 3)
    assert sorted(found.timeline.windows) == [0, 9]


def test_checkpoint_says_what_lies_elsewhere():
    """How many pieces each holder archived and what they add up to, where the load stood, what is watched."""
    body = encode(
        [a_timeline(1.0).encode()],
        {},
        handed=3,
        elapsed_s=12.5,
        archived=[Archived(1, 7), Archived(4, 2)],
        past=a_timeline(5.0).total(),
        watched=a_timeline(2.0).encode(),
    )
    found = Checkpoint.decode(body)
    assert (found.elapsed_s, found.archived) == (12.5, (Archived(1, 7), Archived(4, 2)))
    assert found.past.encode() == a_timeline(5.0).total().encode()
    assert found.watched.encode() == a_timeline(2.0).encode()


def test_first_checkpoint_has_nothing_elsewhere():
    """Nothing was archived, and nobody watches."""
    found = Checkpoint.decode(encode([a_timeline(1.0).encode()], {}, handed=3))
    assert (found.archived, found.past, found.watched) == ((), None, None)


GOOD = json.loads(encode([a_timeline(1.0).encode()], {}, handed=0))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b'{"version":2}',
        json.dumps({**GOOD, "version": 2}).encode(),
        json.dumps({**GOOD, "timelines": []}).encode(),
        json.dumps({**GOOD, "archived": [[1]]}).encode(),
        json.dumps({**GOOD, "past": "AAAA"}).encode(),
        json.dumps({**GOOD, "watched": "AAAA"}).encode(),
        json.dumps({**GOOD, "elapsedS": None}).encode(),
        json.dumps({**GOOD, "timelines": ["!"]}).encode(),
        json.dumps({**GOOD, "timelines": ["AAAA"]}).encode(),
        json.dumps({**GOOD, "timelines": 5}).encode(),
        encode([a_timeline(1.0).encode(), a_timeline(1.0, 5.0).encode()], {}, handed=0),
        encode([a_timeline(1.0).encode()], 7, handed=0),
    ],
)
def test_checkpoint_that_is_none_is_refused(body):
    """Damaged, of another version, or of windows that do not fit together."""
    with pytest.raises(CheckpointUnreadable):
        Checkpoint.decode(body)


def test_checkpoint_names_the_starts_that_are_nobodys():
    """When they were due, None for one that was due when it began."""
    body = encode([Timeline(10.0).encode()], {}, handed=3, yielding=[1.5, None])
    assert Checkpoint.decode(body).yielding == (1.5, None)
    assert Checkpoint.decode(encode([Timeline(10.0).encode()], {}, handed=3)).yielding == ()
