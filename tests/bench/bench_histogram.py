"""What a record, a quantile and a merge cost: one JSON line, nanoseconds each.

python tests/bench/bench_histogram.py [durations]
"""

import json
import random
import sys
from pathlib import Path
from time import perf_counter_ns

sys.path.insert(0, str(Path(__file__).parents[2]))

from engine.measure.histogram import Histogram

BUDGET_RECORD_NS = 1_000
"""A device settles a few operations per second; thousands of devices share a core."""


def measure(durations: int) -> dict[str, float]:
    """Nanoseconds per call, the best of five rounds over log-normal durations around 100 ms."""
    dice = random.Random(1)
    values = [dice.lognormvariate(-2.3, 1.0) for _ in range(durations)]
    rounds = [_round(values) for _ in range(5)]
    return {name: min(one[name] for one in rounds) for name in rounds[0]}


def _round(values: list[float]) -> dict[str, float]:
    histogram, begun = Histogram(), perf_counter_ns()
    for value in values:
        histogram.record(value)
    recorded = perf_counter_ns()
    for n in range(100):
        histogram.quantile(n / 100)
    asked = perf_counter_ns()
    for _ in range(100):
        Histogram().merge(histogram)
    merged = perf_counter_ns()
    return {
        "record_ns": round((recorded - begun) / len(values), 1),
        "quantile_ns": (asked - recorded) / 100,
        "merge_ns": (merged - asked) / 100,
        "buckets": (len(histogram.pack()) - 3) / 2,
    }


if __name__ == "__main__":
    durations = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    print(
        json.dumps({"bench": "histogram", "durations": durations, "budget_ns": BUDGET_RECORD_NS, **measure(durations)})
    )
