"""A small roster of every kind, and what its calls come to."""

import math

from engine.batch.rosters.arrivals import Arrivals
from engine.batch.rosters.max_rate import MaxRate
from engine.batch.rosters.once import Once
from engine.batch.rosters.pacing import Pacing
from engine.batch.rosters.roster import Drop, Go
from engine.batch.rosters.search import RateSearch, Search
from engine.measure.threshold import parse_threshold
from engine.plan.pacer import Stages

POINTS = 6


def once(shape):
    """Every device a second after the one before."""
    return Once(lambda n: float(n) if n < shape.size else None, shape)


def pacing(shape):
    """Every device every ten seconds, one second apart."""
    return Pacing(lambda device, k: device + 10.0 * k if k < POINTS else None, shape)


def arrivals(shape):
    """Two starts a second."""
    return Arrivals(lambda n: n / 2 if n < 4 * POINTS else None, shape)


def stages(shape):
    """From no start a second to two, in 10 s, and back."""
    return Arrivals(Stages(0.0, ((10.0, 2.0), (10.0, 0.0))).due, shape)


def max_rate(shape, until_s=math.inf):
    """Every device again and again, the first starts a second apart."""
    return MaxRate(lambda n: float(n), shape, points=4 * POINTS, until_s=until_s)


def search(shape):
    """A start a second for 12 s, then faster and faster."""
    never = parse_threshold("cert.issued:throttled", "share>0.5")
    return RateSearch(Search(1.0, 1.5, 12.0, 1.0, never), shape)


MAKERS = {
    "once": once,
    "pacing": pacing,
    "max-rate": max_rate,
    "arrivals": arrivals,
    "stages": stages,
    "search": search,
}
TOTALS = {
    "once": lambda shape: shape.size,
    "pacing": lambda shape: shape.size * POINTS,
    "max-rate": lambda shape: 4 * POINTS if len(shape.unprovisioned) < shape.size else shape.size,
    "arrivals": lambda shape: 4 * POINTS,
    "stages": lambda shape: 20,
}


def total_of(name, shape, roster):
    """How many points the schedule has; a search has as many as it came to."""
    return roster.state()["starts"]["next"] if name == "search" else TOTALS[name](shape)


def goes(calls):
    return [(call.device, call.point, call.due) for call in calls if isinstance(call, Go)]


def drops(calls):
    return [(call.point, call.reason) for call in calls if isinstance(call, Drop)]
