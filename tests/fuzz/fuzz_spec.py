"""Specs out of anything: a RunSpec, or one of the documented errors, and never anything else."""

import contextlib
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import Problem, RunRefused, SpecError, SpecTooLarge
from engine.plan.batches import plan_run
from engine.plan.bounds import first_bound
from engine.plan.estimate import estimate
from engine.plan.spec.execution import Runner
from engine.plan.spec.parse import parse_spec
from engine.plan.spec.runner import settled
from engine.plan.spec.runspec import RunSpec
from engine.plan.spec.scenario import Executor, Scenario
from engine.plan.target import parse_targets

EXAMPLES = 300

LOCAL = json.dumps({"host": "127.0.0.1", "idScope": "0ne1"})
TARGETS = parse_targets('{"bare": {}, "small": {"ceilings": {"devices": 5}}}', allowed_hosts=(), local=LOCAL)

_names = sorted(
    {
        str(field.alias)
        for model in [RunSpec, *(field.annotation for field in RunSpec.model_fields.values())]
        for field in getattr(model, "model_fields", {}).values()
    }
)
_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=10),
    st.sampled_from(
        ["0s", "1s", "300s", "7d", "1m", "run", "local", "bare", "wait", "count==0", "cert.issued", "auto"]
    ),
    st.sampled_from([*Scenario, *Executor]),
    st.sampled_from([0, 1, 0.5, 10, 100, 10_000_000, 2**53, 1e308]),
)
_values = st.recursive(
    _scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.sampled_from(_names), st.text(max_size=4)), inner, max_size=5),
    ),
    max_leaves=12,
)
_specs = st.builds(
    lambda scenario, more: {**more, "scenario": scenario},
    st.sampled_from(Scenario),
    st.dictionaries(st.sampled_from(_names), _values, max_size=5),
)
_mutations = st.tuples(
    st.integers(0, 10**6), st.one_of(st.binary(max_size=3), st.sampled_from([b'"', b"}", b"[", b"\\u"]))
)


def outcome(body: bytes) -> RunSpec | None:
    """The spec of a body, None for a documented error; anything else escapes."""
    problems: tuple[Problem, ...] = ()
    try:
        return parse_spec(body, profiles=TARGETS, max_devices=1_000, seed=1, now=0.0)
    except SpecError as error:
        problems = error.problems
    except (SpecTooLarge, RunRefused):
        return None
    assert problems
    assert all(problem.message and "\n" not in problem.message for problem in problems)
    assert json.dumps([problem.path for problem in problems])
    return None


def follow(spec: RunSpec) -> None:
    """What is done with every spec: echoed, judged, estimated and planned."""
    assert outcome(json.dumps(spec.echo(), allow_nan=False).encode()) == spec
    target = TARGETS.by_name[spec.target]
    with contextlib.suppress(SpecError):
        assert settled(spec, has_jobs=False).execution.runner is Runner.ACTIVITY
    with contextlib.suppress(RunRefused):
        assert first_bound(spec, target).at_s >= 0
        assert json.dumps(estimate(spec, target).to_json(), allow_nan=False)
        assert plan_run(spec, run_id="run-1", ranges=[(0, spec.devices.count)], target=target).batches


@settings(max_examples=EXAMPLES)
@given(st.binary(max_size=300))
def test_spec_of_any_bytes_is_a_spec_or_refused(body: bytes):
    """Arbitrary bytes never raise anything that is not documented."""
    outcome(body)


@settings(max_examples=EXAMPLES)
@given(_values)
def test_spec_of_any_json_is_a_spec_or_refused(value: Any):
    """Nor does arbitrary JSON, NaN and lone surrogates included."""
    outcome(json.dumps(value).encode())


@settings(max_examples=EXAMPLES)
@given(_specs)
def test_spec_of_known_names_is_a_spec_or_refused(document: dict[str, Any]):
    """Nor do the names of a spec with anything under them; what parses can be echoed, estimated and planned."""
    spec = outcome(json.dumps(document).encode())
    if spec is not None:
        follow(spec)


@settings(max_examples=EXAMPLES)
@given(_specs, st.lists(_mutations, max_size=4))
def test_spec_of_a_broken_document_is_a_spec_or_refused(document: dict[str, Any], mutations: list[tuple[int, bytes]]):
    """Nor does a document with bytes put into it."""
    body = bytearray(json.dumps(document).encode())
    for at, piece in mutations:
        body[at % len(body) : at % len(body)] = piece
    outcome(bytes(body))


@settings(max_examples=EXAMPLES)
@given(st.one_of(st.binary(max_size=100).map(lambda raw: raw.decode("latin-1")), _values.map(json.dumps)))
def test_targets_of_any_text_are_targets_or_refused(text: str):
    """Target profiles keep the same promise."""
    with contextlib.suppress(SpecError, SpecTooLarge):
        parse_targets(text, allowed_hosts=("a.example",))
