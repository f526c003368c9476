"""A run's first state and its names."""

from doubles.means import make_means
from engine.plan.spec.parse import parse_spec
from engine.plan.spec.runspec import RunSpec
from engine.run import pool
from engine.run.files import Submission
from engine.run.means import Means
from engine.run.submission import RESERVED_S, digest, hold, new_state, reserve


def spec_of(means: Means, body: bytes, seed: int = 1) -> RunSpec:
    """A parsed spec."""
    return parse_spec(body, profiles=means.targets, max_devices=1000, seed=seed, now=0.0)


def until(means: Means) -> set[float | None]:
    """Until when run-a holds its names, from now on."""
    held = pool.holdings(means.store, "counter/device-.json", "run-a")
    return {None if one.until is None else one.until - means.clock.wall() for one in held}


def test_digest_is_that_of_the_meaning() -> None:
    """A default written out asks for the same; another seed or count does not."""
    means = make_means()
    plain = spec_of(means, b'{"scenario": "cert-renewal"}')
    assert digest(plain) == digest(spec_of(means, b'{"devices": {"count": 10}, "scenario": "cert-renewal"}'))
    assert digest(plain) != digest(spec_of(means, b'{"devices": {"count": 11}, "scenario": "cert-renewal"}'))
    assert digest(plain) != digest(spec_of(means, b'{"scenario": "cert-renewal"}', seed=2))


def test_new_state_tells_what_was_asked() -> None:
    """Enough to list the run without its spec."""
    means = make_means()
    spec = spec_of(means, b'{"scenario": "provision", "name": "nightly", "labels": {"team": "iot"}}')
    found = new_state("run-a", Submission(spec, 7.0))
    assert (found.name, found.scenario, found.target, found.labels) == (
        "nightly",
        "provision",
        "local",
        {"team": "iot"},
    )
    assert (found.created, found.spec_digest, found.stage) == (7.0, digest(spec), "accepted")
    assert found.baseline is None
    assert new_state("run-a", Submission(spec, 7.0), baseline="run-0").baseline == "run-0"


def test_names_are_reserved_shortly_and_held_long() -> None:
    """The same names, first for minutes, then for as long as the run may last."""
    means = make_means()
    spec = spec_of(means, b'{"scenario": "provision"}')
    reserve("run-a", spec, means)
    first = pool.holdings(means.store, "counter/device-.json", "run-a")
    assert until(means) == {RESERVED_S}
    held = hold("run-a", spec, means)
    assert [(one.first, one.count) for one in held] == [(one.first, one.count) for one in first]
    assert until(means) == {7200.0 + 3600.0}
    hold("run-a", spec, means, for_s=50_000.0)
    assert until(means) == {53_600.0}
