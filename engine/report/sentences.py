"""What a report says in words, as plain text: Markdown and HTML say the same."""

from collections.abc import Iterator

from engine.errors import Outcome
from engine.measure.counts import Counts
from engine.measure.evaluation import spent_s
from engine.measure.health import CPU_LIMIT, DESCRIPTOR_LIMIT, LAG_LIMIT_S
from engine.measure.operation import Phase
from engine.measure.signal import Delivery
from engine.report.results import RunResult
from engine.report.storm import Storm
from engine.report.units import NOTHING, count, duration, instant, ms, percent


def headline(result: RunResult) -> str:
    """Why the verdict is what it is, in one line."""
    reasons = result.judgement.reasons
    return reasons[0].text if reasons else "nothing spoke against it"


def asked(result: RunResult) -> list[str]:
    """What was asked, and when: phrases that follow each other."""
    facts = result.facts
    load_s = spent_s({Phase.RAMP, Phase.STEADY}, facts.durations_s)
    words = [
        f"{facts.scenario} on target {facts.target} with {count(facts.devices)} devices",
        f"{duration(load_s)} of load",
        f"run {facts.run_id}, {facts.state}",
        f"started {instant(facts.started_at) or NOTHING}, ended {instant(facts.ended_at) or NOTHING}",
        f"seed {facts.random_seed}",
    ]
    words += [f"{facts.attempts} attempts"] if facts.attempts > 1 else []
    words += [f"certfleet {facts.version}"] if facts.version else []
    return words + [f"{name}={value}" for name, value in sorted(facts.labels.items())]


def main_note(result: RunResult) -> str:
    """What the main operation's percentiles leave out."""
    counts = result.counts(result.facts.main)
    return (
        f"Percentiles cover ok and late; what was lost or timed out has no latency. Failed, late, lost or overdue: "
        f"{percent(counts.fail_rate)} of what started; dropped: {percent(counts.share(Outcome.DROPPED))} of what was "
        "due."
    )


def storm_note(storm: Storm) -> str:
    """What the storm's times count, and who did not stay."""
    return (
        "Of all devices due, from when they were due: retries count, and so does waiting for one of the handshakes "
        "that a batch has in flight. A share that was never connected, or whose hold was cut short, has no time. "
        f"Connections lost while holding: {count(storm.lost)}."
    )


def sums(counts: Counts) -> str:
    """The two sums of an operation."""
    stopped = counts.in_flight + counts.cancelled
    of_due = "=" if counts.due == counts.started + counts.dropped else "≠"
    cancelled = f" ({count(counts.cancelled)} cancelled at the end)" if counts.cancelled else ""
    return (
        f"due {count(counts.due)} {of_due} started {count(counts.started)} + dropped {count(counts.dropped)}; "
        f"started {count(counts.started)} = ok {count(counts.ok)} + failed {count(counts.failed)} + "
        f"late {count(counts.late)} + lost {count(counts.lost)} + in flight {count(stopped)}{cancelled}"
    )


def unfit(result: RunResult) -> list[str]:
    """Why the generator is not to be believed, if so."""
    return [reason for fit in result.judgement.fitness.values() for reason in fit.reasons]


def generator_note(result: RunResult) -> str:
    """Whether the generator is to be believed, and by how much."""
    fitness = result.judgement.fitness.values()
    over, judged = sum(fit.over for fit in fitness), sum(fit.judged for fit in fitness)
    limits = f"loop lag p99 {ms(LAG_LIMIT_S)} ms, CPU {percent(CPU_LIMIT)}, descriptors {percent(DESCRIPTOR_LIMIT)}"
    answer = "No" if unfit(result) else "Yes"
    return f"{answer}: {count(over)} of {count(judged)} judged intervals were over a limit ({limits})."


def batches_note(result: RunResult) -> str:
    """What the columns of the batches mean."""
    return f"started and ok are of {result.facts.main}; health is the worst interval's."


def delivery_note(delivery: Delivery) -> str:
    """What became of the run's telemetry."""
    return (
        f"{count(delivery.sent)} signals sent, {count(delivery.dropped)} dropped; "
        f"{count(delivery.retried)} times one was tried again."
    )


def delivery_warnings(delivery: Delivery | None) -> list[str]:
    """What deserves a warning about the run's telemetry, if there was any."""
    if delivery is None or not delivery.dropped:
        return []
    made = count(delivery.sent + delivery.dropped)
    return [
        f"telemetry: {count(delivery.dropped)} of {made} signals were dropped, so queries see less than this report"
    ]


def left_out(many: int) -> Iterator[str]:
    """That a table has more rows than it shows, if so."""
    if many:
        yield f"… and {count(many)} more in summary.json."
